// Package reference explains the policy language to people, from the grammar that policies are read
// with. Nothing here says what a name means: that stands beside the name, in core/config, so that
// what lands there is explained at once.
//
//	fmt.Print(reference.Text())               // nono help agent.hcl
//	text, ok := reference.Block("filesystem") // nono help agent.hcl filesystem
//	page := reference.Page()                  // docs/policy.md
//
// What is written here is only what belongs to no single name: where rules come from, what a path
// may be, and what a file from elsewhere may do.
package reference

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/config/language"
)

//go:generate go test -count=1 -run ^TestPage$ -update .

// File is the name under which `nono help` knows the language.
const File = "agent.hcl"

// Names are those of all blocks.
func Names() []string {
	var names []string
	for _, s := range config.Language() {
		if s.Name != "" {
			names = append(names, s.Name)
		}
	}
	return names
}

// title is a block as it begins in a file.
func title(s config.Section) string {
	if s.Grammar.Label != "" {
		return fmt.Sprintf("%s %q", s.Name, s.Grammar.Label)
	}
	return s.Name
}

// row is one attribute: how it is written, and what that means.
type row struct{ name, value, means string }

// rows are the attributes of a block: those of its example in the order in which they stand there,
// and then those that are not built yet.
func rows(s config.Section) []row {
	at := func(name string) int {
		for i, line := range strings.Split(s.Example, "\n") {
			if word, _, ok := strings.Cut(strings.TrimSpace(line), " "); ok && word == name {
				return i
			}
		}
		return len(s.Example)
	}
	names := slices.SortedFunc(maps.Keys(s.Grammar.Attributes), func(a, b string) int {
		return cmp.Or(cmp.Compare(at(a), at(b)), cmp.Compare(a, b))
	})
	var all []row
	for _, name := range names {
		a := s.Grammar.Attributes[name]
		all = append(all, row{name, value(a), means(a, s.Grammar.Later)})
		for _, field := range slices.Sorted(maps.Keys(a.Fields)) {
			f := a.Fields[field]
			all = append(all, row{"  " + field, value(f), means(f, true)})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Grammar.Blocks)) {
		inner := s.Grammar.Blocks[name]
		within := strings.Join(slices.Sorted(maps.Keys(inner.Blocks)), ", ")
		all = append(all, row{name, "{ " + within + " }", inner.Help})
	}
	return all
}

// means is what an attribute is for, with what limits its use. Of what belongs to something that
// is not built yet it is not said again.
func means(a language.Attribute, said bool) string {
	text := a.Help
	if a.OwnOnly {
		text += "; only in your own config.hcl"
	}
	if a.Later && !said {
		text += " (not built yet)"
	}
	return text
}

// value is what may stand behind the =.
func value(a language.Attribute) string {
	of := func(usual string) string { return cmp.Or(a.Of, usual) }
	switch a.Shape {
	case language.String:
		if len(a.OneOf) > 0 {
			return `"` + strings.Join(a.OneOf, `" | "`) + `"`
		}
		return of("string")
	case language.Number:
		return of("number")
	case language.Bool:
		return "true | false"
	case language.StringList:
		return "[" + of("string") + ", ...]"
	case language.NumberList:
		return "[" + of("number") + ", ...]"
	case language.OneOrMore:
		return of("string") + " | [" + of("string") + ", ...]"
	case language.Variables:
		return "{ NAME = " + of("string") + ", ... }"
	case language.Structured:
		return "{ ... }"
	}
	panic(fmt.Sprintf("an attribute without a shape: %q", a.Help))
}
