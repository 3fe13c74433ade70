package config

import "github.com/nono-run/nono/sdk/policy"

//go:generate go test -count=1 -run ^TestBuiltin$ -update .

// builtinTree is what parse makes of the default profile. To parse it took half of the time that Load takes, at each start of
// each run, for a text that never changes: so it is parsed when nono is built, into builtin_data.go. TestBuiltin holds that the two
// are the same.
func builtinTree() *tree {
	root := &tree{is: language, attrs: map[string]*setting{}}
	for _, b := range builtin {
		is := language.blocks[b.name]
		block := &tree{is: is, name: b.name, at: b.at.source(), attrs: map[string]*setting{}}
		for _, a := range b.attrs {
			s := &setting{is: is.attrs[a.name], name: a.name, at: a.at.source(), items: make([]item, len(a.items))}
			for i, it := range a.items {
				s.items[i] = item{text: it.text, at: it.at.source()}
			}
			block.attrs[a.name] = s
		}
		root.blocks = append(root.blocks, block)
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
	return policy.Source{Origin: policy.OriginDefault, File: builtinFile, Line: s[0], Column: s[1], EndLine: s[2], EndColumn: s[3]}
}
