//go:build linux

package record

import (
	"errors"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/snapshot/beneath"
	"github.com/nono-run/nono/plugins/snapshot/tree"
)

const (
	// partNames is how many names of a directory are handled as one part.
	partNames = 2 << 10
	// bigFile is a file that is a job of its own; of smaller ones a job has some.
	bigFile  = 8 << 20
	jobFiles = 8
	jobBytes = 1 << 20
)

// job is some files of a part that have to be opened.
type job struct {
	part *part
	of   []int // positions among the part's entries
}

// look looks at a part: at each name in it, and first at the directory where nobody has.
func (w *walk) look(p *part) {
	defer w.order.done(p)
	if p.first {
		if err := w.open(p); err != nil {
			if p.dir.path == "" {
				w.fail(err)
			}
			p.info = tree.Directory{Path: p.dir.path, Why: reason(err)}
			return
		}
	}
	p.entries = make([]tree.Entry, len(p.names))
	var found []*part
	var jobs []*job
	var last *job
	var bytes int64 // in the last job
	for i, name := range p.names {
		e := &p.entries[i]
		switch w.entry(p.dir, name, e) {
		case isDirectory:
			found = append(found, w.child(p.dir, e))
		case isToRead:
			if last == nil || len(last.of) == jobFiles || bytes+e.Size > jobBytes {
				last, bytes = &job{part: p}, 0
				jobs = append(jobs, last)
			}
			last.of = append(last.of, i)
			if bytes += e.Size; e.Size > bigFile {
				last = nil
			}
		case isDone:
		}
	}
	w.Progress.Entries.Add(int64(len(p.names)))
	added := 0
	if p.first {
		added = len(p.names) // nobody knew how many there would be
	}
	w.order.looked(p.behind, found, added)
	p.names = nil
	p.open.Add(int32(len(jobs)))
	for _, j := range jobs {
		w.jobs <- j
	}
}

// open opens and lists a part's directory.
func (w *walk) open(p *part) error {
	d := p.dir
	dir, err := w.root.Dir(d.path)
	if err != nil {
		return err
	}
	names, err := w.list(p, dir)
	if err != nil {
		_ = dir.Close()
		return err
	}
	d.dir = dir
	w.split(p, names)
	return nil
}

func (w *walk) list(p *part, dir *beneath.Dir) ([]string, error) {
	d := p.dir
	self, err := dir.Self()
	if err != nil {
		return nil, err
	}
	if (Identity{self.Device, self.Inode}) != d.at {
		return nil, errors.New("another directory took its place while it was recorded")
	}
	names, err := dir.List()
	if err != nil {
		return nil, err
	}
	p.info = tree.Directory{Path: d.path}
	if !d.git && !d.excluded && isGit(d.path, dir, names) {
		d.git, p.info.Git = true, true
	}
	attributes, err := dir.Xattrs()
	if err != nil {
		return nil, err
	}
	p.info.Xattrs, err = w.putXattrs(attributes)
	return names, err
}

// isGit reports whether git keeps a repository in a directory: one of that name, or what git itself
// would take for one. Anyone can make the latter of a project with three names, and then all of it
// would be one unit; so the root is none, and neither is what has a repository of its own.
func isGit(rel string, dir *beneath.Dir, names []string) bool {
	if path.Base(rel) == ".git" {
		return true
	}
	if _, found := slices.BinarySearch(names, ".git"); found || rel == "" {
		return false
	}
	for _, name := range []string{"HEAD", "objects", "refs"} {
		if _, found := slices.BinarySearch(names, name); !found {
			return false
		}
	}
	for _, name := range []string{"objects", "refs"} {
		if s, err := dir.Stat(name); err != nil || s.Type() != unix.S_IFDIR {
			return false
		}
	}
	return true
}

// split gives the part its names. Where they are too many, other parts get the rest.
func (w *walk) split(p *part, names []string) {
	p.dir.names = names
	p.names, p.behind = names, p
	p.dir.parts.Store(1)
	if len(names) <= partNames {
		return
	}
	chunks := slices.Collect(slices.Chunk(names, partNames))
	p.dir.parts.Store(int32(len(chunks)))
	p.names, p.behind = chunks[0], &part{state: whole, dir: p.dir}
	parts, ends := []*part{}, []*part{p.behind}
	for _, chunk := range chunks[1:] {
		end := &part{state: whole, dir: p.dir}
		parts = append(parts, &part{state: waiting, dir: p.dir, names: chunk, behind: end})
		ends = append(ends, end)
	}
	w.order.looked(p, append(parts, ends...), 0)
}

// has reports whether a name stands in the directory, which has been listed.
func (d *directory) has(name string) bool {
	_, found := slices.BinarySearch(d.names, name)
	return found
}

// child is the part of a directory that was found in another.
func (w *walk) child(d *directory, e *tree.Entry) *part {
	return &part{state: waiting, first: true, dir: &directory{
		path: tree.Join(d.path, e.Name), at: Identity{e.Device, e.Inode},
		git: d.git, excluded: e.Excluded,
	}}
}

// what is to be done about an entry.
type what uint8

const (
	isDone what = iota + 1
	isDirectory
	isToRead
)

// entry looks at a name. What is not to be recorded stays without a type.
func (w *walk) entry(d *directory, name string, e *tree.Entry) what {
	if w.Denied != nil && w.Denied(tree.Join(d.path, name)) {
		w.leftOut.Add(1)
		return isDone
	}
	s, err := d.dir.Stat(name)
	if errors.Is(err, unix.ENOENT) {
		return isDone // it is gone
	}
	if err != nil {
		e.Name = name
		return unreadable(e, reason(err))
	}
	*e = entryOf(name, s)
	if s.Mount {
		return unreadable(e, "something else is mounted there")
	}
	isDir := s.Type() == unix.S_IFDIR
	e.Excluded = d.excluded || !d.git && w.Exclude.Match(d.path, name, isDir, d.has)
	switch s.Type() {
	case unix.S_IFDIR:
		if w.own[Identity{s.Device, s.Inode}] {
			*e = tree.Entry{}
			return isDone
		}
		if len(d.path)+1+len(name) > beneath.MaxPath {
			return unreadable(e, "its path is too long")
		}
		e.Type = tree.Dir
		return isDirectory
	case unix.S_IFREG:
		e.Type = tree.File
		if e.Excluded || w.remembered(s, e) {
			return isDone
		}
		return isToRead
	case unix.S_IFLNK:
		e.Type = tree.Link
		e.Target, err = d.dir.Readlink(name)
		switch {
		case err != nil:
			return unreadable(e, reason(err))
		case e.Target == "": // the kernel makes none such, but file systems come from anywhere
			return unreadable(e, "it leads nowhere")
		}
	default:
		e.Type = tree.Special
	}
	return isDone
}

// unreadable keeps what is known of an entry, and why there is no more.
func unreadable(e *tree.Entry, why string) what {
	e.Type, e.Why = tree.Unreadable, why
	e.Content, e.Xattrs, e.Target = tree.Digest{}, tree.Digest{}, ""
	return isDone
}
