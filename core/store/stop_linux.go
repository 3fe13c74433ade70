package store

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// terminate sends SIGTERM to the process, and wakes it where it was stopped. No other that has its
// number by now gets it.
func (p Process) terminate() error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if err == nil {
		defer func() { _ = unix.Close(fd) }()
		if !p.Alive() { // asked after the opening: the descriptor is of this process for good
			return nil
		}
		for _, signal := range []unix.Signal{unix.SIGTERM, unix.SIGCONT} {
			if err = unix.PidfdSendSignal(fd, signal, nil, 0); err != nil {
				break
			}
		}
	}
	if err != nil && !errors.Is(err, unix.ESRCH) { // which means that it has ended by itself
		return fmt.Errorf("sending SIGTERM to %s, process %d: %w", p.Is, p.PID, err)
	}
	return nil
}
