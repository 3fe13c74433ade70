//go:build linux

package restore

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/snapshot/beneath"
	"github.com/nono-run/nono/plugins/snapshot/compare"
	"github.com/nono-run/nono/plugins/snapshot/store"
	"github.com/nono-run/nono/plugins/snapshot/tree"
	"github.com/nono-run/nono/sdk/bytejson"
)

// The files of a journal, in a directory of its own.
const (
	journalFile = "journal" // what is to be done; it has this name once it is whole and synced
	stagedFile  = "staged"  // all contents are made ready
	doneFile    = "done"    // the report
)

const (
	// maxLine is as long as a line of a journal may be: two paths, two targets, and what they become
	// when they are escaped.
	maxLine = 1 << 20
	// maxReport is as much as is read of a report.
	maxReport = 256 << 20
	version   = 1
)

// stagingPrefix is how the directory in the root begins in which contents are made ready.
const stagingPrefix = ".nono-rollback-"

// Journal is a plan that was written down.
type Journal struct {
	Root Root
	// Staging is the directory in the root in which contents are made ready.
	Staging string
	// Made is when the journal was written.
	Made time.Time
	// Operations are what is to be done, in order of their paths.
	Operations []*Operation
	// Conflicts are what was changed between the plan and the journal.
	Conflicts []Note

	// Progress, if not nil, is called by Apply now and then with how much was done, of how much.
	Progress Progress

	dir   string
	store *store.Store
	// step is called before each thing that changes something on a disk. A test has it fail, and
	// nothing happens after that: as if the process had been killed.
	step func(what string) error
}

// header is the first line of a journal.
type header struct {
	Version int    `json:"version"`
	Root    string `json:"root"`
	beneath.Identity

	Staging    string    `json:"staging"`
	Made       time.Time `json:"made"`
	Operations int       `json:"operations"`
	Conflicts  []Note    `json:"conflicts,omitempty"`
}

// Write stores what is there now, so that it can be undone, and then the plan, as a journal in a
// directory that exists and has none. What changed since the plan was made becomes a conflict.
func (p *Plan) Write(ctx context.Context, dir string) (*Journal, error) {
	conflicts, err := p.keepPresent(ctx)
	if err != nil {
		return nil, fmt.Errorf("storing what is there now: %w", err)
	}
	j := &Journal{
		Root: p.Root, Staging: stagingPrefix + rand.Text()[:10], Made: time.Now().UTC(),
		Operations: p.Operations, Conflicts: conflicts, dir: dir, store: p.store,
	}
	if err := durable(dir, journalFile, j.encode); err != nil {
		return nil, fmt.Errorf("writing the journal: %w", err)
	}
	return j, nil
}

// Progress is called with how much was done, of how much. The two are weights, and no bytes that
// anybody could count.
type Progress func(done, total int64)

// perOperation is what an operation weighs beside the bytes that are read or written for it.
const perOperation = 16 << 10

// weightOf is what an operation weighs with the bytes of one of its sides.
func weightOf(e *tree.Entry) int64 {
	if isFile(e) {
		return perOperation + e.Size
	}
	return perOperation
}

// meter adds up what was done. What was done beyond what was expected is not told.
type meter struct {
	tell        Progress
	done, total int64
}

func (m *meter) add(weight int64) {
	if m.done = min(m.done+weight, m.total); m.tell != nil {
		m.tell(m.done, m.total)
	}
}

// keepPresent puts into the store what the operations take away. Operations for which that cannot
// be done are taken out of the plan.
func (p *Plan) keepPresent(ctx context.Context) (conflicts []Note, err error) {
	l, err := openLive(p.Root, p.store)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.giveBack(), l.close()) }()
	pack, err := p.store.NewPack()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, pack.Discard()) }() // after Seal it does nothing
	m := meter{tell: p.Progress}
	for _, o := range p.Operations {
		m.total += weightOf(o.Now)
	}
	operations := p.Operations[:0]
	for _, o := range p.Operations {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		m.add(weightOf(o.Now))
		if o.bytes != nil {
			d, err := pack.Put(o.bytes)
			if err != nil {
				return nil, err
			}
			o.Want.Content, o.bytes = d, nil
		}
		if err := keepOne(l, pack, o); err != nil {
			conflicts = append(conflicts, Note{Path: o.Path, Why: err.Error()})
			continue
		}
		operations = append(operations, o)
	}
	p.Operations = operations
	return conflicts, pack.Seal(true)
}

// keepOne stores what stands at one path.
func keepOne(l *live, pack *store.Pack, o *Operation) error {
	put := func(all []beneath.Xattr) error {
		o.Now.Xattrs = tree.Digest{}
		if len(all) == 0 {
			return nil
		}
		d, err := pack.Put(tree.EncodeXattrs(all))
		o.Now.Xattrs = d
		return err
	}
	switch {
	case isDir(o.Now):
		d, err := l.dir(o.Path)
		if err != nil {
			return err
		}
		all, err := d.Xattrs()
		if err != nil {
			return err
		}
		return put(all)
	case !isFile(o.Now):
		return nil
	}
	has := func(d tree.Digest) bool { return l.store.Has(d) }
	if has(o.Now.Content) && (o.Now.Xattrs.IsZero() || has(o.Now.Xattrs)) {
		return nil
	}
	return l.reading(o.Path, o.Now, func(f *beneath.File) error {
		all, err := f.Xattrs()
		if err != nil {
			return err
		}
		if err := put(all); err != nil {
			return err
		}
		file, err := f.OS()
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		content, err := pack.PutFile(file, o.Now.Size)
		if err != nil {
			return err
		}
		after, err := f.Stat()
		if err == nil && !same(l.entryOf(after), o.Now) {
			err = errors.New("it is being changed")
		}
		o.Now.Content = content
		return err
	})
}

// encode writes the journal.
func (j *Journal) encode(to io.Writer) error {
	w := bufio.NewWriterSize(to, 1<<20)
	write := func(v any) error {
		text, err := bytejson.Marshal(v)
		if err != nil {
			return err
		}
		_, err = w.Write(append(text, '\n'))
		return err
	}
	if err := write(header{
		Version: version, Root: j.Root.Path, Identity: j.Root.Identity,
		Staging: j.Staging, Made: j.Made, Operations: len(j.Operations), Conflicts: j.Conflicts,
	}); err != nil {
		return err
	}
	for _, o := range j.Operations {
		if err := write(o); err != nil {
			return err
		}
	}
	return w.Flush()
}

// Open reads a journal. The store has to be held until Apply is done.
func Open(st *store.Store, dir string) (*Journal, error) {
	f, err := os.OpenFile(filepath.Join(dir, journalFile), os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	j := &Journal{dir: dir, store: st}
	if err := j.decode(f); err != nil {
		return nil, doing("reading the journal", f.Name(), err)
	}
	return j, nil
}

func (j *Journal) decode(from io.Reader) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	next := func(v any) error {
		if !lines.Scan() {
			return cmp.Or(lines.Err(), io.ErrUnexpectedEOF)
		}
		return bytejson.Unmarshal(lines.Bytes(), v)
	}
	var h header
	if err := next(&h); err != nil {
		return err
	}
	if h.Version != version {
		return fmt.Errorf("it is of version %d, and this nono knows %d", h.Version, version)
	}
	j.Root = Root{Path: h.Root, Identity: h.Identity}
	j.Staging, j.Made, j.Conflicts = h.Staging, h.Made, h.Conflicts
	for range h.Operations {
		o := &Operation{}
		if err := next(o); err != nil {
			return err
		}
		if n := len(j.Operations); n > 0 && byPath(j.Operations[n-1], o) >= 0 {
			return fmt.Errorf("%q is out of order", o.Path)
		}
		j.Operations = append(j.Operations, o)
	}
	if lines.Scan() {
		return errors.New("it goes on after its end")
	}
	return lines.Err()
}

// Changes are what the user would call the changes, as those of a [Plan].
func (j *Journal) Changes() []*compare.Change { return changesIn(j.Operations) }

// Contents calls a function with each digest of the store that the journal needs, now or to be
// undone.
func (j *Journal) Contents(each func(store.Digest)) {
	for _, o := range j.Operations {
		for _, e := range []*tree.Entry{o.Now, o.Want} {
			if e == nil {
				continue
			}
			for _, d := range []tree.Digest{e.Content, e.Xattrs} {
				if d != (tree.Digest{}) {
					each(d)
				}
			}
		}
	}
}

// Done is the report of a journal that was applied; nil if that is still to be done or was
// interrupted.
func (j *Journal) Done() (*Report, error) { return readReport(filepath.Join(j.dir, doneFile)) }

// readReport reads a report, nil if there is none.
func readReport(path string) (*Report, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxReport))
	if err != nil {
		return nil, err
	}
	r := &Report{}
	if err := bytejson.Unmarshal(text, r); err != nil {
		return nil, doing("reading", path, err)
	}
	return r, nil
}

// durable writes a file that is there as a whole, whatever happens, or not at all.
func durable(dir, name string, write func(io.Writer) error) (err error) {
	// An earlier try may have left its half: its lock on the session was the same.
	temporary := filepath.Join(dir, name+".tmp")
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, filepath.Join(dir, name)); err != nil {
		return err
	}
	d, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// durableBytes is durable for what is known already.
func durableBytes(dir, name string, text []byte) error {
	return durable(dir, name, func(to io.Writer) error {
		_, err := io.Copy(to, bytes.NewReader(text))
		return err
	})
}

// nowTime is now, in the seconds that every file system keeps.
func nowTime() int64 { return time.Now().Truncate(time.Second).UnixNano() }
