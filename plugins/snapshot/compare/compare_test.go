package compare_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/nono-run/nono/plugins/snapshot/compare"
	"github.com/nono-run/nono/plugins/snapshot/tree"
)

// entries are a tree by path; an entry's Name is of no use. A directory's Why and Xattrs are those
// of what is in it.
type entries map[string]tree.Entry

func (all entries) manifest(t testing.TB) *tree.Reader {
	t.Helper()
	var to bytes.Buffer
	root := all[""]
	root.Type, root.Mode = tree.Dir, unix.S_IFDIR|0o755
	root.Why, root.Xattrs = "", tree.Digest{}
	w, err := tree.NewWriter(&to, tree.Head{Path: "/r", Root: root})
	if err != nil {
		t.Fatal(err)
	}
	dirs := []string{""}
	for p, e := range all {
		if e.Type == tree.Dir && p != "" {
			dirs = append(dirs, p)
		}
	}
	slices.SortFunc(dirs, tree.Compare)
	paths := slices.Sorted(maps.Keys(all))
	for _, dir := range dirs {
		err := w.Directory(&tree.Directory{
			Path: dir, Git: path.Base(dir) == ".git" || isBare(all, dir), Xattrs: all[dir].Xattrs, Why: all[dir].Why,
		})
		if err != nil {
			t.Fatal(err)
		}
		var here []tree.Entry
		for _, p := range paths {
			if p == "" || strings.TrimPrefix(path.Dir(p), ".") != dir && path.Dir(p) != dir {
				continue
			}
			e := all[p]
			e.Name = path.Base(p)
			if e.Type == tree.Dir {
				e.Why, e.Xattrs = "", tree.Digest{}
			}
			here = append(here, e)
		}
		slices.SortFunc(here, func(a, b tree.Entry) int { return strings.Compare(a.Name, b.Name) })
		for _, e := range here {
			if err := w.Entry(&e); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := tree.NewReader(&to)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// isBare reports whether a directory looks like a repository.
func isBare(all entries, dir string) bool {
	_, ok := all[tree.Join(dir, "objects")]
	return ok
}

func changes(t testing.TB, before, after entries) []*compare.Change {
	t.Helper()
	var all []*compare.Change
	err := compare.Manifests(before.manifest(t), after.manifest(t), func(c *compare.Change) error {
		all = append(all, c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func dir() tree.Entry { return tree.Entry{Type: tree.Dir, Mode: unix.S_IFDIR | 0o755} }

func file(content byte, with ...func(*tree.Entry)) tree.Entry {
	e := tree.Entry{
		Type: tree.File, Mode: unix.S_IFREG | 0o644, Content: tree.Digest{content}, Links: 1,
		Inode: uint64(content), Size: 1,
	}
	for _, change := range with {
		change(&e)
	}
	return e
}

func link(target string) tree.Entry {
	return tree.Entry{Type: tree.Link, Mode: unix.S_IFLNK | 0o777, Target: target, Links: 1}
}

func say(all []*compare.Change) []string {
	var lines []string
	for _, c := range all {
		line := fmt.Sprintf("%v %s", c.Kind(), c.Path)
		if c.From != "" {
			line += " from " + c.From
		}
		if c.What != 0 {
			line += ": " + c.What.String()
		}
		if c.With {
			line += " (with its directory)"
		}
		if c.InGit {
			line += " [" + c.Git + "]"
		}
		if why := c.Permanent(); why != "" {
			line += "; " + why
		}
		lines = append(lines, line)
	}
	return lines
}

func TestWhatDiffers(t *testing.T) {
	excluded := tree.Entry{Type: tree.Dir, Mode: unix.S_IFDIR | 0o755, Excluded: true}
	for name, test := range map[string]struct {
		before, after entries
		want          []string
	}{
		"nothing": {entries{"a": file(1)}, entries{"a": file(1)}, nil},
		"a file of each kind of change": {
			entries{"a": file(1), "b": file(2), "m": file(3), "o": file(4), "t": file(5), "x": file(6)},
			entries{
				"b": file(9), "c": file(1), "m": file(3, func(e *tree.Entry) { e.Mode |= 0o111 }),
				"o": file(4, func(e *tree.Entry) { e.GID = 7 }),
				"t": file(5, func(e *tree.Entry) { e.MTime = 7 }),
				"x": file(6, func(e *tree.Entry) { e.Xattrs = tree.Digest{1} }),
			},
			[]string{
				"removed a", "changed b: content", "added c", "changed m: mode", "changed o: owner",
				"changed t: times", "changed x: attributes",
			},
		},
		"what only stat knows better": {
			entries{"a": file(1)},
			entries{"a": file(1, func(e *tree.Entry) { e.Inode, e.CTime, e.Device = 8, 9, 10 })},
			nil,
		},
		"a file that is no longer the same as another": {
			entries{
				"a": file(1, func(e *tree.Entry) { e.Links = 2 }),
				"b": file(1, func(e *tree.Entry) { e.Links = 2 }),
			},
			entries{"a": file(1), "b": file(1, func(e *tree.Entry) { e.Inode = 5 })},
			[]string{"changed b: hard links"},
		},
		"a directory, a file and a link change places": {
			entries{"a": dir(), "a/x": file(1), "b": file(2), "c": link("x")},
			entries{"a": link("/etc"), "b": dir(), "b/y": file(3), "c": file(4)},
			[]string{
				"changed c: type", "changed a: type", "removed a/x", "changed b: type", "added b/y",
			},
		},
		"names around the slash": {
			entries{"a": dir(), "a/x": file(1), "a-b": file(2), "a\x01": dir(), "a\x01/x": file(1)},
			entries{"a": dir(), "a-b": dir(), "a-b/z": file(3), "a.b": file(1)},
			[]string{
				"added a.b", "removed a/x", "removed a\x01", "removed a\x01/x", "changed a-b: type",
				"added a-b/z",
			},
		},
		"a directory that became unreadable": {
			entries{"a": dir(), "a/s": dir(), "a/s/x": file(1), "a/y": file(2), "b": file(3)},
			entries{"a": {Type: tree.Dir, Mode: unix.S_IFDIR, Why: "denied"}, "b": file(4)},
			[]string{
				"changed b: content", "changed a: mode", "unknown a/y", "unknown a/s", "unknown a/s/x",
			},
		},
		"a directory that was unreadable": {
			entries{"a": {Type: tree.Dir, Mode: unix.S_IFDIR, Why: "denied"}, "a-": file(4)},
			entries{"a": dir(), "a/x": file(1)},
			[]string{
				"removed a-", "changed a: mode",
				"unknown a/x; what it was before is not known: denied",
			},
		},
		"what cannot be undone": {
			entries{
				"e": excluded, "e/x": {Type: tree.File, Excluded: true, Size: 1}, "p": {
					Type: tree.Special, Mode: unix.S_IFIFO,
				}, "u": {Type: tree.Unreadable, Mode: unix.S_IFREG, Why: "denied"},
			},
			entries{
				"e": excluded, "e/x": {Type: tree.File, Excluded: true, Size: 2}, "u": file(1),
				"q": {Type: tree.Special, Mode: unix.S_IFSOCK},
			},
			[]string{
				"removed p; it was a pipe, which is not made again", "added q",
				"changed u: mode, contents; it could not be recorded: denied",
				"changed e/x: contents; its contents are not recorded (excluded)",
			},
		},
		"what is git's": {
			entries{".git": dir(), ".git/HEAD": file(1), "s": dir(), "x": file(7)},
			entries{
				".git": dir(), ".git/HEAD": file(2), "s": dir(), "s/.git": dir(), "s/.git/refs": dir(),
				"s/.git/refs/a": file(3), "t": file(1), "x": file(8),
			},
			[]string{
				"added t", "changed x: content", "changed .git/HEAD: content [.git]",
				"added s/.git [s/.git]", "added s/.git/refs [s/.git]", "added s/.git/refs/a [s/.git]",
			},
		},
		"what somebody made look like git's": {
			entries{"bare": dir(), "bare/objects": dir(), "docs": dir(), "docs/a": file(1)},
			entries{
				"bare": dir(), "bare/x": file(1), "docs": dir(), "docs/a": file(2),
				"docs/objects": dir(), "new": dir(), "new/objects": dir(),
			},
			[]string{
				"added bare/x [bare]", "removed bare/objects [bare]", "changed docs/a: content",
				"added docs/objects", "added new [new]", "added new/objects [new]",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := say(changes(t, test.before, test.after))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRenames(t *testing.T) {
	numbered := func(e tree.Entry, inode uint64) tree.Entry {
		e.Inode = inode
		return e
	}
	before := entries{
		"src": numbered(dir(), 100), "src/a": file(1), "src/b": file(2), "src/c": file(3),
		"copied": file(4), "gone": file(5), "empty": file(6, func(e *tree.Entry) { e.Size = 0 }),
		"x": dir(), "x/same": file(7), "y": dir(), "y/other": numbered(file(7), 70),
	}
	after := entries{
		"lib": numbered(dir(), 100), "lib/a": file(1), "lib/b": numbered(file(22), 2),
		"lib/z": file(3), "copy": numbered(file(4), 44), "new": numbered(file(9), 5),
		"void": file(6, func(e *tree.Entry) { e.Size, e.Inode = 0, 66 }),
		"x":    dir(), "y": dir(), "z": dir(), "z/same": numbered(file(7), 71),
	}
	want := []string{
		"renamed copy from copied", "removed empty", "removed gone", "added new", "added void",
		"renamed lib from src", "renamed lib/a from src/a (with its directory)",
		"renamed lib/b from src/b: content", "renamed lib/z from src/c", "removed y/other",
		"added z", "renamed z/same from x/same",
	}
	if diff := cmp.Diff(want, say(compare.Renames(changes(t, before, after)))); diff != "" {
		t.Error(diff)
	}
}

// What the merge says is what is found by looking at each path on both sides.
func TestMergeIsTheSlowWay(t *testing.T) {
	component := rapid.SampledFrom([]string{"a", "b", "a-", "a\x01", "\xff"})
	drawn := rapid.Custom(func(t *rapid.T) entries {
		all, dirs := entries{"": dir()}, []string{""}
		for range rapid.IntRange(0, 12).Draw(t, "entries") {
			in := rapid.SampledFrom(dirs).Draw(t, "in")
			at := tree.Join(in, component.Draw(t, "name"))
			if _, ok := all[at]; ok {
				continue
			}
			switch rapid.IntRange(0, 2).Draw(t, "type") {
			case 0:
				all[at] = file(byte(rapid.IntRange(1, 3).Draw(t, "content")))
			case 1:
				all[at] = link("x")
			default:
				all[at] = dir()
				dirs = append(dirs, at)
			}
		}
		return all
	})
	rapid.Check(t, func(rt *rapid.T) {
		before, after := drawn.Draw(rt, "before"), drawn.Draw(rt, "after")
		want := map[string]compare.What{}
		for p, b := range before {
			a, ok := after[p]
			if !ok {
				want[p] = 0
			} else if what := compare.Entries(&b, &a); what != 0 {
				want[p] = what
			}
		}
		for p := range after {
			if _, ok := before[p]; !ok {
				want[p] = 0
			}
		}
		got := map[string]compare.What{}
		for _, c := range changes(t, before, after) {
			if _, twice := got[c.Path]; twice {
				rt.Fatalf("%q twice", c.Path)
			}
			got[c.Path] = c.What
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatal(diff)
		}
	})
}

func TestAnErrorEndsIt(t *testing.T) {
	before, after := entries{"a": file(1), "b": file(2)}, entries{}
	stop, n := io.ErrClosedPipe, 0
	err := compare.Manifests(before.manifest(t), after.manifest(t), func(*compare.Change) error {
		n++
		return stop
	})
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("%v after %d changes", err, n)
	}
}
