package index

import (
	"encoding/binary"
	"errors"
)

// starts are the places at which git may begin to read, besides the front: it reads a large index
// on several processors. They stand in two extensions, of which one is the last thing in the file
// and says where the entries end.
type starts struct {
	end    int64            // where the entries end; 0 where the file does not say
	blocks map[uint32]int64 // where a block of entries begins, by the number of its first
	total  uint32           // how many entries the blocks have
}

// agree reports whether the reader from the front is where it is expected before entry i.
func (s starts) agree(i uint32, at int64) bool {
	if begin, ok := s.blocks[i]; ok && begin != at {
		return false
	}
	return i != s.total || s.end == 0 || s.end == at
}

// maxBlocks is far more than there are processors.
const maxBlocks = 4096

// otherStarts finds them.
func (p *parser) otherStarts() (starts, error) {
	s := starts{total: p.count}
	// Signature, size, where the entries end, a checksum of what lies between.
	last := make([]byte, 4+4+4+p.hash)
	if p.size < headerSize+int64(len(last)) {
		return s, nil
	}
	if _, err := p.from.ReadAt(last, p.size-int64(len(last))); err != nil {
		return s, err
	}
	if string(last[:4]) != "EOIE" {
		return s, nil
	}
	s.end = int64(binary.BigEndian.Uint32(last[8:]))
	if s.end < headerSize || s.end > p.size {
		return s, errTwoWays
	}
	table, err := p.extensionFrom(s.end, "IEOT")
	if err != nil || table == nil {
		return s, err
	}
	return s, s.readBlocks(table)
}

// extensionFrom is the content of the first extension of a name.
func (p *parser) extensionFrom(at int64, name string) ([]byte, error) {
	for head := make([]byte, 8); at+int64(len(head)) <= p.size; {
		if _, err := p.from.ReadAt(head, at); err != nil {
			return nil, err
		}
		at += int64(len(head))
		size := int64(binary.BigEndian.Uint32(head[4:]))
		if size > p.size-at {
			return nil, errTwoWays
		}
		if string(head[:4]) != name {
			at += size
			continue
		}
		if size > 4+8*maxBlocks {
			return nil, errors.New("it has too many blocks")
		}
		content := make([]byte, size)
		_, err := p.from.ReadAt(content, at)
		return content, err
	}
	return nil, nil
}

// readBlocks reads the table of blocks: a version, then for each where it begins and how many
// entries it has.
func (s *starts) readBlocks(table []byte) error {
	if len(table) < 4 || (len(table)-4)%8 != 0 {
		return errTwoWays
	}
	s.blocks = map[uint32]int64{}
	next := uint32(0)
	for row := table[4:]; len(row) > 0; row = row[8:] {
		s.blocks[next] = int64(binary.BigEndian.Uint32(row))
		count := binary.BigEndian.Uint32(row[4:])
		if count == 0 || count > s.total-next {
			return errTwoWays
		}
		next += count
	}
	if next != s.total {
		return errTwoWays
	}
	return nil
}
