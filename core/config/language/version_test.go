package language_test

import (
	"strings"
	"testing"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/policy"
)

func ofNono(content string) diag.Text {
	return diag.Text{Origin: policy.OriginConfig, File: "x.hcl", Content: []byte(content)}
}

func TestVersion(t *testing.T) {
	for content, want := range map[string]int64{
		"version = 1\n": 1,
		"# made by nono\nnew = true\nversion = 27\n":   27,
		"later \"x\" {\n  version = 3\n}\nversion=2\n": 2,
		"version = 0\n": 0,
		// None of these says one.
		"":                           -1,
		"version = \"1\"\n":          -1,
		"version = 1.5\n":            -1,
		"version = 1 + 1\n":          -1,
		"version = null\n":           -1,
		"block { version = 1 }\n":    -1,
		"version = 1\nversion = 2\n": -1,
		"version = ":                 -1,
		strings.Repeat("[", 10_000):  -1,
		strings.Repeat("!", 10_000):  -1,
	} {
		got, ok := language.Version(ofNono(content))
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%.40q: %d, %t; want %d", content, got, ok, want)
		}
	}
}

// FuzzQuote: what is quoted is read back as it was.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{
		"", "/opt/a b", `"\`, "${x}", "$${x}", "%{if}", "%%{", "$", "%", "{", "\n\x00\x7f", "e\u0301", "\u00e9", "\u2028",
	} {
		f.Add(s)
	}
	grammar := &language.Block{Attributes: map[string]language.Attribute{"x": {Shape: language.String}}}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "?")
		tree, problems := language.Parse(ofNono("x = "+language.Quote(s)+"\n"), grammar)
		if problems.Failed() {
			if strings.Count(s, "-")+strings.Count(s, "!")+strings.Count(s, "?") < 100 {
				t.Fatalf("%q: %v", s, problems)
			}
			return
		}
		if it, ok := tree.One("x"); !ok || it.Text != s {
			t.Errorf("%q is read as %q", s, it.Text)
		}
	})
}
