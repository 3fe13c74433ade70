package schema

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/nono-run/nono/sdk/lazyregexp"
)

// Literals reports every value in the body, and in the blocks within it, that is not written out: a
// reference, a call, an operator, a template. The policy language has none of them, so that a file
// means the same wherever it is read.
func Literals(body *hclsyntax.Body, source func(filename string) []byte) []Problem {
	var ps []Problem
	for _, attr := range body.Attributes {
		if p := literal(attr.Expr, source); p != nil {
			ps = append(ps, *p)
		}
	}
	for _, block := range body.Blocks {
		ps = append(ps, Literals(block.Body, source)...)
	}
	return sorted(ps)
}

// Unwritten is the problem of [Literals] for a value that must not be repeated.
func Unwritten(name string, at hcl.Range) Problem {
	return Problem{
		Range: at, Summary: fmt.Sprintf("the value of %q must be written out", name),
		Detail: "a string stands in quotes, and ${ in it is written $${",
	}
}

// literal returns the first thing in the expression that would have to be evaluated.
func literal(expr hclsyntax.Expression, source func(string) []byte) *Problem {
	first := func(exprs ...hclsyntax.Expression) *Problem {
		for _, e := range exprs {
			if p := literal(e, source); p != nil {
				return p
			}
		}
		return nil
	}
	switch e := expr.(type) {
	case *hclsyntax.LiteralValueExpr:
		return nil
	case *hclsyntax.ParenthesesExpr:
		return literal(e.Expression, source)
	case *hclsyntax.TupleConsExpr:
		return first(e.Exprs...)
	case *hclsyntax.ObjectConsExpr:
		for _, item := range e.Items {
			if p := first(item.KeyExpr, item.ValueExpr); p != nil {
				return p
			}
		}
		return nil
	case *hclsyntax.ObjectConsKeyExpr:
		if hcl.ExprAsKeyword(e.Wrapped) != "" && !e.ForceNonLiteral {
			return nil // a bare word before "=" is a name
		}
		return literal(e.Wrapped, source)
	case *hclsyntax.TemplateExpr:
		for _, part := range e.Parts {
			if _, ok := part.(*hclsyntax.LiteralValueExpr); !ok {
				return interpolated(e, source)
			}
		}
		return nil
	case *hclsyntax.TemplateWrapExpr:
		return interpolated(e, source)
	case *hclsyntax.UnaryOpExpr:
		if _, ok := e.Val.(*hclsyntax.LiteralValueExpr); ok && e.Op == hclsyntax.OpNegate {
			return nil
		}
	case *hclsyntax.ScopeTraversalExpr:
		name := text(e.Range(), source)
		return &Problem{
			Range: e.Range(), Summary: fmt.Sprintf("%s stands without quotes", name),
			Detail: fmt.Sprintf("there are no variables here; a string is written %q", name),
		}
	case *hclsyntax.FunctionCallExpr:
		return &Problem{
			Range:   e.Range(),
			Summary: fmt.Sprintf("%s() is a function, and there are none here", e.Name),
			Detail:  "write the value itself",
		}
	}
	return &Problem{
		Range: expr.Range(), Summary: "a value must be written out, and this would have to be computed",
		Detail: `write a string in quotes, a number, true, false, or a list of them`,
	}
}

// pathVariable finds ${HOME} and the like, also spelt as other tools spell them (${env.HOME}).
var pathVariable = lazyregexp.New(
	`\$\{\s*(?:env\.|var\.)?(HOME|WORKDIR|TMPDIR|UID|XDG_[A-Z_]+)\s*\}`)

// interpolated is the problem with a "${...}" or "%{...}", with the spelling that we mean where we
// can tell.
func interpolated(expr hclsyntax.Expression, source func(string) []byte) *Problem {
	written := text(expr.Range(), source)
	p := &Problem{Range: expr.Range(), Summary: "${...} is not evaluated here"}
	if meant := pathVariable.ReplaceAllString(written, "$$$1"); meant != written {
		p.Detail = "write " + meant
		return p
	}
	p.Detail = "in a path ~ $HOME $WORKDIR $TMPDIR $UID and $XDG_... are understood, " +
		"without braces; for a literal ${ write $${"
	return p
}

// text is what stands at a range.
func text(r hcl.Range, source func(string) []byte) string {
	src := source(r.Filename)
	if !r.CanSliceBytes(src) {
		return "this"
	}
	return string(r.SliceBytes(src))
}
