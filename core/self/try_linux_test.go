package self_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/self"
	"github.com/nono-run/nono/core/why"
)

// A try says what the kernel does, and leaves no trace.
func TestTry(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	for name, mode := range map[string]os.FileMode{"file": 0o600, "program": 0o700, "sub/x": 0o600} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("#!/bin/true\n"), mode), os.Chtimes(path, old, old)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(unix.Mkfifo(dir+"/pipe", 0o600), os.Symlink("nowhere", dir+"/link"), os.Chtimes(dir, old, old)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		op   why.Op
		name string
		want error
	}{
		{why.Read, "file", nil},
		{why.Read, "sub", nil},
		{why.Read, "pipe", nil}, // and nobody writes to it
		{why.Read, "gone", unix.ENOENT},
		{why.Read, "link", unix.ENOENT},
		{why.List, "sub", nil},
		{why.List, "file", unix.ENOTDIR},
		{why.Write, "file", nil},
		{why.Write, "sub", nil},
		{why.Write, "pipe", nil},
		{why.Execute, "program", nil},
		{why.Execute, "file", unix.EACCES},
		{why.Create, "new", nil},
		{why.Create, "file", nil},
		{why.Create, "gone/new", unix.ENOENT},
		{why.Delete, "file", nil},
		{why.Delete, "sub", nil},
		{why.Delete, "link", nil},
		{why.Delete, "gone", unix.ENOENT},
		{"", "file", unix.EINVAL},
	} {
		if err := self.Try(filepath.Join(dir, tt.name), tt.op); !errors.Is(err, tt.want) {
			t.Errorf("%s %s: %v, want %v", tt.op, tt.name, err, tt.want)
		}
	}
	for _, name := range []string{"", "file"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || !info.ModTime().Equal(old) {
			t.Errorf("%q was changed: %v, %v", name, info.ModTime(), err)
		}
	}
	// Mount points: nobody removes /proc, nor what it lies in.
	for _, name := range []string{"/proc", "/dev/shm"} {
		if err := self.Try(name, why.Delete); err == nil {
			t.Errorf("%s may be removed", name)
		}
	}
	// What only its owner removes.
	if os.Geteuid() == 0 {
		sticky := filepath.Join(dir, "sticky")
		if err := errors.Join(os.Mkdir(sticky, 0o700), os.Chmod(sticky, 0o777|os.ModeSticky), os.WriteFile(sticky+"/x", nil, 0o600),
			os.Chown(sticky, 1, 1), os.Chown(sticky+"/x", 1, 1)); err != nil {
			t.Fatal(err)
		}
		if err := self.Try(sticky+"/x", why.Delete); !errors.Is(err, unix.EPERM) {
			t.Errorf("%v, want %v", err, unix.EPERM)
		}
	}
}
