// Package scope says which files the trust layer looks at, and reads them.
//
// Agents read their instructions from files with well-known names: in the current directory, and
// in each directory above it up to the root of the repository. The names are the policy's:
//
//	found, err := scope.Find(ctx, scope.Request{
//		Dir: "/home/ada/proj/web",
//		Patterns: []scope.Pattern{
//			{Rule: "trust.files.0", Text: "CLAUDE.md"},    // in proj/web, and in proj
//			{Rule: "trust.files.1", Text: ".claude/**"},   // beneath these directories
//			{Rule: "trust.files.2", Text: "/srv/prompts/*.md"},
//		},
//		Remembered: remembered, // what was ever signed, and may be seen in this session
//	})
//	for _, file := range found.Files {
//		content, err := scope.Read(file.Path, scope.MaxFile)
//	}
//
// A name costs a look in each of these directories, however many files a repository has. A pattern
// with ** walks, and stops at a bound: then it is in [Scope].Unfinished, and nobody knows what it
// would have found.
//
// The files may be an agent's work. Nothing is opened through a link, no pipe and no device is
// opened at all, and nothing is read that is larger than it may be. What a link leads to is told
// ([Linked]), so that somebody can decide about it.
package scope

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/nono-run/nono/sdk/glob"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// Request is what is to be looked at.
type Request struct {
	// Dir is the current directory. Every path here is absolute, clean and free of links.
	Dir string
	// Home is the user's.
	Home     string
	Patterns []Pattern
	// Remembered are the paths of files that were signed once.
	Remembered []string
	// Documents are the paths of files that core has read.
	Documents []string
}

// Pattern is one of the policy's names. One that begins with a slash means paths of the host; any
// other is looked for in the current directory and in each above it, up to the repository's root.
type Pattern struct {
	Rule policy.RuleID
	Text string
}

// Scope is what is looked at.
type Scope struct {
	// Dirs are the current directory and those above it, up to the repository's root; outside of a
	// repository it is the current directory alone.
	Dirs []string
	// Files are in the order of their paths, each once.
	Files []File
	// Unfinished is the pattern with which it would have been too much to look at; nil if it was not.
	// Those after it were not looked for.
	Unfinished *Pattern
}

// File is one that is looked at. Something stands there, but for one that is only remembered; what
// that is [Read] says.
type File struct {
	Path string
	// Rule is the pattern that means it; empty where none does.
	Rule policy.RuleID
	// Remembered and Document say that it is one of those of the request.
	Remembered, Document bool
}

// Find finds the files.
func Find(ctx context.Context, req Request) (*Scope, error) {
	s := &Scope{Dirs: Dirs(req.Dir, req.Home)}
	at := map[string]int{} // a path's place in Files
	add := func(name string) *File {
		i, ok := at[name]
		if !ok {
			i = len(s.Files)
			at[name] = i
			s.Files = append(s.Files, File{Path: name})
		}
		return &s.Files[i]
	}
	left := maxNames
	for _, p := range req.Patterns {
		bases := s.Dirs
		text, isAbsolute := strings.CutPrefix(p.Text, "/")
		if isAbsolute {
			bases = []string{"/"}
		}
		pattern, err := glob.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("the pattern %q: %w", p.Text, err)
		}
		w := newWalk(ctx, left, func(name string) {
			f := add(name)
			f.Rule = cmp.Or(f.Rule, p.Rule)
		})
		for _, base := range bases {
			w.from(base, pattern)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if left = w.left; left <= 0 {
			s.Unfinished = &p
			break // each further one could take as long
		}
	}
	for _, name := range req.Remembered {
		add(name).Remembered = true
	}
	for _, name := range req.Documents {
		add(name).Document = true
	}
	slices.SortFunc(s.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return s, nil
}

// Dirs are a directory and those above it, up to the root of the repository that it is in; outside
// of a repository, and where that cannot be told, it is the directory alone.
//
// A repository in another one does not end the way up: whoever can write in a directory can make it
// one. Only that of a whole home, in which some keep their settings, is not for the repositories in
// it.
func Dirs(dir, home string) []string {
	dirs, count := []string{dir}, 1
	inside := false
	for at := dir; ; {
		if IsRoot(at) && !(inside && policy.Within(home, at)) {
			count, inside = len(dirs), true
		}
		if at == "/" {
			return dirs[:count]
		}
		at = path.Dir(at)
		dirs = append(dirs, at)
	}
}

// IsRoot reports whether a directory is a repository's: git's own directory lies in it, or, in a
// worktree and a submodule, a file that leads there.
func IsRoot(dir string) bool {
	_, err := os.Lstat(path.Join(dir, gitDir))
	return err == nil
}

// gitDir is where git keeps what is its own. No agent reads instructions there.
const gitDir = ".git"

// Beneath finds what patterns mean beneath a directory, in the order of the paths. It is an error
// where that would take a look at too much, or at what nobody can look into.
func Beneath(ctx context.Context, dir string, patterns []glob.Pattern) ([]string, error) {
	seen := map[string]bool{}
	var found []string
	w := newWalk(ctx, maxNames, func(name string) {
		if !seen[name] {
			seen[name] = true
			found = append(found, name)
		}
	})
	w.from(dir, patterns...)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if w.left <= 0 {
		return nil, &TooManyError{Dir: dir}
	}
	if w.hidden != nil {
		return nil, w.hidden
	}
	slices.Sort(found)
	return found, nil
}

// HiddenError says that nobody can tell what lies in a place where patterns mean something.
type HiddenError struct{ Path, Why string }

// Error implements error.
func (e *HiddenError) Error() string {
	return fmt.Sprintf("%s %s", policy.Printable(e.Path), e.Why)
}

// TooManyError says that patterns would have had to look at more than is looked at.
type TooManyError struct{ Dir string }

// Error implements error.
func (e *TooManyError) Error() string {
	return fmt.Sprintf("there are more than %d names to look at beneath %s",
		maxNames, policy.Printable(e.Dir))
}

// Names are the names in a directory that is no link, at most so many as one is looked through for.
func Names(dir string) ([]string, error) {
	names, err := hostfile.Names(dir, maxNames)
	if err == nil && len(names) == maxNames {
		err = &TooManyError{Dir: dir}
	}
	return names, err
}
