//go:build !linux

package filter

import (
	"errors"

	"github.com/nono-run/nono/sdk/fragment"
)

// Assemble makes the program. There is none on this system.
func Assemble([]fragment.Seccomp) ([]byte, error) {
	return nil, errors.New("system-call filters exist on Linux only")
}
