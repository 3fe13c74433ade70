//go:build linux

package store

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// An index has what was put into it, once, whichever way it was put there; a list that is cut is as
// it was before.
func TestAnIndexIsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, want := newIndex(), map[Digest]int64{}
		for offset := range rapid.Int64Range(1, 6).Draw(t, "rounds") {
			before := x.len()
			atOnce := rapid.Bool().Draw(t, "at once")
			for i := range rapid.IntRange(0, 2*chunkEntries).Draw(t, "number") {
				e := entry{digest: digestOf(blob, []byte{byte(i), byte(i >> 8)}), offset: offset}
				if atOnce {
					x.entries.add(e)
				} else if _, known := want[e.digest]; x.add(e) == known {
					t.Fatal("it was added twice, or not at all")
				}
				if _, known := want[e.digest]; !known {
					want[e.digest] = offset
				}
			}
			if atOnce {
				x.addAll(before)
			}
			before = x.len()
			for i := range rapid.IntRange(0, chunkEntries+1).Draw(t, "given up") {
				x.entries.add(entry{raw: uint32(i)})
			}
			x.cut(before)
		}
		if x.len() != len(want) {
			t.Fatalf("%d entries instead of %d", x.len(), len(want))
		}
		for d, offset := range want {
			if e := x.find(d); e == nil || e.offset != offset {
				t.Fatalf("%s: %v", d, e)
			}
		}
		var last *entry
		number := 0
		for e := range x.sorted() {
			if last != nil && bytes.Compare(last.digest[:], e.digest[:]) >= 0 {
				t.Fatal("they are not in order")
			}
			last = e
			number++
		}
		if number != len(want) {
			t.Fatalf("%d are sorted", number)
		}
	})
}
