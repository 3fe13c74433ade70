//go:build linux

package store

import (
	"bytes"
	"cmp"
	"slices"
	"sync"
	"testing"
)

// A pack is written in whole blocks, and none of them twice, however many put something; all but
// the last are big.
func TestAPackIsWrittenInWholeBlocks(t *testing.T) {
	m := newMemory()
	s := on(t, m, 1)
	p := begin(t, s)
	var putting sync.WaitGroup
	for i := range 8 {
		putting.Go(func() {
			for j, size := range []int{
				1, 100, blockSize - recordSize, 70_000, bufferSize - 1, bufferSize, 3*bufferSize + 5, PieceSize,
			} {
				if _, err := p.Put(random(uint64(10*i+j), size)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	putting.Wait()
	writes := slices.Clone(m.names[packs+"/"+p.id+being].writes)
	if len(writes) < 20 {
		t.Fatalf("there were %d writes", len(writes))
	}
	slices.SortFunc(writes, func(a, b write) int { return cmp.Compare(a.at, b.at) })
	at := int64(0)
	for _, w := range writes {
		if w.at != at || len(w.data)%blockSize != 0 || len(w.data) < bufferSize {
			t.Errorf("%d bytes at %d come after %d", len(w.data), w.at, at)
		}
		at = w.at + int64(len(w.data))
	}
	mustSeal(t, p, true)
	for i := range 8 {
		want := random(uint64(10*i+6), 3*bufferSize+5)
		if got, err := content(s, digestOf(blob, want)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("it was not written as it was put: %v", err)
		}
	}
}
