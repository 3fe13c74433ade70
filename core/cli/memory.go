package cli

import "runtime/debug"

// deferCollection keeps the garbage collector away while a command starts: a start allocates some ten megabytes, once, and collecting
// them would cost processor time that the layers need. The returned function lets it come back, for a run that goes on for hours.
// Should something allocate without end meanwhile, the limit calls it all the same.
func deferCollection() (resume func()) {
	percent := debug.SetGCPercent(-1)
	limit := debug.SetMemoryLimit(256 << 20)
	return func() {
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
	}
}
