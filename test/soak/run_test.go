//go:build linux

package main

import (
	"math/rand/v2"
	"os/exec"
	"os/signal"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDraw looks for a trial whose signal would be waited for in vain: its agent ends of nothing
// else.
func TestDraw(t *testing.T) {
	layers := 0
	for n := range 1000 {
		drawn := draw(n, rand.New(rand.NewPCG(1, uint64(n))))
		if drawn.agent == endless && drawn.signal == 0 {
			t.Errorf("nobody ends %+v", drawn)
		}
		if drawn.victim == resident {
			layers++
			if drawn.policy != oneLayer {
				t.Errorf("the victim is not there: %+v", drawn)
			}
		}
	}
	if layers == 0 {
		t.Error("no layer is ever killed")
	}
}

// TestHeed starts a shell that a signal must end.
func TestHeed(t *testing.T) {
	signal.Ignore(unix.SIGHUP)
	defer signal.Reset(unix.SIGHUP)
	try := func() string {
		out, _ := exec.Command("/bin/sh", "-c", "kill -HUP $$; echo ignored").Output()
		return string(out)
	}
	if try() == "" {
		t.Fatal("it is not ignored before")
	}
	if heed(); try() != "" {
		t.Error("a run ignores what its parent was started to ignore")
	}
}
