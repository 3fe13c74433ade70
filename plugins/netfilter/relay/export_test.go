package relay

// Sizes of buffers, and how many a test may see in use.
const (
	Large  = large
	Small  = small
	Plenty = plenty
)

// BuffersInUse is how many directions hold a buffer of the pools.
func BuffersInUse() int { return int(inUse.Load()) }
