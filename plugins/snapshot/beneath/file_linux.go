package beneath

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrNotCached says that what is to be read is on the disk alone.
var ErrNotCached = errors.New("not in memory")

// File is a regular file that is open for reading.
type File struct {
	fd   int
	path string
}

// File opens a regular file in the directory, and tells what it opened. It waits for nobody: not
// for the writer of a pipe that was put there, nor for who holds a lease.
func (d *Dir) File(name string) (*File, Stat, error) {
	path := d.join(name)
	if !isName(name) {
		return nil, Stat{}, problem("opening", path, unix.EINVAL)
	}
	fd, err := open(d.fd, name, &unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOFOLLOW | unix.O_NOCTTY |
			unix.O_CLOEXEC,
		Resolve: resolve,
	})
	if err != nil {
		return nil, Stat{}, problem("opening", path, err)
	}
	f := &File{fd: fd, path: path}
	s, err := f.Stat()
	if err == nil && s.Type() != unix.S_IFREG {
		err = problem("opening", path, ErrNotRegular)
	}
	if err != nil {
		_ = f.Close()
		return nil, Stat{}, err
	}
	return f, s, nil
}

// Stat looks at the open file.
func (f *File) Stat() (Stat, error) {
	s, err := stat(f.fd, "", unix.AT_EMPTY_PATH)
	if err != nil {
		return Stat{}, problem("looking at", f.path, err)
	}
	return s, nil
}

// Read reads on; it is io.Reader.
func (f *File) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, err := unix.Read(f.fd, p)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, problem("reading", f.path, err)
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// ReadCached reads on as far as that is in memory, and is ErrNotCached where nothing is. For that
// it waits for no disk; where the file system cannot tell, it may.
func (f *File) ReadCached(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := unix.Preadv2(f.fd, [][]byte{p}, here, unix.RWF_NOWAIT)
	switch {
	case errors.Is(err, unix.EAGAIN):
		return 0, ErrNotCached
	case err != nil: // what is wrong with the file a plain read says as well
		return f.Read(p)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// here has preadv2 read where the last reading ended.
const here = -1

// Prefetch has the disk begin to read the first bytes, and does not wait. It is a hint.
func (f *File) Prefetch(size int64) {
	_ = unix.Fadvise(f.fd, 0, size, unix.FADV_WILLNEED)
}

// OS is the same open file as the standard library's, with a place of its own to be closed. They
// share the offset.
func (f *File) OS() (*os.File, error) {
	fd, err := unix.FcntlInt(uintptr(f.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, problem("opening", f.path, err)
	}
	return os.NewFile(uintptr(fd), f.path), nil
}

// Close closes the file.
func (f *File) Close() error { return unix.Close(f.fd) }

// Xattrs reads the file's attributes, sorted by name.
//
// What the system itself gives a file by its place or its content (the label of SELinux, the
// measurements of IMA and EVM) is none of the user's, and left out.
func (f *File) Xattrs() ([]Xattr, error) { return xattrs(f.fd, f.path) }

// ofTheSystem are attributes that a copy of the file gets anew.
var ofTheSystem = []string{"security.evm", "security.ima", "security.selinux"}

func xattrs(fd int, path string) ([]Xattr, error) {
	// Most files have none, and then this is the only call.
	size, err := unix.Flistxattr(fd, nil)
	if errors.Is(err, unix.ENOTSUP) || err == nil && size == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, problem("reading the attributes", path, err)
	}
	list := make([]byte, maxXattrs)
	if size, err = unix.Flistxattr(fd, list); err != nil {
		return nil, problem("reading the attributes", path, err)
	}
	var all []Xattr
	value := make([]byte, maxXattrs)
	for name := range bytes.SplitSeq(list[:size], []byte{0}) {
		if len(name) == 0 || slices.Contains(ofTheSystem, string(name)) {
			continue
		}
		n, err := unix.Fgetxattr(fd, string(name), value)
		if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) {
			continue // gone since it was listed, or a name without a value
		}
		if err != nil {
			return nil, problem("reading the attribute "+string(name), path, err)
		}
		all = append(all, Xattr{Name: string(name), Value: bytes.Clone(value[:n])})
	}
	slices.SortFunc(all, func(a, b Xattr) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}
