//go:build !linux

package agentdir

import (
	"errors"

	"github.com/nono-run/nono/core/copies"
	"github.com/nono-run/nono/sdk/policy"
)

// InUse is a directory while a run has it. There are none on this system.
type InUse struct{ Directory }

// Open fails.
func (d Directory) Open(copies.Where) (*InUse, error) {
	return nil, errors.New("directories in the place of an agent's own: they exist on Linux only")
}

// Close does nothing.
func (*InUse) Close() ([]copies.Outcome, error) { return nil, nil }

// Names are none.
func (*InUse) Names() ([]string, error) { return nil, nil }

// Link does nothing.
func (*InUse) Link(*policy.Policy) error { return nil }
