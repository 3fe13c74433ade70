//go:build linux

package restore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/snapshot/beneath"
	"github.com/nono-run/nono/plugins/snapshot/exclude"
	"github.com/nono-run/nono/plugins/snapshot/record"
	"github.com/nono-run/nono/plugins/snapshot/store"
	"github.com/nono-run/nono/plugins/snapshot/tree"
)

// tester is what a test and a property have in common.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// place is a tree with a store beside it.
type place struct {
	t        tester
	root     string
	journals string
	number   int
	store    *store.Store
	exclude  []string
}

func newPlace(t *testing.T) *place { return placeIn(t, t.TempDir()) }

func placeIn(t testing.TB, dir string) *place {
	t.Helper()
	p := &place{t: t, root: dir + "/tree", journals: dir + "/journals"}
	for _, d := range []string{p.root, p.journals} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	st, err := store.Open(dir + "/store")
	if err != nil {
		t.Fatal(err)
	}
	p.store = st
	release, err := st.Shared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		release()
		_ = st.Close()
		p.openUp(p.root)
	})
	return p
}

// openUp makes everything removable.
func (p *place) openUp(dir string) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, _ error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
}

func (p *place) at(path string) string { return filepath.Join(p.root, path) }

func (p *place) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) write(path, text string) {
	p.t.Helper()
	p.must(os.MkdirAll(filepath.Dir(p.at(path)), 0o755))
	p.must(os.WriteFile(p.at(path), []byte(text), 0o644))
}

func (p *place) read(path string) string {
	p.t.Helper()
	text, err := os.ReadFile(p.at(path))
	p.must(err)
	return string(text)
}

func (p *place) identity() Root {
	p.t.Helper()
	dir, err := beneath.Open(p.root)
	p.must(err)
	defer dir.Close()
	is, err := dir.Identity()
	p.must(err)
	return Root{Path: p.root, Identity: is}
}

// record takes a snapshot.
func (p *place) record() Manifest {
	p.t.Helper()
	pack, err := p.store.NewPack()
	p.must(err)
	patterns, err := exclude.New(p.exclude)
	p.must(err)
	var to bytes.Buffer
	_, err = record.Record(context.Background(), record.Request{
		Root: p.root, Store: p.store, Pack: pack, Manifest: &to, Exclude: patterns,
	})
	p.must(err)
	p.must(pack.Seal(false))
	return func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(to.Bytes())), nil
	}
}

// renumbered is a manifest that was taken when the device had another number.
func (p *place) renumbered(m Manifest, device uint64) Manifest {
	p.t.Helper()
	here := p.identity().Device
	as := func(e tree.Entry) tree.Entry {
		if e.Device == here {
			e.Device = device
		}
		return e
	}
	var to bytes.Buffer
	p.must(m.read(func(r *tree.Reader) error {
		w, err := tree.NewWriter(&to, tree.Head{Path: r.Head.Path, Root: as(r.Head.Root)})
		for err == nil {
			var d *tree.Directory
			if d, err = r.NextDirectory(); err != nil {
				break
			}
			err = w.Directory(d)
			for err == nil {
				var e *tree.Entry
				if e, err = r.Next(); err == nil {
					other := as(*e)
					err = w.Entry(&other)
				}
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
		}
		if errors.Is(err, io.EOF) {
			err = w.Close()
		}
		return err
	}))
	return func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(to.Bytes())), nil
	}
}

// plan plans with what a request lacks.
func (p *place) plan(r Request) *Plan {
	p.t.Helper()
	r.Root, r.Store = p.identity(), p.store
	plan, err := Make(context.Background(), r)
	p.must(err)
	return plan
}

func (p *place) journal(plan *Plan) *Journal {
	p.t.Helper()
	p.number++
	dir := filepath.Join(p.journals, fmt.Sprint(p.number))
	p.must(os.Mkdir(dir, 0o700))
	j, err := plan.Write(context.Background(), dir)
	p.must(err)
	return j
}

func (p *place) apply(plan *Plan) (*Journal, *Report) {
	p.t.Helper()
	j := p.journal(plan)
	r, err := j.Apply(context.Background())
	p.must(err)
	return j, r
}

// rollback gives everything back, and wants that to be possible.
func (p *place) rollback(before, after Manifest) *Journal {
	p.t.Helper()
	plan := p.plan(Request{Before: before, After: after})
	p.clean(plan)
	j, r := p.apply(plan)
	p.whole(r)
	return j
}

func (p *place) clean(plan *Plan) {
	p.t.Helper()
	if len(plan.Conflicts)+len(plan.Permanent) > 0 {
		p.t.Fatalf("conflicts %v, permanent %v", plan.Conflicts, plan.Permanent)
	}
}

func (p *place) whole(r *Report) {
	p.t.Helper()
	if !r.Whole() || len(r.Kept) > 0 {
		p.t.Fatalf("%+v", r)
	}
}

func (p *place) undo(j *Journal) *Journal {
	p.t.Helper()
	plan, err := j.Undo(context.Background(), false)
	p.must(err)
	p.clean(plan)
	again, r := p.apply(plan)
	p.whole(r)
	return again
}

// describe says all of a tree that is to come back, a line for each path.
func (p *place) describe() map[string]string { return p.describeTree(p.root) }

func (p *place) describeTree(root string) map[string]string {
	p.t.Helper()
	all, names := map[string]string{}, map[uint64][]string{}
	var one func(path string)
	one = func(path string) {
		full := filepath.Join(root, path)
		var st unix.Stat_t
		p.must(unix.Lstat(full, &st))
		text := fmt.Sprintf("%o %d:%d %d.%09d", st.Mode, st.Uid, st.Gid, st.Mtim.Sec, st.Mtim.Nsec)
		kind := st.Mode & unix.S_IFMT
		if kind == unix.S_IFREG || kind == unix.S_IFDIR {
			needed := uint32(0o400)
			if kind == unix.S_IFDIR {
				needed = 0o500
			}
			// Where it can be read as it is, the time of its last change stays.
			if st.Mode&needed != needed && os.Geteuid() != 0 {
				p.must(os.Chmod(full, 0o700))
				defer func() { p.must(os.Chmod(full, mode(st.Mode))) }()
			}
			text += " " + xattrsOf(full)
		}
		switch kind {
		case unix.S_IFREG:
			content, err := os.ReadFile(full)
			p.must(err)
			text += fmt.Sprintf(" %x", sha256.Sum256(content))
			names[st.Ino] = append(names[st.Ino], path)
		case unix.S_IFLNK:
			target, err := os.Readlink(full)
			p.must(err)
			text += " -> " + target
		case unix.S_IFDIR:
			entries, err := os.ReadDir(full)
			p.must(err)
			for _, e := range entries {
				one(filepath.Join(path, e.Name()))
			}
		}
		all[path] = text
	}
	one(".")
	for _, same := range names {
		slices.Sort(same)
		for _, path := range same {
			all[path] += " " + strings.Join(same, "=")
		}
	}
	return all
}

// mode is a mode as the standard library has it.
func mode(m uint32) os.FileMode {
	to := os.FileMode(m & 0o777)
	for bit, its := range map[uint32]os.FileMode{
		unix.S_ISUID: os.ModeSetuid, unix.S_ISGID: os.ModeSetgid, unix.S_ISVTX: os.ModeSticky,
	} {
		if m&bit != 0 {
			to |= its
		}
	}
	return to
}

func xattrsOf(path string) string {
	list := make([]byte, 1<<16)
	n, err := unix.Listxattr(path, list)
	if err != nil {
		return ""
	}
	var all []string
	for name := range strings.SplitSeq(string(list[:n]), "\x00") {
		value := make([]byte, 1<<10)
		if n, err := unix.Getxattr(path, name, value); name != "" && err == nil {
			all = append(all, fmt.Sprintf("%s=%x", name, value[:n]))
		}
	}
	slices.Sort(all)
	return strings.Join(all, ",")
}

// difference lists in what two descriptions differ.
func difference(want, got map[string]string) string {
	var lines []string
	for _, path := range slices.Sorted(maps.Keys(want)) {
		if got[path] != want[path] {
			lines = append(lines, fmt.Sprintf("%q is\n\t%s, not\n\t%s", path, got[path], want[path]))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[path]; !ok {
			lines = append(lines, fmt.Sprintf("%q is there", path))
		}
	}
	return strings.Join(lines, "\n")
}

func (p *place) want(what string, description map[string]string) {
	p.t.Helper()
	if d := difference(description, p.describe()); d != "" {
		p.t.Fatalf("%s: %s", what, d)
	}
}

// stopAfter has a journal stop before its nth step, as if it were killed, and reports whether it
// did.
func stopAfter(j *Journal, n int) (stopped *bool) {
	stopped = new(bool)
	j.step = func(string) error {
		if n--; n < 0 {
			*stopped = true
			return errStopped
		}
		return nil
	}
	return stopped
}

// resume opens a journal anew, as after a kill.
func (p *place) resume(j *Journal) *Journal {
	p.t.Helper()
	again, err := Open(p.store, j.dir)
	p.must(err)
	return again
}

// killed applies a plan up to its nth step; false if it has not so many.
func (p *place) killed(plan *Plan, n int) (*Journal, bool) {
	p.t.Helper()
	j := p.journal(plan)
	stopped := stopAfter(j, n)
	_, err := j.Apply(context.Background())
	if *stopped != errors.Is(err, errStopped) || !*stopped && err != nil {
		p.t.Fatalf("stopped %t: %v", *stopped, err)
	}
	return p.resume(j), *stopped
}
