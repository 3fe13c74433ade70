package session

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// hideMemory keeps what this process holds, secrets among it, from the user's other processes, and
// out of a core file: that would be written to the current directory, which is what the agent is
// most often granted.
func hideMemory() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("closing nono's memory to other processes: %w", err)
	}
	return nil
}

// ShowMemory undoes that when a run is over, for who begins another one in the same process.
func ShowMemory() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("opening nono's memory again: %w", err)
	}
	return nil
}
