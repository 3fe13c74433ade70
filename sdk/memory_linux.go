package sdk

import (
	"fmt"

	"golang.org/x/sys/unix"
)

func hideMemory() (missing []string) {
	note := func(what string, err error) {
		if err != nil {
			missing = append(missing, fmt.Sprintf("%s: %v", what, err))
		}
	}
	note("other processes of the user may read the memory",
		unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0))
	note("a core file may hold the memory", unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}))
	note("the memory may be swapped out", lockMemory())
	return missing
}

// lockMemory keeps every page in memory from its first use on. With a limit on that it is not
// tried: Go reserves far more than it uses, and a program whose reservations fail dies. Who may
// lock memory past the limit, as root may, does so.
func lockMemory() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return err
	}
	none := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &none); err != nil && !mayLock() {
		return fmt.Errorf("the limit on locked memory is %d bytes", limit.Max)
	}
	return unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT)
}

// mayLock reports whether the limit does not hold for this process.
func mayLock() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	return unix.Capget(&header, &sets[0]) == nil && sets[0].Effective&(1<<unix.CAP_IPC_LOCK) != 0
}
