//go:build linux

package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
)

// All numbers in files are little-endian. A pack is, in this order:
//
//	header    magic 8, boot 16, zero 8
//	records   each a header of recordSize and the stored bytes; there may be gaps between them
//	index     entries of entrySize, in the order of their digests
//	footer    magic 8, offset of the index 8, number of entries 8, CRC of the index 4, CRC of this 4
const (
	headerSize = 32
	recordSize = 56
	entrySize  = 56
	footerSize = 32
)

// The last two characters are the version.
const (
	packMagic     = "nonopk01"
	indexMagic    = "nonoix01"
	manifestMagic = "nonomf01"
	trailerMagic  = "nonotr01"
)

// recordMagic begins a record.
const recordMagic = 0x6f6e6f72

// PieceSize is the most bytes that are one blob. It is what a reader or writer needs of memory, a
// few times over, and what a changed byte in a big file costs.
const PieceSize = 4 << 20

// maxObjects is the most entries in all packs together that are read.
const maxObjects = 1 << 28

// kind says what an object is.
type kind uint8

const (
	blob kind = 1 + iota
	list      // the length of a file (8), and the digests of its pieces
)

// boot names the time between two starts of the machine.
type boot [16]byte

// entry is an object in a pack.
type entry struct {
	digest Digest
	offset int64  // where its record begins
	raw    uint32 // length of the content
	stored uint32 // length of the stored bytes, which follow the record's header
	sum    uint32 // the record's checksum
	codec  codec
	kind   kind
	pack   uint32 // which of the store's packs; not in the file
}

// errDamaged is about a file that is not as it was written.
var errDamaged = errors.New("damaged")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errDamaged, fmt.Sprintf(format, args...))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(data []byte) uint32 { return crc32.Checksum(data, castagnoli) }

// end is where the record ends.
func (e *entry) end() int64 { return e.offset + recordSize + int64(e.stored) }

// valid reports whether it can be an object of a pack whose records end at a place.
func (e *entry) valid(recordsEnd int64) bool {
	lengths := e.raw <= PieceSize && e.stored <= e.raw
	switch e.codec {
	case codecRaw:
		lengths = lengths && e.stored == e.raw
	case codecS2, codecZstd:
	default:
		return false
	}
	switch e.kind {
	case blob, list:
	default:
		return false
	}
	return lengths && e.offset >= headerSize && e.offset <= recordsEnd && e.end() <= recordsEnd
}

// appendEntry appends an entry of an index.
func appendEntry(b []byte, e *entry) []byte {
	b = append(b, e.digest[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(e.offset))
	b = binary.LittleEndian.AppendUint32(b, e.raw)
	b = binary.LittleEndian.AppendUint32(b, e.stored)
	b = binary.LittleEndian.AppendUint32(b, e.sum)
	return append(b, byte(e.codec), byte(e.kind), 0, 0)
}

// parseEntry is the inverse of appendEntry.
func parseEntry(b []byte) entry {
	return entry{
		digest: Digest(b[:32]),
		offset: int64(binary.LittleEndian.Uint64(b[32:])),
		raw:    binary.LittleEndian.Uint32(b[40:]),
		stored: binary.LittleEndian.Uint32(b[44:]),
		sum:    binary.LittleEndian.Uint32(b[48:]),
		codec:  codec(b[52]),
		kind:   kind(b[53]),
	}
}

// appendRecord appends the header of a record, without its checksum.
func appendRecord(b []byte, e *entry) []byte {
	b = binary.LittleEndian.AppendUint32(b, recordMagic)
	b = append(b, byte(e.codec), byte(e.kind), 0, 0)
	b = binary.LittleEndian.AppendUint32(b, e.raw)
	b = binary.LittleEndian.AppendUint32(b, e.stored)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0) // room for the checksum
	return append(b, e.digest[:]...)
}

// sumRecord sets the checksum of the record with this header, from that of its stored bytes.
func sumRecord(header []byte, stored uint32) uint32 {
	sum := crc32.Update(stored, castagnoli, header)
	binary.LittleEndian.PutUint32(header[16:], sum)
	return sum
}

// content is the content of a record, held against its entry in the index and its digest.
func (e *entry) content(record, space []byte) ([]byte, error) {
	header, stored := record[:recordSize], record[recordSize:]
	want := appendRecord(make([]byte, 0, recordSize), e)
	if sum := sumRecord(want, checksum(stored)); sum != e.sum || !bytes.Equal(header, want) {
		return nil, damaged("the record at %d is not what the index says", e.offset)
	}
	raw, err := decompress(e.codec, stored, int(e.raw), space)
	if err != nil {
		return nil, damaged("the record at %d: %v", e.offset, err)
	}
	if digestOf(e.kind, raw) != e.digest {
		return nil, damaged("the content at %d is not that of %s", e.offset, e.digest)
	}
	return raw, nil
}

// appendHeader appends the header of a pack.
func appendHeader(b []byte, at boot) []byte {
	b = append(b, packMagic...)
	b = append(b, at[:]...)
	return append(b, 0, 0, 0, 0, 0, 0, 0, 0)
}

// parseHeader is the inverse of appendHeader.
func parseHeader(b []byte) (boot, error) {
	if err := checkMagic(b, packMagic); err != nil {
		return boot{}, err
	}
	return boot(b[8:24]), nil
}

// checkMagic reports whether a file begins as it should. A version that is not ours is no damage.
func checkMagic(b []byte, magic string) error {
	name, version := magic[:6], magic[6:]
	got := string(b[:len(magic)])
	switch {
	case got == magic:
		return nil
	case strings.HasPrefix(got, name) && got[6:] > version:
		return &NewerError{Version: got[6:]}
	}
	return damaged("it begins with %q instead of %q", got, magic)
}

// footer says where the index of a pack is.
type footer struct {
	index  int64 // its offset, which is also where the records end
	number int64 // of entries
	sum    uint32
}

func appendFooter(b []byte, f footer) []byte {
	from := len(b)
	b = append(b, indexMagic...)
	b = binary.LittleEndian.AppendUint64(b, uint64(f.index))
	b = binary.LittleEndian.AppendUint64(b, uint64(f.number))
	b = binary.LittleEndian.AppendUint32(b, f.sum)
	return binary.LittleEndian.AppendUint32(b, checksum(b[from:]))
}

// parseFooter reads the footer of a pack of a size.
func parseFooter(b []byte, size int64) (footer, error) {
	if err := checkMagic(b, indexMagic); err != nil {
		return footer{}, err
	}
	if checksum(b[:28]) != binary.LittleEndian.Uint32(b[28:]) {
		return footer{}, damaged("the footer has another checksum")
	}
	f := footer{
		index:  int64(binary.LittleEndian.Uint64(b[8:])),
		number: int64(binary.LittleEndian.Uint64(b[16:])),
		sum:    binary.LittleEndian.Uint32(b[24:]),
	}
	room := size - footerSize - f.index
	if f.index < headerSize || room < 0 || f.number < 0 || f.number > maxObjects ||
		f.number*entrySize != room {
		return footer{}, damaged("the footer speaks of %d entries at %d", f.number, f.index)
	}
	return f, nil
}

// updateSum adds bytes to a checksum.
func updateSum(sum uint32, data []byte) uint32 { return crc32.Update(sum, castagnoli, data) }
