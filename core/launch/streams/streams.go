// Package streams says what each of the three standard streams is that nono was started with, and
// refuses what an agent must not be given.
//
//	set, err := streams.Examine(os.Stdin, os.Stdout, os.Stderr)
//
// A stream is a door in the wall: whoever holds a descriptor may do all that the kernel lets its
// holder do, whatever no path leads to. A socket can be connected elsewhere, a directory leads to
// everything beneath and above it, a file that was opened for reading can have its mode changed. So
// the kernel is asked what each stream is, and what it is decides how the agent gets it. What has
// no way of its own is refused: an unknown kind of descriptor is never handed on.
package streams

import (
	"fmt"
	"os"

	"github.com/nono-run/nono/core/launch/recipe"
)

// Set is standard input, output and error, in the order of their numbers. Its zero is three streams
// of which nobody said what they are, and no agent is started with those.
type Set [3]Stream

// Stream is one of the three.
type Stream struct {
	recipe.Stream
	// File is the stream itself; nil for one that is closed.
	File *os.File
	// Name is where the file lies that it is; empty for anything else, and for a file without a place.
	Name string

	// device and inode are what it is called in the kernel.
	device, inode uint64
}

// Same reports whether two of the streams are one thing.
func (set Set) Same(a, b int) bool {
	return set[a].inode != 0 && set[a].device == set[b].device && set[a].inode == set[b].inode
}

// names are what the three are called.
var names = [3]string{"standard input", "standard output", "standard error"}

// Name is what a stream is called by its number.
func Name(number int) string { return names[number] }

// RefusedError is a stream that an agent must not be given.
type RefusedError struct {
	// Number is 0, 1 or 2.
	Number int
	// Reason is what the stream is, and why that is too much.
	Reason string
	// Try is what to do about it.
	Try string
}

// Error implements error.
func (e *RefusedError) Error() string { return fmt.Sprintf("%s is %s", names[e.Number], e.Reason) }

var _ error = (*RefusedError)(nil)
