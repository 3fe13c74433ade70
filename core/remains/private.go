package remains

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLeftovers bounds the walk through a directory that the agent filled as it liked.
const maxLeftovers = 10_000

// Private is a directory in memory, as it was before the agent began. What the agent leaves there
// is gone when the run is.
//
// The directory is looked at through its descriptor, one name at a time and never by following a
// link.
type Private struct {
	dir    string // its path inside
	opened *os.File
	before map[string]leftover // what nono-init had put there: mount points and files of the plan
}

// LookInside remembers what is in the directory before the agent starts. It takes over the
// descriptor.
func LookInside(dir string, f *os.File) (*Private, error) {
	l := &Private{dir: dir, opened: f}
	files, err := l.list()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	l.before = make(map[string]leftover, len(files))
	for _, f := range files {
		l.before[f.name] = f
	}
	return l, nil
}

// files are what the agent left, at most maxLeftovers.
func (l *Private) files() ([]leftover, error) {
	all, err := l.list()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(f leftover) bool {
		before, there := l.before[f.name]
		// A file that a program saved by rename over a link to a granted one was left too.
		return there && before.link == f.link
	}), nil
}

// left is what was left: files in the directory itself by name, the others together by the
// directory that they were all in.
func (l *Private) left() Left {
	files, err := l.files()
	if err != nil {
		return Left{Dir: l.dir, Unread: err.Error()}
	}
	return Left{Dir: l.dir, Files: len(files), Gone: grouped(l.dir, files)}
}

func grouped(dir string, files []leftover) []Gone {
	var groups []*Gone
	byName := map[string]*Gone{}
	for _, f := range files {
		name, _, _ := strings.Cut(f.name, "/")
		g := byName[name]
		if g == nil {
			g = &Gone{Path: f.name}
			byName[name], groups = g, append(groups, g)
		}
		g.add(f)
	}
	slices.SortFunc(groups, func(a, b *Gone) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), strings.Compare(a.Path, b.Path))
	})
	all := make([]Gone, len(groups))
	for i, g := range groups {
		all[i] = Gone{Path: path.Join(dir, g.Path), Files: g.Files, Bytes: g.Bytes}
	}
	return all
}

// add counts a file, and shortens the path to what this one and the others have in common.
func (g *Gone) add(f leftover) {
	g.Files++
	g.Bytes += f.size
	for g.Path != f.name && !strings.HasPrefix(f.name, g.Path+"/") {
		g.Path = path.Dir(g.Path)
	}
}

// list returns the files beneath the directory, and the directories that lie too deep to be looked
// into, without the others. A directory that cannot be read is passed over: it is a mask, or the
// agent took its own rights away.
func (l *Private) list() ([]leftover, error) {
	device, err := deviceOf(l.opened)
	if err == nil {
		_, err = l.opened.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, err
	}
	w := walk{device: device}
	w.directory(l.opened, "", 0)
	return w.files, nil
}

// Close gives up the directory.
func (l *Private) Close() { _ = l.opened.Close() }

// walk is one look through a directory whose shape is the agent's choice. It takes bounded time: a
// tree of a hundred thousand directories inside one another would keep the end of the run waiting
// for ever.
type walk struct {
	device uint64 // of the directory: what is mounted in it was not left there
	seen   int
	files  []leftover
}

// leftover is a file in the directory, by its name there, with the memory that it takes.
type leftover struct {
	name string
	size int64
	link bool
}

// deepest is how many directories inside one another are looked into.
const deepest = 32

func (w *walk) directory(dir *os.File, name string, depth int) {
	entries, err := dir.ReadDir(maxLeftovers - w.seen)
	if err != nil {
		return // also where it is empty
	}
	w.seen += len(entries)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		at := path.Join(name, e.Name())
		if !e.IsDir() || depth == deepest {
			w.files = append(w.files, leftover{
				name: at, size: sizeOf(dir, e.Name()), link: e.Type()&fs.ModeSymlink != 0,
			})
			continue
		}
		if w.seen < maxLeftovers {
			w.enter(dir, e.Name(), at, depth+1)
		}
	}
}

func (w *walk) enter(parent *os.File, name, at string, depth int) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(int(parent.Fd()), name, flags, 0)
	if err != nil {
		return
	}
	dir := os.NewFile(uintptr(fd), name)
	defer dir.Close()
	if device, err := deviceOf(dir); err == nil && device == w.device {
		w.directory(dir, at, depth)
	}
}

// sizeOf is what a file takes, which of one with holes is less than its length.
func sizeOf(dir *os.File, name string) int64 {
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return 0
	}
	const block = 512 // whatever the file system's own is
	return st.Blocks * block
}

func deviceOf(dir *os.File) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return 0, err
	}
	return uint64(st.Dev), nil //nolint:unconvert // the width differs between systems
}
