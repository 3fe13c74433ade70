package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// fromFile reads a file that only its owner can. What is checked is the file that is read: it is
// opened once, without following a link at its end, and nothing is waited for that is no file.
func (r *Reader) fromFile(path string) ([]byte, error) {
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
		return nil, errors.New("it belongs to another user, who could read the key and change it")
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("its mode %04o lets others read or change the key: chmod 600 %s",
			info.Mode().Perm(), path)
	}
	return io.ReadAll(io.LimitReader(file, longest+1))
}

// reason is an error without the file's name, which stands before it already.
func reason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
