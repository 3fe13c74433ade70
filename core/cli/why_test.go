package cli

import "testing"

func TestFileNamed(t *testing.T) {
	for typed, want := range map[string]string{
		"~": "/home/ada", "~/x": "/home/ada/x", "/etc": "/etc", ".": "/w", "./x": "/w/x", "x": "/w/x",
		"..": "/w/..", "link/..": "/w/link/..", "./link/../x": "/w/link/../x",
	} {
		if got := fileNamed(typed, "/w", "/home/ada"); got != want {
			t.Errorf("%q is %q, want %q", typed, got, want)
		}
	}
}
