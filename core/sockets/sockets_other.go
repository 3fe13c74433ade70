//go:build !linux

package sockets

import (
	"context"
	"errors"
	"os"

	"github.com/nono-run/nono/core/launch/supervise"
	"github.com/nono-run/nono/sdk/host"
)

// Sockets are those that the agent of one run reaches and serves. There are none on this system.
type Sockets struct{}

// Open fails.
func Open(Options) (*Sockets, error) {
	return nil, errors.New("connecting for the agent: it can be done on Linux only")
}

// Listeners are none.
func (*Sockets) Listeners() map[string]host.Listener { return nil }

// Handlers are none.
func (*Sockets) Handlers() supervise.Handlers { return nil }

// Dial fails.
func (*Sockets) Dial(context.Context, uint16) (*os.File, error) { return nil, ErrNotServed }

// Close does nothing.
func (*Sockets) Close() {}
