package timers

import (
	"fmt"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRelax: what the thread starts has timers that may be late, as late as the user's or later,
// and the thread has its own slack again afterwards.
func TestRelax(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	set := func(slack int) {
		t.Helper()
		if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack), 0, 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	defer set(0) // what the thread began with
	inherited := func() string {
		t.Helper()
		out, err := exec.Command("cat", "/proc/self/timerslack_ns").Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	for users, want := range map[int]int{
		50_000:         int(Slack),
		int(Slack):     int(Slack),
		int(Slack) * 5: int(Slack) * 5,
	} {
		set(users)
		before, back := Relax()
		if before != users {
			t.Errorf("the user's are said to be %d ns late, and are %d", before, users)
		}
		if got := inherited(); got != fmt.Sprintln(want) {
			t.Errorf("where the user's may be %d ns late, a child's may be %q", users, got)
		}
		back()
		if now := inherited(); now != fmt.Sprintln(users) {
			t.Errorf("the thread's may be %q ns late, and could be %d", now, users)
		}
	}
}
