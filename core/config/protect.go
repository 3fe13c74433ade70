package config

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk/policy"
)

// protect turns the default protections into rules: for what exists of them at the root of each directory that the user lets the agent
// write, and around each grant that lies in a project itself. No rule is made for what does not exist, for nothing is ever made on the
// host to hold its place.
//
// What is written as ".git/..." is looked for in the git directory of the project, wherever that is: a worktree's lies in another
// place, which may well be granted too, and a grant may name a git directory itself.
func (l *loader) protect() {
	for _, p := range l.patterns {
		if filepath.IsAbs(p.path) { // not a project's, but the system's
			l.protection(p.path, p)
		}
	}
	written := len(l.rules) // what is added below is no grant
	for i := range written {
		r := l.rules[i]
		if !r.Source.Asked() || !r.Access.Writable() || r.Type == policy.Missing {
			continue
		}
		for _, p := range l.patterns {
			if filepath.IsAbs(p.path) {
				continue
			}
			paths := l.around(r.Path, p)
			if r.Type == policy.Directory {
				paths = append(paths, l.candidates(r.Path, p)...)
			}
			for _, path := range paths {
				l.protection(path, p)
			}
		}
	}
}

// candidates are the paths that a default protection may mean in a project.
func (l *loader) candidates(root string, p pattern) []string {
	inGit, ok := strings.CutPrefix(p.path, ".git/")
	if !ok {
		return []string{filepath.Join(root, p.path)}
	}
	var paths []string
	for _, dir := range l.gitDirs(root) {
		paths = append(paths, dir+"/"+inGit)
	}
	return paths
}

// around are the paths that a default protection may mean where the grant is not the project, but a part of it: .git/hooks alone, or the
// one file .git/config. Else a file of a stranger's could grant just these, which lie beneath its own directory, and need no approval.
//
// An agent's directory in the home is its own, and no project's.
func (l *loader) around(grant string, p pattern) []string {
	first, _, _ := strings.Cut(p.path, "/")
	inGit, isGit := strings.CutPrefix(p.path, ".git/")
	firstInGit, _, _ := strings.Cut(inGit, "/")
	var paths []string
	for below := grant; below != "/"; below = filepath.Dir(below) {
		root, name := filepath.Dir(below), filepath.Base(below)
		if name == first && (first == ".git" || root != l.home) {
			paths = append(paths, filepath.Join(root, p.path))
		}
		if isGit && name == firstInGit && l.isGitDir(root) {
			paths = append(paths, filepath.Join(root, inGit))
		}
	}
	return paths
}

// protection adds the rule for one path, unless the user's write rule names it.
func (l *loader) protection(path string, p pattern) {
	at, err := l.paths.resolve(path)
	if err != nil {
		l.hiddenProtection(err)
		return
	}
	missing := at.typ == policy.Missing
	if (!missing && at.typ != p.typ) || l.has(policy.Protect, at.path) {
		return
	}
	writable, lifted := false, false
	for i, r := range l.rules {
		if !r.Access.Writable() {
			continue
		}
		writable = writable || policy.Within(at.path, r.Path) || policy.Within(r.Path, at.path)
		if r.Access == policy.Write && r.Path == at.path && r.Source.Asked() {
			l.lifts[i], lifted = true, true
		}
	}
	switch {
	case !writable || lifted:
	case missing:
		l.absent(at.path)
	default:
		l.add(policy.Protect, path, at, p.at)
	}
}

// absent keeps a protected name that does not exist, once.
func (l *loader) absent(path string) {
	if !slices.Contains(l.cfg.Absent, path) {
		l.cfg.Absent = append(l.cfg.Absent, path)
	}
}

// hiddenProtection refuses a grant in which a protected path may be hidden, as refuseHidden does for denials. One problem a directory is
// enough.
func (l *loader) hiddenProtection(err error) {
	blocked, ours := l.blocked(err)
	if !ours {
		return
	}
	for _, r := range l.rules {
		if !r.Source.Asked() || !r.Access.Writable() || !policy.Within(blocked, r.Path) {
			continue
		}
		f := l.fail(r.Source, "cannot see what is to be protected: %s cannot be searched, and is granted", l.homely(blocked)).
			Try("chmod u+rx %s", l.homely(blocked))
		if !slices.Contains(l.problems, f.Problem) {
			f.add(l)
		}
		return
	}
}

// gitDirs are the git directories that belong to a directory: its own .git; those that a .git file leads to, with what they share
// with other worktrees; or the directory itself, where it is one.
func (l *loader) gitDirs(root string) []string {
	var dirs []string
	if l.isGitDir(root) {
		dirs = l.withCommon(root)
	}
	dot, err := l.paths.resolve(root + "/.git")
	if err != nil {
		return dirs
	}
	switch dot.typ {
	case policy.Directory:
		// By its name and not by where it leads, so that a link on the way is seen.
		dirs = append(dirs, root+"/.git")
	case policy.Regular:
		if dir, ok := l.follow(dot.path, "gitdir: ", root); ok && l.isGitDir(dir) {
			dirs = append(dirs, l.withCommon(dir)...)
		}
	case policy.Missing, policy.Special: // no git here
	}
	return dirs
}

// isGitDir reports whether a directory looks like one of git's, as git itself does: by its HEAD and its objects, or where they are.
func (l *loader) isGitDir(dir string) bool {
	return l.isType(dir+"/HEAD", policy.Regular) && (l.isType(dir+"/objects", policy.Directory) || l.isType(dir+"/commondir", policy.Regular))
}

// leadsBack reports whether a git directory outside of a project says itself that it is that project's: a worktree's names the .git
// file, a submodule's lies beneath the .git of a project around it. A .git file that an agent wrote may name any directory.
func (l *loader) leadsBack(dir, root string) bool {
	if l.isType(dir+"/gitdir", policy.Regular) {
		content, ok := read(dir+"/gitdir", "")
		if !ok {
			return false
		}
		if !filepath.IsAbs(content) {
			content = dir + "/" + content
		}
		back, err := l.paths.resolve(content)
		return err == nil && back.path == root+"/.git"
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

// withCommon is a git directory, and the one that it shares with other worktrees.
func (l *loader) withCommon(dir string) []string {
	if l.isType(dir+"/commondir", policy.Regular) {
		if common, ok := l.follow(dir+"/commondir", "", dir); ok && common != dir {
			return []string{dir, common}
		}
	}
	return []string{dir}
}

// follow reads a file of git's that names a directory. The file may be the agent's work; what it leads to is only ever protected, or
// named in a notice, and never granted.
func (l *loader) follow(file, prefix, relativeTo string) (string, bool) {
	dir, ok := read(file, prefix)
	if !ok {
		return "", false
	}
	if !filepath.IsAbs(dir) {
		dir = relativeTo + "/" + dir
	}
	at, err := l.paths.resolve(dir)
	if err != nil || at.typ != policy.Directory {
		return "", false
	}
	return at.path, true
}

// read is the path in a file of git's, after a prefix.
func read(file, prefix string) (string, bool) {
	const longest = 4096 // of a path; what is longer is none
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return "", false
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, longest+int64(len(prefix))))
	if err != nil {
		return "", false
	}
	path, ok := strings.CutPrefix(strings.TrimRight(string(content), "\r\n"), prefix)
	return path, ok && path != "" && !strings.ContainsRune(path, 0)
}

func (l *loader) isType(path string, t policy.FileType) bool {
	at, err := l.paths.resolve(path)
	return err == nil && at.typ == t
}
