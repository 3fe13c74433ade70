package session

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/nono-run/nono/core/diag"
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
	killed.lease.Close() // what the kernel does for a process that is gone

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

// What cannot be removed is told, with its path and what to do, and stops nobody.
func TestSweepGoesOn(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root can open and remove everything")
	}
	d := dirs.Dirs{Runtime: filepath.Join(t.TempDir(), "nono")}
	closed, full := filepath.Join(d.Runtime, "closed"), filepath.Join(d.Runtime, "full")
	ordinary := filepath.Join(d.Runtime, "ordinary")
	for _, dir := range []string{d.Runtime, closed, full, filepath.Join(full, "deep"), ordinary} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(full, "deep", "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, mode := range map[string]os.FileMode{closed: 0, filepath.Join(full, "deep"): 0o500} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	}
	r, err := newRunDir(d, os.Getuid())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Remove()
	if _, err := os.Stat(ordinary); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what could be removed is still there: %v", err)
	}
	if len(r.Stuck) != 2 {
		t.Fatalf("got %v", r.Stuck)
	}
	for i, dir := range []string{closed, full} {
		p := r.Stuck[i]
		if p.Severity != diag.Warning || !strings.Contains(p.Summary, dir+" ") && !strings.Contains(p.Summary, dir+",") &&
			!strings.Contains(p.Summary, dir+":") || !strings.Contains(p.Detail, "rm -r "+dir) {
			t.Errorf("%s is told by %s", dir, p)
		}
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
