package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk/policy"
)

// Look looks at one file of the host, without following a link. A file that does not exist is an [Entry] of type policy.Missing
// and no error.
type Look func(path string) (Entry, error)

// Entry is what stands at a path of the host.
type Entry struct {
	Type   policy.FileType
	Device uint64
	Inode  uint64
	// Links is the number of names that the file has.
	Links uint64
	// Target is set for a symbolic link, whose Type is policy.Special.
	Target string
	// Fixed, for a directory, says that this user can neither change its entries nor give himself the right to.
	Fixed bool
}

// Host looks at the real files.
func Host(path string) (Entry, error) {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return Entry{Type: policy.Missing}, nil
	}
	if err != nil {
		return Entry{}, &fs.PathError{Op: "looking at", Path: path, Err: err}
	}
	e := Entry{Type: policy.Special, Device: uint64(st.Dev), Inode: st.Ino, Links: uint64(st.Nlink)} //nolint:unconvert // narrower on macOS
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		e.Type = policy.Regular
	case unix.S_IFDIR:
		e.Type = policy.Directory
		e.Fixed = int(st.Uid) != unix.Geteuid() && unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS) != nil
	case unix.S_IFLNK:
		buf := make([]byte, unix.PathMax)
		n, err := unix.Readlink(path, buf)
		if err != nil {
			return Entry{}, &fs.PathError{Op: "reading the link", Path: path, Err: err}
		}
		e.Target = string(buf[:n])
	}
	return e, nil
}

// hop is one name that is looked up on the way to a path.
type hop struct {
	path  string
	entry Entry
	// fixed says that the directory which holds this name cannot be changed by this user at all.
	fixed bool
}

// route is every name whose replacement would change where a path leads, links included. The path's own is among them, and is
// not always the last: a link may lead through "..".
type route struct {
	hops []hop
	// path is where the name leads, free of links; it need not exist.
	path  string
	entry Entry
}

// maxLinks is how many links a lookup follows, as in the kernel.
const maxLinks = 40

// follow resolves name as the next start of nono will, and remembers each step of the way.
func follow(look Look, name string) (route, error) {
	r := route{path: "/"}
	var err error
	todo := strings.Split(name, "/")
	for links := 0; len(todo) > 0; {
		next := todo[0]
		todo = todo[1:]
		switch next {
		case "", ".":
			continue
		case "..":
			r.path = path.Dir(r.path)
			continue
		}
		at := path.Join(r.path, next)
		e, err := look(at)
		if err != nil {
			return r, err
		}
		parent, err := look(r.path)
		if err != nil {
			return r, err
		}
		r.hops = append(r.hops, hop{at, e, parent.Fixed})
		if e.Target == "" {
			r.path = at
			continue
		}
		if links++; links > maxLinks {
			return r, fmt.Errorf("following %s: too many links", name)
		}
		if path.IsAbs(e.Target) {
			r.path = "/"
		}
		// The target is not cleaned: "link/.." is the parent of where the link leads.
		todo = append(strings.Split(e.Target, "/"), todo...)
	}
	r.entry, err = look(r.path)
	return r, err
}

// below is p as it is called when dir is called root.
func below(p, dir, root string) string {
	return path.Join(root, strings.TrimPrefix(p, dir))
}

// comparePaths orders paths by their components, so that a directory comes before all that lies in it and right before it: the
// separator sorts before every other character.
func comparePaths(a, b string) int {
	for i := range min(len(a), len(b)) {
		if x, y := a[i], b[i]; x != y {
			switch {
			case x == '/':
				return -1
			case y == '/':
				return 1
			}
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}

// once looks at each path one time only: the ways to nono's own files have most of their names in common.
func once(look Look) Look {
	seen := map[string]Entry{}
	return func(name string) (Entry, error) {
		if e, ok := seen[name]; ok {
			return e, nil
		}
		e, err := look(name)
		if err == nil {
			seen[name] = e
		}
		return e, err
	}
}
