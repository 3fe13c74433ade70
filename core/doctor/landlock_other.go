//go:build !linux

package doctor

// LandlockABI is 0 where the kernel is not Linux.
func LandlockABI() int { return 0 }
