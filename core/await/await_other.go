//go:build !linux

package await

import (
	"errors"
	"os"
)

func end(*os.Process) error { return errors.ErrUnsupported }
