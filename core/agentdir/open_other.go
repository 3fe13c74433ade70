//go:build !linux

package agentdir

import (
	"errors"

	"github.com/nono-run/nono/core/copies"
	"github.com/nono-run/nono/sdk/policy"
)

// Open is a directory while a run has it. There are none on this system.
type Open struct{ Directory }

// Open fails.
func (d Directory) Open(copies.Where) (*Open, error) {
	return nil, errors.New("directories in the place of an agent's own: they exist on Linux only")
}

// Close does nothing.
func (*Open) Close() ([]copies.Outcome, error) { return nil, nil }

// Names are none.
func (*Open) Names() ([]string, error) { return nil, nil }

// Link does nothing.
func (*Open) Link(*policy.Policy) error { return nil }
