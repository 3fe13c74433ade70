package progress

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"
)

// What is quick is not shown; what is long is, not too often, and the next line takes its place.
func TestBar(t *testing.T) {
	var screen bytes.Buffer
	b := On(&screen)
	now := time.Unix(1000, 0)
	b.now = func() time.Time { return now }
	shows := func(want string) {
		t.Helper()
		if screen.String() != want {
			t.Errorf("got %q, want %q", screen.String(), want)
		}
		screen.Reset()
	}
	b.Show("recording", 0, 0)
	now = now.Add(499 * time.Millisecond)
	b.Show("recording", 1, 0)
	shows("")
	now = now.Add(time.Millisecond)
	b.Show("recording a\x1b[2J", 1, 4)
	shows("\r\x1b[K" + `nono: recording a\x1b[2J [#####               ] 25%`)
	b.Show("recording", 2, 4)
	shows("") // too soon
	now = now.Add(time.Second)
	b.Show("recording", 9, 4)
	shows("\r\x1b[Knono: recording [####################] 100%")
	now = now.Add(time.Second)
	b.Show("recording", 2, 0)
	shows("\r\x1b[Knono: recording")
	now = now.Add(time.Second)
	b.Show(strings.Repeat("x", 200), 1, 2)
	if n := screen.Len() - len("\r\x1b[K"); n != lineWidth {
		t.Errorf("a long line has %d characters", n)
	}
	screen.Reset()
	now = now.Add(time.Second)
	b.Show("much", math.MaxInt64, math.MaxInt64)
	shows("\r\x1b[Knono: much [####################] 100%")
	b.Done()
	shows("\r\x1b[K")
	b.Show("again", 1, 0) // and it begins anew
	shows("")
	b.Done()
	shows("")
	var none *Bar
	none.Show("x", 1, 1)
	none.Done()
}
