package session

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// longestRegular is more than any configuration has that a person wrote.
const longestRegular = 1 << 20

// readRegular reads a small file of the user's. An earlier agent may have had the directory it lies in, and have put a pipe there, which
// nobody ever writes to, or a link to something without an end.
func readRegular(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &os.PathError{Op: "read", Path: path, Err: errors.New("it is not a regular file")}
	}
	return io.ReadAll(io.LimitReader(f, longestRegular))
}
