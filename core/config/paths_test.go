package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/nono-run/nono/sdk/policy"
)

func TestResolve(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"a/b", "c"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "a/f"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{
		"l": "a/b", "abs": root + "/c", "chain": "l", "up": "..", "gone": "nowhere/x", "self": "self", "one": "two", "two": "one", "c/back": "../l/../f",
	} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name, path string
		typ        policy.FileType
		links      string
		fails      string
	}{
		{"a/b", "a/b", policy.Directory, "", ""},
		{"a//b/", "a/b", policy.Directory, "", ""},
		{"a/./b/.", "a/b", policy.Directory, "", ""},
		{"a/f", "a/f", policy.Regular, "", ""},
		{"l", "a/b", policy.Directory, "l", ""},
		{"l/x/y", "a/b/x/y", policy.Missing, "l", ""},
		{"abs", "c", policy.Directory, "abs", ""},
		{"chain", "a/b", policy.Directory, "chain l", ""},
		{"l/..", "a", policy.Directory, "l", ""}, // the parent of where the link leads, not of where it stands
		{"a/up/c", "a/up/c", policy.Missing, "", ""},
		{"c/back", "a/f", policy.Regular, "c/back l", ""},
		{"gone", "nowhere/x", policy.Missing, "gone", ""},
		{"missing/x", "missing/x", policy.Missing, "", ""},
		{"a/f/x", "a/f/x", policy.Missing, "", ""},
		{"missing/../a", "", "", "", "no directory"},
		{"a/f/../b", "", "", "", "no directory"},
		{"self", "", "", "", "circle"},
		{"one/x", "", "", "", "circle"},
	}
	r := resolver{seen: map[string]*place{}}
	for range 2 { // the second time from memory
		for _, tt := range tests {
			got, err := r.resolve(root + "/" + tt.name)
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("%s: got %v, want %q", tt.name, err, tt.fails)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			var links []string
			for _, l := range got.links {
				links = append(links, strings.TrimPrefix(l, root+"/"))
			}
			if got.path != root+"/"+tt.path || got.typ != tt.typ || !slices.Equal(links, strings.Fields(tt.links)) {
				t.Errorf("%s: got %s %s %v", tt.name, strings.TrimPrefix(got.path, root+"/"), got.typ, links)
			}
		}
	}
	if p, err := r.resolve("/"); err != nil || p.path != "/" || p.typ != policy.Directory {
		t.Errorf("/: %+v %v", p, err)
	}
	if p, err := r.resolve("/dev/null"); err != nil || p.typ != policy.Special {
		t.Errorf("/dev/null: %+v %v", p, err)
	}
}

// The resolver against the library's slow and well-known one, in a random forest of links.
func TestResolveLikeEvalSymlinks(t *testing.T) {
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	names := rapid.SampledFrom([]string{"a", "b", "c", "..", "."})
	relative := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(names, 1, 4).Draw(t, "names"), "/")
	})
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		// Three deep, so that .. mostly stays inside; what leaves the tree is as real there.
		n++
		root := filepath.Join(base, strings.Repeat("x/", 3), "t"+string(rune('a'+n%26)))
		if err := os.RemoveAll(root); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{"a/b/c", "b/a", "c"} {
			if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for range rapid.IntRange(0, 4).Draw(rt, "links") {
			at := filepath.Join(root, relative.Draw(rt, "link"))
			if policy.Within(at, root) && at != root {
				_ = os.RemoveAll(at)
				_ = os.Symlink(relative.Draw(rt, "target"), at) // its directory may be gone; then there is one link less
			}
		}
		ask := root + "/" + relative.Draw(rt, "ask")
		want, wantErr := filepath.EvalSymlinks(ask)
		r := resolver{seen: map[string]*place{}}
		got, err := r.resolve(ask)
		switch {
		case wantErr == nil && (err != nil || got.path != want || got.typ == policy.Missing):
			rt.Fatalf("%s: got %+v %v, want %s", ask, got, err, want)
		case wantErr != nil && err == nil && got.typ != policy.Missing:
			rt.Fatalf("%s: got %+v, want %v", ask, got, wantErr)
		}
	})
}

func TestExpand(t *testing.T) {
	e := newExpander(Options{
		Home: "/home/ada", Dir: "/w", TempDir: "/tmp", UID: 7,
		Lookup: func(name string) (string, bool) {
			v, ok := map[string]string{"XDG_CACHE_HOME": "/cache", "XDG_DATA_HOME": "relative", "SECRET": "x"}[name]
			return v, ok
		},
	})
	tests := []struct{ in, want string }{
		{"/a/b", "/a/b"},
		{"a", "a"},
		{"~", "/home/ada"},
		{"~/x", "/home/ada/x"},
		{"/x/~", "/x/~"},
		{"a~", "a~"},
		{"$HOME/x", "/home/ada/x"},
		{"$WORKDIR", "/w"},
		{"$TMPDIR/x", "/tmp/x"},
		{"/run/user/$UID/x", "/run/user/7/x"},
		{"$XDG_CACHE_HOME/x", "/cache/x"},
		{"$XDG_DATA_HOME", "/home/ada/.local/share"},
		{"$XDG_CONFIG_HOME", "/home/ada/.config"},
		{"a$", "a$"},
		{"a$/b", "a$/b"},
		{"$1", "$1"},
		{"$HOME$UID", "/home/ada7"},
		{"", "!a path is missing"},
		{"~bob/x", "!~ stands for your own home directory only"},
		{"$SECRET/x", "!$SECRET is not a variable that paths know"},
		{"$HOMEx", "!$HOMEx is not a variable that paths know"},
		{"$XDG_RUNTIME_DIR", "!$XDG_RUNTIME_DIR is not set here"},
		{"${HOME}", "!${...} is not evaluated here"},
		{"a\x00b", "!a path cannot hold a NUL byte"},
		{"caf\xe9/$UID", "caf\xe9/7"},
	}
	for _, tt := range tests {
		got, bad := e.expand(tt.in)
		if bad != nil {
			got = "!" + bad.says
		}
		if got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

// The sample in the design is valid: every block and attribute of it is in the language.
func TestSampleParses(t *testing.T) {
	archive, err := os.ReadFile("testdata/sample-refused.txtar")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(archive), "-- proj/agent.hcl --\n")
	sample, _, _ := strings.Cut(rest, "-- want --")
	root, problems := parse(&text{origin: policy.OriginFile, shown: "agent.hcl", src: []byte(sample)})
	if problems.Failed() {
		t.Fatal(problems)
	}
	var blocks []string
	for _, b := range root.blocks {
		blocks = append(blocks, b.title())
	}
	want := `filesystem network credential "openai" credential "acme" environment snapshot trust layer "network" plugin "acme/egress"`
	if got := strings.Join(blocks, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Every attribute of the language has a shape: the zero would panic in front of a user.
func TestLanguageIsComplete(t *testing.T) {
	var check func(name string, b *block)
	fields := func(name string, attrs map[string]attr) {
		for n, a := range attrs {
			if a.shape == 0 || (a.shape == structured) != (len(a.fields) > 0) {
				t.Errorf("%s.%s has no proper shape", name, n)
			}
			for f, inner := range a.fields {
				if inner.shape == 0 {
					t.Errorf("%s.%s.%s has no shape", name, n, f)
				}
			}
		}
	}
	check = func(name string, b *block) {
		fields(name, b.attrs)
		for n, inner := range b.blocks {
			check(name+"."+n, inner)
		}
	}
	check("", language)
}
