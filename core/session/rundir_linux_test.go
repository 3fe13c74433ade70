package session

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/dirs"
)

// An agent that may write in /tmp while the runtime directory of this start lies there (it is
// nono's own, but the agent may have been started by something that is not nono) swaps it for a
// link to a directory of the user's. The sweep must not follow.
func TestSweepStaysInTheDirectoryThatWasChecked(t *testing.T) {
	parent := t.TempDir()
	d := dirs.Dirs{Runtime: filepath.Join(parent, "nono")}
	precious := filepath.Join(parent, "home")
	if err := os.MkdirAll(filepath.Join(precious, "work", "deep"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(precious, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(d.Runtime, 0o700); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(parent, "other")
	if err := os.Symlink("home", other); err != nil {
		t.Fatal(err)
	}

	stop := make(chan struct{})
	var swapping sync.WaitGroup
	swapping.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, d.Runtime, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE)
			}
		}
	})
	opened := 0
	for range 3000 {
		if r, err := newRunDir(d, os.Getuid()); err == nil {
			opened++
			_ = r.Remove()
		}
		if _, err := os.Stat(filepath.Join(precious, "work", "deep")); err != nil {
			t.Errorf("the user's own directory was swept: %v", err)
			break
		}
	}
	close(stop)
	swapping.Wait()
	if opened == 0 {
		t.Error("the directory was never opened at all, so nothing was tried")
	}
}
