//go:build linux

package restore

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The directory that the root lies in is moved away while it is given back, and another tree comes
// to its path. What was begun goes on in the one that was recorded, and the other is not touched.
func TestTheRootsParentIsSwapped(t *testing.T) {
	for _, at := range []string{"mkdir staging", "write", "rename", "rmdir staging"} {
		t.Run(at, func(t *testing.T) {
			p := newPlace(t)
			parent := filepath.Join(t.TempDir(), "parent")
			p.root = filepath.Join(parent, "tree")
			p.must(os.MkdirAll(p.root, 0o700))
			p.write("dir/a", "before")
			p.write("b", "before")
			before, was := p.record(), p.describe()
			p.write("dir/a", "after")
			p.must(os.Remove(p.at("b")))
			after := p.record()
			j := p.journal(p.plan(Request{Before: before, After: after}))
			swapped := false
			var others map[string]string
			j.step = func(what string) error {
				if what != at || swapped {
					return nil
				}
				swapped = true
				p.must(os.Rename(parent, parent+".away"))
				p.must(os.MkdirAll(p.root, 0o700))
				p.write("dir/a", "after") // as the recorded one has it
				others = p.describe()
				return nil
			}
			r, err := j.Apply(context.Background())
			p.must(err)
			p.whole(r)
			if !swapped {
				t.Fatal("it was never swapped")
			}
			p.want("the other tree", others)
			if d := difference(was, p.describeTree(parent+".away/tree")); d != "" {
				t.Errorf("the recorded tree: %s", d)
			}
			if _, err := p.resume(j).Undo(context.Background(), false); !errors.Is(err, ErrReplaced) {
				t.Errorf("undoing it in the other tree: %v", err)
			}
		})
	}
}

// immutable sets or takes away the flag that keeps everybody from changing a file.
func immutable(path string, on bool) error {
	f, err := os.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil {
		return err
	}
	const flag = 0x10 // FS_IMMUTABLE_FL
	if flags &^= flag; on {
		flags |= flag
	}
	return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags)
}

// What nobody may change stays as it is and is told; the rest is given back, and it too when it may
// be.
func TestWhatIsImmutable(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes a file immutable")
	}
	p := newPlace(t)
	for _, path := range []string{"file", "dir/a", "dir/b", "other"} {
		p.write(path, "before")
	}
	before, was := p.record(), p.describe()
	for _, path := range []string{"file", "dir/a", "other", "new"} {
		p.write(path, "after")
	}
	p.must(os.Remove(p.at("dir/b")))
	after := p.record()
	stuck := []string{"file", "dir", "new"}
	for _, path := range stuck {
		if err := immutable(p.at(path), true); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		defer func() { _ = immutable(p.at(path), false) }()
	}
	if err := os.WriteFile(p.at("file"), nil, 0o600); !errors.Is(err, unix.EPERM) {
		t.Fatalf("it is not immutable: %v", err)
	}
	j, r := p.apply(p.plan(Request{Before: before, After: after}))
	var failed []string
	for _, n := range r.Failed {
		failed = append(failed, n.Path)
	}
	slices.Sort(failed)
	failed = slices.Compact(failed)
	if want := []string{"dir", "dir/a", "dir/b", "file", "new"}; !slices.Equal(failed, want) {
		t.Errorf("failed: %q, want %q\n%+v", failed, want, r)
	}
	if p.read("other") != "before" || p.read("file") != "after" || p.read("dir/a") != "after" {
		t.Errorf("%q, %q, %q", p.read("other"), p.read("file"), p.read("dir/a"))
	}
	if names, err := filepath.Glob(p.at(stagingPrefix + "*")); err != nil || names != nil {
		t.Errorf("%q, %v", names, err)
	}
	for _, path := range stuck {
		p.must(immutable(p.at(path), false))
	}
	if again, err := p.resume(j).Apply(context.Background()); err != nil || again.Whole() {
		t.Errorf("the journal is done: %+v, %v", again, err)
	}
	_, r = p.apply(p.plan(Request{Before: before, After: after}))
	p.whole(r)
	p.want("when it may be changed", was)
}

// Attributes that only root may give are given back by root.
func TestAttributesOfTheSystem(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives attributes of the system")
	}
	p := newPlace(t)
	// A capability (net_bind_service) as setcap writes it, which a change of the owner takes away.
	capability := []byte{1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	set := func(path, name string, value []byte) {
		t.Helper()
		p.must(unix.Lsetxattr(p.at(path), name, value, 0))
	}
	for _, path := range []string{"written", "chowned", "stripped", "given", "dir/in"} {
		p.write(path, "before")
	}
	for _, path := range []string{"written", "chowned", "stripped"} {
		set(path, "security.capability", capability)
	}
	set("dir", "trusted.x", []byte("1"))
	p.must(os.Chown(p.at("chowned"), 12345, 54321))
	set("chowned", "security.capability", capability)
	before, was := p.record(), p.describe()
	p.write("written", "after") // which takes the capability away
	p.must(os.Chown(p.at("chowned"), 0, 0))
	p.must(unix.Lremovexattr(p.at("stripped"), "security.capability"))
	set("given", "security.capability", capability)
	p.must(unix.Lremovexattr(p.at("dir"), "trusted.x"))
	is, after := p.describe(), p.record()
	if strings.Contains(is["written"], "security.") || !strings.Contains(was["written"], "security.") {
		t.Fatalf("the attack does not work: %s, was %s", is["written"], was["written"])
	}
	j := p.rollback(before, after)
	p.want("rollback", was)
	p.undo(j)
	p.want("undo", is)
}

// full tells the test binary, started again in namespaces of its own, where to fill a disk.
var full = flag.String("full", "", "a directory in which to fill a disk")

// A disk that becomes full in the middle of a rollback, at whichever moment: it is said, each path
// is old or new, and when there is room again it goes on.
func TestADiskThatBecomesFull(t *testing.T) {
	if *full != "" {
		fill(t, *full)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestADiskThatBecomesFull$", "-full="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, unix.EPERM) {
		t.Skip("user namespaces are not allowed here")
	}
	if err != nil || !strings.Contains(string(out), "the disk was full 6 times") {
		t.Errorf("%v\n%s", err, out)
	}
}

func fill(t *testing.T, dir string) {
	if err := unix.Mount("nono", dir, "tmpfs", 0, "size=4m,mode=700"); err != nil {
		t.Fatal(err)
	}
	p := newPlace(t)
	p.root = dir + "/tree"
	p.must(os.Mkdir(p.root, 0o700))
	for i := range 8 {
		p.write(fmt.Sprintf("d/%d", i), strings.Repeat("before", 30_000))
	}
	before, was := p.record(), p.describe()
	p.must(os.RemoveAll(p.at("d/0")))
	for i := range 8 {
		p.write(fmt.Sprintf("d/%d", i), "after")
	}
	after, is := p.record(), p.describe()
	times := 0
	for n := range 6 {
		p.must(os.WriteFile(dir+"/ballast", nil, 0o600))
		j := p.journal(p.plan(Request{Before: before, After: after}))
		// The disk has room for so many of the eight files.
		p.must(os.WriteFile(dir+"/ballast", make([]byte, 3_900_000-n*190_000), 0o600))
		_, err := j.Apply(context.Background())
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatalf("with room for %d files: %v", n, err)
		}
		times++
		got := p.describe()
		delete(got, ".") // the staging directory came and went
		delete(is, ".")
		if d := difference(is, got); d != "" {
			t.Errorf("with room for %d files: %s", n, d)
		}
		p.must(os.Remove(dir + "/ballast"))
		r, err := p.resume(j).Apply(context.Background())
		p.must(err)
		p.whole(r)
		p.want("with room for all", was)
		p.undo(j)
	}
	fmt.Printf("the disk was full %d times\n", times)
}
