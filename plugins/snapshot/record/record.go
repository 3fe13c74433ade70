//go:build linux

package record

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/snapshot/beneath"
	"github.com/nono-run/nono/plugins/snapshot/exclude"
	"github.com/nono-run/nono/plugins/snapshot/store"
	"github.com/nono-run/nono/plugins/snapshot/tree"
)

// Request is what to record, and with what.
type Request struct {
	// Root is the directory: an absolute path without links.
	Root string
	// Store and Pack are where contents are looked for, and put. The pack takes those of several
	// requests.
	Store *store.Store
	Pack  *store.Pack
	// Cache knows the contents of files that did not change; nil knows none.
	Cache Cache
	// Manifest is where the manifest is written.
	Manifest io.Writer
	// Exclude are the patterns of what is not stored; nil excludes nothing.
	Exclude *exclude.Patterns
	// Denied says of a path beneath the root that the agent must not see it, with all beneath it. It
	// is asked about every name, by several goroutines. Nil denies nothing.
	Denied func(rel string) bool
	// Own are directories that are not recorded wherever they are met, such as the store's own.
	Own []Identity
	// Progress, if not nil, can be looked at while it goes on.
	Progress *Progress
}

// Identity says which directory it is, whatever its path.
type Identity struct{ Device, Inode uint64 }

// Progress counts.
type Progress struct {
	Entries atomic.Int64 // names that were looked at
	Files   atomic.Int64 // files that were read
	Bytes   atomic.Int64 // what was read of them
}

// Result is what was recorded.
type Result struct {
	// Root is the directory that was recorded.
	Root beneath.Identity
	// Entries are all names, Files the regular files among them whose content the store has, of so
	// many Bytes.
	Entries, Files, Bytes int64
	// Read are the files that had to be read, of so many bytes.
	Read, ReadBytes int64
	// Excluded are the files whose content was not stored.
	Excluded int64
	// Denied are the names that were left out.
	Denied int64
	// Unreadable are the names that could not be recorded, and Examples the first of them.
	Unreadable int64
	Examples   []Example
}

// Example is a path that could not be recorded.
type Example struct{ Path, Why string }

// maxExamples is how many are kept.
const maxExamples = 100

// Record records a tree. When it fails, the manifest and the pack are to be given up.
func Record(ctx context.Context, q Request) (Result, error) {
	root, err := beneath.Open(q.Root)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = root.Close() }()
	at, err := root.Self()
	if err != nil {
		return Result{}, err
	}
	head := tree.Head{Path: q.Root, Root: entryOf("", at)}
	head.Root.Type = tree.Dir
	manifest, err := tree.NewWriter(q.Manifest, head)
	if err != nil {
		return Result{}, err
	}
	if q.Progress == nil {
		q.Progress = &Progress{}
	}
	if q.Exclude == nil {
		q.Exclude = &exclude.Patterns{}
	}
	w := &walk{
		Request: q, root: root, jobs: make(chan *job, jobsAhead), own: map[Identity]bool{},
		order: newOrder(&part{dir: &directory{at: Identity{at.Device, at.Inode}}}),
	}
	for _, id := range q.Own {
		w.own[id] = true
	}
	if w.own[w.order.head.dir.at] {
		return Result{}, fmt.Errorf("%s is nono's own directory, and not recorded", q.Root)
	}
	result, err := w.run(ctx, manifest)
	if err != nil {
		return Result{}, fmt.Errorf("recording %s: %w", q.Root, err)
	}
	result.Root, err = root.Identity()
	return result, err
}

const (
	// readers wait for the disk more than they work.
	readers = 16
	// jobsAhead is how much is prepared for them.
	jobsAhead = 4 * readers
	// mostWalkers are as many as help.
	mostWalkers = 8
)

// walk is one recording.
type walk struct {
	Request
	root  *beneath.Dir
	own   map[Identity]bool
	order *order
	jobs  chan *job
	fail  context.CancelCauseFunc // ends all of it

	leftOut atomic.Int64
}

// run has everything done, and writes the manifest meanwhile.
func (w *walk) run(ctx context.Context, manifest *tree.Writer) (Result, error) {
	ctx, w.fail = context.WithCancelCause(ctx)
	defer w.fail(nil)
	defer context.AfterFunc(ctx, w.order.stop)()

	var walkers, reading sync.WaitGroup
	for range min(max(2, runtime.GOMAXPROCS(0)), mostWalkers) {
		walkers.Go(func() {
			for p := w.order.take(); p != nil; p = w.order.take() {
				w.look(p)
			}
		})
	}
	for range readers {
		reading.Go(func() {
			r := reader{walk: w}
			for j := range w.jobs {
				r.do(ctx, j)
			}
		})
	}
	result, err := w.write(manifest)
	if err != nil {
		w.fail(err)
	}
	walkers.Wait()
	close(w.jobs)
	reading.Wait()
	w.order.close()
	if ctx.Err() != nil {
		return Result{}, context.Cause(ctx)
	}
	result.Denied = w.leftOut.Load()
	result.Read, result.ReadBytes = w.Progress.Files.Load(), w.Progress.Bytes.Load()
	return result, manifest.Close()
}

// write writes the parts in their order, as they become whole.
func (w *walk) write(manifest *tree.Writer) (Result, error) {
	var result Result
	for {
		p := w.order.whole()
		if p == nil {
			return result, nil
		}
		if p.first {
			if err := manifest.Directory(&p.info); err != nil {
				return result, err
			}
			if p.info.Why != "" {
				result.unreadable(p.info.Path, p.info.Why)
			}
		}
		for i := range p.entries {
			e := &p.entries[i]
			if e.Type == 0 {
				continue // it went away
			}
			if err := manifest.Entry(e); err != nil {
				return result, err
			}
			result.count(p.dir.path, e)
		}
	}
}

func (r *Result) count(dir string, e *tree.Entry) {
	r.Entries++
	switch {
	case e.Type == tree.Unreadable:
		r.unreadable(tree.Join(dir, e.Name), e.Why)
	case e.Type == tree.File && e.Excluded:
		r.Excluded++
	case e.Type == tree.File:
		r.Files++
		r.Bytes += e.Size
	}
}

func (r *Result) unreadable(path, why string) {
	r.Unreadable++
	if len(r.Examples) < maxExamples {
		r.Examples = append(r.Examples, Example{path, why})
	}
}

// entryOf is what the kernel says of a file, as the manifest has it.
func entryOf(name string, s beneath.Stat) tree.Entry {
	return tree.Entry{
		Name: name, Mode: s.Mode, UID: s.UID, GID: s.GID, Links: s.Links, Device: s.Device,
		Inode: s.Inode, Size: s.Size, MTime: s.MTime, CTime: s.CTime,
	}
}

// reason is an error as a manifest has it: without the path, which stands beside it.
func reason(err error) string {
	var errno unix.Errno
	text := err.Error()
	if errors.As(err, &errno) {
		text = errno.Error()
	}
	const most = 1000
	return text[:min(len(text), most)]
}
