//go:build !linux

package timers

// Relaxed does nothing here.
func Relaxed(int) {}

// Relax changes nothing here.
func Relax() (before int, back func()) { return 0, func() {} }
