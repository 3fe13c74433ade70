package hostfile_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk/hostfile"
)

// What a program without capabilities may do, which is what an agent is.
func TestReach(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	both := hostfile.Reach{Read: true, Write: true}
	for _, tt := range []struct {
		path string
		want hostfile.Reach
	}{
		{file("ours", 0o600), both},
		{file("ours to change", 0o400), both},
		{file("closed", 0o200), hostfile.Reach{Write: true}},
		{dir, both},
		{filepath.Join(dir, "missing"), both},
		{"/proc/sys", hostfile.Reach{Read: true}},
	} {
		got := hostfile.ReachOf(tt.path)
		if tt.path == "/proc/sys" && os.Getuid() == 0 {
			continue // root's own
		}
		if got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.path, got, tt.want)
		}
	}
	if os.Getuid() != 0 {
		return
	}
	// Root outside may do all of it, and root inside is one more user.
	for name, tt := range map[string]struct {
		mode os.FileMode
		gid  int
		want hostfile.Reach
	}{
		"another's":                    {0o600, 12345, hostfile.Reach{}},
		"another's, open to read":      {0o644, 12345, hostfile.Reach{Read: true}},
		"another's, open to the group": {0o660, 0, both},
	} {
		path := file(name, tt.mode)
		if err := os.Chown(path, 12345, tt.gid); err != nil {
			t.Fatal(err)
		}
		if unix.Access(path, unix.R_OK|unix.W_OK) != nil {
			t.Errorf("%s: root may not use it outside, and so the test shows nothing", name)
		}
		if got := hostfile.ReachOf(path); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}
