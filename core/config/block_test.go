package config

import (
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/policy"
)

// The sample in the design is valid: every block and attribute of it is in the language.
func TestSampleParses(t *testing.T) {
	archive, err := os.ReadFile("testdata/sample-refused.txtar")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(archive), "-- proj/agent.hcl --\n")
	sample, _, _ := strings.Cut(rest, "-- want --")
	root, problems := language.Parse(diag.Text{Origin: policy.OriginFile, File: "agent.hcl", Content: []byte(sample)}, grammar)
	if problems.Failed() {
		t.Fatal(problems)
	}
	var blocks []string
	for _, b := range root.Blocks {
		blocks = append(blocks, b.Title())
	}
	want := `filesystem network credential "openai" credential "acme" environment snapshot trust layer "network" plugin "acme/egress"`
	if got := strings.Join(blocks, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Every attribute of the language has a shape, for the zero would panic in front of a user; and it
// is explained, for the reference is made of that.
func TestLanguageIsComplete(t *testing.T) {
	var check func(name string, b *language.Block)
	fields := func(name string, attrs map[string]language.Attribute) {
		for n, a := range attrs {
			if a.Shape == 0 || (a.Shape == language.Structured) != (len(a.Fields) > 0) {
				t.Errorf("%s.%s has no proper shape", name, n)
			}
			if a.Help == "" {
				t.Errorf("%s.%s is not explained", name, n)
			}
			for f, inner := range a.Fields {
				if inner.Shape == 0 || inner.Help == "" {
					t.Errorf("%s.%s.%s has no shape, or is not explained", name, n, f)
				}
			}
		}
	}
	check = func(name string, b *language.Block) {
		if b != grammar && b.Help == "" {
			t.Errorf("%s is not explained", name)
		}
		fields(name, b.Attributes)
		for n, inner := range b.Blocks {
			check(name+"."+n, inner)
		}
	}
	check("", grammar)
}

// What can be honoured is shown in an example, attribute by attribute; what cannot is in none.
func TestExamplesShowWhatCanBeHonoured(t *testing.T) {
	for _, b := range blocks {
		if b.grammar.Later {
			if b.example != "" {
				t.Errorf("%s is not built yet, and has an example", b.name)
			}
			continue
		}
		tree, problems := language.Parse(diag.Text{File: "example", Content: []byte(b.example)}, grammar)
		if problems.Failed() {
			t.Errorf("the example of %q: %v", b.name, problems)
			continue
		}
		used := maps.Clone(tree.Attributes)
		if b.name != "" {
			used = nil
		}
		for _, inner := range tree.Blocks { // a key stands in one place only, so it takes several
			if inner.Name == b.name {
				if used == nil {
					used = map[string]*language.Value{}
				}
				maps.Copy(used, inner.Attributes)
			}
		}
		if used == nil {
			t.Errorf("the example of %q has no such block", b.name)
		}
		for name, a := range b.grammar.Attributes {
			if _, ok := used[name]; ok == a.Later {
				t.Errorf("%s.%s is built: %v; in the example: %v", b.name, name, !a.Later, ok)
			}
		}
	}
}
