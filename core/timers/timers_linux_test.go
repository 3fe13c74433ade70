package timers

import (
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRelax: what the thread starts has timers that may be late, and the thread has its own again
// afterwards.
func TestRelax(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	inherited := func() string {
		t.Helper()
		out, err := exec.Command("cat", "/proc/self/timerslack_ns").Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	own := inherited()
	before, back := Relax()
	if strconv.Itoa(before) != own {
		t.Errorf("before it is said to be %d, and was %s", before, own)
	}
	if got := inherited(); got != strconv.Itoa(int(Slack)) {
		t.Errorf("a child has %s ns", got)
	}
	back()
	if now, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); err != nil || now != before {
		t.Errorf("the thread has %d ns: %v", now, err)
	}
}
