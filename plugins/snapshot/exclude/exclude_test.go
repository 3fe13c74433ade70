package exclude_test

import (
	"path"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/nono-run/nono/plugins/snapshot/exclude"
)

// nothing stands beside what is asked about.
func nothing(string) bool { return false }

func TestMatchBeside(t *testing.T) {
	patterns, err := exclude.New([]string{
		"target/ beside Cargo.toml", "target/ beside pom.xml", "!/kept/target/ beside pom.xml",
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		dir, beside string
		excluded    bool
	}{
		{"a", "Cargo.toml", true},
		{"a", "pom.xml", true},
		{"", "pom.xml", true},
		{"a", "cargo.toml", false},
		{"a", "", false},
		{"a", "target", false},
		{"kept", "pom.xml", false},
		{"kept", "Cargo.toml", true},
	} {
		beside := func(name string) bool { return name == test.beside }
		if got := patterns.Match(test.dir, "target", true, beside); got != test.excluded {
			t.Errorf("%+v: %v", test, got)
		}
		if patterns.Match(test.dir, "target", false, beside) {
			t.Errorf("%+v: a file is excluded", test)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, test := range []struct {
		patterns string // apart by spaces
		excluded string // paths, directories with a slash at their end
		stored   string
	}{
		{"node_modules/", "node_modules/ a/b/node_modules/", "node_modules a/node_modules.txt xnode_modules/"},
		{"node_modules", "node_modules node_modules/ a/node_modules", "node_modules2"},
		{"/build", "build build/", "a/build"},
		{"a/build", "a/build", "build b/a/build"},
		{"**/a/build/", "a/build/ x/a/build/ x/y/a/build/", "a/build xa/build/ a/x/build/"},
		{"a/**/b", "a/b a/x/b a/x/y/b", "b x/a/b a/b/c"},
		{"a/**", "a/b a/b/c a/b/", "a a/ b/a"},
		{"**", "a a/b", ""},
		{"**/**/x/**/**/y", "x/y a/x/y a/b/x/c/d/y", "y x y/x"},
		{"a/*/c", "a/b/c", "a/c a/b/b/c"},
		{"*.pyc", "a.pyc a/b.pyc .pyc", "pyc a.pyc2 a.pyc.d/x"},
		{"*", "a b/c", ""},
		{"*.o/", "x.o/", "x.o"},
		{"data/**/*.bin", "data/a.bin data/x/y/a.bin", "a.bin x/data/a.bin data/a.bim"},
		{"a?c", "abc a\xffc a/abc", "ac abbc"},
		{"[a-c]x", "ax cx", "dx"},
		{`\*`, "*", "a"},
		{`a\!b`, "a!b", `a\!b`},
		{"target/ !target/", "", "target/ a/target/"},
		{"!target/ target/", "target/", ""},
		{"target/ !/a/target/", "target/ b/target/", "a/target/"},
		{"*.log !keep.log", "a.log", "keep.log a/keep.log"},
		{"keep.log !*.log", "", "keep.log a.log"},
		{"*.log !keep.log /x/keep.log", "x/keep.log", "keep.log"},
		{"x x/ !x/", "x", "x/"},
		{"", "", "a a/ a/b"},
	} {
		patterns, err := exclude.New(strings.Fields(test.patterns))
		if err != nil {
			t.Errorf("%s: %v", test.patterns, err)
			continue
		}
		for want, paths := range map[bool]string{true: test.excluded, false: test.stored} {
			for _, p := range strings.Fields(paths) {
				full, isDir := strings.CutSuffix(p, "/")
				dir, name := path.Split(full)
				dir = strings.TrimSuffix(dir, "/")
				if got := patterns.Match(dir, name, isDir, nothing); got != want {
					t.Errorf("%s: %s is excluded: %v", test.patterns, p, got)
				}
			}
		}
	}
}

func TestPatternsThatAreNone(t *testing.T) {
	for _, bad := range []string{"", "/", "!", "a//b", "../a", "a/./b", "[a", `a\`, "a\x00"} {
		if _, err := exclude.New([]string{"fine", bad}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// A path and a pattern that were made to be tried in very many ways.
func TestAPatternThatTakesLong(t *testing.T) {
	patterns, err := exclude.New([]string{
		strings.Repeat("**/a/", 30) + "b", strings.Repeat("*a", 100) + "b",
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := strings.TrimSuffix(strings.Repeat("a/", 5000), "/")
	if patterns.Match(dir, strings.Repeat("a", 250), false, nothing) {
		t.Error("it matches")
	}
}

// What is found by the last name is what a regular expression for each pattern finds.
func TestMatchIsWhatPatternsSay(t *testing.T) {
	part := rapid.SampledFrom([]string{"a", "b", "ab", "*", "a*", "*b", "?", "**"})
	name := rapid.SampledFrom([]string{"a", "b", "ab", "ba"})
	rapid.Check(t, func(t *rapid.T) {
		var patterns []string
		for range rapid.IntRange(0, 6).Draw(t, "patterns") {
			text := strings.Join(rapid.SliceOfN(part, 1, 4).Draw(t, "parts"), "/")
			text = rapid.SampledFrom([]string{"", "!", "/", "!/"}).Draw(t, "begins with") + text
			if rapid.Bool().Draw(t, "directories") {
				text += "/"
			}
			patterns = append(patterns, text)
		}
		p, err := exclude.New(patterns)
		if err != nil {
			t.Fatal(err)
		}
		names := rapid.SliceOfN(name, 1, 5).Draw(t, "path")
		isDir := rapid.Bool().Draw(t, "is a directory")
		want := false
		for _, text := range patterns {
			rest, back := strings.CutPrefix(text, "!")
			rest, dirs := strings.CutSuffix(rest, "/")
			if (isDir || !dirs) && expression(rest).MatchString(strings.Join(names, "/")) {
				want = !back
			}
		}
		dir, last := strings.Join(names[:len(names)-1], "/"), names[len(names)-1]
		if got := p.Match(dir, last, isDir, nothing); got != want {
			t.Fatalf("%q: %q is excluded: %v", patterns, names, got)
		}
	})
}

// expression is a pattern without its marks as a regular expression.
func expression(text string) *regexp.Regexp {
	at := "^"
	if !strings.Contains(text, "/") {
		at = "(^|/)"
		text = strings.ReplaceAll(text, "**", "*")
	}
	parts := strings.Split(strings.TrimPrefix(text, "/"), "/")
	for i, part := range parts {
		last := i == len(parts)-1
		switch {
		case part == "**" && last:
			at += ".+"
		case part == "**":
			at += "(.+/)?"
		default:
			at += strings.NewReplacer("*", "[^/]*", "?", "[^/]").Replace(part)
			if !last {
				at += "/"
			}
		}
	}
	return regexp.MustCompile(at + "$")
}

func BenchmarkMatch(b *testing.B) {
	patterns, err := exclude.New([]string{
		"node_modules/", "**/.next/cache/", "**/.venv/lib/", "__pycache__/", "*.pyc", "target/",
		".gradle/", ".cache/", "**/vendor/bundle/",
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		patterns.Match("src/cmd/compile/internal", "walk.go", false, nothing)
	}
}
