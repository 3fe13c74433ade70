//go:build !linux

package conformance

import (
	"errors"
	"os"

	"github.com/nono-run/nono/sdk/fragment"
)

func waiting(*os.File, fragment.Network) (bool, error) {
	return false, errors.New("this system does not say what waits at a socket")
}
