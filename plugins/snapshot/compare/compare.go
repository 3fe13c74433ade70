// Package compare tells in what two trees differ: two manifests, read beside each other.
//
//	err := compare.Manifests(before, after, func(c *compare.Change) error {
//		fmt.Println(c.Kind(), c.Path, c.What)
//		return nil
//	})
//
// Both are streams in one order, so it holds no more of them than one entry of each, and the
// directories that are still to come: a million files cost no more memory than a thousand. The
// changes come in that order too, a directory after the other things that stand beside it.
//
// What became what it is now by being renamed is a removal and an addition, until [Renames] finds
// the two in a list of changes.
package compare

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/snapshot/tree"
)

// Change is one path at which two trees differ.
type Change struct {
	// Path is beneath the root, which is "".
	Path string
	// Before and After are what stood there; nil where there was nothing, or where that is not known
	// (Why). A directory has its extended attributes in them, as a file has.
	Before, After *tree.Entry
	// What differs, where there is both.
	What What
	// From is where it was before, if it was renamed.
	From string
	// With says that it was renamed because a directory above it was, and by nothing else.
	With bool
	// Git is the path of the git directory that this is, or lies in, if InGit.
	Git   string
	InGit bool
	// Why says that one side is not known, and why not.
	Why string
}

// Kind is what happened to a path. The zero is nothing.
type Kind int

// The kinds.
const (
	Added   Kind = iota + 1
	Removed      // it is gone
	Changed      // it is there, and not as before
	Renamed      // it was elsewhere before; it may have changed as well
	Unknown      // one side is not known
)

// String is the kind's name.
func (k Kind) String() string {
	switch k {
	case Added:
		return "added"
	case Removed:
		return "removed"
	case Changed:
		return "changed"
	case Renamed:
		return "renamed"
	case Unknown:
		return "unknown"
	}
	return fmt.Sprintf("Kind(%d)", int(k))
}

// Kind is what happened.
func (c *Change) Kind() Kind {
	switch {
	case c.Why != "" && (c.Before == nil || c.After == nil):
		return Unknown
	case c.From != "":
		return Renamed
	case c.Before == nil:
		return Added
	case c.After == nil:
		return Removed
	}
	return Changed
}

// What is a set of things in which two entries differ.
type What uint

// The things.
const (
	Type    What = 1 << iota // a file became a directory, and the like
	Content                  // of a file
	Target                   // of a link
	Mode                     // the permissions
	Owner                    // user or group
	Xattrs                   // extended attributes
	Linked                   // which other names are the same file
	Times                    // when it was last written
	Opaque                   // something of which only its size and its times are known
)

var names = []string{
	"type", "content", "target", "mode", "owner", "attributes", "hard links", "times", "contents",
}

// String lists the things.
func (w What) String() string {
	var all []string
	for i, name := range names {
		if w&(1<<i) != 0 {
			all = append(all, name)
		}
	}
	return strings.Join(all, ", ")
}

// OnlyTimes reports whether nothing but times changed, which nobody wants to be shown: a directory
// has new ones whenever something in it was made.
func (c *Change) OnlyTimes() bool { return c.Kind() == Changed && c.What == Times }

// Excluded is why a change of what no contents are stored of cannot be undone.
const Excluded = "its contents are not recorded (excluded)"

// Permanent says why a change cannot be undone, or "" where it can.
func (c *Change) Permanent() string {
	switch {
	case c.Before == nil && c.After == nil:
		return "nothing is known of it"
	case c.Before == nil && c.Why != "":
		return "what it was before is not known: " + c.Why
	// What only the end excludes is stored as it was: the agent may have made it so, with a file
	// beside it.
	case c.Before != nil && c.Before.Excluded, c.Before == nil && c.After.Excluded:
		return Excluded
	case c.Before == nil:
		return ""
	case c.Before.Type == tree.Unreadable:
		return "it could not be recorded: " + c.Before.Why
	case c.Before.Type == tree.Special && (c.After == nil || c.After.Type != tree.Special ||
		c.What&(Type|Opaque) != 0):
		return "it was " + special(c.Before.Mode) + ", which is not made again"
	}
	return ""
}

func special(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFIFO:
		return "a pipe"
	case unix.S_IFSOCK:
		return "a socket"
	}
	return "a device"
}

// Entries tells in what two entries differ.
func Entries(a, b *tree.Entry) What {
	var w What
	if a.Mode&unix.S_IFMT != b.Mode&unix.S_IFMT {
		return Type
	}
	if a.Mode != b.Mode {
		w |= Mode
	}
	if a.UID != b.UID || a.GID != b.GID {
		w |= Owner
	}
	if a.MTime != b.MTime {
		w |= Times
	}
	switch {
	case a.Type == tree.Dir && b.Type == tree.Dir:
		if a.Xattrs != b.Xattrs && a.Why == "" && b.Why == "" {
			w |= Xattrs
		}
	case a.Type != b.Type || a.Excluded || b.Excluded || a.Type != tree.File && a.Type != tree.Link:
		// Its inode tells that it is the same file; every write moves its ctime.
		if a.Inode != b.Inode || a.Size != b.Size || a.MTime != b.MTime ||
			a.CTime != b.CTime && w&(Mode|Owner) == 0 {
			w |= Opaque
		}
	case a.Type == tree.File:
		if a.Content != b.Content {
			w |= Content
		}
		if a.Xattrs != b.Xattrs {
			w |= Xattrs
		}
		// The device's number may be another one after the machine was started again.
		if (a.Links > 1 || b.Links > 1) && a.Inode != b.Inode {
			w |= Linked
		}
	case a.Type == tree.Link:
		if a.Target != b.Target {
			w |= Target
		}
	}
	return w
}

// Manifests goes through two manifests and hands each difference to a function, whose error ends
// it.
func Manifests(before, after *tree.Reader, each func(*Change) error) error {
	m := merge{before: side{from: before}, after: side{from: after}, each: each}
	m.pending = map[string]pair{"": {&before.Head.Root, &after.Head.Root}}
	if err := errors.Join(m.before.nextDirectory(), m.after.nextDirectory()); err != nil {
		return err
	}
	for m.before.dir != nil || m.after.dir != nil {
		if err := m.directory(); err != nil {
			return err
		}
	}
	return nil
}

// pair is what stands at one path on the two sides.
type pair struct{ before, after *tree.Entry }

type merge struct {
	before, after side
	// pending are the directories that were met as entries, and whose own turn is still to come.
	pending map[string]pair
	each    func(*Change) error
}

// side is one of the two streams.
type side struct {
	from  *tree.Reader
	dir   *tree.Directory // the present one, nil after the last
	entry *tree.Entry     // the present one in it, nil after the last
	// hidden is a directory whose entries are not known on this side, while what lies in it is gone
	// through on the other; why is the reason, "" where there is none.
	hidden, why string
	// git is the git directory that the present directory lies in.
	git   string
	inGit bool
}

func (s *side) nextDirectory() error {
	dir, err := s.from.NextDirectory()
	if errors.Is(err, io.EOF) {
		s.dir, s.entry = nil, nil
		return nil
	}
	if err != nil {
		return err
	}
	s.dir = dir
	return s.next()
}

// enter notes in which git directory the present directory lies, if it counts as one itself.
func (s *side) enter(counts bool) {
	if s.inGit && !within(s.dir.Path, s.git) {
		s.inGit = false
	}
	if counts && !s.inGit {
		s.git, s.inGit = s.dir.Path, true
	}
}

func (s *side) next() error {
	entry, err := s.from.Next()
	if errors.Is(err, io.EOF) {
		s.entry = nil
		return nil
	}
	s.entry = entry
	return err
}

// unknown is why a path is not known on this side, "" where it is.
func (s *side) unknown(path string) string {
	if s.why != "" && within(path, s.hidden) {
		return s.why
	}
	return ""
}

// within reports whether a path is a directory, or lies in it.
func within(path, dir string) bool {
	return dir == "" || path == dir || strings.HasPrefix(path, dir) && path[len(dir)] == '/'
}

// directory goes through the next directory, on the side or the sides that have it.
func (m *merge) directory() error {
	var here []*side
	var order int
	switch {
	case m.after.dir == nil:
		order = -1
	case m.before.dir == nil:
		order = 1
	default:
		order = tree.Compare(m.before.dir.Path, m.after.dir.Path)
	}
	if order <= 0 {
		here = append(here, &m.before)
	}
	if order >= 0 {
		here = append(here, &m.after)
	}
	path := here[0].dir.Path
	p := m.pending[path]
	delete(m.pending, path)
	was := order <= 0 && m.before.dir.Git
	for _, s := range here {
		// Names in it make a repository of any directory: who put them there is not to decide about
		// what was something else before.
		s.enter(s.dir.Git && (was || !isDir(p.before) || name(path) == ".git"))
		if s.why != "" && !within(path, s.hidden) {
			s.why = ""
		}
		if s.dir.Why != "" && s.why == "" {
			s.hidden, s.why = path, s.dir.Why
		}
		e := p.before
		if s == &m.after {
			e = p.after
		}
		e.Xattrs, e.Why = s.dir.Xattrs, s.dir.Why
	}
	if err := m.pair(path, p); err != nil {
		return err
	}
	for {
		next, ok := "", false
		for _, s := range here {
			if s.entry != nil && (!ok || s.entry.Name < next) {
				next, ok = s.entry.Name, true
			}
		}
		if !ok {
			break
		}
		var p pair
		for _, s := range here {
			if s.entry == nil || s.entry.Name != next {
				continue
			}
			if s == &m.before {
				p.before = s.entry
			} else {
				p.after = s.entry
			}
			if err := s.next(); err != nil {
				return err
			}
		}
		at := tree.Join(path, next)
		if isDir(p.before) || isDir(p.after) {
			m.pending[at] = p
			continue
		}
		if err := m.pair(at, p); err != nil {
			return err
		}
	}
	for _, s := range here {
		if err := s.nextDirectory(); err != nil {
			return err
		}
	}
	return nil
}

// name is the last component of a path.
func name(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

func isDir(e *tree.Entry) bool { return e != nil && e.Type == tree.Dir }

// pair hands on what stands at one path, if that differs.
func (m *merge) pair(path string, p pair) error {
	c := &Change{Path: path, Before: p.before, After: p.after}
	switch {
	case p.before == nil:
		c.Why = m.before.unknown(path)
	case p.after == nil:
		c.Why = m.after.unknown(path)
	default:
		if c.What = Entries(p.before, p.after); c.What == 0 {
			return nil
		}
	}
	for _, s := range []*side{&m.before, &m.after} {
		if s.inGit && within(path, s.git) {
			c.Git, c.InGit = s.git, true
		}
	}
	return m.each(c)
}
