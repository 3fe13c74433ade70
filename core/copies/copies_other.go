//go:build !linux

package copies

import (
	"errors"
	"os"
)

var errLinux = errors.New("bringing files back: it exists on Linux only")

// Set is the files of a session. There are none on this system.
type Set struct{}

// Look fails.
func Look([]File, Where) (*Set, error) { return nil, errLinux }

// Return does nothing.
func (*Set) Return() []Outcome { return nil }

// Close does nothing.
func (*Set) Close() {}

// Sync does nothing.
func (Pair) Sync(Where, string) (Outcome, string) { return Outcome{}, "" }

// Keeper is a process that brings the files back.
type Keeper struct{}

// Keep fails.
func Keep(string, string, *Set, *os.File) (*Keeper, error) { return nil, errLinux }

// PID is nobody's.
func (*Keeper) PID() int { return 0 }

// Release does nothing.
func (*Keeper) Release() {}
