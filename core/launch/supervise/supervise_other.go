//go:build !linux

package supervise

import (
	"context"
	"errors"
	"os"
)

// Call is a system call that waits for its answer. There is none on this system.
type Call struct{}

var errLinux = errors.New("answering system calls: it can be done on Linux only")

// Serve fails.
func Serve(context.Context, *os.File, Handlers) error { return errLinux }

// CanRead is why no call can be looked into here.
func CanRead() error { return errLinux }
