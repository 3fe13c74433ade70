package store

import (
	"context"
	"errors"
	"os/exec"
	"testing"
	"time"
)

// A session has ended when its nono is gone and nobody holds it: until then somebody may be
// finishing it.
func TestWait(t *testing.T) {
	s := Store{t.TempDir()}
	cmd := exec.Command("/bin/cat")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	nono, err := ProcessOf("nono", cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it had nothing to read
	held := began(t, s, time.Unix(1, 0))
	update(t, held, func(r *Record) { r.Processes = []Process{nono} })
	e := open(t, s, held.ID())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := e.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("of a session that is held: %v", err)
	}
	kill(t, held)
	if err := e.Wait(t.Context()); err != nil {
		t.Errorf("of one that nobody holds: %v", err)
	}
	taken, err := s.Take(held.ID())
	if err != nil {
		t.Fatal(err)
	}
	if finished, err := taken.End(func(r *Record) { r.Layers = nil }); !finished || err != nil {
		t.Fatal(finished, err)
	}
	if err := e.Wait(t.Context()); err != nil {
		t.Errorf("of one that is finished: %v", err)
	}
}
