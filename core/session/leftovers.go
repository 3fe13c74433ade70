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
	before map[string]struct{} // what nono-init had put there: mount points and files of the plan
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
	names, err := l.list()
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	l.before = make(map[string]struct{}, len(names))
	for _, n := range names {
		l.before[n] = struct{}{}
	}
	return l, nil
}

// Files returns the paths inside of what the agent left, at most maxLeftovers.
func (l *leftovers) Files() ([]string, error) {
	names, err := l.list()
	if err != nil {
		return nil, err
	}
	var left []string
	for _, n := range names {
		if _, ok := l.before[n]; !ok {
			left = append(left, path.Join(l.dir, n))
		}
	}
	return left, nil
}

// tell says in a line what was lost: files in the directory itself by name, others counted by the
// directory that they were in. What is hidden comes last, for a tool's cache is rarely what
// somebody misses.
func (l *leftovers) tell(files []string, home string) string {
	type group struct {
		name  string // what lies in the directory itself
		files int
		deep  bool
	}
	var groups []*group
	byName := map[string]*group{}
	for _, f := range files {
		name, _, deep := strings.Cut(strings.TrimPrefix(f, l.dir+"/"), "/")
		g := byName[name]
		if g == nil {
			g = &group{name: name, deep: deep}
			byName[name], groups = g, append(groups, g)
		}
		g.files++
	}
	hidden := func(g *group) int {
		if strings.HasPrefix(g.name, ".") {
			return 1
		}
		return 0
	}
	slices.SortFunc(groups, func(a, b *group) int {
		return cmp.Or(hidden(a)-hidden(b), strings.Compare(a.name, b.name))
	})

	const few = 3
	var named []string
	more := len(files)
	for _, g := range groups[:min(few, len(groups))] {
		what := diag.Homely(path.Join(l.dir, g.name), home)
		if g.deep {
			what = fmt.Sprintf("%d in %s", g.files, what)
		}
		named = append(named, what)
		more -= g.files
	}
	list := strings.Join(named, ", ")
	if more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("%s is private: %d %s left there %s gone (%s)", diag.Homely(l.dir, home),
		len(files), plural(len(files), "file", "files"), plural(len(files), "is", "are"), list)
}

// Close gives up the directory.
func (l *leftovers) Close() { _ = l.root.Close() }

// list returns the files beneath the directory, and the directories that lie too deep to be looked
// into, without the others. A directory that cannot be read is passed over: it is a mask, or the
// agent took its own rights away.
func (l *leftovers) list() ([]string, error) {
	device, err := deviceOf(l.root)
	if err != nil {
		return nil, err
	}
	w := walk{device: device}
	w.directory(l.root, "", 0)
	return w.names, nil
}

// walk is one look through a directory whose shape is the agent's choice. It takes bounded time: a
// tree of a hundred thousand directories inside one another would keep the end of the run waiting
// for ever.
type walk struct {
	device uint64 // of the directory: what is mounted in it was not left there
	seen   int
	names  []string
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
			w.names = append(w.names, at)
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
