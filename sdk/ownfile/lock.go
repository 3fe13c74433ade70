package ownfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long another process may hold a lock, which takes it milliseconds, and interval
// how often is asked.
const (
	patience = 10 * time.Second
	interval = 5 * time.Millisecond
)

// ErrBusy says that another process does not let go of a lock: it was stopped, or waits for
// somebody.
var ErrBusy = errors.New("another nono is at it and comes to no end; end it, and try again")

// Lock locks an open file or directory until that is closed. It waits for another process that
// holds the lock, and not for ever: that one may be stopped.
func Lock(ctx context.Context, f *os.File) error {
	deadline := time.Now().Add(patience)
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
		case !errors.Is(err, unix.EWOULDBLOCK):
			return fmt.Errorf("locking it: %w", err)
		case time.Now().After(deadline):
			return ErrBusy
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(interval):
		}
	}
}
