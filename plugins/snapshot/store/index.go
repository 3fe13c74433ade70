//go:build linux

package store

import (
	"crypto/rand"
	"encoding/binary"
)

// index finds an entry by its digest. It is a table with open addressing: slots hold a position in
// the entries and one, and 0 is empty. At most half of them are used. An object of a million takes
// about 72 bytes.
type index struct {
	entries []entry
	slots   []uint32
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
	for x.slots[at] != 0 && x.entries[x.slots[at]-1].digest != *d {
		at = (at + 1) & mask
	}
	return int(at)
}

// find is the entry of a digest, or nil. It is valid until the next one is added.
func (x *index) find(d Digest) *entry {
	if position := x.slots[x.slot(&d)]; position != 0 {
		return &x.entries[position-1]
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
	x.entries = append(x.entries, e)
	if 2*len(x.entries) > len(x.slots) {
		x.grow(2 * len(x.slots))
	} else {
		x.slots[x.slot(&e.digest)] = uint32(len(x.entries))
	}
	return true
}

// addAll adds those entries of a slice that come after its own, which it begins with. So they need
// not be copied.
func (x *index) addAll(all []entry) {
	more := all[len(x.entries):]
	slots := len(x.slots)
	for slots < 2*len(all) {
		slots *= 2
	}
	if slots > len(x.slots) {
		x.grow(slots)
	}
	x.entries = all[:len(x.entries)]
	for i := range more {
		x.add(more[i]) // it lands where this one is, or before it
	}
}

func (x *index) grow(slots int) {
	x.slots = make([]uint32, slots)
	for i := range x.entries {
		x.slots[x.slot(&x.entries[i].digest)] = uint32(i + 1)
	}
}
