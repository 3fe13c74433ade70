package inside

import (
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// limitFiles lowers how many files a process may have open: of this one, and so of the agent. By
// this call Go knows of it, and gives the agent no other limit when it forks.
func limitFiles(most uint64) error {
	var now syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now); most == 0 || err != nil {
		return err
	}
	most = min(most, now.Max)
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: most, Max: most})
}

// limitProcesses limits how many processes and threads there are inside beside nono-init's. The
// agent is held at its exec meanwhile.
//
// The kernel counts all that is in the user namespace, and holds the count against the limit of
// whoever forks. So the limit is the agent's and its descendants' alone: nono-init goes on under
// its own, and is not starved of threads by an agent that has used up all it may have. Its threads
// are counted too and so are added; those that it makes later leave the agent so many fewer.
func limitProcesses(agent int, most uint64) error {
	if most == 0 {
		return nil
	}
	var now unix.Rlimit
	if err := unix.Prlimit(agent, unix.RLIMIT_NPROC, nil, &now); err != nil {
		return err
	}
	threads, _ := runtime.ThreadCreateProfile(nil)
	most += uint64(threads)
	lower := unix.Rlimit{Cur: min(most, now.Cur), Max: min(most, now.Max)}
	return unix.Prlimit(agent, unix.RLIMIT_NPROC, &lower, nil)
}
