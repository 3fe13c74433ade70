package proxy

import "sync"

// buffers are what bodies are copied with: a record of TLS has no more than one of them holds.
var buffers = &pool{}

type pool struct{ free sync.Pool }

// Get implements httputil.BufferPool.
func (p *pool) Get() []byte {
	if b, ok := p.free.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, 16<<10)
}

// Put implements httputil.BufferPool.
func (p *pool) Put(b []byte) { p.free.Put(&b) }
