package relay

import (
	"sync"
	"sync/atomic"
)

// Sizes of buffers. While many are in use, as by readers that are slow, more are small, so that
// their number costs little; nobody ever waits for one.
const (
	large  = 64 << 10
	small  = 4 << 10
	plenty = 128
)

// buffer is memory for one read.
type buffer struct {
	space  []byte
	filled []byte
	pool   *sync.Pool // nil for one that has an owner
}

var (
	inUse  atomic.Int64
	larges = pool(large)
	smalls = pool(small)
)

func pool(size int) *sync.Pool {
	p := new(sync.Pool)
	p.New = func() any { return &buffer{space: make([]byte, size), pool: p} }
	return p
}

// take takes a buffer out of a pool.
func take() *buffer {
	from := larges
	if inUse.Add(1) > plenty {
		from = smalls
	}
	b, _ := from.Get().(*buffer) // it holds nothing else
	return b
}

// free gives it back.
func (b *buffer) free() {
	b.filled = nil
	if b.pool != nil {
		inUse.Add(-1)
		b.pool.Put(b)
	}
}
