//go:build linux

package store

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"iter"
	"slices"
)

// entries is a list of entries that grows without being copied.
type entries struct {
	chunks [][]entry // all but the last of chunkEntries
	n      int
}

const chunkEntries = 1 << 10

func (l *entries) len() int        { return l.n }
func (l *entries) at(i int) *entry { return &l.chunks[i/chunkEntries][i%chunkEntries] }

// add adds an entry.
func (l *entries) add(e entry) {
	if l.n%chunkEntries == 0 {
		l.chunks = append(l.chunks, make([]entry, 0, chunkEntries))
	}
	last := &l.chunks[len(l.chunks)-1]
	*last = append(*last, e)
	l.n++
}

// cut shortens the list.
func (l *entries) cut(n int) {
	chunks := (n + chunkEntries - 1) / chunkEntries
	clear(l.chunks[chunks:])
	l.chunks, l.n = l.chunks[:chunks], n
	if n%chunkEntries != 0 {
		l.chunks[chunks-1] = l.chunks[chunks-1][:n%chunkEntries]
	}
}

// sorted are the entries in the order of their digests.
func (l *entries) sorted() iter.Seq[*entry] {
	type place struct {
		begins uint64 // of the digest
		at     uint32
	}
	order := make([]place, l.n)
	for i := range order {
		order[i] = place{binary.BigEndian.Uint64(l.at(i).digest[:]), uint32(i)}
	}
	slices.SortFunc(order, func(a, b place) int {
		if a.begins != b.begins {
			return cmp.Compare(a.begins, b.begins)
		}
		return bytes.Compare(l.at(int(a.at)).digest[:], l.at(int(b.at)).digest[:])
	})
	return func(yield func(*entry) bool) {
		for _, p := range order {
			if !yield(l.at(int(p.at))) {
				return
			}
		}
	}
}

// index finds an entry by its digest. It is a table with open addressing: slots hold a position in
// the entries and one, and 0 is empty. At most half of them are used. An object of a million takes
// about 72 bytes.
type index struct {
	entries
	slots []uint32
	// seed is random, so that nobody can choose digests that all begin at one slot.
	seed uint64
}

func newIndex() *index {
	var seed [8]byte
	_, _ = rand.Read(seed[:]) // it never fails
	return &index{seed: binary.LittleEndian.Uint64(seed[:]) | 1, slots: make([]uint32, 1<<8)}
}

// slot is where a digest is, or would be.
func (x *index) slot(d *Digest) int {
	mask := uint64(len(x.slots) - 1)
	at := (binary.LittleEndian.Uint64(d[:]) * x.seed) >> 32 & mask
	for x.slots[at] != 0 && x.at(int(x.slots[at]-1)).digest != *d {
		at = (at + 1) & mask
	}
	return int(at)
}

// find is the entry of a digest, or nil. It is valid until the next one is added.
func (x *index) find(d Digest) *entry {
	if position := x.slots[x.slot(&d)]; position != 0 {
		return x.at(int(position - 1))
	}
	return nil
}

// position is where the entry of a digest is among the entries.
func (x *index) position(d Digest) (int, bool) {
	position := x.slots[x.slot(&d)]
	return int(position) - 1, position != 0
}

// add adds an entry, unless there is one of that digest.
func (x *index) add(e entry) bool {
	if x.find(e.digest) != nil {
		return false
	}
	x.entries.add(e)
	if 2*x.n > len(x.slots) {
		x.grow(2 * len(x.slots))
	} else {
		x.slots[x.slot(&e.digest)] = uint32(x.n)
	}
	return true
}

// addAll adds entries from a place of the list on, which were put there without being looked for.
// Those of which there is one already go.
func (x *index) addAll(from int) {
	slots := len(x.slots)
	for slots < 2*x.n {
		slots *= 2
	}
	if slots > len(x.slots) {
		x.slots = make([]uint32, slots)
		from = 0
	}
	n := from
	for i := from; i < x.n; i++ {
		e := *x.at(i)
		if at := x.slot(&e.digest); x.slots[at] == 0 {
			*x.at(n) = e
			n++
			x.slots[at] = uint32(n)
		}
	}
	x.cut(n)
}

func (x *index) grow(slots int) {
	x.slots = make([]uint32, slots)
	for i := range x.n {
		x.slots[x.slot(&x.at(i).digest)] = uint32(i + 1)
	}
}
