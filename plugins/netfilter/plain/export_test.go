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
