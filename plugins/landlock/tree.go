package landlock

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk/policy"
)

// tree is all that the layer reads of the host: what stands at a path, and where a link points. Everything else is decided from
// its answers, so that a test can hand in a tree that no disk holds.
type tree interface {
	// Lstat says what stands at a path, without following a link at its end. Nothing there is [policy.Missing], not an error.
	Lstat(path string) (node, error)
	// Readlink is where the link at a path points.
	Readlink(path string) (string, error)
}

// node is what stands at a path.
type node struct {
	kind   policy.FileType
	link   bool
	device uint64
	inode  uint64
	// names is how many names the file has. One that has several can be reached through each of them.
	names uint64
}

func (n node) exists() bool      { return n.kind != policy.Missing && n.kind != "" }
func (n node) isDirectory() bool { return n.kind == policy.Directory }

// hostTree is the machine's own.
type hostTree struct{}

// Lstat implements tree.
func (hostTree) Lstat(path string) (node, error) {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return node{kind: policy.Missing}, nil
	case err != nil:
		return node{}, &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	// The widths of these fields differ between systems.
	n := node{device: uint64(st.Dev), inode: st.Ino, names: uint64(st.Nlink)} //nolint:unconvert // see above
	switch uint32(st.Mode) & unix.S_IFMT {                                    //nolint:unconvert // see above
	case unix.S_IFDIR:
		n.kind = policy.Directory
	case unix.S_IFREG:
		n.kind = policy.Regular
	case unix.S_IFLNK:
		n.kind, n.link = policy.Special, true
	default:
		n.kind = policy.Special
	}
	return n, nil
}

// Readlink implements tree.
func (hostTree) Readlink(path string) (string, error) { return os.Readlink(path) }

// link is a symbolic link met on the way to a path.
type link struct{ path, target string }

// maxLinks is where the kernel gives up as well.
const maxLinks = 40

// follow resolves a name component by component, the way the kernel does, and lists the links it met: each of them has to stand
// in the view too, or the name that the user and the program know leads nowhere. What does not exist stays as it is written.
func follow(t tree, name string) (string, []link, error) {
	var met []link
	at, rest := "/", strings.Split(name, "/")
	for len(rest) > 0 {
		head := rest[0]
		rest = rest[1:]
		switch head {
		case "", ".":
			continue
		case "..":
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, head)
		n, err := t.Lstat(next)
		if err != nil {
			return "", nil, err
		}
		if !n.link {
			at = next
			continue
		}
		target, err := t.Readlink(next)
		if err != nil {
			return "", nil, err
		}
		if met = append(met, link{next, target}); len(met) > maxLinks {
			return "", nil, &fs.PathError{Op: "follow", Path: name, Err: unix.ELOOP}
		}
		if path.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return at, met, nil
}

// ancestors lists the directories strictly above p, nearest first, ending with "/".
func ancestors(p string) []string {
	var above []string
	for p != "/" {
		p = path.Dir(p)
		above = append(above, p)
	}
	return above
}

// Interface guard.
var _ tree = hostTree{}
