//go:build linux

package restore

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/snapshot/beneath"
	"github.com/nono-run/nono/plugins/snapshot/compare"
	"github.com/nono-run/nono/plugins/snapshot/store"
	"github.com/nono-run/nono/plugins/snapshot/tree"
)

// live is the tree as it is now.
type live struct {
	root  *beneath.Dir
	store *store.Store
	// device is the number that the root's device has now, and recorded the one that it had.
	device, recorded uint64
	// opened are directories that had to be given rights for their owner, and what they were before.
	opened map[string]tree.Entry
	// at is the directory that was used last.
	at *beneath.Dir
	in string
}

// openLive opens a root, if it is the one that was recorded.
func openLive(root Root, st *store.Store) (*live, error) {
	dir, err := beneath.Open(root.Path)
	if err != nil {
		return nil, err
	}
	l := &live{root: dir, store: st, opened: map[string]tree.Entry{}, recorded: root.Device}
	is, err := dir.Identity()
	if err == nil && !is.Same(root.Identity) {
		err = ErrReplaced
	}
	l.device = is.Device
	if err != nil {
		_ = l.close()
		return nil, doing("opening", root.Path, err)
	}
	return l, nil
}

func (l *live) close() error {
	l.forget()
	return l.root.Close()
}

// forget closes the directory that was used last.
func (l *live) forget() {
	if l.at != nil {
		_ = l.at.Close()
		l.at = nil
	}
}

// dir opens a directory. It is closed when another one is asked for.
func (l *live) dir(path string) (*beneath.Dir, error) {
	if l.at != nil && l.in == path {
		return l.at, nil
	}
	l.forget()
	d, err := l.root.Dir(path)
	if errors.Is(err, unix.EACCES) {
		if err := l.openUp(path); err != nil {
			return nil, err
		}
		d, err = l.root.Dir(path)
	}
	if err != nil {
		return nil, err
	}
	l.at, l.in = d, path
	return d, nil
}

// changeable is dir, for one in which names are to be changed.
func (l *live) changeable(path string) (*beneath.Dir, error) {
	d, err := l.dir(path)
	if err != nil {
		return nil, err
	}
	self, err := d.Self()
	if err != nil || self.Mode&0o700 == 0o700 || int(self.UID) != os.Geteuid() {
		return d, err
	}
	return d, l.openUp(path)
}

// openUp gives the owner all rights to a directory and to those above it. An agent takes them away
// as easily as it writes, and its user would have to give them back to undo anything.
func (l *live) openUp(path string) error {
	if os.Geteuid() == 0 {
		return nil // root needs none
	}
	parts := strings.Split(path, "/")
	for i := range parts {
		at := strings.Join(parts[:i+1], "/")
		if at == "" {
			self, err := l.root.Self()
			if err != nil {
				return err
			}
			if self.Mode&0o700 != 0o700 {
				l.remember(at, self)
				if err := unix.Fchmod(l.root.Fd(), self.Mode&0o7777|0o700); err != nil {
					return doing("making room in", path, err)
				}
			}
			continue
		}
		parent, name := split(at)
		d, err := l.root.Dir(parent)
		if err != nil {
			return err
		}
		s, err := d.Stat(name)
		if err == nil && s.Type() == unix.S_IFDIR && s.Mode&0o700 != 0o700 &&
			int(s.UID) == os.Geteuid() {
			l.remember(at, s)
			err = chmod(d, name, s, s.Mode|0o700)
		}
		_ = d.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *live) remember(path string, s beneath.Stat) {
	if _, ok := l.opened[path]; !ok {
		l.opened[path] = *l.entryOf(s)
	}
}

// giveBack takes the rights away again that were given, the deepest first.
func (l *live) giveBack() error {
	l.forget()
	var all error
	paths := slices.SortedFunc(maps.Keys(l.opened), tree.Compare)
	for _, path := range slices.Backward(paths) {
		mode := l.opened[path].Mode
		if path == "" {
			all = errors.Join(all, unix.Fchmod(l.root.Fd(), mode&0o7777))
			continue
		}
		parent, name := split(path)
		d, err := l.root.Dir(parent)
		if err == nil {
			var s beneath.Stat
			if s, err = d.Stat(name); err == nil && s.Inode == l.opened[path].Inode {
				err = chmod(d, name, s, mode)
			}
			_ = d.Close()
		}
		all = errors.Join(all, err)
	}
	clear(l.opened)
	return all
}

// entryOf is what stat tells, without content, target or attributes. The root's device has the
// number in it that was recorded, so that the two can be compared.
func (l *live) entryOf(s beneath.Stat) *tree.Entry {
	if s.Device == l.device {
		s.Device = l.recorded
	}
	e := &tree.Entry{
		Mode: s.Mode, UID: s.UID, GID: s.GID, Links: s.Links, Device: s.Device, Inode: s.Inode,
		Size: s.Size, MTime: s.MTime, CTime: s.CTime,
	}
	switch s.Type() {
	case unix.S_IFDIR:
		e.Type = tree.Dir
	case unix.S_IFREG:
		e.Type = tree.File
	case unix.S_IFLNK:
		e.Type = tree.Link
	default:
		e.Type = tree.Special
	}
	return e
}

// errMounted says that a path leads into another file system.
var errMounted = errors.New("something is mounted there")

// look tells what stands at a path, without a file's content and attributes: nil for nothing, also
// where the directory that it would be in is none.
func (l *live) look(path string) (*tree.Entry, error) {
	if path == "" {
		self, err := l.root.Self()
		if err != nil {
			return nil, err
		}
		return l.asItWas(path, l.entryOf(self)), nil
	}
	parent, name := split(path)
	d, err := l.dir(parent)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	e, err := l.lookIn(d, name)
	if e == nil || err != nil {
		return nil, err
	}
	return l.asItWas(path, e), nil
}

// lookIn is look, in a directory that is open.
func (l *live) lookIn(d *beneath.Dir, name string) (*tree.Entry, error) {
	s, err := d.Stat(name)
	switch {
	case absent(err):
		return nil, nil
	case err != nil:
		return nil, err
	case s.Mount:
		return nil, errMounted
	}
	e := l.entryOf(s)
	if e.Type == tree.Link {
		if e.Target, err = d.Readlink(name); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// list is look, and the names in what is a directory.
func (l *live) list(path string) (*tree.Entry, []string, error) {
	e, err := l.look(path)
	if err != nil || !isDir(e) {
		return e, nil, err
	}
	d, err := l.dir(path)
	if err != nil {
		return nil, nil, err
	}
	names, err := d.List()
	return e, names, err
}

// walk calls a function with whatever stands in the tree, until that has enough. What cannot be
// looked into is passed over.
func (l *live) walk(ctx context.Context, each func(string, *tree.Entry) (more bool)) error {
	_, err := l.walkIn(ctx, "", each)
	return err
}

func (l *live) walkIn(
	ctx context.Context, dir string, each func(string, *tree.Entry) bool,
) (more bool, err error) {
	_, names, err := l.list(dir)
	if err != nil {
		return true, nil //nolint:nilerr // it is passed over
	}
	var dirs []string
	for _, name := range names {
		if err := context.Cause(ctx); err != nil {
			return false, err
		}
		path := tree.Join(dir, name)
		e, err := l.look(path)
		switch {
		case e == nil || err != nil:
		case !each(path, e):
			return false, nil
		case isDir(e):
			dirs = append(dirs, path)
		}
	}
	for _, path := range dirs {
		if more, err := l.walkIn(ctx, path, each); !more || err != nil {
			return false, err
		}
	}
	return true, nil
}

// asItWas takes away what was done here to a directory to look into it.
func (l *live) asItWas(path string, e *tree.Entry) *tree.Entry {
	if before, ok := l.opened[path]; ok && before.Inode == e.Inode {
		e.Mode, e.CTime = before.Mode, before.CTime
	}
	return e
}

// absent reports whether nothing can stand at a path: it is not there, or a part of it is no
// directory, but a link or a file.
func absent(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) ||
		errors.Is(err, unix.ELOOP)
}

// differ tells in what the thing that was looked at differs from an entry of a manifest. What it
// finds out about the content it writes into now.
func (l *live) differ(path string, now, then *tree.Entry) (compare.What, error) {
	if now == nil || then == nil {
		if now == then {
			return 0, nil
		}
		return compare.Type, nil
	}
	if now.Type != tree.Dir && same(now, then) && now.CTime == then.CTime {
		// Whatever is written, or set, moves the time of the last change, and nobody can set that.
		now.Content, now.Xattrs = then.Content, then.Xattrs
		return compare.Entries(now, then), nil
	}
	known := *now
	if then.Type == tree.Unreadable {
		// It was recorded by what stat says alone, and a look into it moves the time of its change.
		known.CTime = then.CTime
	}
	read := now.Type == tree.Dir || now.Type == tree.File && now.Content == (tree.Digest{})
	if now.Type == then.Type && read && !then.Excluded {
		if err := l.findOut(path, now, then); err != nil {
			return 0, err
		}
		known = *now
		if isFile(now) && now.Content == (tree.Digest{}) {
			// It is another one than then's, whatever it is.
			return compare.Entries(&known, then) | compare.Content, nil
		}
	}
	return compare.Entries(&known, then), nil
}

// findOut reads the attributes, and holds the content of a file against one that the store has.
func (l *live) findOut(path string, now, then *tree.Entry) error {
	if now.Type == tree.Dir {
		d, err := l.dir(path)
		if err != nil {
			return err
		}
		all, err := d.Xattrs()
		now.Xattrs = digestOf(all)
		return err
	}
	return l.reading(path, now, func(f *beneath.File) error {
		all, err := f.Xattrs()
		if err != nil {
			return err
		}
		now.Xattrs = digestOf(all)
		if now.Content != (tree.Digest{}) || then == nil || now.Size != then.Size ||
			then.Content == (tree.Digest{}) {
			return nil
		}
		ok, err := l.holds(f, then.Content)
		if ok {
			now.Content = then.Content
		}
		return err
	})
}

// digestOf is how the store names attributes.
func digestOf(all []beneath.Xattr) tree.Digest {
	if len(all) == 0 {
		return tree.Digest{}
	}
	return sha256.Sum256(tree.EncodeXattrs(all))
}

// holds reports whether a file holds what the store has under a digest.
func (l *live) holds(f io.Reader, content tree.Digest) (bool, error) {
	if !l.store.Has(content) {
		return false, nil
	}
	stored, err := l.store.Open(content)
	if err != nil {
		return false, err
	}
	defer func() { _ = stored.Close() }()
	a, b := bufio.NewReaderSize(f, 64<<10), bufio.NewReaderSize(stored, 64<<10)
	for {
		x, errA := a.Peek(1)
		y, errB := b.Peek(1)
		switch {
		case errors.Is(errA, io.EOF) && errors.Is(errB, io.EOF):
			return true, nil
		case errA != nil && !errors.Is(errA, io.EOF):
			return false, errA
		case errB != nil && !errors.Is(errB, io.EOF):
			return false, errB
		case len(x) != len(y):
			return false, nil
		}
		n := min(a.Buffered(), b.Buffered())
		x, _ = a.Peek(n)
		y, _ = b.Peek(n)
		if !bytes.Equal(x, y) {
			return false, nil
		}
		_, _ = a.Discard(n)
		_, _ = b.Discard(n)
	}
}

// reading opens a file that was looked at. One that its owner may not read is given that right for
// so long.
func (l *live) reading(
	path string, now *tree.Entry, do func(*beneath.File) error,
) (err error) {
	parent, name := split(path)
	d, err := l.dir(parent)
	if err != nil {
		return err
	}
	f, s, err := d.File(name)
	if errors.Is(err, unix.EACCES) {
		if s, err = d.Stat(name); err != nil {
			return err
		}
		if err = chmod(d, name, s, s.Mode|0o400); err != nil {
			return err
		}
		// Not before its attributes were read: those of an open file need the right, too.
		defer func() { err = errors.Join(err, chmod(d, name, s, s.Mode)) }()
		f, _, err = d.File(name)
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if !same(l.entryOf(s), now) {
		return errors.New("it is being changed")
	}
	return do(f)
}

// handle holds what stands at a name, whatever its mode is, and whatever the name leads to next.
func handle(d *beneath.Dir, name string) (*os.File, error) {
	fd, err := unix.Openat(d.Fd(), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, doing("opening", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// byHandle is a path that leads to what is held. The calls that take a path follow it there, and no
// further: what is held is not a link.
func byHandle(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }

// chmod sets the mode of a file or directory that was looked at.
func chmod(d *beneath.Dir, name string, was beneath.Stat, mode uint32) error {
	f, err := handle(d, name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return doing("looking at", name, err)
	}
	if st.Ino != was.Inode || st.Mode&unix.S_IFMT != was.Type() || was.Type() == unix.S_IFLNK {
		return doing("changing the mode of", name, errors.New("something else came to its place"))
	}
	if err := unix.Chmod(byHandle(f), mode&0o7777); err != nil {
		return doing("changing the mode of", name, err)
	}
	return nil
}
