package beneath_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/snapshot/beneath"
)

func identity(t *testing.T, path string) beneath.Identity {
	t.Helper()
	dir, err := beneath.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	is, err := dir.Identity()
	if err != nil {
		t.Fatal(err)
	}
	return is
}

func TestWhichDirectoryIsTheSame(t *testing.T) {
	is := beneath.Identity{Device: 1, Inode: 2, FileSystem: 3, Born: 4}
	for name, test := range map[string]struct {
		other beneath.Identity
		same  bool
	}{
		"itself":                        {is, true},
		"after the machine was started": {beneath.Identity{9, 2, 3, 4}, true},
		"a file system with a new name": {beneath.Identity{1, 2, 9, 4}, true},
		"recorded with less":            {beneath.Identity{1, 2, 0, 0}, true},
		"elsewhere":                     {beneath.Identity{9, 2, 9, 4}, false},
		"elsewhere, with less":          {beneath.Identity{9, 2, 0, 4}, false},
		"of another number":             {beneath.Identity{1, 9, 3, 4}, false},
		"made later":                    {beneath.Identity{1, 2, 3, 9}, false},
	} {
		if is.Same(test.other) != test.same || test.other.Same(is) != test.same {
			t.Errorf("%s: want %t", name, test.same)
		}
	}
	nameless := beneath.Identity{Device: 1, Inode: 2}
	if nameless.Same(beneath.Identity{Device: 9, Inode: 2}) {
		t.Error("two file systems without a name are one")
	}
}

// An inode's number is given to the next directory at once on some file systems: then the time at
// which it was made tells.
func TestADirectoryMadeAgainIsAnotherOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dir")
	reused := 0
	var before beneath.Identity
	for i := range 100 {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		is := identity(t, path)
		if !is.Same(identity(t, path)) {
			t.Fatalf("it is not itself: %+v", is)
		}
		if i > 0 && is.Same(before) {
			t.Fatalf("%+v is taken for %+v", is, before)
		}
		if is.Inode == before.Inode {
			reused++
		}
		before = is
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		tick(t)
	}
	t.Logf("%d had the number of the one before", reused)
}

// tick waits until a file that is made has another time than one that was made before: some
// milliseconds.
func tick(t *testing.T) {
	t.Helper()
	clock := func() (now unix.Timespec) {
		if err := unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &now); err != nil {
			t.Fatal(err)
		}
		return now
	}
	for before := clock(); clock() == before; {
		runtime.Gosched()
	}
}

// A directory that is moved stays the same, whatever is done to it.
func TestADirectoryStaysItself(t *testing.T) {
	dir := t.TempDir()
	path, moved := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	is := identity(t, path)
	err := errors.Join(
		os.WriteFile(path+"/x", nil, 0o600), os.Chmod(path, 0o500), os.Rename(path, moved))
	if err != nil {
		t.Fatal(err)
	}
	if now := identity(t, moved); now != is {
		t.Errorf("%+v, was %+v", now, is)
	}
	if err := os.Chmod(moved, 0o700); err != nil {
		t.Fatal(err)
	}
}
