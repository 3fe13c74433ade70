// Package project finds the places that a rule about "a project's .git/hooks" means.
//
//	p := project.New(git.New(look, "/home/ada", "/home/ada/.config"), "/home/ada")
//	p.Places("/home/ada/proj", true, ".git/hooks") // /home/ada/proj/.git/hooks
//
// It reads what git would read, the .git file of a worktree for one, and that may be the work of an
// agent. So what it finds is only ever protected, and never granted.
package project

import (
	"path/filepath"
	"strings"

	"github.com/nono-run/nono/core/git"
)

// Finder finds what belongs to projects. It is for one goroutine.
type Finder struct {
	git  *git.Finder
	home string
}

// New is a finder for the user with this home directory.
func New(f *git.Finder, home string) *Finder { return &Finder{f, home} }

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
		places = append(places, f.git.Names(git.Repository{Root: grant, Dirs: f.git.Dirs(grant)},
			inGit)...)
	}
	return places
}

// PlacesIn are the paths that a name relative to a project means in a repository that lies in
// another one.
func (f *Finder) PlacesIn(r git.Repository, name string) []string {
	inGit, isGit := strings.CutPrefix(name, ".git/")
	switch {
	case isGit:
		return f.git.Names(r, inGit)
	case name == ".git" && r.Root != "" && !r.Bare:
		return []string{filepath.Join(r.Root, name)}
	}
	return nil // what belongs to other agents is the outer project's
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
		if isGit && base == firstInGit && f.git.IsDir(root) {
			places = append(places, filepath.Join(root, inGit))
		}
	}
	return places
}
