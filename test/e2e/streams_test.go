//go:build linux

package e2e

import (
	"os"
	"testing"
)

// withStdin runs nono with a standard input of its own.
func (u *user) withStdin(stdin *os.File, args ...string) result {
	u.t.Helper()
	cmd := u.command(args...)
	cmd.Stdin = stdin
	return u.finish(u.launch(cmd))
}

// opened is a file of the test's own, for a stream.
func (u *user) opened(name string, flags int) *os.File {
	u.t.Helper()
	f, err := os.OpenFile(u.path(name), flags, 0)
	if err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() { f.Close() })
	return f
}

// TestDirectoryAsStream: the descriptor of a directory leads to all that lies around it.
func TestDirectoryAsStream(t *testing.T) {
	u := newUser(t)
	r := u.withStdin(u.opened("~/", os.O_RDONLY), "run", "--allow-cwd", "--", "cat")
	u.refused(r, "standard input is a directory, "+u.Home, "redirect from a file, or from /dev/null")
}
