// Package git finds out what git would do in a directory, by reading what git reads: which git
// directories are the directory's, which other repositories git would enter from there, and what
// their settings have it run. Git itself is never run.
//
//	f := git.New(look, "/home/ada", "/home/ada/.config")
//	f.Dirs("/home/ada/proj")         // /home/ada/proj/.git
//	f.Repositories("/home/ada/proj") // that, its submodules, what lies in it
//
// All of it may be the work of an agent, so everything is bounded, and what is found is only ever
// protected, told or named in a notice, and never granted.
package git

import (
	"encoding/hex"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// Finder finds. What it has looked at once it does not look at again, and it is for one goroutine.
type Finder struct {
	look hostfile.Look
	// user are the files of the user's own settings, which hold in every repository; home is what ~
	// means in a setting.
	user []string
	home string

	known map[string][][]string // git directories, by root
	files map[string]File       // of settings
	spent int                   // what they take in memory, about

	counted counted // of file systems

	tooMuch bool // a file of settings was left out for its size
}

// New is a finder for the user with this home directory and this directory of settings.
func New(look hostfile.Look, home, configHome string) *Finder {
	return &Finder{
		look: look, home: home,
		user:  []string{filepath.Join(configHome, "git", "config"), filepath.Join(home, ".gitconfig")},
		known: map[string][][]string{}, files: map[string]File{}, counted: counted{},
	}
}

// Dirs are the git directories that belong to a directory: its own .git; those that a .git file
// leads to, with what they share with other worktrees; or the directory itself, where it is one.
func (f *Finder) Dirs(root string) []string { return slices.Concat(f.dirs(root)...) }

// dirs are the same, each with what it shares.
func (f *Finder) dirs(root string) [][]string {
	all, known := f.known[root]
	if known {
		return all
	}
	if f.IsDir(root) {
		all = append(all, f.withCommon(root))
	}
	dot, err := hostfile.Follow(f.look, root+"/.git")
	switch {
	case err != nil:
	case dot.Entry.Type == policy.Directory:
		// By its name and not by where it leads, so that a link on the way is seen.
		all = append(all, f.withCommon(root+"/.git"))
	case dot.Entry.Type == policy.Regular:
		if dir, ok := f.named(dot.Path, "gitdir: ", root); ok && f.IsDir(dir) {
			all = append(all, f.withCommon(dir))
		}
	}
	f.known[root] = all
	return all
}

// LeadsBack reports whether a git directory outside of a project says itself that it is that
// project's: a worktree's names the .git file, a submodule's lies beneath the .git of a project
// around it. A .git file that an agent wrote may name any directory.
func (f *Finder) LeadsBack(dir, root string) bool {
	if f.is(dir+"/gitdir", policy.Regular) {
		content, ok := read(dir+"/gitdir", "")
		if !ok {
			return false
		}
		if !filepath.IsAbs(content) {
			content = dir + "/" + content
		}
		back, err := hostfile.Follow(f.look, content)
		return err == nil && back.Path == root+"/.git"
	}
	for outer := filepath.Dir(root); ; outer = filepath.Dir(outer) {
		if policy.Within(dir, outer+"/.git/modules") {
			return true
		}
		if outer == "/" {
			return false
		}
	}
}

// IsDir reports whether a directory looks like one of git's: by its HEAD and its objects, or where
// they are. Git asks for more ([Finder.Accepted]), so nothing that git takes for one is missed.
func (f *Finder) IsDir(dir string) bool {
	return f.there(dir+"/HEAD") &&
		(f.is(dir+"/objects", policy.Directory) || f.is(dir+"/commondir", policy.Regular))
}

// Accepted reports whether git itself takes a directory for one of its own. Where it does not, it
// looks for another one further up.
func (f *Finder) Accepted(dir string) bool {
	common := f.common(dir)
	if common == dir && f.leads(dir+"/commondir") {
		return false // to nowhere
	}
	return f.Head(dir) != "" && f.is(common+"/objects", policy.Directory) &&
		f.is(common+"/refs", policy.Directory)
}

// Head is what the HEAD of a git directory names: "refs/heads/main", or a commit. It is empty where
// git would not take it for one.
func (f *Finder) Head(dir string) string {
	const branches = "refs/"
	head, err := f.look(dir + "/HEAD")
	if err != nil {
		return ""
	}
	if head.IsLink() { // as it once was
		if strings.HasPrefix(head.Target, branches) {
			return head.Target
		}
		return ""
	}
	content, err := hostfile.Read(dir+"/HEAD", hostfile.MaxPath)
	if err != nil {
		return ""
	}
	line := strings.TrimRight(string(content), " \t\r\n")
	if name, ok := strings.CutPrefix(line, "ref:"); ok {
		if name = strings.TrimLeft(name, " \t\r\n"); strings.HasPrefix(name, branches) {
			return name
		}
		return ""
	}
	const shortest = 40
	if _, err := hex.DecodeString(line); err == nil && len(line) >= shortest {
		return line
	}
	return ""
}

// withCommon is a git directory, and the one that it shares with other worktrees.
func (f *Finder) withCommon(dir string) []string {
	if common := f.common(dir); common != dir {
		return []string{dir, common}
	}
	return []string{dir}
}

// common is the git directory with the settings, the hooks and the objects.
func (f *Finder) common(dir string) string {
	if f.is(dir+"/commondir", policy.Regular) {
		if common, ok := f.named(dir+"/commondir", "", dir); ok {
			return common
		}
	}
	return dir
}

// named is the directory that a file of git's names.
func (f *Finder) named(file, prefix, relativeTo string) (string, bool) {
	dir, ok := read(file, prefix)
	if !ok {
		return "", false
	}
	if !filepath.IsAbs(dir) {
		dir = relativeTo + "/" + dir
	}
	at, err := hostfile.Follow(f.look, dir)
	if err != nil || at.Entry.Type != policy.Directory {
		return "", false
	}
	return at.Path, true
}

// read is the path in a file of git's, after a prefix.
func read(file, prefix string) (string, bool) {
	content, err := hostfile.Read(file, hostfile.MaxPath+1+int64(len(prefix)))
	if err != nil {
		return "", false
	}
	path, ok := strings.CutPrefix(strings.TrimRight(string(content), "\r\n"), prefix)
	return path, ok && path != "" && !strings.ContainsRune(path, 0)
}

// leads reports whether there is a file that says where something of git's is, and that it is not
// where the file lies.
func (f *Finder) leads(file string) bool {
	if !f.is(file, policy.Regular) {
		return false
	}
	at, ok := f.named(file, "", filepath.Dir(file))
	return !ok || at != filepath.Dir(file)
}

func (f *Finder) is(path string, t policy.FileType) bool {
	at, err := hostfile.Follow(f.look, path)
	return err == nil && at.Entry.Type == t
}

// there reports whether anything is at a path, a link that leads nowhere too.
func (f *Finder) there(path string) bool {
	e, err := f.look(path)
	return err == nil && e.Type != policy.Missing
}
