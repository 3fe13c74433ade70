//go:build linux

package load

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPU is what the scheduler has counted for processes, their ended threads too.
func CPU(pids []int) (time.Duration, error) {
	var all time.Duration
	for _, pid := range pids {
		// The number of another process's CPU clock, as clock_getcpuclockid has it.
		var now unix.Timespec
		if err := unix.ClockGettime(int32(^pid<<3|2), &now); err != nil {
			return 0, fmt.Errorf("the CPU clock of process %d: %w", pid, err)
		}
		all += time.Duration(now.Nano())
	}
	return all, nil
}

// Holding is what processes have of memory and of descriptors.
type Holding struct {
	// Private is what only they have, in bytes.
	Private     int64
	Descriptors int
	Pipes       int
}

// Holdings looks at what processes have.
func Holdings(pids []int) (h Holding, err error) {
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return h, err
		}
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, "Private_Dirty:"); ok {
				kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
				if err != nil {
					return h, err
				}
				h.Private += kib << 10
			}
		}
		fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		if err != nil {
			return h, err
		}
		h.Descriptors += len(fds)
		for _, fd := range fds {
			if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, "pipe:") {
				h.Pipes++
			}
		}
	}
	return h, nil
}
