package hostfile

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk/policy"
)

// ErrNotRegular is what [Read] says of a directory, a pipe, a device, a socket.
var ErrNotRegular = errors.New("it is not a regular file")

// Read reads the first limit bytes of a regular file, through links.
//
// Whatever else stands there is an error and is not waited for: opening a pipe blocks until somebody
// writes, and a terminal that is opened may become the process's own. That also holds for what is put
// there between the look and the opening.
func Read(name string, limit int64) ([]byte, error) {
	route, err := Follow(Host, name)
	switch {
	case err != nil:
		return nil, err
	case route.Entry.Type == policy.Missing:
		return nil, &fs.PathError{Op: "read", Path: name, Err: unix.ENOENT}
	case route.Entry.Type != policy.Regular:
		return nil, &fs.PathError{Op: "read", Path: name, Err: ErrNotRegular}
	}
	return readRegular(route.Path, limit)
}

// readRegular reads what is a regular file once it is open.
func readRegular(name string, limit int64) ([]byte, error) {
	const flags = os.O_RDONLY | unix.O_NONBLOCK | unix.O_NOFOLLOW | unix.O_NOCTTY
	f, err := os.OpenFile(name, flags, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: ErrNotRegular}
	}
	return io.ReadAll(io.LimitReader(f, limit))
}
