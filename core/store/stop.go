package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/nono-run/nono/core/lease"
)

// errUnknownProcess is about a live session that has not said yet which its processes are.
var errUnknownProcess = errors.New("it is starting, and its nono is not known yet")

// Stop asks the nono of a live session to end it, and does not wait.
func (e Entry) Stop() error {
	nono, err := e.nono()
	if err != nil {
		return err
	}
	return nono.terminate()
}

// Wait returns when a live session has ended, or the context has: its nono is gone, and nobody
// holds it any more. For a while that may be the start that finishes it.
func (e Entry) Wait(ctx context.Context) error {
	nono, err := e.nono()
	if err != nil {
		return err
	}
	if err := nono.Wait(ctx); err != nil {
		return err
	}
	for {
		held, err := e.held()
		if !held || err != nil {
			return err
		}
		const look = 50 * time.Millisecond
		select {
		case <-ctx.Done():
			return fmt.Errorf("session %s is held by another process: %w", e.ID, ctx.Err())
		case <-time.After(look):
		}
	}
}

// held reports whether a process holds the session, where it was found.
func (e Entry) held() (bool, error) {
	base, err := os.OpenRoot(filepath.Dir(e.Path))
	if err == nil {
		defer func() { _ = base.Close() }()
		var held bool
		if held, err = lease.Held(base, e.ID); err == nil {
			return held, nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // it has been finished
	}
	return false, fmt.Errorf("looking whether session %s is live: %w", e.ID, err)
}

// nono is the session's own process.
func (e Entry) nono() (Process, error) {
	if e.Record == nil || len(e.Record.Processes) == 0 {
		return Process{}, errUnknownProcess
	}
	return e.Record.Processes[0], nil
}
