// Package aside keeps copies of files that a session may change and that programs outside act on,
// tells what became of them, and puts them back if the user says so.
//
//	kept, err := aside.Keep(dir, wants) // before the agent starts
//	...
//	changes, err := kept.End()          // when all inside is over
//
//	kept, err := aside.Open(dir)        // later, in a command
//	for _, o := range kept.Restore() { ... }
//
// On a host with user namespaces such files are read-only inside. Without, nothing can be taken out
// of a grant for writing, and this is what stays.
//
// What stands at a path is the agent's work. No link is followed on the way to one, whoever made
// it; what is looked at is bounded, and waits for nobody. Putting back touches only what was
// recorded: a path is changed only if there is what was there when the session ended, it is changed
// in one step, and what was found in its place after all is put back.
package aside

import (
	"fmt"

	"github.com/nono-run/nono/core/diag"
)

// The most that is kept. What goes beyond is noticed when it changes, and cannot be put back.
const (
	MostEntries = 8192
	MostBytes   = 32 << 20
	mostFile    = 8 << 20
	// mostText bounds the paths and what links lead to, all of them together, and mostDeep how deep
	// directories lie in each other.
	mostText = 1 << 20
	mostDeep = 64
)

// Want is a path to keep, with all beneath it if it is a directory.
type Want struct {
	Path string
	// Content is what is to be kept of a file that was read before; nil where it is to be read.
	Content []byte
}

// Kind is what stands at a path.
type Kind string

// The kinds.
const (
	Missing   Kind = "missing"
	File      Kind = "file"
	Directory Kind = "directory"
	Link      Kind = "link"
	Other     Kind = "pipe, socket or device"
)

// State is what stands at a path, as far as that matters.
type State struct {
	Kind Kind `json:"kind"`
	// Mode are the permissions of a file or directory, Size is a file's length.
	Mode uint32 `json:"mode,omitempty"`
	Size int64  `json:"size,omitempty"`
	// SHA256 is a file's content in hexadecimal; empty where it was not read.
	SHA256 string `json:"sha256,omitempty"`
	// Stamp is what the file system says of a file that was not read: when it changes, the file has.
	Stamp string `json:"stamp,omitempty"`
	// Target is where a link leads.
	Target string `json:"target,omitempty"`
	// Unseen says of a directory that it was not looked through: too much lies in it, or nobody may.
	Unseen bool `json:"unseen,omitempty"`
}

// restorable reports whether what stood there is known well enough to make it again.
func (s State) restorable() bool {
	switch s.Kind {
	case File:
		return s.SHA256 != ""
	case Link:
		return s.Target != ""
	case Missing, Directory:
		return true
	case Other:
	}
	return false
}

// Change is a path at which something else stands than did.
type Change struct {
	Path string `json:"path"`
	Was  State  `json:"was"`
	Is   State  `json:"is"`
}

// How says in a few words what has changed.
func (c Change) How() string {
	switch {
	case c.Was.Kind == Missing:
		return "new"
	case c.Is.Kind == Missing:
		return "gone"
	case c.Was.Kind != c.Is.Kind:
		return fmt.Sprintf("a %s, and was a %s", c.Is.Kind, c.Was.Kind)
	case c.Is.Unseen && !c.Was.Unseen:
		return "so full that not all of it was looked at"
	case c.Is.Kind == Directory, c.Was.SHA256 != "" && c.Was.SHA256 == c.Is.SHA256:
		return "its mode"
	}
	return "changed"
}

// Outcome is what became of putting back one path.
type Outcome struct {
	Path   string `json:"path"`
	Result Result `json:"result"`
	// Why says why it was left as it is.
	Why string `json:"why,omitempty"`
}

// Result is how it went. The zero is none of them.
type Result string

// The results.
const (
	Restored Result = "restored" // it is as it was before the session
	Removed  Result = "removed"  // it was made in the session, and is gone
	Already  Result = "already"  // it is as it was, without anything done
	Left     Result = "left"     // it is as it is
)

// Text is the outcome in a line.
func (o Outcome) Text(home string) string {
	name := diag.Homely(o.Path, home)
	switch o.Result {
	case Restored:
		return name + " is as it was before the session"
	case Removed:
		return name + " was made in the session, and is removed"
	case Already:
		return name + " is as it was before the session already"
	case Left:
	}
	return name + " is left as it is: " + o.Why
}
