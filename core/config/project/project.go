// Package project finds what belongs to a project besides its own directory: the git directories
// that git, run there, reads its settings and hooks from, and the places that a rule about "a
// project's .git/hooks" means.
//
//	p := project.New(look, "/home/ada")
//	p.GitDirs("/home/ada/proj")                 // /home/ada/proj/.git
//	p.Places("/home/ada/proj", true, ".git/hooks") // /home/ada/proj/.git/hooks
//
// It reads what git would read, the .git file of a worktree for one, and that may be the work of an
// agent. So what it finds is only ever protected, or named in a notice, and never granted.
package project

import (
	"path/filepath"
	"strings"

	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// Finder finds what belongs to projects. It is for one goroutine.
type Finder struct {
	look    hostfile.Look
	home    string
	gitDirs map[string][]string // by root
}

// New is a finder for the user with this home directory.
func New(look hostfile.Look, home string) *Finder {
	return &Finder{look, home, map[string][]string{}}
}

// Places are the paths that a name relative to a project means where a grant is given: in the
// directory that is granted, and around a grant that is itself a part of a project. They need not
// exist.
//
// A name in ".git/" is looked for in the project's git directories, wherever those are: a
// worktree's lies in another place, which may well be granted too, and a grant may name a git
// directory itself.
func (f *Finder) Places(grant string, isDirectory bool, name string) []string {
	places := f.around(grant, name)
	inGit, isGit := strings.CutPrefix(name, ".git/")
	switch {
	case !isDirectory:
	case !isGit:
		places = append(places, filepath.Join(grant, name))
	default:
		for _, dir := range f.GitDirs(grant) {
			places = append(places, dir+"/"+inGit)
		}
	}
	return places
}

// around are the places that a name means where the grant is not the project, but a part of it:
// .git/hooks alone, or the one file .git/config. Else a file of a stranger's could grant just
// these, which lie beneath its own directory, and need no approval.
//
// An agent's directory in the home is its own, and no project's.
func (f *Finder) around(grant, name string) []string {
	first, _, _ := strings.Cut(name, "/")
	inGit, isGit := strings.CutPrefix(name, ".git/")
	firstInGit, _, _ := strings.Cut(inGit, "/")
	var places []string
	for below := grant; below != "/"; below = filepath.Dir(below) {
		root, base := filepath.Dir(below), filepath.Base(below)
		if base == first && (first == ".git" || root != f.home) {
			places = append(places, filepath.Join(root, name))
		}
		if isGit && base == firstInGit && f.isGitDir(root) {
			places = append(places, filepath.Join(root, inGit))
		}
	}
	return places
}

// GitDirs are the git directories that belong to a directory: its own .git; those that a .git file
// leads to, with what they share with other worktrees; or the directory itself, where it is one.
func (f *Finder) GitDirs(root string) []string {
	dirs, known := f.gitDirs[root]
	if !known {
		dirs = f.findGitDirs(root)
		f.gitDirs[root] = dirs
	}
	return dirs
}

func (f *Finder) findGitDirs(root string) []string {
	var dirs []string
	if f.isGitDir(root) {
		dirs = f.withCommon(root)
	}
	dot, err := hostfile.Follow(f.look, root+"/.git")
	if err != nil {
		return dirs
	}
	switch dot.Entry.Type {
	case policy.Directory:
		// By its name and not by where it leads, so that a link on the way is seen.
		dirs = append(dirs, root+"/.git")
	case policy.Regular:
		if dir, ok := f.named(dot.Path, "gitdir: ", root); ok && f.isGitDir(dir) {
			dirs = append(dirs, f.withCommon(dir)...)
		}
	case policy.Missing, policy.Special: // no git here
	}
	return dirs
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

// isGitDir reports whether a directory looks like one of git's, as git itself does: by its HEAD and
// its objects, or where they are.
func (f *Finder) isGitDir(dir string) bool {
	return f.is(dir+"/HEAD", policy.Regular) &&
		(f.is(dir+"/objects", policy.Directory) || f.is(dir+"/commondir", policy.Regular))
}

// withCommon is a git directory, and the one that it shares with other worktrees.
func (f *Finder) withCommon(dir string) []string {
	if f.is(dir+"/commondir", policy.Regular) {
		if common, ok := f.named(dir+"/commondir", "", dir); ok && common != dir {
			return []string{dir, common}
		}
	}
	return []string{dir}
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

func (f *Finder) is(path string, t policy.FileType) bool {
	at, err := hostfile.Follow(f.look, path)
	return err == nil && at.Entry.Type == t
}
