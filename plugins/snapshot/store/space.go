//go:build linux

package store

import (
	"sync"

	"github.com/klauspost/compress/s2"
)

// space is memory for one content and for how it is stored. It grows to what was needed.
type space struct{ raw, stored []byte }

// spaces are kept for the next one. There are two kinds, so that many small ones are not each as
// big as the biggest content.
var spaces = [2]sync.Pool{}

// smallSpace is the biggest content that is handled by as many goroutines as there are.
const smallSpace = 256 << 10

func getSpace() *space { return get(0) }

func get(which int) *space {
	if sp, ok := spaces[which].Get().(*space); ok {
		return sp
	}
	return &space{}
}

// put gives it back.
func (sp *space) put() {
	if cap(sp.raw) <= smallSpace && cap(sp.stored) <= 2*smallSpace {
		spaces[0].Put(sp)
	} else {
		spaces[1].Put(sp)
	}
}

// rawRoom is room for a content.
func (sp *space) rawRoom(n int) []byte {
	if cap(sp.raw) < n {
		sp.raw = make([]byte, n)
	}
	return sp.raw[:n]
}

// storedRoom is room for a content as it is stored.
func (sp *space) storedRoom(n int) []byte {
	if cap(sp.stored) < n {
		sp.stored = make([]byte, n)
	}
	return sp.stored[:n]
}

// compressRoom is room for whatever compressing so many bytes may give.
func (sp *space) compressRoom(n int) []byte { return sp.storedRoom(s2.MaxEncodedLen(n)) }
