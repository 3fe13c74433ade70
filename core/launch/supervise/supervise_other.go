//go:build !linux

package supervise

import (
	"context"
	"errors"
	"os"
)

// Call is a system call that waits for its answer. There is none on this system.
type Call struct{}

// Serve fails.
func Serve(context.Context, *os.File, Handlers) error {
	return errors.New("answering system calls: it can be done on Linux only")
}
