package reference_test

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/reference"
)

var update = flag.Bool("update", false, "write docs/policy.md anew")

// The page of the documentation is what the grammar says.
func TestPage(t *testing.T) {
	const page = "../../docs/policy.md"
	if *update {
		if err := os.WriteFile(page, []byte(reference.Page()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(reference.Page(), "\n"), strings.Split(string(got), "\n")); d != "" {
		t.Errorf("docs/policy.md is not what the grammar says; `make generate` writes it (-want +got):\n%s", d)
	}
}

// Every name of the language is in each of its forms, with what it means, and what is not built yet
// is said to be so.
func TestEveryNameIsExplained(t *testing.T) {
	page, text := reference.Page(), spaceless(reference.Text())
	says := func(name, help string) {
		t.Helper()
		for form, all := range map[string]string{"the page": spaceless(page), "the help": text} {
			if !strings.Contains(all, spaceless(name)) || !strings.Contains(all, spaceless(strings.ReplaceAll(help, "|", `\|`))) {
				t.Errorf("%s does not explain %s: %s", form, name, help)
			}
		}
	}
	later := 0
	for _, s := range config.Language() {
		for name, a := range s.Grammar.Attributes {
			help := a.Help
			if a.OwnOnly {
				help += "; only in your own config.hcl"
			}
			if a.Later && !s.Grammar.Later {
				help += " (not built yet)"
				later++
			}
			says(name, help)
			for field, f := range a.Fields {
				says(field, f.Help)
			}
		}
		if s.Name == "" {
			continue
		}
		says(s.Name, s.Grammar.Help[1:])
		block, ok := reference.Block(s.Name)
		if !ok || !strings.Contains(spaceless(block), spaceless(s.Example)) {
			t.Errorf("the help of the block %s lacks its example:\n%s", s.Name, block)
		}
		if s.Example != "" && !strings.Contains(page, "```hcl"+s.Example+"```") {
			t.Errorf("the page lacks the example of %s", s.Name)
		}
	}
	if n := strings.Count(page, "(not built yet)"); n != later {
		t.Errorf("the page says %d times that something is not built yet, and %d attributes are not", n, later)
	}
	if _, ok := reference.Block(""); ok {
		t.Error("what stands outside of any block is no block")
	}
}

// Help is read in a terminal.
func TestHelpFitsATerminal(t *testing.T) {
	text := reference.Text()
	for _, name := range reference.Names() {
		block, _ := reference.Block(name)
		text += block
	}
	for line := range strings.Lines(text) {
		if len(line) > 97 || strings.TrimRight(line, " \n") != strings.TrimRight(line, "\n") {
			t.Errorf("too long, or ends in blanks: %q", line)
		}
	}
}

var spaces = regexp.MustCompile(`\s+`)

func spaceless(s string) string { return spaces.ReplaceAllString(s, "") }

// The shapes that a value may have are all shown: a new one would panic in front of a user.
func TestEveryShapeIsShown(t *testing.T) {
	seen := map[language.Shape]bool{}
	for _, s := range config.Language() {
		for _, a := range s.Grammar.Attributes {
			seen[a.Shape] = true
		}
	}
	for shape := language.String; shape <= language.Structured; shape++ {
		if !seen[shape] {
			t.Errorf("no attribute has the shape %d, so that nothing shows how it is written", shape)
		}
	}
}
