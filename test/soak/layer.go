//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nono-run/nono/test/load"
)

// layer is the process of a layer that is put under load by one agent, and the most memory of its
// own that it had.
type layer struct {
	client *load.Running
	pids   []int // its process, as package load wants it
	most   int64 // of private memory, at any time
}

// soakLayer begins an agent in the sandbox of a new user, and puts load on its layer.
func soakLayer(
	nono string, begin func(nono string, u *user) (*load.Agent, error), soak func(*layer) error,
) error {
	nono, err := filepath.Abs(nono)
	if err != nil {
		return err
	}
	u, err := newUser()
	if err != nil {
		return err
	}
	defer os.RemoveAll(u.home)
	defer os.RemoveAll(u.runtime)
	agent, err := begin(nono, u)
	if err != nil {
		return err
	}
	l := &layer{client: agent.Running, pids: []int{agent.Layer}}
	if err := errors.Join(soak(l), agent.Stop()); err != nil {
		return err
	}
	fmt.Printf("soak: at most %.1f MiB of the layer's own memory\n", mebibytes(l.most))
	return nil
}

// look is what the layer holds now.
func (l *layer) look() (load.Holding, error) {
	now, err := load.Holdings(l.pids)
	l.most = max(l.most, now.Private)
	return now, err
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }
