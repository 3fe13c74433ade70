package hostfile_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

func TestFollowOnDisk(t *testing.T) {
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
		{"missing/../a", "", "", "", "no such file"},
		{"a/f/../b", "", "", "", "not a directory"},
		{"self", "", "", "", "too many levels"},
		{"one/x", "", "", "", "too many levels"},
	}
	look := hostfile.Once(hostfile.Host)
	for range 2 { // the second time from memory
		for _, tt := range tests {
			got, err := hostfile.Follow(look, root+"/"+tt.name)
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
			for _, l := range got.Links() {
				links = append(links, strings.TrimPrefix(l.Path, root+"/"))
			}
			if got.Path != root+"/"+tt.path || got.Entry.Type != tt.typ || !slices.Equal(links, strings.Fields(tt.links)) {
				t.Errorf("%s: got %s %s %v", tt.name, strings.TrimPrefix(got.Path, root+"/"), got.Entry.Type, links)
			}
		}
	}
	if p, err := hostfile.Follow(look, "/"); err != nil || p.Path != "/" || p.Entry.Type != policy.Directory {
		t.Errorf("/: %+v %v", p, err)
	}
	if p, err := hostfile.Follow(look, "/dev/null"); err != nil || p.Entry.Type != policy.Special {
		t.Errorf("/dev/null: %+v %v", p, err)
	}
}

// Follow against the library's slow and well-known one, in a random forest of links.
func TestFollowLikeEvalSymlinks(t *testing.T) {
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
		got, err := hostfile.Follow(hostfile.Once(hostfile.Host), ask)
		switch {
		case wantErr == nil && (err != nil || got.Path != want || got.Entry.Type == policy.Missing):
			rt.Fatalf("%s: got %+v %v, want %s", ask, got, err, want)
		case wantErr != nil && err == nil && got.Entry.Type != policy.Missing:
			rt.Fatalf("%s: got %+v, want %v", ask, got, wantErr)
		}
	})
}
