//go:build !linux

package source

import "errors"

// awaitEnd would return when a child has ended, and leave it to be waited for.
func awaitEnd(int) error { return errors.ErrUnsupported }
