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

// MaxHops is how many names one lookup may lead through. Forty links of four kilobytes each could
// make it eighty thousand, and a file system full of such links is easily made.
const MaxHops = 4096

// Follow resolves an absolute name the way the kernel does, and remembers each step of it. What
// does not exist is taken as written, but for a ".." behind it: that is ENOENT, and ENOTDIR behind
// a file. It is an error where the host does not let us look, and ELOOP or ENAMETOOLONG where the
// kernel would say so; ELOOP also beyond [MaxHops].
func Follow(look Look, name string) (Route, error) {
	hops := make([]Hop, 0, strings.Count(name, "/")+1)
	r, err := follow(look, name, func(h Hop) { hops = append(hops, h) })
	r.Hops = hops
	return r, err
}

// FollowLinks is Follow that remembers the links alone: most names lead through none.
func FollowLinks(look Look, name string) (Route, error) {
	var links []Hop
	r, err := follow(look, name, func(h Hop) {
		if h.Entry.IsLink() {
			links = append(links, h)
		}
	})
	r.Hops = links
	return r, err
}

// follow is Follow that tells of each hop.
func follow(look Look, name string, tell func(Hop)) (Route, error) {
	if len(name) > MaxPath {
		return Route{}, &fs.PathError{Op: "following", Path: name[:64] + "...", Err: unix.ENAMETOOLONG}
	}
	root, err := look("/")
	if err != nil {
		return Route{}, err
	}
	r := Route{Path: "/", Entry: root} // as far as it was followed
	hops, links := 0, 0
	for todo := name; todo != ""; {
		var next string
		next, todo, _ = strings.Cut(todo, "/")
		switch next {
		case "", ".":
			continue
		case "..":
			if err := leavable(r.Entry.Type); err != nil {
				return r, &fs.PathError{Op: "following", Path: name, Err: err}
			}
			r.Path = path.Dir(r.Path)
			if r.Entry, err = look(r.Path); err != nil {
				return r, err
			}
			continue
		}
		at := below(r.Path, next, name)
		e, err := look(at)
		if err != nil {
			return r, err
		}
		tell(Hop{at, e, r.Entry.Fixed})
		if !e.IsLink() {
			r.Path, r.Entry = at, e
		} else {
			if links++; links > MaxLinks {
				return r, &fs.PathError{Op: "following", Path: name, Err: unix.ELOOP}
			}
			if path.IsAbs(e.Target) {
				r.Path, r.Entry = "/", root
			}
			// The target is not cleaned: "link/.." is the parent of where the link leads.
			todo = e.Target + "/" + todo
		}
		if hops++; hops > MaxHops {
			return r, &fs.PathError{Op: "following", Path: name, Err: unix.ELOOP}
		}
	}
	return r, nil
}

// below is the path of a name in a directory. Where it is how a longer name begins it is a part of
// that, and no copy: most names are followed from their beginning to their end.
func below(dir, next, longer string) string {
	if dir == "/" {
		dir = ""
	}
	at := len(dir) + 1 + len(next)
	if len(longer) >= at && longer[:len(dir)] == dir && longer[len(dir)] == '/' &&
		longer[len(dir)+1:at] == next {
		return longer[:at]
	}
	return dir + "/" + next
}

// Resolve is where the absolute name of a file that exists leads, free of links. It is an error
// where nothing is there. filepath.EvalSymlinks, which does the same, follows more links than the
// kernel and bounds nothing.
func Resolve(name string) (string, error) {
	if !path.IsAbs(name) {
		return "", &fs.PathError{Op: "following", Path: name, Err: unix.EINVAL}
	}
	r, err := Follow(Host, name)
	if err == nil && r.Entry.Type == policy.Missing {
		err = &fs.PathError{Op: "following", Path: name, Err: unix.ENOENT}
	}
	return r.Path, err
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
