package gitdir

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
)

// indexDigest is a digest of what the entries of an index say: path, mode, object, stage and flags,
// without what git remembers of the files' times to be quicker. It reports false for what it does
// not understand, and for an index that is only half of one (split).
func indexDigest(data []byte) (string, bool) {
	for _, hash := range []int{20, 32} {
		if digest, ok := indexOf(data, hash); ok {
			return digest, true
		}
	}
	return "", false
}

// An index is a head of 12 bytes, the entries, extensions, and a hash of all that. An entry is 40
// bytes of what stat said, of which the mode is at 24, then the object, two bytes of flags, which
// may say that two more follow, and the path.
func indexOf(data []byte, hash int) (string, bool) {
	if len(data) < 12+hash || !bytes.HasPrefix(data, []byte("DIRC")) {
		return "", false
	}
	version := binary.BigEndian.Uint32(data[4:])
	if version < 2 || version > 4 {
		return "", false
	}
	count := binary.BigEndian.Uint32(data[8:])
	body := data[:len(data)-hash]
	at, sum, path := 12, sha256.New(), []byte(nil)
	for range count {
		const stat, mode, extended, assumeValid = 40, 24, 0x4000, 0x8000
		start := at
		if len(body)-at < stat+hash+2 {
			return "", false
		}
		sum.Write(body[at+mode : at+mode+4])
		object := body[at+stat : at+stat+hash]
		at += stat + hash
		flags := binary.BigEndian.Uint16(body[at:])
		at += 2
		more := uint16(0)
		if flags&extended != 0 && version >= 3 {
			if len(body)-at < 2 {
				return "", false
			}
			more = binary.BigEndian.Uint16(body[at:])
			at += 2
		}
		keep := 0
		if version == 4 {
			dropped, size := offset(body[at:])
			if size == 0 || dropped > len(path) {
				return "", false
			}
			at += size
			keep = len(path) - dropped
		}
		end := bytes.IndexByte(body[at:], 0)
		if end < 0 {
			return "", false
		}
		path = append(path[:keep:keep], body[at:at+end]...)
		at += end + 1
		if version < 4 {
			at = start + (at-1-start+8)/8*8 // one to eight zeros, up to a multiple of eight
			if at > len(body) {
				return "", false
			}
		}
		sum.Write(object)
		// The length of the path is in the flags too, and in no use here.
		_ = binary.Write(sum, binary.BigEndian, [3]uint16{flags &^ (0xFFF | assumeValid), more, 0})
		sum.Write(path)
		sum.Write([]byte{0})
	}
	if !understood(body[at:]) {
		return "", false
	}
	return string(sum.Sum(nil)), true
}

// understood looks through the extensions: a name in capitals is one that a reader may pass over.
func understood(rest []byte) bool {
	for len(rest) > 0 {
		if len(rest) < 8 || rest[0] < 'A' || rest[0] > 'Z' {
			return false
		}
		size := int64(binary.BigEndian.Uint32(rest[4:]))
		if int64(len(rest)-8) < size {
			return false
		}
		rest = rest[8+size:]
	}
	return true
}

// offset reads a number as packs have it: seven bits a byte, the first the highest, each that
// follows worth one more. It gives a size of 0 where there is none.
func offset(data []byte) (value, size int) {
	for i, b := range data {
		if i == 5 {
			break
		}
		if i > 0 {
			value++
		}
		value = value<<7 | int(b&0x7F)
		if b&0x80 == 0 {
			return value, i + 1
		}
	}
	return 0, 0
}
