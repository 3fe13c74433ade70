package session

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/nono-run/nono/core/diag"
)

// maxLeftovers bounds the walk through a directory that the agent filled as it liked.
const maxLeftovers = 10_000

// leftovers tells what the agent left in a directory in memory, which is gone when the run is.
//
// The directory is looked at through its descriptor and never by following a link: os.Root refuses
// to leave it.
type leftovers struct {
	dir    string // its path inside
	root   *os.Root
	before map[string]leftover // what nono-init had put there: mount points and files of the plan
}

// watchLeftovers remembers what is in the directory before the agent starts. It takes over the
// descriptor.
func watchLeftovers(dir string, f *os.File) (*leftovers, error) {
	defer f.Close()
	root, err := os.OpenRoot("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
	if err != nil {
		return nil, err
	}
	l := &leftovers{dir: dir, root: root}
	files, err := l.list()
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	l.before = make(map[string]leftover, len(files))
	for _, f := range files {
		l.before[f.name] = f
	}
	return l, nil
}

// Files returns what the agent left, at most maxLeftovers.
func (l *leftovers) Files() ([]leftover, error) {
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

// mostNamed is how much of what was lost is named.
const mostNamed = 10

// tell says in a line what was lost, the largest first: files in the directory itself by name, the
// others together by the directory that they were all in.
func (l *leftovers) tell(files []leftover, home string) string {
	var groups []*lost
	byName := map[string]*lost{}
	for _, f := range files {
		name, _, _ := strings.Cut(f.name, "/")
		g := byName[name]
		if g == nil {
			g = &lost{name: f.name}
			byName[name], groups = g, append(groups, g)
		}
		g.add(f)
	}
	slices.SortFunc(groups, func(a, b *lost) int {
		return cmp.Or(cmp.Compare(b.size, a.size), strings.Compare(a.name, b.name))
	})
	var named []string
	more := len(files)
	for _, g := range groups[:min(mostNamed, len(groups))] {
		named = append(named, g.text(diag.Homely(path.Join(l.dir, g.name), home)))
		more -= g.files
	}
	list := strings.Join(named, ", ")
	if more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("%s is private: %d %s left there %s gone: %s", diag.Homely(l.dir, home),
		len(files), plural(len(files), "file", "files"), plural(len(files), "is", "are"), list)
}

// lost is a file, or all files that were in one directory.
type lost struct {
	name  string // of the file, or of the deepest directory that all of them were in
	files int
	size  int64
}

func (g *lost) add(f leftover) {
	g.files++
	g.size += f.size
	for g.name != f.name && !strings.HasPrefix(f.name, g.name+"/") {
		g.name = path.Dir(g.name)
	}
}

func (g *lost) text(name string) string {
	if g.files == 1 {
		return fmt.Sprintf("%s (%s)", name, size(g.size))
	}
	return fmt.Sprintf("%d in %s (%s)", g.files, name, size(g.size))
}

// size is a number of bytes for people.
func size(n int64) string {
	const kib, mib = 1 << 10, 1 << 20
	switch {
	case n == 0:
		return "empty"
	case n < mib:
		return fmt.Sprintf("%d KiB", (n+kib-1)/kib)
	}
	return fmt.Sprintf("%d MiB", (n+mib/2)/mib)
}

// Close gives up the directory.
func (l *leftovers) Close() { _ = l.root.Close() }

// list returns the files beneath the directory, and the directories that lie too deep to be looked
// into, without the others. A directory that cannot be read is passed over: it is a mask, or the
// agent took its own rights away.
func (l *leftovers) list() ([]leftover, error) {
	device, err := deviceOf(l.root)
	if err != nil {
		return nil, err
	}
	w := walk{device: device}
	w.directory(l.root, "", 0)
	return w.files, nil
}

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

func (w *walk) directory(dir *os.Root, name string, depth int) {
	f, err := dir.Open(".")
	if err != nil {
		return
	}
	defer f.Close()
	entries, err := f.ReadDir(maxLeftovers - w.seen)
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

func (w *walk) enter(parent *os.Root, name, at string, depth int) {
	dir, err := parent.OpenRoot(name)
	if err != nil {
		return
	}
	defer dir.Close()
	if device, err := deviceOf(dir); err == nil && device == w.device {
		w.directory(dir, at, depth)
	}
}

// sizeOf is what a file takes, which of one with holes is less than its length.
func sizeOf(dir *os.Root, name string) int64 {
	info, err := dir.Lstat(name)
	if err != nil {
		return 0
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		const block = 512 // whatever the file system's own is
		return st.Blocks * block
	}
	return info.Size()
}

func deviceOf(dir *os.Root) (uint64, error) {
	info, err := dir.Stat(".")
	if err != nil {
		return 0, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, errors.New("the system does not say which device a directory is on")
	}
	return uint64(st.Dev), nil //nolint:unconvert // the width differs between systems
}
