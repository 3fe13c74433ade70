//go:build !linux

package limits

// Check has nothing to look at where no run can begin anyway.
func Check(int) error { return nil }
