//go:build linux

package record

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/snapshot/beneath"
	"github.com/nono-run/nono/plugins/snapshot/store"
	"github.com/nono-run/nono/plugins/snapshot/tree"
)

// Cache remembers which content a file had when its stamps were these.
type Cache interface {
	// Lookup tells what is known of a file, if anything is. Has it attributes, it does not tell which.
	Lookup(s beneath.Stat) (content store.Digest, attributes, ok bool)
	// Add keeps what was read of a file, which began at a time.
	Add(s beneath.Stat, content store.Digest, attributes bool, read time.Time)
}

const (
	// tries is how often a file is read that changes meanwhile.
	tries = 3
	// smallFile is read into memory that each reader has, as much as it needed; for what is bigger,
	// the store has.
	smallFile = 256 << 10
)

// remembered fills an entry from the cache, and reports whether that is all.
func (w *walk) remembered(s beneath.Stat, e *tree.Entry) bool {
	if w.Cache == nil {
		return false
	}
	content, attributes, ok := w.Cache.Lookup(s)
	if !ok || !w.Store.Has(content) {
		return false
	}
	e.Content = content
	return !attributes
}

// reader opens files.
type reader struct {
	*walk
	buf   []byte
	later []int // positions of files that the disk was asked for
}

// do reads the files of a job: at first those that are in memory, while the disk is asked for the
// others, so that all of them are on their way at once.
func (r *reader) do(ctx context.Context, j *job) {
	defer r.order.done(j.part)
	r.later = r.later[:0]
	for _, i := range j.of {
		r.fileOf(ctx, j.part, i, inMemory)
	}
	for _, i := range r.later {
		r.fileOf(ctx, j.part, i, onDisk)
	}
}

// from says where a file may be read from.
type from uint8

const (
	inMemory from = iota + 1
	onDisk        // or in memory
)

func (r *reader) fileOf(ctx context.Context, p *part, i int, from from) {
	if ctx.Err() != nil {
		return
	}
	err := r.read(p.dir.dir, &p.entries[i], from)
	switch {
	case errors.Is(err, beneath.ErrNotCached):
		r.later = append(r.later, i)
	case err != nil:
		r.fail(err)
	}
}

var errChanging = errors.New("it was changing while it was read")

// read completes a file's entry. Its error is of the store, or says that the file is not in memory;
// what is wrong with the file is in the entry.
func (r *reader) read(dir *beneath.Dir, e *tree.Entry, from from) error {
	var problem error
	for range tries {
		got, err := r.once(dir, e, from)
		var own *storeError
		switch {
		case err == nil:
			*e = got
			return nil
		case errors.As(err, &own):
			return own.error
		case errors.Is(err, beneath.ErrNotCached):
			return err
		case errors.Is(err, unix.ENOENT):
			*e = tree.Entry{} // it is gone
			return nil
		}
		problem = err
	}
	unreadable(e, reason(problem))
	return nil
}

// storeError is an error that is not about the file.
type storeError struct{ error }

// once reads a file between two looks at it.
func (r *reader) once(dir *beneath.Dir, e *tree.Entry, from from) (tree.Entry, error) {
	began := time.Now()
	f, before, err := dir.File(e.Name)
	if err != nil {
		return tree.Entry{}, err
	}
	defer func() { _ = f.Close() }()
	got := entryOf(e.Name, before)
	got.Type = tree.File
	known := sameStamps(e, &got) && e.Content != tree.Digest{}
	got.Content = e.Content
	if !known {
		if got.Content, err = r.content(f, before.Size, from); err != nil {
			return tree.Entry{}, err
		}
	}
	attributes, err := f.Xattrs()
	if err != nil {
		return tree.Entry{}, err
	}
	after, err := f.Stat()
	if err != nil {
		return tree.Entry{}, err
	}
	if after != before {
		return tree.Entry{}, errChanging
	}
	if got.Xattrs, err = r.putXattrs(attributes); err != nil {
		return tree.Entry{}, &storeError{err}
	}
	if !known {
		r.Progress.Files.Add(1)
		r.Progress.Bytes.Add(before.Size)
		if r.Cache != nil {
			r.Cache.Add(before, got.Content, got.Xattrs != tree.Digest{}, began)
		}
	}
	return got, nil
}

func sameStamps(a, b *tree.Entry) bool {
	return a.Device == b.Device && a.Inode == b.Inode && a.Size == b.Size &&
		a.MTime == b.MTime && a.CTime == b.CTime
}

// content has the store take what is in a file.
func (r *reader) content(f *beneath.File, size int64, from from) (tree.Digest, error) {
	if size > smallFile {
		return r.bigContent(f, size)
	}
	r.buf = slices.Grow(r.buf[:0], int(size))
	data := r.buf[:size]
	read := f.Read
	if from == inMemory {
		read = f.ReadCached
	}
	_, err := io.ReadFull(readerFunc(read), data)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return tree.Digest{}, errChanging // it is shorter than it was
	case errors.Is(err, beneath.ErrNotCached):
		f.Prefetch(size)
		return tree.Digest{}, err
	case err != nil:
		return tree.Digest{}, err
	}
	d, err := r.Pack.Put(data)
	if err != nil {
		return tree.Digest{}, &storeError{err}
	}
	return d, nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// bigContent has the store read the file. An error may be about either; a pack that has failed is
// never sealed, whatever is made of it here.
func (r *reader) bigContent(f *beneath.File, size int64) (tree.Digest, error) {
	file, err := f.OS()
	if err != nil {
		return tree.Digest{}, err
	}
	defer file.Close()
	d, err := r.Pack.PutFile(file, size)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errChanging
	}
	return d, err
}

// putXattrs has the store take attributes; none are the zero digest.
func (w *walk) putXattrs(all []beneath.Xattr) (tree.Digest, error) {
	if len(all) == 0 {
		return tree.Digest{}, nil
	}
	return w.Pack.Put(tree.EncodeXattrs(all))
}
