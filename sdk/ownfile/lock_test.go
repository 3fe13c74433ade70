package ownfile

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// Whoever holds a lock and was stopped is waited for, and not for ever.
func TestLock(t *testing.T) {
	dir := t.TempDir()
	opened := func() *os.File {
		t.Helper()
		f, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	holder, other := opened(), opened()
	defer other.Close()
	if err := unix.Flock(int(holder.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if err := Lock(t.Context(), other); !errors.Is(err, ErrBusy) {
			t.Errorf("got %v", err)
		}
		if waited := time.Since(began); waited < patience || waited > 2*patience {
			t.Errorf("waited %s", waited)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := Lock(ctx, other); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("given up: %v", err)
		}
		time.AfterFunc(time.Second, func() { _ = holder.Close() })
		if err := Lock(t.Context(), other); err != nil {
			t.Errorf("let go: %v", err)
		}
	})
}
