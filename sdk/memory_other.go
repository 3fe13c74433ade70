//go:build !linux

package sdk

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// hideMemory: elsewhere a debugger needs the user's consent.
func hideMemory() (missing []string) {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		missing = append(missing, fmt.Sprintf("a core file may hold the memory: %v", err))
	}
	return append(missing, "the memory may be swapped out: it cannot be locked here")
}
