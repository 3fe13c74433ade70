package tree

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Reader reads a manifest.
type Reader struct {
	// Head is what the manifest begins with.
	Head Head

	from  *bufio.Reader
	order order
	last  string
	open  bool // entries of the present directory may follow
	begun bool // the root was read
	err   error
}

// NewReader begins to read a manifest.
func NewReader(from io.Reader) (*Reader, error) {
	r := &Reader{from: bufio.NewReaderSize(from, 64<<10)}
	line := make([]byte, len(magic))
	if r.full(line); r.err == nil && string(line) != magic {
		r.fail(errors.New("it does not begin as a manifest does"))
	}
	r.Head.Path = r.text()
	if r.entry(&r.Head.Root); r.err == nil {
		if err := r.Head.check(); err != nil {
			r.fail(err)
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	return r, nil
}

// NextDirectory goes to the next directory, past what was not read of the last one. It is io.EOF
// after the last.
func (r *Reader) NextDirectory() (*Directory, error) {
	for r.open && r.err == nil {
		if _, err := r.Next(); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	d := &Directory{}
	if r.begun {
		path, ok := r.order.next()
		if !ok {
			return nil, r.ended()
		}
		d.Path = path
	}
	r.begun = true
	flags := r.flags(flagGit | flagXattrs | flagWhy)
	d.Git = flags&flagGit != 0
	if flags&flagXattrs != 0 {
		d.Xattrs = r.digest()
	}
	if flags&flagWhy != 0 {
		if d.Why = r.text(); d.Why == "" {
			r.fail(errors.New("a reason that says nothing"))
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	r.open, r.last = true, ""
	return d, nil
}

// Next reads the next entry of the present directory. It is io.EOF after the last.
func (r *Reader) Next() (*Entry, error) {
	switch {
	case r.err != nil:
		return nil, r.err
	case !r.open:
		return nil, io.EOF
	}
	if next, err := r.from.Peek(1); err == nil && next[0] == 0 {
		_, _ = r.from.Discard(1)
		r.open = false
		return nil, io.EOF
	}
	e := &Entry{}
	r.entry(e)
	if r.err == nil {
		if err := checkName(e.Name, r.last); err != nil {
			r.fail(err)
		}
	}
	if r.err == nil && e.Type == Dir {
		if err := r.order.note(e.Name); err != nil {
			r.fail(err)
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	r.last = e.Name
	return e, nil
}

// ended is what stands after the last directory: nothing.
func (r *Reader) ended() error {
	switch _, err := r.from.ReadByte(); {
	case errors.Is(err, io.EOF):
		r.err = io.EOF
	case err != nil:
		r.fail(err)
	default:
		r.fail(errors.New("it goes on after its end"))
	}
	return r.err
}

// What follows reads one thing each. After an error it reads nothing more, so that only the last of
// several has to be looked at.

func (r *Reader) entry(e *Entry) {
	e.Type = Type(r.byte())
	flags := r.flags(flagExcluded | flagXattrs)
	e.Excluded = flags&flagExcluded != 0
	e.Name = r.text()
	e.Mode = uint32(r.number(math.MaxUint32))
	e.UID = uint32(r.number(math.MaxUint32))
	e.GID = uint32(r.number(math.MaxUint32))
	e.Links = uint32(r.number(math.MaxUint32))
	e.Device = r.number(math.MaxUint64)
	e.Inode = r.number(math.MaxUint64)
	e.Size = int64(r.number(math.MaxInt64))
	e.MTime = r.time()
	e.CTime = r.time()
	switch e.Type {
	case File:
		if !e.Excluded {
			e.Content = r.digest()
		}
	case Link:
		e.Target = r.text()
	case Unreadable:
		e.Why = r.text()
	case Dir, Special:
	}
	if flags&flagXattrs != 0 {
		e.Xattrs = r.digest()
	}
	if r.err == nil {
		if err := e.check(); err != nil {
			r.fail(err)
		}
	}
}

// digest reads one that is there, so it is not zero.
func (r *Reader) digest() (d Digest) {
	r.full(d[:])
	if r.err == nil && d == (Digest{}) {
		r.fail(errors.New("a digest that is zero"))
	}
	return d
}

func (r *Reader) flags(known byte) byte {
	flags := r.byte()
	if flags&^known != 0 {
		r.fail(fmt.Errorf("unknown flags %#x", flags))
	}
	return flags
}

func (r *Reader) time() int64 {
	var b [8]byte
	r.full(b[:])
	return int64(binary.LittleEndian.Uint64(b[:]))
}

func (r *Reader) text() string {
	n := r.number(maxText)
	if r.err != nil {
		return ""
	}
	b := make([]byte, n)
	r.full(b)
	return string(b)
}

// number reads a varint in its shortest form.
func (r *Reader) number(most uint64) uint64 {
	var n uint64
	for shift := 0; ; shift += 7 {
		b := r.byte()
		if r.err != nil {
			return 0
		}
		if shift > 63 || shift == 63 && b > 1 || shift > 0 && b == 0 {
			r.fail(errors.New("a number that is not as it is written"))
			return 0
		}
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			break
		}
	}
	if n > most {
		r.fail(fmt.Errorf("%d is more than there can be", n))
		return 0
	}
	return n
}

func (r *Reader) byte() byte {
	if r.err != nil {
		return 0
	}
	b, err := r.from.ReadByte()
	if err != nil {
		r.fail(cut(err))
	}
	return b
}

func (r *Reader) full(b []byte) {
	if r.err != nil {
		return
	}
	if _, err := io.ReadFull(r.from, b); err != nil {
		r.fail(cut(err))
	}
}

// cut is the error of a manifest that ends before its end.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (r *Reader) fail(err error) {
	if r.err == nil {
		r.err = fmt.Errorf("reading the manifest: in %q, after %q: %w", r.order.path, r.last, err)
	}
}
