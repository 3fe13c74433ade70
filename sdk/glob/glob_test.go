package glob_test

import (
	"path"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/nono-run/nono/sdk/glob"
)

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		pattern, yes, no string // paths, with spaces between them
	}{
		{"CLAUDE.md", "CLAUDE.md", "claude.md a/CLAUDE.md CLAUDE.md/a"},
		{"*.md", "a.md .md", "a.txt a/b.md"},
		{".claude/**", ".claude/a .claude/a/b .claude/.x", ".claude claude/a a/.claude/b"},
		{"**/AGENTS.md", "AGENTS.md a/AGENTS.md a/b/AGENTS.md", "AGENTS.md/a a/xAGENTS.md"},
		{"a/**/b", "a/b a/x/b a/x/y/b a/b/b", "a b a/x b/a/b"},
		{"a/**/**/b", "a/b a/x/b", "a"},
		{"**/a/**/b", "a/b x/a/y/b a/a/b/b", "a/c b x/b"},
		{"?/[a-c].md", "x/a.md", "xx/a.md x/d.md"},
		{"**", "a a/b .git/x", ""},
	} {
		p, err := glob.Parse(tt.pattern)
		if err != nil {
			t.Errorf("%s: %v", tt.pattern, err)
			continue
		}
		for _, name := range strings.Fields(tt.yes) {
			if !p.Match(name) {
				t.Errorf("%s does not match %s", tt.pattern, name)
			}
		}
		for _, name := range strings.Fields(tt.no) {
			if p.Match(name) {
				t.Errorf("%s matches %s", tt.pattern, name)
			}
		}
	}
}

func TestWhatIsNoPattern(t *testing.T) {
	for _, text := range []string{
		"", "/", "a//b", "a/", "/a", "../a", "a/./b", "a/..", "[a", `a\`, "a\x00b",
		strings.Repeat("a/", 64) + "a",
	} {
		if p, err := glob.Parse(text); err == nil {
			t.Errorf("%q is %q", text, p)
		}
	}
}

// TestMatchIsWhatItSays holds Match against the definition, which is slow.
func TestMatchIsWhatItSays(t *testing.T) {
	var slow func(pattern, names []string) bool
	slow = func(pattern, names []string) bool {
		switch {
		case len(pattern) == 0:
			return len(names) == 0
		case pattern[0] == glob.AnyDepth:
			return slow(pattern[1:], names) || len(names) > 0 && slow(pattern, names[1:])
		case len(names) == 0:
			return false
		}
		ok, err := path.Match(pattern[0], names[0])
		return err == nil && ok && slow(pattern[1:], names[1:])
	}
	rapid.Check(t, func(r *rapid.T) {
		name := rapid.SampledFrom([]string{"a", "b", "ab"})
		part := rapid.SampledFrom([]string{"a", "b", "*", "?b", "**"})
		pattern := rapid.SliceOfN(part, 1, 6).Draw(r, "pattern")
		names := rapid.SliceOfN(name, 0, 6).Draw(r, "names")
		if got, want := glob.MatchNames(pattern, names), slow(pattern, names); got != want {
			r.Errorf("%q and %q: %v", pattern, names, got)
		}
	})
}
