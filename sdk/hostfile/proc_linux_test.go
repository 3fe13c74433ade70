package hostfile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nono-run/nono/sdk/hostfile"
)

// The size of a link that the kernel makes up says nothing of how long it is.
func TestLinkThatTheKernelMakesUp(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(dir, strings.Repeat("d", 200))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	got, err := hostfile.Host("/proc/self/cwd")
	if err != nil || got.Target != dir {
		t.Errorf("got %q, %v; want %q", got.Target, err, dir)
	}
}
