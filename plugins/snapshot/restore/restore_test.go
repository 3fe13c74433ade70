//go:build linux

package restore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// attack does what an agent that lost its way does to a project.
func attack(p *place, secret string) {
	p.t.Helper()
	for _, err := range []error{
		os.RemoveAll(p.at("docs")),
		os.Rename(p.at("src"), p.at("lib")),
		os.Truncate(p.at("data"), 0),
		os.Chmod(p.at("run"), 0o644),
		os.Remove(p.at("link")),
		os.Symlink(secret, p.at("link")),
		os.RemoveAll(p.at("dir")),
		os.Symlink(filepath.Dir(secret), p.at("dir")),
		os.Remove(p.at("file")),
		os.MkdirAll(p.at("file/deep"), 0o755),
		os.Symlink(secret, p.at("file/deep/key")),
		os.Remove(p.at("empty")),
		os.Remove(p.at("b")),
		os.WriteFile(p.at("b"), []byte("two"), 0o600),
		os.Mkdir(p.at("new"), 0o555),
		os.WriteFile(p.at("rubbish"), []byte("x"), 0o600),
		os.Chmod(p.at("locked/in"), 0o755),
		os.WriteFile(p.at("locked/in/more"), nil, 0o600),
		os.Chmod(p.at("locked/in"), 0),
		os.Chmod(p.at("secretive"), 0),
	} {
		p.must(err)
	}
}

// project is a tree with one of each.
func project(p *place) {
	p.t.Helper()
	for path, text := range map[string]string{
		"docs/a/b.md": "text", "src/main.go": "package main", "src/x/y": strings.Repeat("y", 3000),
		"data": "data", "run": "#!/bin/sh", "dir/in": "in", "file": "file", "b": "two", "a": "two",
		"locked/in/x": "x", "odd\n\xff -rf/\x01": "odd", "secretive": "s",
	} {
		p.write(path, text)
	}
	for _, err := range []error{
		os.Chmod(p.at("run"), 0o755),
		os.Symlink("src/main.go", p.at("link")),
		os.Mkdir(p.at("empty"), 0o750),
		os.Remove(p.at("b")),
		os.Link(p.at("a"), p.at("b")),
		os.Chtimes(p.at("docs/a"), time.Time{}, time.Unix(1e9, 123456789)),
		os.Chtimes(p.at("src/main.go"), time.Time{}, time.Unix(-5, 7)),
		os.Chmod(p.at("locked/in"), 0o555),
	} {
		p.must(err)
	}
	if err := unix.Setxattr(p.at("data"), "user.x", []byte("1"), 0); err == nil {
		p.must(unix.Setxattr(p.at("docs"), "user.y", []byte("2"), 0))
	}
}

func TestAllOfItComesBack(t *testing.T) {
	p := newPlace(t)
	outside := t.TempDir()
	secret := filepath.Join(outside, "key")
	p.must(os.WriteFile(secret, []byte("secret"), 0o600))
	project(p)
	before, was := p.record(), p.describe()
	attack(p, secret)
	after, is := p.record(), p.describe()
	others := p.describeTree(outside)

	plan := p.plan(Request{Before: before, After: after})
	p.want("planning changed something", is)
	if len(plan.Conflicts) > 0 {
		t.Fatalf("%+v", plan.Conflicts)
	}
	hidden := os.Geteuid() != 0 // root sees what is in a directory without rights
	if hidden != (len(plan.Permanent) > 0) {
		t.Fatalf("%+v", plan.Permanent)
	}
	j, r := p.apply(plan)
	p.whole(r)
	if hidden {
		// It was made where nobody could look, so nobody saw that the agent made it.
		p.must(os.Chmod(p.at("locked/in"), 0o755))
		p.must(os.Remove(p.at("locked/in/more")))
		p.must(os.Chmod(p.at("locked/in"), 0o555))
		delete(is, "locked/in/more")
		for _, d := range []map[string]string{was, is} {
			delete(d, "locked/in") // its times
		}
		got := p.describe()
		delete(got, "locked/in")
		if d := difference(was, got); d != "" {
			t.Fatal(d)
		}
		return
	}
	p.want("rollback", was)
	j = p.undo(j)
	p.want("undo", is)
	p.undo(j)
	p.want("undo of undo", was)
	if d := difference(others, p.describeTree(outside)); d != "" {
		t.Errorf("outside: %s", d)
	}
	if n := len(p.plan(Request{Before: before, After: after}).Operations); n > 1 {
		t.Errorf("%d operations where nothing is to be done", n)
	}
}

func TestAPartOfIt(t *testing.T) {
	for _, test := range []struct {
		paths []string
		same  []string // that are as before
		as    []string // that are as after
	}{
		{[]string{"data"}, []string{"data"}, []string{"run", "dir", "lib", "b"}},
		{[]string{"docs/a/b.md"}, []string{"docs", "docs/a", "docs/a/b.md"}, []string{"data", "dir"}},
		{[]string{"dir/in"}, []string{"dir", "dir/in"}, []string{"data", "lib/main.go"}},
		{[]string{"lib", "run"}, []string{"lib/main.go", "run"}, []string{"src/main.go", "link"}},
		{[]string{"file"}, []string{"file", "file/deep"}, []string{"data"}},
		{[]string{"b"}, []string{"b", "a"}, []string{"data"}},
	} {
		t.Run(strings.Join(test.paths, " "), func(t *testing.T) {
			p := newPlace(t)
			project(p)
			before, was := p.record(), p.describe()
			attack(p, "/nowhere/key")
			after, is := p.record(), p.describe()
			plan := p.plan(Request{Before: before, After: after, Paths: test.paths})
			p.clean(plan)
			j, r := p.apply(plan)
			p.whole(r)
			got := p.describe()
			for _, path := range test.same {
				if got[path] != was[path] {
					t.Errorf("%s is %q, and was %q", path, got[path], was[path])
				}
			}
			for _, path := range test.as {
				if got[path] != is[path] {
					t.Errorf("%s is %q, and was to stay %q", path, got[path], is[path])
				}
			}
			p.undo(j)
			p.want("undo", is)
		})
	}
}

// What the user made since is nobody's to take.
func TestWhatTheUserDidSince(t *testing.T) {
	set := func() (*place, Manifest, Manifest) {
		p := newPlace(t)
		for _, f := range []string{"changed", "removed", "kept/old", "dir/file", "touched"} {
			p.write(f, "before")
		}
		before := p.record()
		for _, f := range []string{"changed", "made/by/agent", "kept/old", "touched"} {
			p.write(f, "agent")
		}
		p.must(os.Remove(p.at("removed")))
		p.must(os.RemoveAll(p.at("dir")))
		after := p.record()
		p.write("changed", "user")
		p.write("removed", "user")
		p.write("made/by/user", "user")
		p.write("kept/mine", "user")
		p.write("dir", "user")
		later := time.Now().Add(time.Hour)
		p.must(os.Chtimes(p.at("touched"), later, later))
		return p, before, after
	}
	check := func(p *place, want map[string]string) {
		t.Helper()
		for path, text := range want {
			got, err := os.ReadFile(p.at(path))
			if err != nil && text != "" || string(got) != text {
				t.Errorf("%s: %q, %v; want %q", path, got, err, text)
			}
		}
	}
	p, before, after := set()
	plan := p.plan(Request{Before: before, After: after})
	var conflicts []string
	for _, c := range plan.Conflicts {
		conflicts = append(conflicts, c.Path+": "+c.Why)
	}
	if want := []string{
		"changed: changed since: content", "dir: it was made since",
		"removed: it was made since",
	}; !slices.Equal(conflicts, want) {
		t.Errorf("%q, want %q", conflicts, want)
	}
	_, r := p.apply(plan)
	if len(r.Kept) != 2 || r.Kept[0].Path != "made/by" {
		t.Errorf("%+v", r)
	}
	check(p, map[string]string{
		"changed": "user", "removed": "user", "made/by/user": "user", "made/by/agent": "",
		"kept/old": "before", "kept/mine": "user", "dir": "user", "touched": "before",
	})
	p, before, after = set()
	is := p.describe()
	j, _ := p.apply(p.plan(Request{Before: before, After: after, Force: true}))
	check(p, map[string]string{
		"changed": "before", "removed": "before", "made/by/user": "user", "made/by/agent": "",
		"kept/mine": "user", "dir/file": "before", "touched": "before",
	})
	p.undo(j)
	p.want("undo of what was forced", is)
}

func TestBytesOfTheUsersChoice(t *testing.T) {
	p := newPlace(t)
	p.write("a", "1\n2\n3\n")
	p.write("gone", "1\n2\n")
	p.must(os.Chmod(p.at("a"), 0o755))
	before := p.record()
	p.write("a", "one\n2\nthree\n")
	p.write("b", "1\n")
	p.must(os.Remove(p.at("gone")))
	after, is := p.record(), p.describe()
	j, r := p.apply(p.plan(Request{Before: before, After: after, Contents: map[string][]byte{
		"a": []byte("1\n2\nthree\n"), "gone": []byte("2\n"),
	}}))
	p.whole(r)
	if p.read("a") != "1\n2\nthree\n" || p.read("gone") != "2\n" || p.read("b") != "1\n" {
		t.Errorf("%q, %q, %q", p.read("a"), p.read("gone"), p.read("b"))
	}
	if s, err := os.Stat(p.at("a")); err != nil || s.Mode() != 0o755 {
		t.Errorf("%v, %v", s.Mode(), err)
	}
	p.undo(j)
	p.want("undo", is)
	_, err := Make(context.Background(), Request{
		Root: p.identity(), Store: p.store, Before: before, After: after,
		Contents: map[string][]byte{"never": nil},
	})
	if err == nil {
		t.Error("a file that was not changed was taken")
	}
}

// The user is asked about paths, and not about operations: a rename is one, and so is a git
// directory. What is chosen of a file's content and what is put back as a whole are one plan.
func TestChangesAreCountedAsTheUserDoes(t *testing.T) {
	p := newPlace(t)
	for _, path := range []string{"moved", "d/one", "d/two", "gone", "text", ".git/config"} {
		p.write(path, "this is "+path)
	}
	p.write(".git/HEAD", "ref: refs/heads/main\n")
	p.must(os.MkdirAll(p.at(".git/objects"), 0o755))
	p.must(os.MkdirAll(p.at(".git/refs/heads"), 0o755))
	was, before := p.describe(), p.record()
	p.must(os.Rename(p.at("moved"), p.at("elsewhere")))
	p.must(os.Rename(p.at("d"), p.at("e")))
	p.must(os.Remove(p.at("gone")))
	p.write("new", "new")
	p.write("text", "another")
	p.write(".git/config", "changed")
	p.write(".git/hooks/x", "new")
	after := p.record()
	says := func(plan *Plan) string {
		var all []string
		for _, c := range plan.Changes() {
			all = append(all, fmt.Sprintf("%v %s<%s", c.Kind(), c.Path, c.From))
			if c.InGit {
				all[len(all)-1] = "git " + c.Path
			}
		}
		return strings.Join(all, "\n")
	}
	part := p.plan(Request{
		Before: before, After: after, Paths: Selection{"moved", "elsewhere", "gone"},
		Contents: map[string][]byte{"text": []byte("half")},
	})
	if want := "added gone<\nrenamed moved<elsewhere\nchanged text<"; says(part) != want {
		t.Errorf("a part:\n%s\nwant\n%s", says(part), want)
	}
	all := p.plan(Request{Before: before, After: after})
	want := "git .git\nrenamed d<e\nrenamed d/one<e/one\nrenamed d/two<e/two\nadded gone<\n" +
		"renamed moved<elsewhere\nremoved new<\nchanged text<"
	if says(all) != want {
		t.Errorf("all:\n%s\nwant\n%s", says(all), want)
	}
	_, r := p.apply(part)
	p.whole(r)
	if p.read("text") != "half" || p.read("moved") != "this is moved" {
		t.Errorf("%q, %q", p.read("text"), p.read("moved"))
	}
	plan := p.plan(Request{Before: before, After: after, Force: true})
	_, r = p.apply(plan)
	p.whole(r)
	p.want("all", was)
}

// Whoever waits is told how far it has come: always further, and to the end.
func TestProgressIsTold(t *testing.T) {
	p := newPlace(t)
	p.write("big", strings.Repeat("before", 1<<20))
	p.write("small", "before")
	p.write("d/gone", "before")
	before := p.record()
	p.write("big", strings.Repeat("after", 1<<20))
	p.write("new/file", "after")
	p.must(os.Chmod(p.at("small"), 0o600))
	p.must(os.RemoveAll(p.at("d")))
	after := p.record()
	var calls int
	var last, whole int64
	tell := func(done, total int64) {
		calls++
		if done < last || done > total || whole != 0 && total != whole {
			t.Errorf("%d of %d after %d of %d", done, total, last, whole)
		}
		last, whole = done, total
	}
	ended := func(what string, least int) {
		t.Helper()
		if last != whole || calls < least {
			t.Errorf("%s ended at %d of %d, after %d calls", what, last, whole, calls)
		}
		calls, last, whole = 0, 0, 0
	}
	plan := p.plan(Request{Before: before, After: after, Progress: tell})
	ended("the plan", 5)
	plan.Progress = tell
	j := p.journal(plan)
	ended("the journal", 5)
	j.Progress = tell
	r, err := j.Apply(context.Background())
	p.must(err)
	p.whole(r)
	ended("the rollback", 20)
}

func TestARootThatWasReplaced(t *testing.T) {
	p := newPlace(t)
	p.write("a", "before")
	before, root := p.record(), p.identity()
	p.write("a", "after")
	after := p.record()
	plan := p.plan(Request{Before: before, After: after})
	p.must(os.Rename(p.root, p.root+".old"))
	p.write("a", "another tree")
	_, err := Make(context.Background(), Request{
		Root: root, Store: p.store, Before: before, After: after,
	})
	if !errors.Is(err, ErrReplaced) {
		t.Errorf("planning: %v", err)
	}
	dir := t.TempDir()
	if _, err := plan.Write(context.Background(), dir); !errors.Is(err, ErrReplaced) {
		t.Errorf("writing: %v", err)
	}
	if p.read("a") != "another tree" {
		t.Errorf("%q", p.read("a"))
	}
}

// An inode that was given up goes to the next directory that is made, perhaps at the same path: it
// is another one all the same. And one on another file system may have the number, too.
func TestARootOfTheSameNumber(t *testing.T) {
	p := newPlace(t)
	p.write("a", "before")
	before := p.record()
	p.write("a", "after")
	after := p.record()
	request := func(change func(*Root)) error {
		root := p.identity()
		change(&root)
		_, err := Make(context.Background(), Request{
			Root: root, Store: p.store, Before: before, After: after,
		})
		return err
	}
	if is := p.identity(); is.Born == 0 || is.FileSystem == 0 {
		t.Fatalf("the file system here tells too little: %+v", is)
	}
	for name, change := range map[string]func(*Root){
		"born at another time":  func(r *Root) { r.Born-- },
		"on another filesystem": func(r *Root) { r.Device, r.FileSystem = r.Device+1, r.FileSystem+1 },
		"on one without a name": func(r *Root) { r.Device, r.FileSystem = r.Device+1, 0 },
		"of another number":     func(r *Root) { r.Inode++ },
	} {
		if err := request(change); !errors.Is(err, ErrReplaced) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := request(func(r *Root) { r.Born = 0 }); err != nil {
		t.Errorf("recorded where that was not kept: %v", err)
	}
}

// The machine was started again, and the device has another number. All is as if it had not.
func TestADeviceOfAnotherNumber(t *testing.T) {
	p := newPlace(t)
	project(p)
	p.write("linked/one", "linked")
	p.must(os.Link(p.at("linked/one"), p.at("other")))
	was, before := p.describe(), p.record()
	attack(p, filepath.Join(t.TempDir(), "secret"))
	p.must(os.Chmod(p.at("locked/in"), 0o755)) // or what is in it is not known
	p.write("linked/two", "new")
	p.must(os.Remove(p.at("linked/one")))
	is, after := p.describe(), p.record()
	inode := func(path string) uint64 {
		var st unix.Stat_t
		p.must(unix.Lstat(p.at(path), &st))
		return st.Ino
	}
	run := inode("run")
	root := p.identity()
	root.Device += 7
	plan, err := Make(context.Background(), Request{
		Root: root, Store: p.store,
		Before: p.renumbered(before, root.Device), After: p.renumbered(after, root.Device),
	})
	p.must(err)
	p.clean(plan)
	j, r := p.apply(plan)
	p.whole(r)
	p.want("rollback", was)
	if inode("run") != run {
		t.Error("a file of which only the mode changed was written anew")
	}
	p.undo(p.resume(j))
	p.want("undo", is)
}

func TestWhatCannotComeBack(t *testing.T) {
	p := newPlace(t)
	p.exclude = []string{"node_modules/"}
	p.write("node_modules/m/x", "before")
	p.must(unix.Mkfifo(p.at("pipe"), 0o600))
	p.write("f", "before")
	before := p.record()
	p.write("node_modules/m/x", "after")
	p.write("node_modules/m/y", "after")
	p.must(os.Remove(p.at("pipe")))
	p.must(unix.Mkfifo(p.at("new"), 0o600))
	p.write("f", "after")
	after := p.record()
	plan := p.plan(Request{Before: before, After: after})
	var permanent []string
	for _, n := range plan.Permanent {
		permanent = append(permanent, n.Path)
	}
	if want := []string{"node_modules/m/x", "node_modules/m/y", "pipe"}; !slices.Equal(permanent, want) {
		t.Errorf("%q, want %q", permanent, want)
	}
	_, r := p.apply(plan)
	p.whole(r)
	if p.read("f") != "before" || p.read("node_modules/m/x") != "after" {
		t.Error("not as it should be")
	}
	if _, err := os.Lstat(p.at("new")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the new pipe: %v", err)
	}
}

// A mode is given back to the file that is there, so that its other names keep it, but never
// through a name that leads to a file of somewhere else.
func TestAModeIsNotChangedElsewhere(t *testing.T) {
	p := newPlace(t)
	outside := filepath.Join(t.TempDir(), "outside")
	p.must(os.WriteFile(outside, []byte("same"), 0o600))
	p.write("a", "same")
	p.write("b", "b")
	p.must(os.Chmod(p.at("a"), 0o644))
	before, was := p.record(), p.describe()
	p.must(os.Remove(p.at("a")))
	if err := os.Link(outside, p.at("a")); err != nil {
		t.Skipf("no hard link to another directory: %v", err)
	}
	p.must(os.Chmod(p.at("b"), 0o700))
	after := p.record()
	inode := func(path string) uint64 {
		var st unix.Stat_t
		p.must(unix.Lstat(path, &st))
		return st.Ino
	}
	b := inode(p.at("b"))
	p.rollback(before, after)
	p.want("rollback", was)
	if s, err := os.Stat(outside); err != nil || s.Mode() != 0o600 {
		t.Errorf("outside: %v, %v", s.Mode(), err)
	}
	if inode(p.at("b")) != b {
		t.Error("a file of which only the mode changed was written anew")
	}
}

// Two names of a file, of which one is given back, are one file again after the undo. That is so
// where no manifest could tell: nobody may read the file, or look into the other name's directory,
// or the other name was made since. (Root may read all, so for root these are files like any
// other.)
func TestTwoNamesAreOneAgain(t *testing.T) {
	for name, test := range map[string]struct{ left, since func(*place) error }{
		"a file like any other": {},
		"a file that nobody may read": {
			left: func(p *place) error { return os.Chmod(p.at("a"), 0) },
		},
		"a directory that nobody may look into": {
			left: func(p *place) error { return os.Chmod(p.at("d"), 0) },
		},
		"a name that was made since": {
			left:  func(p *place) error { return os.Remove(p.at("d/b")) },
			since: func(p *place) error { return os.Link(p.at("a"), p.at("d/b")) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			p.write("a", "was")
			p.write("d/b", "b")
			was, before := p.describe(), p.record()
			p.must(os.Remove(p.at("d/b")))
			p.write("a", "is")
			p.must(os.Link(p.at("a"), p.at("d/b")))
			if test.left != nil {
				p.must(test.left(p))
			}
			after := p.record()
			if test.since != nil {
				p.must(test.since(p))
			}
			is := p.describe()
			j, r := p.apply(p.plan(Request{Before: before, After: after, Paths: Selection{"a"}}))
			p.whole(r)
			if got := p.describe(); content(got["a"]) != content(was["a"]) ||
				content(got["d/b"]) != content(is["d/b"]) {
				t.Fatalf("a part: %s", difference(is, got))
			}
			p.undo(j)
			p.want("undo", is)
		})
	}
}

func TestUntouchedFilesKeepTheirTimes(t *testing.T) {
	p := newPlace(t)
	p.write("d/a", "before")
	p.write("d/b", "untouched")
	before := p.record()
	p.write("d/a", "after")
	after := p.record()
	var was, is unix.Stat_t
	p.must(unix.Lstat(p.at("d/b"), &was))
	p.rollback(before, after)
	p.must(unix.Lstat(p.at("d/b"), &is))
	if was.Ctim != is.Ctim || was.Mtim != is.Mtim {
		t.Errorf("%+v, was %+v", is, was)
	}
}

// At whichever step it is killed, the second run finishes, and the way back is open.
//
// There are some ninety steps; the others have their turn in TestKilledAndFinished.
func TestKilledAtEachStep(t *testing.T) {
	const stride = 13
	steps := 0
	for n := 0; ; n += stride {
		p := newPlace(t)
		project(p)
		was, before := p.describe(), p.record()
		attackSeen(p)
		is, after := p.describe(), p.record()
		request := Request{Before: before, After: after}
		j, stopped := p.killed(p.plan(request), n)
		if stopped && steps%2 == 0 {
			// The second run is killed as well, somewhere else.
			again := stopAfter(j, n/2)
			if _, err := j.Apply(context.Background()); (err != nil) != *again {
				t.Fatal(err)
			}
			j = p.resume(j)
		}
		r, err := j.Apply(context.Background())
		p.must(err)
		p.whole(r)
		p.want("finished", was)
		undone := p.undo(j)
		p.want("undone", is)
		p.undo(undone)
		p.want("done again", was)
		if !stopped {
			break
		}

		p = newPlace(t)
		project(p)
		before = p.record()
		attackSeen(p)
		is, after = p.describe(), p.record()
		j, _ = p.killed(p.plan(Request{Before: before, After: after}), n)
		p.undo(j)
		p.want("undone after a kill", is)
		steps++
	}
	if steps < 4 {
		t.Errorf("only %d steps", steps)
	}
}

// attackSeen is attack without what an ordinary user could not record.
func attackSeen(p *place) {
	p.t.Helper()
	attack(p, "/nowhere/key")
	p.must(os.Chmod(p.at("locked/in"), 0o500))
	p.must(os.Chmod(p.at("secretive"), 0o400))
}

// The same asked of another program, which knows nothing of how it was done.
func TestRsyncSeesNoDifference(t *testing.T) {
	if _, err := exec.LookPath("rsync"); err != nil {
		t.Skip("rsync is missing")
	}
	p := newRepository(t)
	p.exclude = []string{"node_modules/"}
	project(p)
	p.write("node_modules/m/index.js", "before")
	p.write(".git/info/exclude", "node_modules\n")
	p.git("add", "-A")
	p.git("commit", "-q", "-m", "project")
	reference := t.TempDir()
	t.Cleanup(func() { p.openUp(reference) })
	rsync := func(options string) string {
		out, err := exec.Command("rsync", options, "--checksum", "--delete", "--itemize-changes",
			p.root+"/", reference+"/").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	rsync("-aHX")
	before := p.record()
	attackSeen(p)
	p.write("node_modules/m/index.js", "after")
	p.git("add", "-A")
	p.git("commit", "-q", "-m", "agent")
	p.write(".git/objects/rubbish", "x")
	after := p.record()
	if rsync("-aHXn") == "" {
		t.Fatal("rsync sees nothing that the agent did")
	}
	_, r := p.apply(p.plan(Request{Before: before, After: after}))
	p.whole(r)
	p.write("mine", "made since")
	for line := range strings.Lines(rsync("-aHXn")) {
		_, path, _ := strings.Cut(strings.TrimSpace(line), " ")
		path = strings.TrimSpace(path)
		switch {
		case path == "mine", path == "./", strings.HasPrefix(path, "node_modules/"):
		case strings.HasPrefix(path, ".git/objects/"): // what the agent added stays
		default:
			t.Errorf("%s", line)
		}
	}
	if p.git("status", "--porcelain") != "?? mine" {
		t.Errorf("%s", p.git("status", "--porcelain"))
	}
	p.sound()
}

// Root gives owners back. Anybody else says that he cannot, and hands nobody's rights to himself.
func TestOwners(t *testing.T) {
	p := newPlace(t)
	p.write("a", "before")
	p.write("d/b", "before")
	for _, path := range []string{"a", "d"} {
		_ = os.Chown(p.at(path), 12345, 54321)
	}
	p.must(os.Chmod(p.at("a"), mode(0o4755)))
	before, was := p.record(), p.describe()
	p.must(os.Remove(p.at("a")))
	p.must(os.RemoveAll(p.at("d")))
	after := p.record()
	plan := p.plan(Request{Before: before, After: after})
	p.clean(plan)
	if os.Geteuid() == 0 {
		_, r := p.apply(plan)
		p.whole(r)
		p.want("rollback", was)
		return
	}
	for _, o := range plan.Operations {
		if o.Path == "a" {
			o.Want.UID = 0 // as another user's file in a directory of this one's would be
		}
	}
	_, r := p.apply(plan)
	if len(r.Failed) != 1 || r.Failed[0].Path != "a" ||
		!strings.HasPrefix(r.Failed[0].Why, "its owner could not be given back") {
		t.Errorf("%+v", r)
	}
	if s, err := os.Stat(p.at("a")); err != nil || s.Mode() != 0o755 || p.read("a") != "before" {
		t.Errorf("%v, %v", s.Mode(), err)
	}
}

// A disk that lost a content costs that file, and no other.
func TestAStoreThatLostSomething(t *testing.T) {
	p := newPlace(t)
	random := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(random)
	p.write("big", string(random))
	p.write("small", "before")
	before := p.record()
	p.write("big", "after")
	p.write("small", "after")
	after := p.record()
	packs, err := filepath.Glob(filepath.Dir(p.root) + "/store/packs/*")
	p.must(err)
	for _, pack := range packs {
		text, err := os.ReadFile(pack)
		p.must(err)
		if len(text) > 1<<20 {
			text[len(text)/2] ^= 1
			p.must(os.Chmod(pack, 0o600))
			p.must(os.WriteFile(pack, text, 0o600))
		}
	}
	_, r := p.apply(p.plan(Request{Before: before, After: after}))
	if len(r.Failed) != 1 || r.Failed[0].Path != "big" || r.Whole() {
		t.Errorf("%+v", r)
	}
	if p.read("big") != "after" || p.read("small") != "before" {
		t.Errorf("%.10q, %q", p.read("big"), p.read("small"))
	}
}

// A disk that is full is one error, before anything was changed, and leaves nothing that fills it.
func TestAFullDisk(t *testing.T) {
	p := newPlace(t)
	project(p)
	before, was := p.record(), p.describe()
	attackSeen(p)
	after, is := p.record(), p.describe()
	j := p.journal(p.plan(Request{Before: before, After: after}))
	writes := 0
	j.step = func(what string) error {
		if writes++; what == "write" && writes > 5 {
			return unix.ENOSPC
		}
		return nil
	}
	if _, err := j.Apply(context.Background()); !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	got := p.describe()
	delete(got, ".") // the staging directory came and went
	delete(is, ".")
	if d := difference(is, got); d != "" {
		t.Error(d)
	}
	r, err := p.resume(j).Apply(context.Background())
	p.must(err)
	p.whole(r)
	p.want("finished", was)
}
