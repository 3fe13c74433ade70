package schema

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Each message of hcl's that is put into other words is one that hcl still gives: after an update
// that words it anew, a user would get hcl's own again, and nobody would notice.
func TestEveryRewordedMessageIsStillGiven(t *testing.T) {
	texts := map[string]string{
		"Argument definition required":                    "a { b { =",
		"Argument or block definition required":           ")",
		"Extra characters after interpolation expression": `a = "${1e`,
		"Invalid argument name":                           `"`,
		"Invalid block definition":                        "b x",
		"Invalid character encoding":                      "\xff",
		"Invalid character":                               `\`,
		"Invalid escape sequence":                         `x"\q`,
		"Invalid expression":                              "x=*",
		"Invalid multi-line string":                       "\"\n",
		"Invalid number literal":                          "a = 1e1e1",
		"Invalid single-argument block definition":        "a { b = 1\n,",
		"Invalid template control keyword":                `a = "%{x`,
		"Invalid template directive":                      `a = "%{`,
		"Missing attribute separator":                     "a = {a=x!",
		"Missing attribute value":                         "a = {E\n",
		"Missing expression":                              "b=",
		"Missing item separator":                          "a = [1e",
		"Missing key/value separator":                     "a = {1e",
		"Missing newline after argument":                  "a=1e",
		"Missing newline after block definition":          "b{} c",
		"Unbalanced parentheses":                          "x=(a]",
		"Unclosed configuration block":                    "a{",
		"Unclosed template interpolation sequence":        `a = "${1`,
		"Unexpected comma after argument":                 "a = a,",
		"Unsupported operator":                            "&",
		"Unterminated object constructor expression":      "x={x",
		"Unterminated string literal":                     `a"`,
		"Unterminated template string":                    `x=";`,
		"Unterminated tuple constructor expression":       "a = [a",
	}
	for summary := range syntax {
		text, ok := texts[summary]
		if !ok {
			t.Errorf("no text here makes hcl say %q", summary)
			continue
		}
		_, diags := hclsyntax.ParseConfig([]byte(text), "x", hcl.InitialPos)
		if len(diags) == 0 || diags[0].Summary != summary {
			t.Errorf("hcl says of %q: %v, and no longer %q", text, diags, summary)
		}
	}
	for summary := range texts {
		if _, ok := syntax[summary]; !ok {
			t.Errorf("%q is not put into other words", summary)
		}
	}
}

// The same for what hcl says of a text that can be read and does not fit the grammar.
func TestEveryRewordedMessageOfTheGrammarIsStillGiven(t *testing.T) {
	known := &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "a", Required: true}},
		Blocks: []hcl.BlockHeaderSchema{
			{Type: "plain"},
			{Type: "named", LabelNames: []string{"NAME"}},
		},
	}
	for text, want := range map[string]struct{ hcl, ours string }{
		"a = 1\nb = 2":      {"Unsupported argument", `unknown attribute "b"`},
		"a = 1\nother {\n}": {"Unsupported block type", `unknown block "other"`},
		"a = 1\na = 2":      {"Attribute redefined", `"a" is set twice in this block`},
		"":                  {"Missing required argument", "an attribute is missing: a"},
		"a = 1\nplain \"x\" {\n}": {
			"Extraneous label for plain",
			"a plain block has no more names than that",
		},
		"a = 1\nnamed {\n}": {"Missing NAME for named", "a named block needs a name"},
	} {
		file, diags := hclsyntax.ParseConfig([]byte(text), "x", hcl.InitialPos)
		if !diags.HasErrors() {
			_, diags = file.Body.Content(known)
		}
		if len(diags) != 1 || diags[0].Summary != want.hcl {
			t.Errorf("hcl says of %q: %v, and no longer %q", text, diags, want.hcl)
			continue
		}
		ours := Explain(diags, known, func(string) []byte { return []byte(text) })
		if len(ours) != 1 || !strings.HasPrefix(ours[0].Summary, want.ours) {
			t.Errorf("we say of %q: %v, want %q", text, ours, want.ours)
		}
	}
}
