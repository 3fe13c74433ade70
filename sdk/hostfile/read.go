package hostfile

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
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
// Whatever else stands there is an error, is not opened and is not waited for: to open a pipe wakes
// who writes to it, to open a device may start it, and a terminal may become the process's own.
func Open(name string) (*os.File, error) {
	f, err := openRegular(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return f, nil
}

// OpenDirect is Open where neither the file nor a directory above it may be a link: that is
// [unix.ELOOP].
func OpenDirect(name string) (*os.File, error) {
	f, err := openDirect(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return f, nil
}

// List is what is in a directory that is no link, at most so many of its entries, in no order.
//
// What somebody has put in its place is an error and is not waited for.
func List(dir string, most int) ([]fs.DirEntry, error) {
	return listed(dir, func(f *os.File) ([]fs.DirEntry, error) { return f.ReadDir(most) })
}

// Names is List without a look at what the names are.
func Names(dir string, most int) ([]string, error) {
	return listed(dir, func(f *os.File) ([]string, error) { return f.Readdirnames(most) })
}

func listed[E any](dir string, read func(*os.File) ([]E, error)) ([]E, error) {
	fd, err := openDirectory(dir)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	f := os.NewFile(uintptr(fd), dir)
	defer func() { _ = f.Close() }()
	entries, err := read(f)
	if errors.Is(err, io.EOF) {
		err = nil // it is empty
	}
	return entries, err
}

// openDirectory does as os.OpenFile, which besides asks the poller for each directory: for two
// hundred of them, in which repositories are looked for, that took a run 2 ms.
func openDirectory(dir string) (int, error) {
	for {
		fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}
