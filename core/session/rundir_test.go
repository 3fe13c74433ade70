package session

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/nono-run/nono/core/dirs"
)

func TestRunDirOfAKilledRunIsSwept(t *testing.T) {
	d := dirs.Dirs{Runtime: filepath.Join(t.TempDir(), "nono")}
	alive, err := newRunDir(d, os.Getuid())
	if err != nil {
		t.Fatal(err)
	}
	killed, err := newRunDir(d, os.Getuid())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(killed.Path, "0", "deep"), 0o700); err != nil {
		t.Fatal(err)
	}
	killed.lock.Close() // what the kernel does for a process that is gone

	next, err := newRunDir(d, os.Getuid())
	if err != nil {
		t.Fatal(err)
	}
	defer next.Remove()
	if _, err := os.Stat(killed.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what the killed run left is still there: %v", err)
	}
	if _, err := os.Stat(alive.Path); err != nil {
		t.Errorf("the directory of a living run is gone: %v", err)
	}
	if err := alive.Remove(); err != nil {
		t.Error(err)
	}
}

// Starts that sweep must not take each other's new directories for abandoned.
func TestRunDirsAtTheSameTime(t *testing.T) {
	d := dirs.Dirs{Runtime: filepath.Join(t.TempDir(), "nono")}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			r, err := newRunDir(d, os.Getuid())
			if err != nil {
				t.Error(err)
				return
			}
			if err := os.WriteFile(filepath.Join(r.Path, "mine"), nil, 0o600); err != nil {
				t.Errorf("another start took it: %v", err)
			}
			if err := r.Remove(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
