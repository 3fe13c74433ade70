package session

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/test/machine"
)

// earlyFrom is an Early that starts this as nono-init.
func earlyFrom(t *testing.T, script string) *Early {
	t.Helper()
	e := &Early{bin: t.TempDir(), done: make(chan struct{})}
	if script != "" {
		program := filepath.Join(e.bin, "nono-init")
		if err := os.WriteFile(program, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	e.start()
	return e
}

// ends calls End, which must not hang.
func ends(t *testing.T, e *Early) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- e.End() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it hangs")
	}
}

// A nono-init that says nothing keeps nobody waiting who has given up, and is gone when it was
// ended.
func TestEarlyThatSaysNothing(t *testing.T) {
	e := earlyFrom(t, "exec sleep 1000")
	for deadline := time.Now().Add(time.Minute); len(machine.Children(os.Getpid())) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("control: nothing was started")
		}
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("the wait ended with %v", err)
	}
	ends(t, e)
	if left := machine.Children(os.Getpid()); len(left) > 0 {
		t.Errorf("there still are %v", left)
	}
	ends(t, e) // once more
}

// Whoever waits for one that cannot be started, or ends at once, hears of it.
func TestEarlyThatFails(t *testing.T) {
	for what, script := range map[string]string{"there is none": "", "it ends at once": "exit 3"} {
		e := earlyFrom(t, script)
		waited := make(chan error, 1)
		go func() { waited <- e.wait(t.Context()) }()
		select {
		case err := <-waited:
			if err == nil {
				t.Errorf("%s: no error", what)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s: the wait hangs", what)
		}
		ends(t, e)
	}
}

// A nono-init whose program does not come, as from a file system that is away, keeps nobody waiting
// for long. Here somebody holds a lease on the program, and its exec waits for that.
func TestEarlyThatCannotBegin(t *testing.T) {
	bin := t.TempDir()
	program := filepath.Join(bin, "nono-init")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	holder, err := os.OpenFile(program, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(holder.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		t.Skip("this file system has no leases: ", err)
	}
	// Who waits for the exec holds one of Go's processors, for which a collector would wait.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	e := &Early{bin: bin, done: make(chan struct{})}
	e.start()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := e.wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("control: it did begin: %v", err)
	}
	began := time.Now()
	if err := e.End(); err == nil {
		t.Error("it is said to have ended")
	}
	if took := time.Since(began); took > 20*time.Second { // the kernel breaks a lease after 45
		t.Errorf("the end took %v", took)
	}
	if err := holder.Close(); err != nil { // and it may begin
		t.Fatal(err)
	}
	ends(t, e)
	if left := machine.Children(os.Getpid()); len(left) > 0 {
		t.Errorf("there still are %v", left)
	}
}
