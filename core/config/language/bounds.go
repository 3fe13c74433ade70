package language

import (
	"bytes"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// A text is bounded before work begins on it: hcl's parser goes as deep as the text does, and what
// comes after it costs something for each attribute.

// TooDeep returns the line in which brackets are open beyond any sense, or 0. hcl's parser goes as
// deep as the text does, ten kilobytes of stack a bracket, and Go ends a program whose stack grows
// too large: a stranger's file must not do that. Brackets in strings and comments count, too; they
// would have to be left open a hundred times.
func TooDeep(src []byte) int {
	const deepest = 100
	depth, line := 0, 1
	for _, c := range src {
		switch c {
		case '\n':
			line++
		case '[', '{', '(':
			if depth++; depth > deepest {
				return line
			}
		case ']', '}', ')':
			depth = max(0, depth-1)
		}
	}
	return 0
}

// deepening are the operators for each of which hcl's parser calls itself.
var deepening = []hclsyntax.TokenType{
	hclsyntax.TokenBang, hclsyntax.TokenMinus, hclsyntax.TokenQuestion,
}

// computes returns where a text has more operators than anyone writes who means none, or nil. Of !,
// - and ? the parser goes a level deeper for each, and of 64 KiB of them it made half a gigabyte of
// stack. A policy has none, but in strings and comments, so that it is seldom looked at closely.
func computes(src []byte) *hcl.Range {
	const most = 100
	if bytes.Count(src, []byte("!"))+bytes.Count(src, []byte("-"))+
		bytes.Count(src, []byte("?")) <= most {
		return nil
	}
	// What is wrong with the tokens the parser says.
	tokens, _ := hclsyntax.LexConfig(src, "", hcl.InitialPos)
	found := 0
	for _, t := range tokens {
		if !slices.Contains(deepening, t.Type) {
			continue
		}
		if found++; found > most {
			return &t.Range
		}
	}
	return nil
}

// maxStatements is how many attributes and blocks a text may have. Lists hold what there is much
// of.
const maxStatements = 1000

// statements reports whether a body has more than that, and where.
func statements(body *hclsyntax.Body) (hcl.Range, bool) {
	n := 0
	var count func(*hclsyntax.Body) *hclsyntax.Body
	count = func(b *hclsyntax.Body) *hclsyntax.Body {
		if n += len(b.Attributes) + len(b.Blocks); n > maxStatements {
			return b
		}
		for _, inner := range b.Blocks {
			if at := count(inner.Body); at != nil {
				return at
			}
		}
		return nil
	}
	if at := count(body); at != nil {
		return at.SrcRange, true
	}
	return hcl.Range{}, false
}
