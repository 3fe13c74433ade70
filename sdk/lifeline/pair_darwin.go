package lifeline

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// socketpair holds the fork lock, for macOS cannot make a socket that is closed on exec from the
// start.
func socketpair() (ours, theirs int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	return fds[0], fds[1], err
}
