//go:build !linux

package confine

func self([]string) (Report, error) { return Report{}, ErrUnsupported }
