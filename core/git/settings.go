package git

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/git/settings"
	"github.com/nono-run/nono/sdk/hostfile"
)

// Settings are the settings that hold in a repository.
type Settings struct {
	// Files are those that were read, and those that would be if they were there: the repository's
	// own, the user's, and what these include.
	Files []File
	// HooksPaths are where hooks are instead of in the git directory, as each file says: the last
	// one wins, unless an agent takes that file away.
	HooksPaths []string
	// SHA256 says that objects have longer names.
	SHA256 bool
}

// File is one file of settings.
type File struct {
	Path string
	// Own says that the file lies in the repository's git directory, User that it is the user's, or
	// included by one that is.
	Own, User bool
	Settings  []settings.Setting
	// Err is why it could not be read to its end; git would stop there.
	Err error
}

// The bounds of settings: git's own for files that include others is ten.
const (
	maxIncludeDepth = 10
	maxFiles        = 64
)

const (
	// maxSpent bounds the memory that all settings together take, and settingSize is about what one
	// does besides its text.
	maxSpent    = 32 << 20
	settingSize = 128
)

// Settings reads the settings of a repository.
func (f *Finder) Settings(r Repository) Settings {
	read := reader{Finder: f, root: r.Where(), seen: map[string]bool{}}
	for _, file := range f.user {
		read.file(File{Path: file, User: true}, 0)
	}
	for _, dir := range slices.Backward(r.Dirs) {
		read.file(File{Path: dir + "/config", Own: true}, 0)
		read.file(File{Path: dir + "/config.worktree", Own: true}, 0)
	}
	return read.found
}

// reader reads the files of one repository.
type reader struct {
	*Finder
	root  string
	seen  map[string]bool
	found Settings
}

func (r *reader) file(is File, depth int) {
	path := is.Path
	if r.seen[path] || len(r.found.Files) == maxFiles || depth > maxIncludeDepth {
		return
	}
	r.seen[path] = true
	file := r.load(path)
	file.Own, file.User = is.Own, is.User
	r.found.Files = append(r.found.Files, file)
	for _, s := range file.Settings {
		if more, ok := s.Include(); ok {
			if at, ok := r.path(more, filepath.Dir(path)); ok {
				r.file(File{Path: at, User: is.User}, depth+1)
			}
		}
		if hooks, ok := s.HooksPath(); ok {
			if at, ok := r.path(hooks, r.root); ok {
				r.found.HooksPaths = append(r.found.HooksPaths, at)
			}
		}
		if s.Name() == "extensions.objectformat" {
			r.found.SHA256 = strings.EqualFold(s.Value, "sha256")
		}
	}
}

// load reads a file, once.
func (f *Finder) load(path string) File {
	file, known := f.files[path]
	if known {
		return file
	}
	file.Path = path
	content, err := hostfile.Read(path, settings.MaxSize+1)
	switch {
	case err != nil:
		if f.there(path) {
			file.Err = err
		}
	case len(content) > settings.MaxSize, f.spent > maxSpent:
		file.Err = settings.ErrTooMuch
	default:
		file.Settings, file.Err = settings.Parse(content)
		f.spent += len(content) + settingSize*len(file.Settings)
	}
	f.tooMuch = f.tooMuch || errors.Is(file.Err, settings.ErrTooMuch)
	f.files[path] = file
	return file
}

// path is what a setting that is a path means.
func (f *Finder) path(value, relativeTo string) (string, bool) {
	switch rest, home := strings.CutPrefix(value, "~/"); {
	case home:
		value = filepath.Join(f.home, rest)
	case strings.HasPrefix(value, "~"), strings.HasPrefix(value, "%("):
		return "", false // another user's home, or git's own installation
	case !filepath.IsAbs(value):
		value = relativeTo + "/" + value // not cleaned: "link/.." is the parent of where the link leads
	}
	return value, len(value) <= hostfile.MaxPath
}
