package scratch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/nono-run/nono/core/lease"
)

func everywhere(string) bool { return true }

// What a session has is its own, and goes with it, whatever the agent made of it.
func TestDirectory(t *testing.T) {
	base, outside := t.TempDir(), t.TempDir()
	d, err := Make(base, lease.NewID())
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(d.Session())
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the session's directory: %v, %v", info, err)
	}
	// As Go leaves its modules: nobody may write, not even to remove.
	deep := filepath.Join(d.Temporary, "go", "pkg", "mod")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(outside, "kept")
	for _, err := range []error{
		os.WriteFile(filepath.Join(deep, "file"), []byte("x"), 0o444),
		os.WriteFile(kept, []byte("x"), 0o600),
		os.Symlink(outside, filepath.Join(d.Temporary, "link")),
		os.Symlink(outside, filepath.Join(deep, "link")),
		os.Chmod(deep, 0o555), os.Chmod(filepath.Dir(deep), 0), os.Chmod(outside, 0o500),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = os.Chmod(outside, 0o700) })
	if err := d.Remove(); err != nil {
		t.Errorf("removing it: %v", err)
	}
	if _, err := os.Lstat(d.Session()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	if info, err := os.Stat(outside); err != nil || info.Mode().Perm() != 0o500 {
		t.Errorf("what a link leads to: %v, %v", info, err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("what a link leads to: %v", err)
	}
}

// A session removes what killed ones left, and neither what another one holds nor what only has
// such a name.
func TestSweep(t *testing.T) {
	base := t.TempDir()
	dead, err := Make(base, lease.NewID())
	if err != nil {
		t.Fatal(err)
	}
	live, err := Make(base, lease.NewID())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(dead.lease.Close(), dead.base.Close()); err != nil { // as the kernel does
		t.Fatal(err)
	}
	others := []string{"nono-run-", "nono-run-mine", "other"}
	for _, name := range others {
		if err := os.Mkdir(filepath.Join(base, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	target := t.TempDir()
	link := filepath.Join(base, prefix+lease.NewID())
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	next, err := Make(base, lease.NewID())
	if err != nil || len(next.Stuck) > 0 {
		t.Fatal(err, next.Stuck)
	}
	if _, err := os.Lstat(dead.Session()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the killed session's is still there: %v", err)
	}
	for _, there := range []string{live.Session(), next.Session(), link, target, filepath.Join(base, "other"), filepath.Join(base, "nono-run-mine")} {
		if _, err := os.Lstat(there); err != nil {
			t.Errorf("%s was removed: %v", there, err)
		}
	}
}

// Where others could take the name away, or the agent may write, no session has its directory.
func TestAmong(t *testing.T) {
	mine, open, granted := t.TempDir(), t.TempDir(), t.TempDir()
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	ask := func(tmpdir string, outside func(string) bool) string {
		lookup := func(name string) (string, bool) { return tmpdir, name == "TMPDIR" }
		dir, err := Among(lookup, os.Getuid(), outside)
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
	if got := ask(mine, everywhere); got != mine {
		t.Errorf("the user's own is %s, and was to be %s", got, mine)
	}
	if got := ask(open, everywhere); got == open {
		t.Errorf("%s is taken, in which anyone may rename", got)
	}
	if got := ask(granted, func(dir string) bool { return dir != granted }); got == granted {
		t.Errorf("%s is taken, which the agent may write", got)
	}
	nowhere := func(string) bool { return false }
	if dir, err := Among(func(string) (string, bool) { return "", false }, os.Getuid(), nowhere); err == nil {
		t.Errorf("%s is taken, and every directory is the agent's", dir)
	}
}
