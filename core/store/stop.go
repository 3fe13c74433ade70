package store

import (
	"context"
	"errors"
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

// Wait returns when the nono of a live session is gone, or the context ends.
func (e Entry) Wait(ctx context.Context) error {
	nono, err := e.nono()
	if err != nil {
		return err
	}
	return nono.Wait(ctx)
}

// nono is the session's own process.
func (e Entry) nono() (Process, error) {
	if e.Record == nil || len(e.Record.Processes) == 0 {
		return Process{}, errUnknownProcess
	}
	return e.Record.Processes[0], nil
}
