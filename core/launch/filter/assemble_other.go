//go:build !linux

package filter

import (
	"errors"

	"github.com/nono-run/nono/sdk/fragment"
)

var errNone = errors.New("system-call filters exist on Linux only")

// Assemble makes the program. There is none on this system.
func Assemble([]string, []fragment.Seccomp) ([]byte, error) { return nil, errNone }

// AssembleNotices makes the program of notices. There is none on this system.
func AssembleNotices([]Notice) ([]byte, error) { return nil, errNone }

// Check refuses a step that the assembler would refuse.
func Check(fragment.Seccomp) error { return errNone }
