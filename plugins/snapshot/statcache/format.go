//go:build linux

package statcache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/nono-run/nono/plugins/snapshot/beneath"
	"github.com/nono-run/nono/plugins/snapshot/store"
)

// A file is, in little-endian numbers:
//
//	header    magic 8, device 8, number of records 8, checksum of the records 4, of this 4
//	records   inode 8, size 8, mtime 8, ctime 8, digest 32; in the order of their inodes
//
// The highest bit of the size says that the file has attributes.
const (
	magic         = "nonosc01"
	headerSize    = 32
	recordSize    = 64
	attributesBit = 1 << 63
	// mostRecords bounds what a file takes in memory.
	mostRecords = 1 << 22
	// part is how much is read at once: what a damaged header speaks of and is not there takes none.
	part = 1 << 20
)

var errDamaged = errors.New("the cache is damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// records are records as they are in a file.
type records []byte

func (r records) len() int           { return len(r) / recordSize }
func (r records) at(i int) []byte    { return r[i*recordSize : (i+1)*recordSize] }
func (r records) inode(i int) uint64 { return binary.LittleEndian.Uint64(r[i*recordSize:]) }
func (r records) digest(i int) store.Digest {
	return store.Digest(r.at(i)[32:])
}

// appendRecord appends what is known of a file.
func appendRecord(b []byte, s *beneath.Stat, attributes bool, content store.Digest) []byte {
	b = binary.LittleEndian.AppendUint64(b, s.Inode)
	size := uint64(s.Size)
	if attributes {
		size |= attributesBit
	}
	b = binary.LittleEndian.AppendUint64(b, size)
	b = binary.LittleEndian.AppendUint64(b, uint64(s.MTime))
	b = binary.LittleEndian.AppendUint64(b, uint64(s.CTime))
	return append(b, content[:]...)
}

// find is what is known of a file with these stamps.
func (r records) find(s *beneath.Stat) (content store.Digest, attributes, ok bool) {
	low, high := 0, r.len()
	for low < high {
		if middle := int(uint(low+high) / 2); r.inode(middle) < s.Inode {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low == r.len() || r.inode(low) != s.Inode {
		return store.Digest{}, false, false
	}
	known := r.at(low)
	size := binary.LittleEndian.Uint64(known[8:])
	if size&^attributesBit != uint64(s.Size) ||
		binary.LittleEndian.Uint64(known[16:]) != uint64(s.MTime) ||
		binary.LittleEndian.Uint64(known[24:]) != uint64(s.CTime) {
		return store.Digest{}, false, false
	}
	return r.digest(low), size&attributesBit != 0, true
}

// merge is all that two know; of one file what the newer does.
func merge(older, newer records) records {
	all := make(records, 0, len(older)+len(newer))
	i, j := 0, 0
	for i < older.len() || j < newer.len() {
		switch {
		case j == newer.len() || i < older.len() && older.inode(i) < newer.inode(j):
			all = append(all, older.at(i)...)
			i++
		default:
			if i < older.len() && older.inode(i) == newer.inode(j) {
				i++
			}
			all = append(all, newer.at(j)...)
			j++
		}
	}
	return all
}

// header is the header of a file.
func header(device uint64, r records) []byte {
	b := append(make([]byte, 0, headerSize), magic...)
	b = binary.LittleEndian.AppendUint64(b, device)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.len()))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(r, castagnoli))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// parse reads the records of a device. It believes none of them before it has seen all.
func parse(from io.Reader, device uint64) (records, error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return nil, fmt.Errorf("reading the cache: %w", err)
	}
	number := binary.LittleEndian.Uint64(head[16:])
	if string(head[:8]) != magic || binary.LittleEndian.Uint64(head[8:]) != device ||
		crc32.Checksum(head[:28], castagnoli) != binary.LittleEndian.Uint32(head[28:]) ||
		number > mostRecords {
		return nil, errDamaged
	}
	var r records
	for left := int64(number) * recordSize; left > 0; {
		n := min(left, max(part, int64(len(r)))) // twice as much each time
		r = append(r, make([]byte, n)...)
		if _, err := io.ReadFull(from, r[int64(len(r))-n:]); err != nil {
			return nil, fmt.Errorf("reading the cache: %w", err)
		}
		left -= n
	}
	if crc32.Checksum(r, castagnoli) != binary.LittleEndian.Uint32(head[24:]) {
		return nil, errDamaged
	}
	for i := 1; i < r.len(); i++ {
		if r.inode(i-1) >= r.inode(i) {
			return nil, errDamaged
		}
	}
	return r, nil
}
