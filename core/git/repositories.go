package git

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/git/index"
	"github.com/nono-run/nono/sdk/hostfile"
)

// Repository is one that git would enter.
type Repository struct {
	// Root is its working tree; empty for a bare one, and where only the git directory is known.
	Root string
	// Dirs are its git directories: its own, and then the one that it shares with other worktrees.
	// The first is a name by which git finds it, links included.
	Dirs []string
	// Bare says that the git directory lies open, and not in a .git.
	Bare bool
	// Links are the paths of the repositories in its index.
	Links []string
	// IndexErr is why its index could not be read.
	IndexErr error
}

// Dir is the repository's own git directory.
func (r Repository) Dir() string { return r.Dirs[0] }

// Search is how far is looked for repositories.
type Search struct {
	// Depth is how many directories deep a repository may lie in the working tree. What the index
	// leads to is found at any depth.
	Depth int
	// Directories is how many directories are looked into.
	Directories int
	// Skip are names of directories that are not looked into, and Last those that are when all others
	// have been.
	Skip, Last []string
}

// installed are the directories in which tools install and build.
var installed = []string{
	"node_modules", ".venv", "venv", "target", "__pycache__", ".tox", "site-packages",
}

// Around is what is searched before a run: what git would enter from here, and what lies three
// levels deep, bare ones two. In what tools install and build there are none that people work in.
var Around = Search{Depth: 3, Directories: 1000, Skip: installed}

// After is what is searched after a run, when nobody waits for a start.
var After = Search{Depth: 16, Directories: 10_000, Last: installed}

// Found is what was found.
type Found struct {
	Repositories []Repository
	// Unseen is the first directory that was not looked into, or not to its end, because there was
	// too much; empty if all were. UnseenLast is the same where only those of [Search.Last] were left.
	Unseen, UnseenLast string
	// More says that there are more repositories than are listed, or more names of them in indexes, or
	// more settings, than were looked at.
	More bool
}

const (
	// MaxRepositories is how many repositories one search finds.
	MaxRepositories = 512
	// maxNames bounds what it costs to look at the paths that the indexes lead to: there need not be
	// anything at them, so the number of repositories does not. To look at one costs about its length
	// for each directory on the way. Tens of thousands of paths as people have them are within it.
	maxNames = 16 << 20
	// maxModules is how many directories are looked at in what git itself keeps of submodules.
	maxModules = 10_000
)

// Repositories are those that git would enter from a directory: the directory's own, with its
// worktrees and its submodules, those in its index, and theirs; and those that lie in it.
func (f *Finder) Repositories(root string, s Search) Found {
	c := collector{
		Finder: f, seen: map[seen]bool{}, entered: map[string]bool{}, listed: map[string]bool{},
		inner: map[string]bool{},
	}
	c.enter(root)
	c.walk(root, s)
	// A submodule's git directory is found where it lies, and again from its working tree.
	c.found.Repositories = slices.DeleteFunc(c.found.Repositories, func(r Repository) bool {
		return r.Root == "" && c.entered[r.Dir()]
	})
	return c.found
}

// collector collects repositories, each once.
type collector struct {
	*Finder
	seen    map[seen]bool
	entered map[string]bool // git directories that were found from a working tree
	listed  map[string]bool // git directories whose modules and worktrees were looked at
	inner   map[string]bool // git directories that are another's modules and worktrees
	found   Found
	// names and modules count what has a bound.
	names, modules int
}

// seen is a working tree and a git directory.
type seen struct{ root, dir string }

// enter adds the repositories of a working tree, those that its index leads to, and then those
// whose git directories lie in theirs.
func (c *collector) enter(root string) {
	first := len(c.found.Repositories)
	for todo := []string{root}; len(todo) > 0; todo = todo[1:] {
		root := todo[0]
		for _, dirs := range c.dirs(root) {
			bare := dirs[0] == root
			if bare && c.inner[root] { // it has been added as what it is
				continue
			}
			for _, link := range c.add(Repository{Root: root, Dirs: dirs, Bare: bare}) {
				at := filepath.Join(root, link)
				if c.names += len(at) * strings.Count(at, "/"); c.names > maxNames {
					c.found.More = true
					break
				}
				todo = append(todo, at)
			}
		}
	}
	for i := first; i < len(c.found.Repositories); i++ {
		for _, dir := range c.found.Repositories[i].Dirs {
			if c.listed[dir] { // as every worktree of a repository leads to it
				continue
			}
			c.listed[dir] = true
			c.beneath(dir+"/modules", moduleDepth)
			c.beneath(dir+"/worktrees", 1)
		}
	}
}

// add adds one repository, and returns the links of one that is new.
func (c *collector) add(r Repository) []string {
	is := seen{r.Root, r.Dir()}
	if c.seen[is] {
		return nil
	}
	if len(c.found.Repositories) == MaxRepositories {
		c.found.More = true
		return nil
	}
	c.seen[is] = true
	c.entered[r.Dir()] = c.entered[r.Dir()] || r.Root != ""
	_ = c.Settings(r) // all of them, to know whether it is too much
	r.Links, r.IndexErr = c.links(r)
	c.found.More = c.found.More || c.tooMuch
	c.found.Repositories = append(c.found.Repositories, r)
	return r.Links
}

// moduleDepth is how many directories deep the git directory of a submodule lies in modules: its
// name is mostly its path.
const moduleDepth = 6

// beneath adds the git directories in a directory of git's own.
func (c *collector) beneath(dir string, depth int) {
	entries, more := List(dir)
	if more {
		c.unseen(dir)
	}
	for _, e := range entries {
		at := dir + "/" + e.Name()
		if c.modules++; c.modules > maxModules {
			c.unseen(at)
			return
		}
		switch {
		case !e.IsDir():
		case c.IsDir(at):
			c.inner[at] = true
			c.add(Repository{Root: c.tree(at), Dirs: c.withCommon(at)})
		case depth > 1:
			c.beneath(at, depth-1)
		}
	}
}

// tree is the working tree of a git directory in another one: of a submodule its settings name it,
// of a worktree a file does.
func (c *collector) tree(dir string) string {
	if file, ok := read(dir+"/gitdir", ""); ok && filepath.IsAbs(file) {
		return filepath.Dir(file)
	}
	for _, s := range c.load(dir + "/config").Settings {
		if s.Name() == "core.worktree" {
			if at, ok := c.path(s.Value, dir); ok {
				return filepath.Clean(at)
			}
		}
	}
	return ""
}

// links are the repositories in the index of a repository.
func (c *collector) links(r Repository) ([]string, error) {
	name := r.Dir() + "/index"
	if !c.there(name) {
		return nil, nil
	}
	hash := index.SHA1
	if c.Settings(r).SHA256 {
		hash = index.SHA256
	}
	var found *index.Index
	err := withFile(name, func(f *os.File, size int64) (err error) {
		found, err = index.Read(f, size, hash)
		return err
	})
	if err == nil && found.Shared != "" {
		err = withFile(r.Dir()+"/sharedindex."+found.Shared, func(f *os.File, size int64) error {
			return found.ReadShared(f, size, hash)
		})
	}
	if err != nil {
		return nil, err
	}
	return found.Links, nil
}

func withFile(name string, do func(f *os.File, size int64) error) error {
	f, err := hostfile.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return do(f, info.Size())
}

// walk looks into the directories beneath root, those that lie less deep first. The deepest are not
// listed, and a bare repository there is not found. What lies in a bare one is looked into as well:
// two names in a directory make it one, and others would be hidden behind them.
func (c *collector) walk(root string, s Search) {
	type level struct {
		dir   string
		depth int
	}
	left := s.Directories
	// One too many says that there are more; what comes after it would not be looked into.
	full := func(list []level) bool { return len(list) > left }
	if root == "/" {
		root = "" // of which the names in it are "/" and a name
	}
	todo, last, isLast := []level{{root, 0}}, []level(nil), false
	for {
		if len(todo) == 0 {
			todo, last, isLast = last, nil, true
		}
		if len(todo) == 0 {
			return
		}
		at := todo[0]
		todo = todo[1:]
		if left == 0 {
			c.stopped(cmp.Or(at.dir, "/"), isLast)
			return
		}
		left--
		is, err := lookAt(cmp.Or(at.dir, "/"))
		if err != nil || at.depth > 0 && is.closedInside() {
			continue
		}
		if at.depth > 0 && ofGit(at.dir) {
			c.enter(at.dir)
		}
		if c.counted.leaf(is) || full(todo) && at.depth+1 < s.Depth {
			continue
		}
		entries, more := List(is.path)
		if more {
			c.stopped(is.path, isLast)
		}
		for _, e := range entries {
			name := e.Name()
			if !e.IsDir() || name == ".git" || slices.Contains(s.Skip, name) {
				continue
			}
			switch below := (level{at.dir + "/" + name, at.depth + 1}); {
			case slices.Contains(owned, below.dir):
			case slices.Contains(s.Last, name):
				if !full(last) {
					last = append(last, below)
				}
			case below.depth < s.Depth:
				if !full(todo) {
					todo = append(todo, below)
				}
			case unix.Access(below.dir+"/.git", unix.F_OK) == nil: // the deepest, and the most
				if is, err := lookAt(below.dir); err == nil && !is.closedInside() {
					c.enter(below.dir)
				}
			}
		}
	}
}

// owned are directories of which the session has its own, or which hold nothing but the kernel's.
var owned = []string{"/dev", "/proc", "/sys"}

// stopped notes a directory that was not looked through.
func (c *collector) stopped(dir string, isLast bool) {
	if !isLast {
		c.unseen(dir)
	} else if c.found.UnseenLast == "" {
		c.found.UnseenLast = dir
	}
}

func (c *collector) unseen(dir string) {
	if c.found.Unseen == "" {
		c.found.Unseen = dir
	}
}

// ofGit reports whether a directory has a name in it that may make a repository of it. It asks for
// them as git does: what a file system takes for .git, as some do .GIT, it finds.
func ofGit(dir string) bool {
	var is unix.Stat_t
	return unix.Lstat(dir+"/.git", &is) == nil || unix.Lstat(dir+"/HEAD", &is) == nil
}

// mostNames is how many names of a directory are looked at.
const mostNames = 100_000

// List is what is in a directory, as far as anybody looks; nothing where it cannot be listed. It
// reports whether there is more.
func List(dir string) (entries []fs.DirEntry, more bool) {
	entries, _ = hostfile.List(dir, mostNames)
	return entries, len(entries) == mostNames
}

// Names are the places of a repository at which a name of git's own ("hooks", "config") can stand,
// besides its git directories: where the settings say that the hooks are, and what they include.
func (f *Finder) Names(r Repository, name string) []string {
	var places []string
	for _, dir := range r.Dirs {
		places = append(places, dir+"/"+name)
	}
	switch name {
	case "hooks":
		places = append(places, f.Settings(r).HooksPaths...)
	case "config":
		for _, file := range f.Settings(r).Files {
			if !file.Own {
				places = append(places, file.Path)
			}
		}
	}
	return places
}

// Where is how a repository is shown: its working tree, or else its git directory.
func (r Repository) Where() string {
	if r.Root != "" {
		return r.Root
	}
	return r.Dir()
}
