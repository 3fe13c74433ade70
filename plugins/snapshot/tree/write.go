package tree

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The bytes of a manifest: the magic line, the head, then for each directory its head, its entries
// and a zero. Numbers are varints, times eight bytes, texts have their length before them.
const (
	flagExcluded = 1 << iota
	flagXattrs
	flagGit
	flagWhy
)

// Writer writes a manifest. After an error it writes no more.
type Writer struct {
	to    *bufio.Writer
	buf   []byte
	order order
	last  string // the name before, in the present directory
	next  string // the directory that is expected, while none is open
	open  bool
	done  bool // nothing more is expected
	err   error
}

// NewWriter begins a manifest.
func NewWriter(to io.Writer, head Head) (*Writer, error) {
	w := &Writer{to: bufio.NewWriterSize(to, 64<<10)}
	err := head.check()
	if err != nil {
		return nil, err
	}
	w.buf = append(w.buf, magic...)
	w.buf = appendText(w.buf, head.Path)
	w.buf = appendEntry(w.buf, &head.Root)
	return w, w.flush()
}

func (h *Head) check() error {
	if len(h.Path) > maxText || h.Root.Type != Dir || h.Root.Name != "" {
		return errors.New("the root is not a directory, has a name, or its path is too long")
	}
	return h.Root.check()
}

// Directory begins the next directory, which must be the one whose turn it is.
func (w *Writer) Directory(d *Directory) error {
	w.end()
	switch {
	case w.err != nil:
		return w.err
	case w.done:
		return w.fail(d.Path, errors.New("it is in none that was written"))
	case d.Path != w.next:
		return w.fail(d.Path, fmt.Errorf("it is the turn of %q", w.next))
	}
	if err := d.check(); err != nil {
		return w.fail(d.Path, err)
	}
	w.open, w.last = true, ""
	w.buf = appendDirectory(w.buf, d)
	return w.flush()
}

// Entry writes the next entry of the directory that was begun.
func (w *Writer) Entry(e *Entry) error {
	switch {
	case w.err != nil:
		return w.err
	case !w.open:
		return w.fail(e.Name, errors.New("no directory was begun"))
	}
	if err := errors.Join(e.check(), checkName(e.Name, w.last)); err != nil {
		return w.fail(Join(w.order.path, e.Name), err)
	}
	if e.Type == Dir {
		if err := w.order.note(e.Name); err != nil {
			return w.fail(Join(w.order.path, e.Name), err)
		}
	}
	w.last = e.Name
	w.buf = appendEntry(w.buf, e)
	return w.flush()
}

// Close ends the manifest. It fails where a directory is missing.
func (w *Writer) Close() error {
	w.end()
	switch {
	case w.err != nil:
		return w.err
	case !w.done:
		return w.fail(w.next, errors.New("it is missing"))
	}
	if err := w.flush(); err != nil {
		return err
	}
	w.err = errors.New("the manifest was closed")
	return w.to.Flush()
}

// end ends the present directory.
func (w *Writer) end() {
	if w.err != nil || !w.open {
		return
	}
	w.buf = append(w.buf, 0)
	w.open = false
	next, ok := w.order.next()
	w.next, w.done = next, !ok
}

func (w *Writer) flush() error {
	if _, err := w.to.Write(w.buf); err != nil {
		w.err = err
	}
	w.buf = w.buf[:0]
	return w.err
}

func (w *Writer) fail(path string, err error) error {
	w.err = fmt.Errorf("writing the manifest: %q: %w", path, err)
	return w.err
}

func appendDirectory(b []byte, d *Directory) []byte {
	var flags byte
	if d.Git {
		flags |= flagGit
	}
	if d.Xattrs != (Digest{}) {
		flags |= flagXattrs
	}
	if d.Why != "" {
		flags |= flagWhy
	}
	b = append(b, flags)
	if flags&flagXattrs != 0 {
		b = append(b, d.Xattrs[:]...)
	}
	if flags&flagWhy != 0 {
		b = appendText(b, d.Why)
	}
	return b
}

func appendEntry(b []byte, e *Entry) []byte {
	var flags byte
	if e.Excluded {
		flags |= flagExcluded
	}
	if e.Xattrs != (Digest{}) {
		flags |= flagXattrs
	}
	b = append(b, byte(e.Type), flags)
	b = appendText(b, e.Name)
	b = binary.AppendUvarint(b, uint64(e.Mode))
	b = binary.AppendUvarint(b, uint64(e.UID))
	b = binary.AppendUvarint(b, uint64(e.GID))
	b = binary.AppendUvarint(b, uint64(e.Links))
	b = binary.AppendUvarint(b, e.Device)
	b = binary.AppendUvarint(b, e.Inode)
	b = binary.AppendUvarint(b, uint64(e.Size))
	b = binary.LittleEndian.AppendUint64(b, uint64(e.MTime))
	b = binary.LittleEndian.AppendUint64(b, uint64(e.CTime))
	switch e.Type {
	case File:
		if !e.Excluded {
			b = append(b, e.Content[:]...)
		}
	case Link:
		b = appendText(b, e.Target)
	case Unreadable:
		b = appendText(b, e.Why)
	case Dir, Special:
	}
	if flags&flagXattrs != 0 {
		b = append(b, e.Xattrs[:]...)
	}
	return b
}

func appendText(b []byte, text string) []byte {
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}
