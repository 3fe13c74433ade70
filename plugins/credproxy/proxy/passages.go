package proxy

import "sync"

// passages are the requests that are on their way.
type passages struct {
	mu     sync.Mutex
	open   int
	closed bool
	over   chan struct{} // closed when none is on its way, and none can begin
}

func newPassages() *passages { return &passages{over: make(chan struct{})} }

// begin counts one more; false where no more may begin.
func (p *passages) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.open++
	return true
}

// end is called when one is over that was begun.
func (p *passages) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	if p.closed && p.open == 0 {
		close(p.over)
	}
}

// close lets no more begin. It may be called again.
func (p *passages) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed && p.open == 0 {
		close(p.over)
	}
	p.closed = true
}
