package launch

import (
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/descendants"
)

// What nono-init leaves when it is killed, in tier A the kernel ends. In tier B it comes to core,
// which adopts orphans for that, beside children of core's own: layers, and what these have left.
// So nono-init, and with it all that is inside, has a brand.

// adopt makes this process the parent of every descendant whose own has ended, and returns what
// puts an end to that.
func adopt() func() {
	var before int
	_ = unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&before)), 0, 0, 0)
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) // of 1 this cannot fail
	return func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, uintptr(before), 0, 0, 0) }
}

// useFence is turned off by tests, for what a kernel without scopes does.
var useFence = true

// fence puts this thread, and so nono-init and the agent, behind a fence. It reports whether the
// kernel has been seen to hold it: this thread could reach the process that started nono, and now
// it cannot. Where that is another user's there is a fence, and it is not relied on here.
func fence() bool {
	if !useFence {
		return false
	}
	parent := os.Getppid()
	could := descendants.Reaches(parent)
	return descendants.Fence() && could && descendants.Fenced(parent, os.Getuid())
}

// keepRunning waits until nono-init has ended, and has it go on if it is stopped: an agent that can
// send it signals, where Landlock has no scopes, must not keep the run from ending.
func keepRunning(pid int) {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WSTOPPED|unix.WNOWAIT, nil)
		switch {
		case err == unix.EINTR:
		case err != nil || info.Code != cldStopped:
			return
		default:
			_ = unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WNOHANG, nil)
			_ = unix.Kill(pid, unix.SIGCONT)
		}
	}
}

// cldStopped is the reason of a child's news that a signal stopped it.
const cldStopped = 5

// remainsLimit bounds the ending of what a nono-init that was killed has left.
const remainsLimit = 10 * time.Second

// endRemains ends it.
func endRemains(fenced bool) {
	if fenced {
		_ = unix.Kill(-1, unix.SIGKILL)
	}
	descendants.End(remainsLimit, descendants.Branded)
}
