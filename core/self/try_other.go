//go:build !linux

package self

import (
	"errors"

	"github.com/nono-run/nono/core/why"
)

// Try asks the kernel; there are sessions on Linux only.
func Try(string, why.Op) error { return errors.ErrUnsupported }
