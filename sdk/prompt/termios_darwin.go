package prompt

import "golang.org/x/sys/unix"

// How the system is asked for a terminal's settings, and told new ones while input is dropped.
const (
	getTermios      = unix.TIOCGETA
	setTermiosFlush = unix.TIOCSETAF
)
