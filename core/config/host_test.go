package config

import (
	"strings"
	"testing"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/diag"
)

func TestExpand(t *testing.T) {
	e := host{Options: Options{
		Home: "/home/ada", Dir: "/w", TempDir: "/tmp", UID: 7,
		Lookup: func(name string) (string, bool) {
			v, ok := map[string]string{"XDG_CACHE_HOME": "/cache", "XDG_DATA_HOME": "relative", "SECRET": "x"}[name]
			return v, ok
		},
	}}
	e.expandable()
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
		{"${HOME}", "${HOME}"}, // hcl has refused it where it was not written $${HOME}
		{"$$HOME/$$", "$HOME/$"},
		{"$*/$?", "*/?"},
		{"caf$xe9/$x2a", "caf\xe9/*"},
		{"$xyz", "!$xyz is not a variable that paths know"},
		{"a$x00", "!a path cannot hold a NUL byte"},
		{"a\x00b", "!a path cannot hold a NUL byte"},
		{"caf\xe9/$UID", "caf\xe9/7"},
		{strings.Repeat("a", 4095), strings.Repeat("a", 4095)},
		{strings.Repeat("a", 4096), "!no file has a path of more than 4095 bytes"},
		{strings.Repeat("$HOME", 12_000), "!no file has a path of more than 4095 bytes"},
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

func TestLiteral(t *testing.T) {
	e := host{Options: Options{Home: "/home/ada"}}
	for in, want := range map[string]string{
		"routes/$id.ts": "routes/$id.ts", "~/$HOME": "/home/ada/$HOME", "~": "/home/ada", "$$": "$$",
		"*": "*", "a\xff": "a\xff", "": "!a path is missing", "a\x00": "!a path cannot hold a NUL byte",
		"~bob":                    "!~ stands for your own home directory only",
		strings.Repeat("a", 4096): "!no file has a path of more than 4095 bytes",
	} {
		got, bad := e.literal(in)
		if bad != nil {
			got = "!" + bad.says
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// FuzzInFile: whatever name a file has, a rule that is advised in a message means it.
func FuzzInFile(f *testing.F) {
	for _, name := range []string{"/a", "/$id", "/${x}", "/$${x}", "/%{x}", "/caf\xe9", "/a*?", "/\"\\\n", "/e\u0301", "/$x41"} {
		f.Add(name)
	}
	e := host{Options: Options{
		Home: "/home/ada", Lookup: func(string) (string, bool) { return "", false },
	}}
	e.expandable()
	f.Fuzz(func(t *testing.T, name string) {
		name = "/" + name
		if strings.ContainsRune(name, 0) || len(name) > 1000 {
			return
		}
		text := diag.Text{Content: []byte("command = [" + Quoted(name) + "]\n")}
		tree, problems := language.Parse(text, grammar)
		if problems.Failed() {
			t.Fatalf("%q is written %s: %v", name, text.Content, problems)
		}
		written := tree.List("command")[0].Text
		if got, bad := e.expand(written); bad != nil || got != name || isPattern(written) {
			t.Fatalf("%q is written %s, and that is %q", name, text.Content, got)
		}
	})
}
