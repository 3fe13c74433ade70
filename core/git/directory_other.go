//go:build !linux

package git

// countsNames is not known of any file system but Linux's.
func countsNames(string, uint64) bool { return false }
