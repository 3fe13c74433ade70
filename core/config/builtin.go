package config

import (
	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/sdk/policy"
)

//go:generate go test -count=1 -run ^TestBuiltin$ -update .

// builtinTree is what language.Parse makes of the default profile. To parse it took half of the
// time that Load takes, at each start of each run, for a text that never changes: so it is parsed
// when nono is built, into builtin_data.go. TestBuiltin holds that the two are the same.
func builtinTree() *language.Tree {
	root := &language.Tree{Is: grammar, Attributes: map[string]*language.Value{}}
	for _, b := range builtin {
		is := grammar.Blocks[b.name]
		block := &language.Tree{
			Is: is, Name: b.name, Source: b.at.source(),
			Attributes: map[string]*language.Value{},
		}
		for _, a := range b.attrs {
			v := &language.Value{
				Is: is.Attributes[a.name], Name: a.name, Source: a.at.source(),
				Items: make([]language.Item, len(a.items)),
			}
			for i, it := range a.items {
				v.Items[i] = language.Item{Text: it.text, Source: it.at.source()}
			}
			block.Attributes[a.name] = v
		}
		root.Blocks = append(root.Blocks, block)
	}
	return root
}

// The default profile as data: blocks of lists of strings, which is all it has.
type (
	builtinBlock struct {
		name  string
		at    span
		attrs []builtinAttr
	}
	builtinAttr struct {
		name  string
		at    span
		items []builtinItem
	}
	builtinItem struct {
		text string
		at   span
	}
	// span is a place in the profile: line, column, end line, end column.
	span [4]int
)

const builtinFile = "default.hcl"

func (s span) source() policy.Source {
	return policy.Source{
		Origin: policy.OriginDefault, File: builtinFile,
		Line: s[0], Column: s[1], EndLine: s[2], EndColumn: s[3],
	}
}
