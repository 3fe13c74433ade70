package hostfile

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk/policy"
)

// ErrNotRegular is what [Open] and [Read] say of a directory, a pipe, a device, a socket.
var ErrNotRegular = errors.New("it is not a regular file")

// Read reads the first limit bytes of a regular file, through links. See [Open].
func Read(name string, limit int64) ([]byte, error) {
	f, err := Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, limit))
}

// Open opens a regular file for reading, through links.
//
// Whatever else stands there is an error and is not waited for: opening a pipe blocks until
// somebody writes, and a terminal that is opened may become the process's own. That also holds for
// what is put there between the look and the opening.
func Open(name string) (*os.File, error) {
	route, err := Follow(Host, name)
	switch {
	case err != nil:
		return nil, err
	case route.Entry.Type == policy.Missing:
		return nil, &fs.PathError{Op: "open", Path: name, Err: unix.ENOENT}
	case route.Entry.Type != policy.Regular:
		return nil, &fs.PathError{Op: "open", Path: name, Err: ErrNotRegular}
	}
	return openRegular(route.Path)
}

// List is what is in a directory that is no link, at most so many of its entries, in no order.
//
// What somebody has put in its place is an error and is not waited for.
func List(dir string, most int) ([]fs.DirEntry, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	entries, err := f.ReadDir(most)
	if errors.Is(err, io.EOF) {
		err = nil // it is empty
	}
	return entries, err
}

// openRegular opens what is a regular file once it is open.
func openRegular(name string) (*os.File, error) {
	const flags = os.O_RDONLY | unix.O_NONBLOCK | unix.O_NOFOLLOW | unix.O_NOCTTY
	f, err := os.OpenFile(name, flags, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: ErrNotRegular}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
