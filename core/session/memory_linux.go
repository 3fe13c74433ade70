package session

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// hideMemory keeps what this process holds, secrets among it, from the user's other processes, and out of a core file: that would be
// written to the current directory, which is what the agent is most often granted.
func hideMemory() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("closing nono's memory to other processes: %w", err)
	}
	return nil
}
