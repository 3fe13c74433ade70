package descendants

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Brand marks this process, and all that it starts from now on, by a limit that is one lower than
// its parent's. What is lowered nobody can raise again without a capability, so no process that has
// the mark gets rid of it. The limit is one that the kernel keeps for each process and has not
// looked at since Linux 2.4 (RLIMIT_LOCKS).
func Brand() error {
	var now unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_LOCKS, nil, &now); err != nil {
		return err
	}
	if now.Max == 0 {
		return errors.New("the limit on locks is none already")
	}
	lower := unix.Rlimit{Cur: now.Max - 1, Max: now.Max - 1}
	return unix.Prlimit(0, unix.RLIMIT_LOCKS, &lower, nil)
}

// Branded reports whether a process is marked, seen from one that is not.
func Branded(p Process) bool {
	var own, its unix.Rlimit
	return unix.Prlimit(0, unix.RLIMIT_LOCKS, nil, &own) == nil &&
		unix.Prlimit(p.PID, unix.RLIMIT_LOCKS, nil, &its) == nil && its.Max < own.Max
}
