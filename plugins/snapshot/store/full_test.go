//go:build linux

package store

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// full tells the test binary, started again in namespaces of its own, where to fill a disk.
var full = flag.String("full", "", "a directory in which to fill a disk")

// A disk that fills is an error that says so, at whichever moment; what was there stays, and what
// was begun takes no room any more.
func TestDiskFull(t *testing.T) {
	if *full != "" {
		fill(t, *full)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestDiskFull$", "-test.v", "-full="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, unix.EPERM) {
		t.Skip("user namespaces are not allowed here")
	}
	if err != nil || !strings.Contains(string(out), "the disk was full") {
		t.Errorf("%v\n%s", err, out)
	}
}

func fill(t *testing.T, dir string) {
	if err := unix.Mount("nono", dir, "tmpfs", 0, "size=3m,mode=700"); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(dir, "store")
	first := ManifestID{}
	// Each time a little more, so that it ends in the content, in an index, or in a manifest.
	failed := 0
	for size := 2_400_000; size < 3_400_000; size += 20_000 {
		s := openStore(t, dir)
		release, err := s.Shared(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if first == (ManifestID{}) {
			first = snapshot(t, s, true, []byte("first"))
		}
		if _, err := trySnapshot(t.Context(), s, true, random(uint64(size), size)); err != nil {
			failed++
			if !errors.Is(err, unix.ENOSPC) {
				t.Errorf("%d bytes: %v", size, err)
			}
			left, err := filepath.Glob(filepath.Join(dir, "*", "*"+being))
			if len(left) > 0 || err != nil {
				t.Errorf("%d bytes: there are %v, %v", size, left, err)
			}
		}
		release()
		if err := resolves(openStore(t, dir), first); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		prune(t, s, keep(first))
	}
	if failed == 0 || failed == 50 {
		t.Errorf("the disk was full %d times of 50", failed)
	}
	fmt.Println("the disk was full")
}
