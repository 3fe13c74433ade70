package store

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestAProcessIsToldFromOthersOfItsNumber(t *testing.T) {
	cmd := exec.Command("/bin/cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := ProcessOf("cat", cmd.Process.Pid)
	if err != nil || !p.Alive() {
		t.Fatalf("%+v, %v", p, err)
	}
	other := p
	other.Since--
	if other.Alive() || other.Wait(t.Context()) != nil {
		t.Error("one that began at another time is taken for it")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := p.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting while it runs: %v", err)
	}
	_ = in.Close()
	// It ends, and nobody has asked for its status yet: it is gone all the same.
	if err := p.Wait(t.Context()); err != nil || p.Alive() {
		t.Errorf("waiting for its end: %v", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if err := p.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := ProcessOf("nothing", cmd.Process.Pid); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
