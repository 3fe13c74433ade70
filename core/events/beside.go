package events

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// maxBeside is how much is kept for a reader who is slow.
const maxBeside = 8 << 20

// Beside passes lines on to a reader, and never waits for him: he may be slow, have stopped, or be
// gone. A line that there is no room for is left out; the numbers of a log's events tell that.
type Beside struct {
	w    io.Writer
	over chan struct{} // closed when nothing more is going to be written

	mu     sync.Mutex
	more   *sync.Cond
	kept   bytes.Buffer
	closed bool
	left   int // lines that were left out
	err    error
}

// NewBeside begins to write to w what is written to the value returned.
func NewBeside(w io.Writer) *Beside {
	b := &Beside{w: w, over: make(chan struct{})}
	b.more = sync.NewCond(&b.mu)
	go b.run()
	return b
}

// Write implements [io.Writer], for one line.
func (b *Beside) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.err != nil:
		return 0, b.err
	case b.closed, b.kept.Len()+len(line) > maxBeside:
		b.left++
	default:
		b.kept.Write(line)
		b.more.Signal()
	}
	return len(line), nil
}

// Close waits until all was written, but no longer than that. It returns how many lines the reader
// has not got, and why, where a write failed.
func (b *Beside) Close(patience time.Duration) (left int, err error) {
	b.mu.Lock()
	b.closed = true
	b.more.Signal()
	b.mu.Unlock()
	select {
	case <-b.over:
	case <-time.After(patience):
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.left + bytes.Count(b.kept.Bytes(), []byte("\n")), b.err
}

// run writes what is there, in the order in which it came.
func (b *Beside) run() {
	defer close(b.over)
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		for b.kept.Len() == 0 && !b.closed {
			b.more.Wait()
		}
		if b.kept.Len() == 0 {
			return
		}
		line, _ := b.kept.ReadBytes('\n') // there is no other kind
		b.mu.Unlock()
		_, err := b.w.Write(line)
		b.mu.Lock()
		if err != nil {
			b.err = err
			b.left++
			return
		}
	}
}
