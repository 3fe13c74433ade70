package config

import (
	"strings"
	"testing"
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
		{"${HOME}", "!${...} is not evaluated here"},
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
