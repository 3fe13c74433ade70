// Package gitdir reads what the files of a git directory say, as far as undoing needs it: which
// refs there are, where HEAD points, what the index holds, and which of its files are objects.
//
// It runs no git, which would run what the repository's own settings name, and it opens nothing: a
// caller hands in the files, those of a snapshot or those of today, and compares the two states.
//
//	left, now := gitdir.NewState(), gitdir.NewState()
//	left.Add("HEAD", head) // and so on, each file for which Matters(name)
//	for _, d := range gitdir.Compare(left, now) { ... } // what the user did since
//
// Two states are compared by what they mean: a ref that git packed is still the same ref, and an
// index that `git status` wrote again, with fresh times in it, holds the same entries.
package gitdir

import (
	"strings"
)

// Kind is what a file of a git directory is for. The zero is none of them.
type Kind int

// The kinds.
const (
	Other      Kind = iota + 1 // settings, hooks, logs and whatever git does not know
	Object                     // one object, or a pack of them
	Ref                        // one ref, such as refs/heads/main
	PackedRefs                 // many refs
	Head                       // where the work tree stands
	Index                      // what the next commit is made of
	Log                        // what a ref was before
	Lock                       // a file that git makes while it writes another one
)

// File is a name in a git directory, taken apart.
type File struct {
	Kind Kind
	// Repository is the directory of the repository that the file is of: empty for the git directory
	// itself, else that of a submodule or a work tree, with a slash at its end.
	Repository string
	// Name is the rest.
	Name string
}

// Of says what the file at a path beneath a git directory is for.
func Of(path string) File {
	repository := repositoryOf(path)
	name := path[len(repository):]
	f := File{Kind: Other, Repository: repository, Name: name}
	switch {
	case strings.HasPrefix(name, "objects/"):
		if isObject(strings.TrimPrefix(name, "objects/")) {
			f.Kind = Object
		}
	case strings.HasSuffix(name, ".lock"):
		f.Kind = Lock // git refuses a ref of such a name
	case strings.HasPrefix(name, "refs/"):
		f.Kind = Ref
	case strings.HasPrefix(name, "logs/"):
		f.Kind = Log
	case name == "packed-refs":
		f.Kind = PackedRefs
	case name == "HEAD":
		f.Kind = Head
	case name == "index":
		f.Kind = Index
	}
	return f
}

// Matters reports whether a file is one that Add can say something about.
func Matters(path string) bool {
	switch Of(path).Kind {
	case Ref, PackedRefs, Head, Index, Log:
		return true
	case Other:
		return strings.HasPrefix(Of(path).Name, "reftable/")
	case Object, Lock:
	}
	return false
}

// repositoryOf finds the repository within a git directory that a path belongs to: submodules have
// theirs in modules/NAME/, where NAME may have slashes in it, and work trees in worktrees/NAME/.
func repositoryOf(path string) string {
	at := 0
	for {
		rest := path[at:]
		switch {
		case strings.HasPrefix(rest, "worktrees/"):
			name, _, ok := strings.Cut(rest[len("worktrees/"):], "/")
			if !ok {
				return path[:at]
			}
			return path[:at+len("worktrees/")+len(name)+1]
		case strings.HasPrefix(rest, "modules/"):
			length := moduleLength(rest)
			if length == 0 {
				return path[:at]
			}
			at += length
		default:
			return path[:at]
		}
	}
}

// moduleLength is how long modules/NAME/ is: up to the first name that stands in a repository.
func moduleLength(path string) int {
	at := len("modules/")
	for first := true; ; first = false {
		name, _, more := strings.Cut(path[at:], "/")
		if !first && inRepository(name) {
			return at
		}
		if !more {
			return 0
		}
		at += len(name) + 1
	}
}

func inRepository(name string) bool {
	switch name {
	case "HEAD", "index", "packed-refs", "refs", "objects", "logs", "config", "hooks", "info",
		"modules", "worktrees", "reftable", "ORIG_HEAD", "FETCH_HEAD", "COMMIT_EDITMSG",
		"description", "branches":
		return true
	}
	return strings.HasSuffix(name, ".lock")
}

// isObject reports whether a name beneath objects/ is that of an object or of a pack, or of what
// belongs to a pack. What else lies there (temporary files, indexes over several packs) git makes
// again when it wants to.
func isObject(name string) bool {
	dir, file, ok := strings.Cut(name, "/")
	switch {
	case !ok:
		return false
	case dir == "pack":
		_, isPack := PackOf(name)
		return isPack
	case len(dir) != 2 || !isHex(dir):
		return false
	}
	return (len(file) == 38 || len(file) == 62) && isHex(file)
}

// PackOf is the pack that a name beneath objects/ belongs to, without its ending: pack/pack-HASH.
func PackOf(name string) (pack string, ok bool) {
	pack, ending, ok := strings.Cut(name, ".")
	if !ok {
		return "", false
	}
	hash, ok := strings.CutPrefix(pack, "pack/pack-")
	if !ok || len(hash) != 40 && len(hash) != 64 || !isHex(hash) {
		return "", false
	}
	switch ending {
	case "pack", "idx", "rev", "bitmap", "mtimes", "promisor":
		return pack, true
	}
	return "", false
}

func isHex(s string) bool {
	for i := range len(s) {
		if (s[i] < '0' || s[i] > '9') && (s[i] < 'a' || s[i] > 'f') {
			return false
		}
	}
	return s != ""
}
