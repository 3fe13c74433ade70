//go:build linux

package statcache

import (
	"cmp"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"

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
	// mostRecords bounds what a file takes of the disk.
	mostRecords = 1 << 24
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

// header is the header of a file that has so many records.
func header(device uint64, records int64, sum uint32) []byte {
	b := append(make([]byte, 0, headerSize), magic...)
	b = binary.LittleEndian.AppendUint64(b, device)
	b = binary.LittleEndian.AppendUint64(b, uint64(records))
	b = binary.LittleEndian.AppendUint32(b, sum)
	return binary.LittleEndian.AppendUint32(b, checksum(b))
}

// parseHeader is the inverse of header.
func parseHeader(b []byte, device uint64) (records int64, sum uint32, err error) {
	number := binary.LittleEndian.Uint64(b[16:])
	if string(b[:8]) != magic || binary.LittleEndian.Uint64(b[8:]) != device ||
		checksum(b[:28]) != binary.LittleEndian.Uint32(b[28:]) || number > mostRecords {
		return 0, 0, errDamaged
	}
	return int64(number), binary.LittleEndian.Uint32(b[24:]), nil
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// inOrder sorts records by inode; of several of one file the last is kept.
func inOrder(added records) records {
	order := make([]int, added.len())
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(added.inode(a), added.inode(b)), cmp.Compare(a, b))
	})
	sorted := make(records, 0, len(added))
	for i, at := range order {
		if i+1 < len(order) && added.inode(order[i+1]) == added.inode(at) {
			continue
		}
		sorted = append(sorted, added.at(at)...)
	}
	return sorted
}
