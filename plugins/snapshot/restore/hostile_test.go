//go:build linux

package restore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/snapshot/beneath"
)

// writeThrough gives a file back as a simple program would: by its path.
func writeThrough(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) }

// A link that stands in the place of a file or of a directory is replaced, and what it leads to is
// not touched.
func TestALinkIsReplacedAndNeverWrittenThrough(t *testing.T) {
	for name, plant := range map[string]func(p *place, outside string) error{
		"in place of the file": func(p *place, outside string) error {
			return errors.Join(os.Remove(p.at("dir/f")), os.Symlink(outside+"/f", p.at("dir/f")))
		},
		"in place of the directory": func(p *place, outside string) error {
			return errors.Join(os.RemoveAll(p.at("dir")), os.Symlink(outside, p.at("dir")))
		},
		"in place of a directory above": func(p *place, outside string) error {
			return errors.Join(os.RemoveAll(p.at("top")),
				os.Symlink(filepath.Dir(outside), p.at("top")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			base := t.TempDir()
			outside := base + "/dir"
			p.must(os.MkdirAll(outside, 0o755))
			p.must(os.WriteFile(outside+"/f", []byte("outside"), 0o644))
			p.write("dir/f", "before")
			p.write("top/dir/f", "before")
			before, was := p.record(), p.describe()
			p.must(plant(p, outside))
			after, is := p.record(), p.describe()
			others := p.describeTree(base)

			j := p.rollback(before, after)
			p.want("rollback", was)
			if d := difference(others, p.describeTree(base)); d != "" {
				t.Error(d)
			}
			p.undo(j)
			p.want("undo", is)

			// The attack works on who writes by the path.
			target := p.at("dir/f")
			if strings.Contains(name, "above") {
				target = p.at("top/dir/f")
			}
			p.must(writeThrough(target, "fooled"))
			if got, err := os.ReadFile(outside + "/f"); err != nil || string(got) != "fooled" {
				t.Errorf("the attack does not work: %q, %v", got, err)
			}
		})
	}
}

// While the tree is given back, somebody exchanges its directories for links to others, and its
// files for others, as fast as it goes. Whatever comes of the tree: nothing outside is touched, and
// nothing that was put there in the meantime is lost.
func TestExchangedWhileItIsGivenBack(t *testing.T) {
	const rounds = 25
	var fooled, conflicts int
	for round := range rounds {
		p := newPlace(t)
		outside := t.TempDir()
		for _, f := range []string{"a", "b", "c"} {
			p.must(os.WriteFile(filepath.Join(outside, f), []byte("outside"), 0o644))
			p.write("dir/"+f, "before")
		}
		before := p.record()
		for _, f := range []string{"a", "b"} {
			p.write("dir/"+f, "after")
		}
		p.must(os.Remove(p.at("dir/c")))
		p.write("dir/d", "after")
		after := p.record()
		p.must(os.Symlink(outside, p.root+".link"))
		p.write("../user", "user")
		others := p.describeTree(outside)
		j := p.journal(p.plan(Request{Before: before, After: after}))

		root, err := os.Open(p.root)
		p.must(err)
		dir, err := os.Open(p.at("dir"))
		p.must(err)
		stop := make(chan struct{})
		var swapping sync.WaitGroup
		swapping.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				_ = unix.Renameat2(int(root.Fd()), "dir", int(root.Fd()), "../tree.link",
					unix.RENAME_EXCHANGE)
				if n%3 == 0 {
					_ = unix.Renameat2(int(dir.Fd()), "a", int(root.Fd()), "../user",
						unix.RENAME_EXCHANGE)
				}
			}
		})
		if round%5 == 0 {
			// The control: who goes by the path is led outside.
			for range 2000 {
				if text, _ := os.ReadFile(p.at("dir/b")); string(text) == "outside" {
					fooled++
				}
			}
		}
		r, err := j.Apply(context.Background())
		close(stop)
		swapping.Wait()
		if err != nil {
			conflicts++
		} else {
			conflicts += len(r.Conflicts) + len(r.Failed)
		}
		if d := difference(others, p.describeTree(outside)); d != "" {
			t.Errorf("round %d, outside: %s", round, d)
		}
		_, _ = root.Close(), dir.Close()
		if !p.found("user") {
			t.Errorf("round %d: the user's file is lost", round)
		}
	}
	if fooled == 0 || conflicts == 0 {
		t.Errorf("fooled a simple program %d times, and was noticed %d times", fooled, conflicts)
	}
}

// found looks for a content in the tree and beside it.
func (p *place) found(text string) bool {
	found := false
	_ = filepath.Walk(filepath.Dir(p.root), func(path string, s os.FileInfo, err error) error {
		if err == nil && s.Mode().IsRegular() {
			content, _ := os.ReadFile(path)
			found = found || string(content) == text
		}
		return nil
	})
	return found
}

// What comes to a path between the look and the exchange is put back.
func TestWhatComesInTheSameMoment(t *testing.T) {
	for _, test := range []struct {
		at   string // the step before which it comes
		path string
	}{
		{"rename", "changed"}, {"rename", "removed"}, {"take away", "made"},
	} {
		t.Run(test.at+" "+test.path, func(t *testing.T) {
			p := newPlace(t)
			p.write("changed", "before")
			p.write("removed", "before")
			before := p.record()
			p.write("changed", "after")
			p.write("made", "after")
			p.must(os.Remove(p.at("removed")))
			after := p.record()
			plan := p.plan(Request{Before: before, After: after, Paths: Selection{test.path}})
			p.clean(plan)
			j := p.journal(plan)
			j.step = func(what string) error {
				if what == test.at {
					p.must(os.WriteFile(p.at("mine"), []byte("user"), 0o644))
					p.must(os.Rename(p.at("mine"), p.at(test.path)))
				}
				return nil
			}
			r, err := j.Apply(context.Background())
			p.must(err)
			if len(r.Conflicts) != 1 || r.Aside != "" {
				t.Errorf("%+v", r)
			}
			if p.read(test.path) != "user" {
				t.Errorf("%q", p.read(test.path))
			}
			if names, err := filepath.Glob(p.at(stagingPrefix + "*")); err != nil || names != nil {
				t.Errorf("%q, %v", names, err)
			}
		})
	}
}

// Whoever was killed between the exchange and the look puts it back in the second run.
func TestKilledBeforeTheLook(t *testing.T) {
	p := newPlace(t)
	p.write("changed", "before")
	before := p.record()
	p.write("changed", "after")
	after := p.record()
	j := p.journal(p.plan(Request{Before: before, After: after}))
	j.step = func(what string) error {
		switch what {
		case "rename":
			p.must(os.WriteFile(p.at("mine"), []byte("user"), 0o644))
			p.must(os.Rename(p.at("mine"), p.at("changed")))
		case "put back":
			return errStopped
		}
		return nil
	}
	if _, err := j.Apply(context.Background()); !errors.Is(err, errStopped) {
		t.Fatal(err)
	}
	if p.read("changed") != "before" {
		t.Errorf("%q", p.read("changed"))
	}
	r, err := p.resume(j).Apply(context.Background())
	p.must(err)
	if len(r.Conflicts) == 0 || p.read("changed") != "user" {
		t.Errorf("%+v, %q", r, p.read("changed"))
	}
}

// What the agent has excluded, by a file that it puts beside it, is given back all the same: it was
// recorded before. What was excluded before is not.
func TestWhatIsExcludedOnlyAtTheEnd(t *testing.T) {
	for _, since := range []bool{true, false} {
		p := newPlace(t)
		p.exclude = []string{"target/ beside Cargo.toml"}
		p.write("target/data", "the user's")
		p.write("target/gone", "the user's")
		if !since {
			p.write("Cargo.toml", "")
		}
		before, was := p.record(), p.describe()
		if since {
			p.write("Cargo.toml", "")
		}
		p.write("target/data", "rubbish")
		p.must(os.Remove(p.at("target/gone")))
		after, is := p.record(), p.describe()
		plan := p.plan(Request{Before: before, After: after})
		if !since {
			if len(plan.Permanent) != 2 {
				t.Errorf("%+v", plan.Permanent)
			}
			continue
		}
		p.clean(plan)
		j, r := p.apply(plan)
		p.whole(r)
		p.want("rollback", was)
		p.undo(j)
		p.want("undo", is)

		// What the user writes there since is his.
		p.write("target/data", "the user's own")
		plan = p.plan(Request{Before: before, After: after})
		if len(plan.Conflicts) != 1 || plan.Conflicts[0].Path != "target/data" {
			t.Errorf("%+v", plan.Conflicts)
		}
	}
}

// The longest paths that are recorded, of the bytes that are longest when they are escaped, make a
// journal that can be read again. One that cannot would keep all others from being finished.
func TestTheLongestPaths(t *testing.T) {
	p := newPlace(t)
	at, err := beneath.Open(p.root)
	p.must(err)
	defer func() { _ = at.Close() }()
	name := strings.Repeat("\x01", 250)
	for range beneath.MaxPath / 251 {
		p.must(unix.Mkdirat(at.Fd(), name, 0o700))
		next, err := at.Dir(name)
		p.must(err)
		_ = at.Close()
		at = next
	}
	link := func(from, to string) error { return unix.Linkat(at.Fd(), from, at.Fd(), to, 0) }
	for _, first := range []string{"a", "c"} {
		fd, err := unix.Openat(at.Fd(), first, unix.O_CREAT|unix.O_WRONLY, 0o600)
		p.must(err)
		_, err = unix.Write(fd, []byte(first))
		p.must(errors.Join(err, unix.Close(fd), link(first, first+"2")))
	}
	before := p.record()
	p.must(errors.Join(unix.Unlinkat(at.Fd(), "a", 0), link("c", "a")))
	after := p.record()
	j := p.journal(p.plan(Request{Before: before, After: after}))
	again, err := Open(p.store, j.dir)
	p.must(err)
	r, err := again.Apply(context.Background())
	p.must(err)
	p.whole(r)
	a, err := at.Stat("a")
	p.must(err)
	if a2, err := at.Stat("a2"); err != nil || a2.Inode != a.Inode {
		t.Errorf("%+v, %v", a2, err)
	}
}
