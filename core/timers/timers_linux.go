// Package timers lets the programs that core starts wake up less often than they ask to.
//
// The monitor of Go's runtime sleeps for 20 microseconds at a time and looks for something to do:
// in a process that lives for some milliseconds that is a good part of its processor time.
package timers

import (
	"time"

	"golang.org/x/sys/unix"
)

// slack is by how much timers of nono's programs may be late. With a millisecond nothing more is
// spared, and data that comes to a layer waits for a thread of its now and then.
const slack = 200 * time.Microsecond

// users is by how many nanoseconds those of the user's programs may be, if that is known from
// nono's beginning.
var users int

// Relaxed says that all of this process has been relaxed since its beginning, and what it was
// before; 0 says that it has not. It is called before anything else here.
func Relaxed(before int) { users = before }

// Relax lets timers be late in every process that this thread starts, and returns by how many
// nanoseconds they might be where the user started nono, and what puts the thread's own back. Who
// calls it stays on its thread.
func Relax() (before int, back func()) {
	if users > 0 {
		return users, func() {}
	}
	before, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		return 0, func() {} // 0 is the one that a process had when it began
	}
	set := func(n int) { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(n), 0, 0, 0) }
	set(int(slack))
	return before, func() { set(before) }
}
