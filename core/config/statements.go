package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/policy"
)

// Statement is one thing that a policy says, as it would be written.
type Statement struct {
	Says   string        `json:"says"` // filesystem { read = ["~/data"] }
	Source policy.Source `json:"source"`
}

// Statements are what the profiles of the options say, and the file: each thing once, and of single
// values the last. What is common to all runs, the default profile and the user's config.hcl, is
// not among it. Nothing of what they name is looked at.
func Statements(o Options) ([]Statement, diag.Texts, error) {
	found := &report{}
	host := newHost(o, found)
	if err := found.err(); err != nil {
		return nil, nil, err
	}
	sources := host.sources(found)
	if err := found.err(); err != nil {
		return nil, shown(sources), err
	}
	all := said{values: map[string]int{}, known: map[string]bool{}}
	for _, s := range sources {
		if s.Origin != policy.OriginDefault && s.Origin != policy.OriginConfig {
			all.block("", s.tree)
		}
	}
	return all.statements, shown(sources), nil
}

// said gathers statements.
type said struct {
	statements []Statement
	values     map[string]int  // where a single value is among them
	known      map[string]bool // what is among them
}

// block adds what a block says; open is what stands before it.
func (a *said) block(open string, t *language.Tree) {
	if t.Name != "" {
		open += t.Title() + " { "
		if len(t.Attributes)+len(t.Blocks)+len(t.Settings) == 0 {
			a.add(open+"}", t.Source)
		}
	}
	end := strings.Repeat(" }", strings.Count(open, " { "))
	for _, name := range slices.Sorted(maps.Keys(t.Attributes)) {
		v := t.Attributes[name]
		switch {
		case v.Is.Shape == language.StringList && t.Name != "":
			for _, it := range v.Items {
				a.add(open+name+" = ["+language.Quote(it.Text)+"]"+end, it.Source)
			}
		case v.Is.Shape == language.Variables:
			for _, it := range v.Items {
				a.value(open+name+" = { "+it.Key, open+name+" = { "+it.Key+" = "+
					language.Quote(it.Text)+" }"+end, it.Source)
			}
		default:
			a.value(open+name, open+name+" = "+asWritten(v)+end, v.Source)
		}
	}
	for _, name := range t.Settings.Names() {
		at, _ := t.Settings.Source(name)
		// What it says only the layer can read, and it may be a secret: two are the same where they are
		// the same line.
		a.value(open+name, open+name+" = ..."+end+" in "+at.String(), at)
	}
	for _, inner := range t.Blocks {
		a.block(open, inner)
	}
}

func (a *said) add(says string, at policy.Source) {
	if !a.known[says] {
		a.known[says] = true
		a.statements = append(a.statements, Statement{says, at})
	}
}

// value adds a single value, in the place of an earlier one.
func (a *said) value(of, says string, at policy.Source) {
	if i, ok := a.values[of]; ok {
		a.statements[i] = Statement{says, at}
		return
	}
	a.values[of] = len(a.statements)
	a.statements = append(a.statements, Statement{says, at})
}

// asWritten is a value as it would be written.
func asWritten(v *language.Value) string {
	switch v.Is.Shape {
	case language.Bool:
		return fmt.Sprint(v.Yes)
	case language.Number:
		return fmt.Sprint(v.Number)
	case language.String:
		return language.Quote(v.Items[0].Text)
	case language.StringList, language.OneOrMore, language.Variables:
		quoted := make([]string, len(v.Items))
		for i, it := range v.Items {
			quoted[i] = language.Quote(it.Text)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case language.Structured:
		var fields []string
		for _, name := range slices.Sorted(maps.Keys(v.Fields)) {
			fields = append(fields, name+" = "+asWritten(v.Fields[name]))
		}
		return "{ " + strings.Join(fields, ", ") + " }"
	case language.NumberList:
		return "[" + strings.Join(texts(v.Items), ", ") + "]"
	}
	panic(fmt.Sprintf("the grammar gives %q no shape", v.Name))
}
