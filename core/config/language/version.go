package language

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/nono-run/nono/core/diag"
)

// Version is what a file that nono writes says of its form: version = 1. It is looked for before
// anything else, for the file of a later nono may hold what this one's grammar does not have.
func Version(text diag.Text) (int64, bool) {
	if TooDeep(text.Content) > 0 || computes(text.Content) != nil {
		return 0, false
	}
	file, diags := hclsyntax.ParseConfig(text.Content, fileName(text), hcl.InitialPos)
	if diags.HasErrors() {
		return 0, false
	}
	attribute, ok := file.Body.(*hclsyntax.Body).Attributes["version"]
	if !ok {
		return 0, false
	}
	literal, ok := attribute.Expr.(*hclsyntax.LiteralValueExpr)
	if !ok || literal.Val.IsNull() || literal.Val.Type() != cty.Number {
		return 0, false
	}
	n, _ := literal.Val.AsBigFloat().Int64()
	return n, literal.Val.AsBigFloat().IsInt()
}
