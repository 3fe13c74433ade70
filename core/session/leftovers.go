package session

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strconv"
)

// maxLeftovers bounds the walk through a directory that the agent filled as it liked.
const maxLeftovers = 10_000

// leftovers tells what the agent left in a directory in memory, which is gone when the run is.
//
// The directory is looked at through its descriptor and never by following a link: os.Root refuses to leave it.
type leftovers struct {
	dir    string // its path inside
	root   *os.Root
	before map[string]struct{} // what nono-init had put there: mount points and files of the plan
}

// watchLeftovers remembers what is in the directory before the agent starts. It takes over the descriptor.
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

// Files returns the paths inside of the files that the agent left, at most maxLeftovers.
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

// Close gives up the directory.
func (l *leftovers) Close() { _ = l.root.Close() }

// list returns every file beneath the directory, without the directories themselves. A directory that cannot be read is passed over: it is
// a mask, or the agent took its own rights away.
func (l *leftovers) list() ([]string, error) {
	var names []string
	err := fs.WalkDir(l.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && d != nil && d.IsDir():
			return fs.SkipDir
		case err != nil:
			return err
		case len(names) == maxLeftovers:
			return fs.SkipAll
		case !d.IsDir():
			names = append(names, name)
		}
		return nil
	})
	return names, err
}
