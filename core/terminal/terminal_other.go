//go:build !linux

package terminal

import (
	"errors"
	"os"
)

// Terminal is the user's terminal together with the session's. There is none on this system.
type Terminal struct{}

// Find finds none: there is no launcher on this system that would make the other one.
func Find(Streams) *Terminal { return nil }

var errLinux = errors.New("serving a terminal: nono can do that on Linux only")

// Is says no.
func (*Terminal) Is(*os.File) bool { return false }

// Adopt fails.
func (*Terminal) Adopt(*os.File) error { return errLinux }

// Begin says no.
func (*Terminal) Begin() bool { return false }

// Serve fails.
func (*Terminal) Serve(Inside, Options) error { return errLinux }

// Close does nothing.
func (*Terminal) Close() bool { return true }
