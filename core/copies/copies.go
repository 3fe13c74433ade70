// Package copies brings back the files that were copied into a session.
//
// A file that is granted by itself, and whose directory is the session's own, is a copy inside
// (fragment.Copy): programs save a file by writing another one and renaming it, and nobody can
// rename over a mount. When all inside is over, what became of the copy is written to the host:
//
//	set, err := copies.Look(files, where) // before the agent starts: what they are now
//	keeper, err := copies.Keep(program, set, ended)
//	...
//	for _, o := range set.Return() { ... } // after the end
//	keeper.Release()
//
// Nothing is lost: where the host's file was changed meanwhile, or cannot be written, what became
// of the copy is kept in another place, and that is told. That also holds where core is killed: a
// keeper, a process of its own, then does what core would have done.
//
// A copy can also outlive sessions, in a directory that nono keeps: then it and the host's file are
// made the same again where a session begins and ends ([Pair]).
//
// What stands at the copy's name in the end is the agent's work. It is opened without following a
// link, it is brought back only if it is a regular file no larger than its file system, and of the
// host's file the owner and the mode stay.
package copies

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/nono-run/nono/sdk/policy"
)

// File is a file that was copied into a session.
type File struct {
	// Path is where it is, inside as on the host.
	Path string
	// Device and Inode are those of the host's file.
	Device, Inode uint64
	// Dir is the directory of the session that the copy was put in.
	Dir *os.File
}

// MostKept is how many bytes a file may have that is copied for longer than a session.
const MostKept = 16 << 20

// Pair is a file of the host's and a copy of it that outlives sessions.
type Pair struct {
	// Path is the host's file.
	Path string
	// Host is the directory that it is in, Inside the one that the copy is in, by the same name.
	Host, Inside *os.File
}

// Where is what bringing back needs to know of the session.
type Where struct {
	// Session names it: it becomes a part of the names of what is kept.
	Session string
	// Runtime is nono's own directory that is the same for all sessions. It holds the lock, and what
	// can be kept nowhere else.
	Runtime string
}

// Outcome is what became of one file.
type Outcome struct {
	Path   string `json:"path"`
	Result Result `json:"result"`
	// At is where what became of the copy was kept.
	At string `json:"at,omitempty"`
	// Why says why it was not brought back.
	Why string `json:"why,omitempty"`
}

// Result is how bringing back a file went. The zero is none of them.
type Result string

// The results.
const (
	Unchanged Result = "unchanged" // there is nothing to bring back
	Returned  Result = "returned"  // the host's file is what became of the copy
	Kept      Result = "kept"      // that is in another place
	Left      Result = "left"      // there was no file to bring back, and the host's is as it was
	Lost      Result = "lost"      // it could be written nowhere
)

// Failed reports that something was lost.
func (o Outcome) Failed() bool {
	return o.Result != Unchanged && o.Result != Returned &&
		o.Result != Kept && o.Result != Left
}

// Text is what the user is told, in one line and then what to do; nothing where all is as it should
// be.
func (o Outcome) Text(home string) (says, try string) {
	name := homely(o.Path, home)
	switch o.Result {
	case Unchanged, Returned:
		return "", ""
	case Kept:
		return name + " is as it was on the host: " + o.Why,
			"what the command made of it is in " + homely(o.At, home)
	case Left:
		return name + " is as it was on the host: " + o.Why, ""
	case Lost:
	}
	return "what the command made of " + name + " is lost: " + o.Why, ""
}

func homely(path, home string) string {
	if rest, ok := strings.CutPrefix(path, home+"/"); ok && home != "" {
		path = "~/" + rest
	}
	return policy.Printable(path)
}

// besides is the name of what is kept beside a file, short enough for any directory.
func (w Where) besides(path string) string {
	const longest = 255
	name, more := filepath.Base(path), ".nono-"+w.Session
	if over := len(name) + len(more) - longest; over > 0 {
		name = name[:len(name)-over]
	}
	return name + more
}
