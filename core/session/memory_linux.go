package session

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/diag"
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

// forbidCores keeps crashes, of nono's own processes and of what runs inside, from the host's
// handler of them: a program outside, often root's, that the kernel starts with the memory of what
// crashed. All of them inherit the limit. That of 1 is the kernel's sign for no core at all; a
// handler is run under 0 too. Where the kernel does not go by it, that is told.
func forbidCores() (diag.Problems, error) {
	err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 1, Max: 1})
	closed := errors.Is(err, unix.EPERM) // the user's hard limit is 0, which only root can raise
	if err != nil && !closed {
		return nil, fmt.Errorf("forbidding core dumps: %w", err)
	}
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	if err != nil {
		return nil, fmt.Errorf("looking where core dumps go: %w", err)
	}
	handler := strings.TrimSpace(string(pattern))
	if why := handled(handler, closed); why != "" {
		p := diag.Warningf("a crash inside is handed to this machine's handler of crashes: %s", handler)
		return diag.Problems{p.Try("%s", why)}, nil
	}
	return nil, nil
}

// handled says why the handler of a core_pattern gets a crash all the same, where it does; zero
// says that the limit is 0 and could not be changed.
func handled(pattern string, zero bool) string {
	switch {
	case strings.HasPrefix(pattern, "@"):
		return "it is a socket, which no limit keeps it from; only root can change kernel.core_pattern"
	case zero && strings.HasPrefix(pattern, "|"):
		return "your hard limit on core files is 0, under which the kernel runs it; " +
			"have root raise that (ulimit -Hc; limits.conf)"
	}
	return ""
}
