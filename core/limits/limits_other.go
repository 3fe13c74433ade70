//go:build !linux

package limits

// Check has nothing to look at where no run can begin anyway.
func Check(int) error { return nil }

// NoTracing has nothing to say where the kernel is not Linux.
func NoTracing() string { return "" }

// NoProcessLimit is the same: nothing runs, and nothing is limited.
func NoProcessLimit(string) string { return "only Linux has such a limit" }
