package namewatch

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// place is a directory with files, of which `d/e/file` and `top` are watched from its root on.
func place(t *testing.T) (dir string, w *Watch) {
	t.Helper()
	dir = t.TempDir()
	must(t, os.MkdirAll(dir+"/d/e", 0o700))
	for _, name := range []string{"top", "other", "d/e/file", "d/e/other"} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600))
	}
	w, err := Begin([]Name{{Path: dir + "/d/e/file", Beneath: dir}, {Path: dir + "/top", Beneath: dir}})
	must(t, err)
	t.Cleanup(w.Close)
	return dir, w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestNoticed(t *testing.T) {
	for what, test := range map[string]struct {
		do   func(dir string) error
		path string
	}{
		"another is renamed over it": {
			func(dir string) error { return os.Rename(dir+"/other", dir+"/top") }, "top",
		},
		"two are exchanged": {
			func(dir string) error {
				return unix.Renameat2(unix.AT_FDCWD, dir+"/other", unix.AT_FDCWD, dir+"/top",
					unix.RENAME_EXCHANGE)
			}, "top",
		},
		"it is renamed, and named back": {
			func(dir string) error {
				if err := os.Rename(dir+"/top", dir+"/gone"); err != nil {
					return err
				}
				return os.Rename(dir+"/gone", dir+"/top")
			}, "top",
		},
		"it is removed": {func(dir string) error { return os.Remove(dir + "/d/e/file") }, "d/e/file"},
		"a directory on the way to it is renamed": {
			func(dir string) error { return os.Rename(dir+"/d", dir+"/x") }, "d/e/file",
		},
		"and the one above the last": {
			func(dir string) error { return os.Rename(dir+"/d/e", dir+"/d/x") }, "d/e/file",
		},
	} {
		t.Run(what, func(t *testing.T) {
			dir, w := place(t)
			must(t, test.do(dir))
			// At once, whoever of the two takes it from the kernel.
			if path, changed := w.Changed(); !changed || path != filepath.Join(dir, test.path) {
				t.Errorf("%q, %t", path, changed)
			}
			select {
			case <-w.Done():
			case <-time.After(time.Minute):
				t.Error("nobody is told")
			}
		})
	}
}

func TestNotNoticed(t *testing.T) {
	dir, w := place(t)
	must(t, os.WriteFile(dir+"/top", []byte("longer than it was"), 0o600))
	must(t, os.Chmod(dir+"/top", 0o400))
	must(t, os.WriteFile(dir+"/new", nil, 0o600))
	must(t, os.Rename(dir+"/new", dir+"/d/e/new"))
	must(t, os.Remove(dir+"/d/e/other"))
	must(t, os.Link(dir+"/top", dir+"/second"))
	if path, changed := w.Changed(); changed {
		t.Errorf("%q", path)
	}
	select {
	case <-w.Done():
		t.Error("somebody is told")
	default:
	}
}

// TestWaiting is told without asking.
func TestWaiting(t *testing.T) {
	dir, w := place(t)
	go func() { _ = os.Remove(dir + "/top") }()
	select {
	case <-w.Done():
	case <-time.After(time.Minute):
		t.Fatal("nobody is told")
	}
}

// More happens than the kernel remembers: then each name is looked at.
func TestOverflow(t *testing.T) {
	dir, w := place(t)
	w.mu.Lock() // nobody else takes what the kernel has to tell
	defer w.mu.Unlock()
	w.compare()
	if w.changed {
		t.Errorf("%q has not changed", w.path)
	}
	must(t, os.Rename(dir+"/top", dir+"/gone"))
	must(t, os.Rename(dir+"/other", dir+"/top"))
	if w.compare(); w.path != dir+"/top" {
		t.Errorf("%q", w.path)
	}
}

func TestNothingToWatch(t *testing.T) {
	w, err := Begin(nil)
	must(t, err)
	if _, changed := w.Changed(); changed || w.Done() != nil {
		t.Error("something changed")
	}
	w.Close()
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Symlink("/etc", dir+"/link"))
	for _, n := range []Name{
		{Path: dir, Beneath: dir},
		{Path: "/etc/passwd", Beneath: dir},
		{Path: dir + "/missing/file", Beneath: dir},
		{Path: dir + "/link/passwd", Beneath: dir},
	} {
		if w, err := Begin([]Name{n}); err == nil {
			w.Close()
			t.Errorf("%+v is watched", n)
		}
	}
}

// TestContent: where that is asked for, the first writing is noticed, whoever does it and by
// whichever name; and nothing else.
func TestContent(t *testing.T) {
	for what, test := range map[string]struct {
		do      func(dir string) error
		noticed bool
	}{
		"it is written to": {
			func(dir string) error { return os.WriteFile(dir+"/top", []byte("x"), 0o600) }, true,
		},
		"it is cut": {func(dir string) error { return os.Truncate(dir+"/top", 1) }, true},
		"it is written by another name": {
			func(dir string) error {
				if err := os.Link(dir+"/top", dir+"/alias"); err != nil {
					return err
				}
				return os.WriteFile(dir+"/alias", []byte("x"), 0o600)
			}, true,
		},
		"it is opened for writing, and closed": {
			func(dir string) error {
				f, err := os.OpenFile(dir+"/top", os.O_WRONLY, 0)
				if err != nil {
					return err
				}
				return f.Close()
			}, true,
		},
		"it is read": {func(dir string) error { _, err := os.ReadFile(dir + "/top"); return err }, false},
		"another is written to": {
			func(dir string) error { return os.WriteFile(dir+"/other", []byte("x"), 0o600) }, false,
		},
		"one of which the name alone is watched is written to": {
			func(dir string) error { return os.WriteFile(dir+"/d/e/file", []byte("x"), 0o600) }, false,
		},
	} {
		t.Run(what, func(t *testing.T) {
			dir, plain := place(t)
			w, err := Begin([]Name{{Path: dir + "/top", Beneath: dir, Content: true}})
			must(t, err)
			defer w.Close()
			must(t, test.do(dir))
			path, changed := w.Changed()
			if changed != test.noticed || changed && path != dir+"/top" {
				t.Errorf("%q, %v; want noticed: %v", path, changed, test.noticed)
			}
			if _, changed := plain.Changed(); changed {
				t.Error("who watches names is told of a content")
			}
		})
	}
}
