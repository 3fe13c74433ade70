package plain

import (
	"testing"
	"time"
)

// SetHeadTime sets within how long a head has to be there.
func SetHeadTime(t *testing.T, d time.Duration) {
	before := headTime
	headTime = d
	t.Cleanup(func() { headTime = before })
}

// HeadEnd is where a head ends.
func HeadEnd(there string) (int, bool) { return headEnd([]byte(there), 0) }

// Check reads a head.
func Check(head string) (asked Asked, target string, length, chunked bool, err error) {
	f, err := check([]byte(head))
	return f.asked, f.target, f.length, f.chunked, err
}
