// Package limits is what a run needs of the limits under which nono was started (ulimit, systemd, a
// container), what to do where something ran out, and which limit a host cannot hold.
//
// Go's runtime answers a failed thread or page with a dump that nothing can catch. So what a run
// needs is looked at before there is one ([Check]); and what must be there before the runtime
// itself can begin is looked at before that, by the first instructions of nono (cmd/nono/entry.go).
package limits

import (
	"errors"
	"syscall"

	"github.com/nono-run/nono/core/diag"
)

// Advice is what to do about an error that means that something ran out; empty if it means nothing
// of the kind.
func Advice(err error) string {
	for _, a := range []struct {
		errno syscall.Errno
		try   string
	}{
		{syscall.EMFILE, "too few files may be open at once: raise that limit (ulimit -n)"},
		{syscall.ENFILE, "too many files are open on this machine: end what holds them"},
		{syscall.EFBIG, "files may not be large enough: raise that limit (ulimit -f)"},
		{syscall.ENOSPC, "free some space on that disk"},
		{syscall.EDQUOT, "free some of your space on that disk, or have your quota raised"},
		{syscall.ENOMEM, "free some memory, or raise the limit on it (ulimit -v)"},
		{
			syscall.EAGAIN, "no more processes may run: end some, or raise that limit " +
				"(ulimit -u; in a container or a service, pids.max)",
		},
		{
			syscall.ETOOMANYREFS, "programs of yours have sent each other more open files than " +
				"were taken: end those, or raise the limit on open files (ulimit -n)",
		},
	} {
		if errors.Is(err, a.errno) {
			return a.try
		}
	}
	return ""
}

// tooLow is a limit under which no run can work.
func tooLow(what string, have uint64, need uint64, flag string) error {
	return diag.Errorf("the limit on %s is %d, and a run needs %d", what, have, need).
		Try("raise it: ulimit %s", flag)
}
