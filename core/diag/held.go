package diag

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// Held is a writer for nono's own lines that can be made to wait: while the agent has the screen,
// what nono says is kept, and printed when the screen is nono's again.
type Held struct {
	w io.Writer

	mu       sync.Mutex
	holding  bool
	kept     bytes.Buffer
	lost     int           // lines that there was no room for
	patience time.Duration // how long a write may take; zero is as long as it likes
	stuck    bool          // one took longer
	status   bool          // the last line on the screen is a passing one
}

// maxKept bounds what is kept: an agent's run may last for days, and a layer may talk all the time.
const maxKept = 1 << 20

// NewHeld returns a writer that does not hold yet.
func NewHeld(w io.Writer) *Held { return &Held{w: w} }

// Hold keeps what is written from now on.
func (h *Held) Hold() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.erase()
	h.holding = true
}

// Status shows a passing line on a terminal: the next line of any kind takes its place, and ""
// takes it away. While lines are held none is shown.
func (h *Held) Status(line string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.holding {
		return
	}
	h.erase()
	if line != "" {
		_, err := h.write([]byte(line))
		h.status = err == nil
	}
}

func (h *Held) erase() {
	if h.status {
		h.status = false
		_, _ = h.write([]byte("\r\x1b[K"))
	}
}

// Release prints what was kept, and from now on what is written. With patience, the first write
// that takes longer is the last one that is waited for: where the reader is gone for good, nono
// must still come to its end.
func (h *Held) Release(patience time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.patience = patience
	if !h.holding {
		return
	}
	h.holding = false
	if h.kept.Len() > 0 {
		_, _ = h.write(bytes.Clone(h.kept.Bytes()))
	}
	if h.lost > 0 {
		_, _ = h.write(fmt.Appendf(nil, "nono: %d more lines were not kept\n", h.lost))
	}
	h.kept, h.lost = bytes.Buffer{}, 0
}

// Write implements io.Writer.
func (h *Held) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !h.holding:
		h.erase()
		return h.write(b)
	case h.kept.Len()+len(b) > maxKept:
		h.lost += bytes.Count(b, []byte("\n"))
	default:
		h.kept.Write(b)
	}
	return len(b), nil
}

// errStuck is what a writer says that no longer waits.
var errStuck = fmt.Errorf("nobody reads what is written: %w", io.ErrClosedPipe)

func (h *Held) write(b []byte) (int, error) {
	if h.patience == 0 {
		return h.w.Write(b)
	}
	if h.stuck {
		return 0, errStuck
	}
	type outcome struct {
		n   int
		err error
	}
	done := make(chan outcome, 1)
	b = bytes.Clone(b) // the caller may use his again
	go func() {
		n, err := h.w.Write(b)
		done <- outcome{n, err}
	}()
	select {
	case o := <-done:
		return o.n, o.err
	case <-time.After(h.patience):
		h.stuck = true
		return 0, errStuck
	}
}
