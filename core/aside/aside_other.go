//go:build !linux

package aside

import "errors"

var errLinux = errors.New("only on Linux does a session need anything kept aside")

// Kept is what was kept of a session.
type Kept struct{}

// Keep copies what stands at some paths into a directory, which it makes.
func Keep(string, []Want) (*Kept, error) { return nil, errLinux }

// Open opens what was kept.
func Open(string) (*Kept, error) { return nil, errLinux }

// Changes are what was another when the session ended.
func (*Kept) Changes() []Change { return nil }

// Beyond are files and directories that were too much to be kept.
func (*Kept) Beyond() []string { return nil }

// End looks at all paths again, when the session is over, and stores what it finds.
func (*Kept) End() ([]Change, error) { return nil, errLinux }

// Ended reports whether that was done.
func (*Kept) Ended() bool { return false }

// Restore puts back what changed in the session.
func (*Kept) Restore() []Outcome { return nil }

// TryRestore says what would become of that.
func (*Kept) TryRestore() []Outcome { return nil }
