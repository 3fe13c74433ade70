package hostfile

import (
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk/policy"
)

// MaxLinks is how many links a lookup follows, as in the kernel.
const MaxLinks = 40

// MaxPath is how long a path may be, as in the kernel: PATH_MAX without its NUL.
const MaxPath = unix.PathMax - 1

// Hop is one name that is looked up on the way to a path.
type Hop struct {
	Path  string
	Entry Entry
	// Fixed says that the directory which holds this name cannot be changed by this user at all.
	Fixed bool
}

// Route is how a name leads to a file.
type Route struct {
	// Hops are every name whose replacement would change where the name leads, links included. The
	// path's own is among them, and is not always the last: a link may lead through "..".
	Hops []Hop
	// Path is where the name leads, free of links; it need not exist.
	Path string
	// Entry is what stands there.
	Entry Entry
}

// Links are the hops that are symbolic links, in the order in which they are met.
func (r Route) Links() []Hop {
	var links []Hop
	for _, h := range r.Hops {
		if h.Entry.IsLink() {
			links = append(links, h)
		}
	}
	return links
}

// Follow resolves an absolute name the way the kernel does, and remembers each step of it. What
// does not exist is taken as written, but for a ".." behind it: that is ENOENT, and ENOTDIR behind
// a file. It is an error where the host does not let us look, and ELOOP or ENAMETOOLONG where the
// kernel would say so.
func Follow(look Look, name string) (Route, error) {
	if len(name) > MaxPath {
		return Route{}, &fs.PathError{Op: "following", Path: name[:64] + "...", Err: unix.ENAMETOOLONG}
	}
	r := Route{Path: "/"}
	at := policy.Directory // what stands at r.Path
	todo := strings.Split(name, "/")
	for links := 0; len(todo) > 0; {
		next := todo[0]
		todo = todo[1:]
		switch next {
		case "", ".":
			continue
		case "..":
			if err := leavable(at); err != nil {
				return r, &fs.PathError{Op: "following", Path: name, Err: err}
			}
			r.Path, at = path.Dir(r.Path), policy.Directory
			continue
		}
		h, err := step(look, r.Path, next)
		if err != nil {
			return r, err
		}
		r.Hops = append(r.Hops, h)
		if !h.Entry.IsLink() {
			r.Path, at = h.Path, h.Entry.Type
			continue
		}
		if links++; links > MaxLinks {
			return r, &fs.PathError{Op: "following", Path: name, Err: unix.ELOOP}
		}
		if path.IsAbs(h.Entry.Target) {
			r.Path = "/"
		}
		// The target is not cleaned: "link/.." is the parent of where the link leads.
		todo = append(strings.Split(h.Entry.Target, "/"), todo...)
	}
	var err error
	r.Entry, err = look(r.Path)
	return r, err
}

// leavable is what the kernel says of a ".." behind something of this type.
func leavable(at policy.FileType) error {
	switch at {
	case policy.Directory:
		return nil
	case policy.Missing:
		return unix.ENOENT
	case policy.Regular, policy.Special:
	}
	return unix.ENOTDIR
}

// step looks up one name in a directory.
func step(look Look, dir, name string) (Hop, error) {
	at := path.Join(dir, name)
	e, err := look(at)
	if err != nil {
		return Hop{}, err
	}
	parent, err := look(dir)
	if err != nil {
		return Hop{}, err
	}
	return Hop{at, e, parent.Fixed}, nil
}
