package scope

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// How large a file may be.
const (
	// MaxFile bounds a file of instructions: far more than any agent reads of them.
	MaxFile = 8 << 20
)

// LinkedError says that a link stands at a path, or in the place of a directory above it.
type LinkedError struct {
	// Link is the link itself, and Target what it says.
	Link, Target string
}

// Error implements error.
func (e *LinkedError) Error() string {
	return fmt.Sprintf("%s is a link to %s", policy.Printable(e.Link), policy.Printable(e.Target))
}

// Beside is the name of the file that the link leads to, where that is another name in the link's
// own directory and nothing else.
func (e *LinkedError) Beside() (name string, ok bool) {
	name = strings.TrimPrefix(e.Target, "./")
	return name, name != "" && name != "." && name != ".." && !strings.Contains(name, "/")
}

// TooBigError says that a file has more bytes than are read.
type TooBigError struct{ Most int64 }

// Error implements error.
func (e *TooBigError) Error() string { return fmt.Sprintf("it has more than %d bytes", e.Most) }

// Read reads a regular file, all of it, if it has no more than so many bytes. Where none is, the
// error is fs.ErrNotExist; where a link is, a [*LinkedError]; and hostfile.ErrNotRegular where
// something else stands there.
func Read(name string, most int64) ([]byte, error) {
	f, err := hostfile.OpenDirect(name)
	if errors.Is(err, unix.ELOOP) {
		return nil, linked(name, err)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > most {
		return nil, &TooBigError{most}
	}
	// One byte more than there is: the read that finds the end needs no second buffer.
	content := make([]byte, 0, info.Size()+1)
	for {
		n, err := f.Read(content[len(content):cap(content)])
		content = content[:len(content)+n]
		switch {
		case errors.Is(err, io.EOF):
			return content, nil
		case err != nil:
			return nil, err
		case int64(len(content)) > most: // it has grown
			return nil, &TooBigError{most}
		case len(content) == cap(content):
			content = append(content, 0)[:len(content)]
		}
	}
}

// linked finds the link on the way to a path.
func linked(name string, otherwise error) error {
	for at := ""; at != name; {
		next := strings.IndexByte(name[len(at)+1:], '/')
		if next < 0 {
			at = name
		} else {
			at = name[:len(at)+1+next]
		}
		if e, err := hostfile.Host(at); err == nil && e.IsLink() {
			return &LinkedError{Link: path.Clean(at), Target: e.Target}
		}
	}
	return otherwise // it is gone again
}
