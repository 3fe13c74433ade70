package config

import (
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

// Every attribute of the language has a shape: the zero would panic in front of a user.
func TestLanguageIsComplete(t *testing.T) {
	var check func(name string, b *language.Block)
	fields := func(name string, attrs map[string]language.Attribute) {
		for n, a := range attrs {
			if a.Shape == 0 || (a.Shape == language.Structured) != (len(a.Fields) > 0) {
				t.Errorf("%s.%s has no proper shape", name, n)
			}
			for f, inner := range a.Fields {
				if inner.Shape == 0 {
					t.Errorf("%s.%s.%s has no shape", name, n, f)
				}
			}
		}
	}
	check = func(name string, b *language.Block) {
		fields(name, b.Attributes)
		for n, inner := range b.Blocks {
			check(name+"."+n, inner)
		}
	}
	check("", grammar)
}
