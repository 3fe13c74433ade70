package diag

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

// What is quick is not shown; what is long is, not too often, and the next line takes its place.
func TestProgress(t *testing.T) {
	var screen bytes.Buffer
	held := NewHeld(&screen)
	p := NewProgress(held)
	now := time.Unix(1000, 0)
	p.now = func() time.Time { return now }
	shows := func(want string) {
		t.Helper()
		if screen.String() != want {
			t.Errorf("got %q, want %q", screen.String(), want)
		}
		screen.Reset()
	}
	p.Show("recording", 0, 0)
	now = now.Add(499 * time.Millisecond)
	p.Show("recording", 1, 0)
	shows("")
	now = now.Add(time.Millisecond)
	p.Show("recording a\x1b[2J", 1, 4)
	shows(`nono: recording a\x1b[2J [#####               ] 25%`)
	p.Show("recording", 2, 4)
	shows("") // too soon
	now = now.Add(time.Second)
	p.Show("recording", 9, 4)
	shows("\r\x1b[Knono: recording [####################] 100%")
	_, _ = io.WriteString(held, "a line\n")
	shows("\r\x1b[Ka line\n")
	now = now.Add(time.Second)
	p.Show("recording", 2, 0)
	shows("nono: recording")
	held.Hold()
	shows("\r\x1b[K")
	now = now.Add(time.Second)
	p.Show("recording", 2, 0)
	shows("")
	held.Release(0)
	now = now.Add(time.Second)
	p.Show(strings.Repeat("x", 200), 1, 2)
	if n := screen.Len(); n != lineWidth {
		t.Errorf("a long line has %d characters", n)
	}
	screen.Reset()
	p.Done()
	shows("\r\x1b[K")
	p.Show("again", 1, 0) // and it begins anew
	shows("")
	var none *Progress
	none.Show("x", 1, 1)
	none.Done()
	NewProgress(nil).Show("x", 1, 1)
}
