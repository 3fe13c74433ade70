package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// fromFile reads a file that only its owner can.
func (r *Reader) fromFile(path string) ([]byte, error) {
	return r.readFile(path, 0o077, "read the key or change it", longest)
}

// exists reports whether something is there.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// readFile reads a file of the user's, or of root's, which gives others none of these rights. What
// is checked is the file that is read: it is opened once, without following a link at its end, and
// nothing is waited for that is no file.
func (r *Reader) readFile(
	path string, rights fs.FileMode, could string, most int64,
) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, absent("there is no such file")
	}
	if err != nil {
		return nil, reason(err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, reason(err)
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	switch {
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no file")
	case int(owner) != r.UID && owner != 0:
		return nil, fmt.Errorf("it belongs to another user, who could %s", could)
	case info.Mode().Perm()&rights != 0:
		return nil, fmt.Errorf("its mode %04o lets others %s: chmod 600 %s",
			info.Mode().Perm(), could, path)
	}
	return io.ReadAll(io.LimitReader(file, most+1))
}

// reason is an error without the file's name, which stands before it already.
func reason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
