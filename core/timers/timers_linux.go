// Package timers lets the programs that core starts wake up less often than they ask to.
//
// The monitor of Go's runtime sleeps for 20 microseconds at a time and looks for something to do:
// in a process that lives for some milliseconds that is a good part of its processor time.
package timers

import (
	"time"

	"golang.org/x/sys/unix"
)

// Slack is by how much timers of nono's programs may be late, if the user's may not be later
// already. With a millisecond nothing more is spared, and data that comes to a layer waits for a
// thread of its now and then.
const Slack = 200 * time.Microsecond

// users is the slack that the user's programs have, in nanoseconds, where nono's first instructions
// found it out; else 0.
var users int

// Relaxed says that the whole process has had at least our slack since its beginning, and which one
// the user's programs have, in nanoseconds. 0 says that it has not. It is called before anything
// else here.
func Relaxed(before int) { users = before }

// Relax gives at least our slack to every process that this thread starts. It returns the slack
// that the user's programs have, in nanoseconds, and what gives the thread its own back. Who calls
// it stays on its thread.
func Relax() (before int, back func()) {
	none := func() {}
	if users > 0 {
		return users, none
	}
	before, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		return 0, none // to set 0 gives a thread back what its process began with
	}
	if before >= int(Slack) {
		return before, none
	}
	set := func(n int) { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(n), 0, 0, 0) }
	set(int(Slack))
	return before, func() { set(before) }
}
