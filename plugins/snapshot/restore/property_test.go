//go:build linux

package restore

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// Each check makes a tree and a store on a disk, and has them synced.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		_ = flag.Set("rapid.checks", "10")
		_ = flag.Set("rapid.shrinktime", "15s")
	}
	os.Exit(m.Run())
}

// editor makes random changes to a tree. What cannot be done, such as making a file in a directory
// that gives no right to, is not done.
type editor struct {
	*place
	rapid *rapid.T
	drawn uint64
}

// draw draws one of n numbers, each as likely as the others: rapid itself likes small ones best.
func (e *editor) draw(n int) int {
	e.drawn++
	r := rand.NewPCG(rapid.Uint64().Draw(e.rapid, "n"), e.drawn)
	return rand.New(r).IntN(n)
}

var components = []string{"a", "b", "c.txt", "-d", "\xff", "e\nf", "g h"}

// paths are those that are there, but for the root.
func (e *editor) paths() []string {
	var all []string
	_ = filepath.WalkDir(e.root, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && path != e.root {
			all = append(all, strings.TrimPrefix(path, e.root+"/"))
		}
		return nil
	})
	return all
}

func (e *editor) some(all []string) string {
	if len(all) == 0 {
		return "none"
	}
	return all[e.draw(len(all))]
}

// fresh is a name in a directory that is there, and may be taken.
func (e *editor) fresh() string {
	dirs := slices.DeleteFunc(e.paths(), func(path string) bool {
		s, err := os.Lstat(e.at(path))
		return err != nil || !s.IsDir()
	})
	dirs = append(dirs, "", "")
	return filepath.Join(e.some(dirs), e.some(components))
}

func (e *editor) text() []byte {
	sizes := []int{0, 1, 1, 30, 30, 5000, 70_000}
	return bytes.Repeat([]byte{"abc"[e.draw(3)]}, sizes[e.draw(len(sizes))])
}

// edit makes one change. It follows no link.
func (e *editor) edit() {
	path := e.some(e.paths())
	at, to := e.at(path), e.at(e.fresh())
	isLink := func(p string) bool {
		s, err := os.Lstat(p)
		return err == nil && s.Mode()&os.ModeSymlink != 0
	}
	switch e.draw(14) {
	case 0, 1, 2:
		if !isLink(to) {
			_ = os.WriteFile(to, e.text(), 0o644)
		}
	case 3, 4:
		_ = os.Mkdir(to, 0o755)
	case 5:
		_ = os.RemoveAll(at)
	case 6, 7:
		_ = os.Rename(at, to)
	case 8:
		_ = os.Symlink(e.some([]string{"a", "../b", "/etc/passwd", e.root}), to)
	case 9:
		if !isLink(at) {
			_ = os.Link(at, to)
		}
	case 10:
		if s, err := os.Lstat(at); err == nil && s.IsDir() {
			_ = os.Chmod(at, e.mode(0o755, 0o700, 0o555, 0o500, 0o1777))
		} else if !isLink(at) {
			_ = os.Chmod(at, e.mode(0o644, 0o600, 0o444, 0o755, 0o000))
		}
	case 11:
		when := time.Unix(int64(e.draw(2e9)), int64(e.draw(1e9)))
		if !isLink(at) {
			_ = os.Chtimes(at, when, when)
		}
	case 12:
		_ = unix.Lsetxattr(at, "user."+e.some([]string{"x", "y"}), []byte(e.some(components)), 0)
	case 13:
		// A file or a directory becomes the other.
		s, err := os.Lstat(at)
		if err != nil || os.RemoveAll(at) != nil {
			return
		}
		if s.IsDir() {
			_ = os.WriteFile(at, e.text(), 0o644)
		} else {
			_ = os.Mkdir(at, 0o755)
			_ = os.WriteFile(at+"/in", e.text(), 0o644)
		}
	}
}

func (e *editor) mode(modes ...uint32) os.FileMode {
	return mode(modes[e.draw(len(modes))])
}

// randomPlace draws a tree, a place for it and an editor.
func randomPlace(t *testing.T, rt *rapid.T) (*place, *editor) {
	dir := filepath.Join(t.TempDir(), fmt.Sprint(time.Now().UnixNano()))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	p := placeIn(t, dir)
	p.t = rt
	e := &editor{place: p, rapid: rt}
	for range 5 + e.draw(30) {
		e.edit()
	}
	// What nobody may read could not be recorded before the session either.
	for _, path := range e.paths() {
		if s, err := os.Lstat(p.at(path)); err == nil && s.Mode() == 0 {
			p.must(os.Chmod(p.at(path), 0o400))
		}
	}
	return p, e
}

func TestRandomTreesComeBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p, e := randomPlace(t, rt)
		was, before := p.describe(), p.record()
		for range 1 + e.draw(30) {
			e.edit()
		}
		is, after := p.describe(), p.record()
		j := p.rollback(before, after)
		p.want("rollback", was)
		j = p.undo(j)
		p.want("undo", is)
		p.undo(j)
		p.want("undo of undo", was)
	})
}

// A part is a path with all that lies beneath it. What must change with it, so that it can be there,
// are the directories above it.
func TestARandomPartComesBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p, e := randomPlace(t, rt)
		was, before := p.describe(), p.record()
		for range 1 + e.draw(30) {
			e.edit()
		}
		is, after := p.describe(), p.record()
		paths := slices.Sorted(func(yield func(string) bool) {
			for path := range was {
				if path != "." && !yield(path) {
					return
				}
			}
		})
		chosen := e.some(append(paths, e.paths()...))
		plan := p.plan(Request{Before: before, After: after, Paths: Selection{chosen}})
		p.clean(plan)
		j, r := p.apply(plan)
		p.whole(r)
		got := p.describe()
		for _, path := range slices.Concat(paths, e.paths()) {
			switch {
			case within(path, chosen):
				if content(got[path]) != content(was[path]) {
					rt.Fatalf("%q, in %q, is %s, was %s", path, chosen, got[path], was[path])
				}
			case !within(chosen, path) && !above(path, chosen, was):
				if content(got[path]) != content(is[path]) {
					rt.Fatalf("%q, beside %q, is %s, was to stay %s", path, chosen, got[path], is[path])
				}
			}
		}
		p.undo(j)
		p.want("undo", is)
	})
}

// above reports whether a path lies beneath something that had to give way to a directory.
func above(path, chosen string, was map[string]string) bool {
	for dir := filepath.Dir(chosen); dir != "."; dir = filepath.Dir(dir) {
		if within(path, dir) && was[path] == "" && !strings.HasPrefix(was[dir], "4") {
			return true
		}
	}
	return false
}

// content is a description without which names are one file: that cannot be given back for one of
// them alone.
func content(description string) string {
	fields := strings.SplitN(description, " ", 6)
	if len(fields) == 6 && strings.HasPrefix(description, "100") {
		fields = fields[:5]
	}
	return strings.Join(fields, " ")
}

func TestKilledAndFinished(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p, e := randomPlace(t, rt)
		was, before := p.describe(), p.record()
		for range 1 + e.draw(20) {
			e.edit()
		}
		is, after := p.describe(), p.record()
		plan := p.plan(Request{Before: before, After: after})
		p.clean(plan)
		j, _ := p.killed(plan, e.draw(80))
		for range e.draw(3) {
			stopped := stopAfter(j, e.draw(40))
			if _, err := j.Apply(context.Background()); *stopped != errors.Is(err, errStopped) {
				rt.Fatalf("stopped %t: %v", *stopped, err)
			}
			j = p.resume(j)
		}
		if e.draw(2) == 0 {
			p.undo(j)
			p.want("undone", is)
			return
		}
		r, err := j.Apply(context.Background())
		p.must(err)
		p.whole(r)
		p.want("finished", was)
	})
}
