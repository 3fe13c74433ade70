//go:build linux

package statcache

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"slices"
	"sync/atomic"

	"github.com/nono-run/nono/plugins/snapshot/beneath"
	"github.com/nono-run/nono/plugins/snapshot/store"
)

const (
	// blockRecords is how many records are read at once to find one: the files of a directory were
	// made together, mostly, and have inodes that are near.
	blockRecords = 256
	blockSize    = blockRecords * recordSize
	// keptBlocks is how many are kept in memory, 8 MiB, however many there are.
	keptBlocks = 512
)

// known is the file of a device. Of its records only some blocks are in memory, and where each
// block begins.
type known struct {
	file    source
	info    fs.FileInfo
	records int64
	sum     uint32
	places  []place // of the blocks
	blocks  [keptBlocks]atomic.Pointer[block]
}

// place says which inode a block begins with, and what it is to be held against when it is read
// again.
type place struct {
	first uint64
	sum   uint32
}

type block struct {
	number  int
	records records
}

// source is a file that is read.
type source interface {
	io.Reader
	io.ReaderAt
	io.Closer
}

// openKnown opens a file. It believes none of its records before it has seen all.
func openKnown(f source, device uint64) (*known, error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(f, head[:]); err != nil {
		return nil, fmt.Errorf("reading the cache: %w", err)
	}
	number, sum, err := parseHeader(head[:], device)
	if err != nil {
		return nil, err
	}
	k := &known{file: f, records: number, sum: sum}
	whole, last := uint32(0), uint64(0)
	var unkept records
	for i := 0; int64(i)*blockRecords < number; i++ {
		buf := unkept
		if i < keptBlocks || buf == nil {
			buf = make(records, blockSize)
		}
		buf = buf[:k.sizeOf(i)]
		if _, err := io.ReadFull(f, buf); err != nil {
			return nil, fmt.Errorf("reading the cache: %w", err)
		}
		for j := range buf.len() {
			if inode := buf.inode(j); inode <= last && i+j > 0 {
				return nil, errDamaged
			}
			last = buf.inode(j)
		}
		whole = crc32.Update(whole, castagnoli, buf)
		k.places = append(k.places, place{buf.inode(0), checksum(buf)})
		if i < keptBlocks {
			k.blocks[i].Store(&block{i, buf})
		} else {
			unkept = buf
		}
	}
	if whole != sum {
		return nil, errDamaged
	}
	return k, nil
}

// sizeOf is how many bytes a block has.
func (k *known) sizeOf(block int) int64 {
	return min(blockSize, (k.records-int64(block)*blockRecords)*recordSize)
}

func (k *known) close() {
	if k != nil {
		_ = k.file.Close() // it was only read
	}
}

// find is what is known of a file with these stamps.
func (k *known) find(s *beneath.Stat) (content store.Digest, attributes, ok bool) {
	if k == nil {
		return store.Digest{}, false, false
	}
	i, at := slices.BinarySearchFunc(k.places, s.Inode, func(p place, inode uint64) int {
		switch {
		case p.first < inode:
			return -1
		case p.first > inode:
			return 1
		}
		return 0
	})
	if !at {
		i-- // it lies in the one before
	}
	if i < 0 {
		return store.Digest{}, false, false
	}
	return k.block(i).find(s)
}

// block is a block. Of one that cannot be read any more nothing is known.
func (k *known) block(i int) records {
	kept := &k.blocks[i%keptBlocks]
	if b := kept.Load(); b != nil && b.number == i {
		return b.records
	}
	b := &block{i, make(records, k.sizeOf(i))}
	if _, err := k.file.ReadAt(b.records, headerSize+int64(i)*blockSize); err != nil ||
		checksum(b.records) != k.places[i].sum {
		return nil
	}
	kept.Store(b)
	return b.records
}

// all are the records in their order.
func (k *known) all() *stream {
	if k == nil {
		return newStream(bytes.NewReader(nil))
	}
	return newStream(io.NewSectionReader(k.file, headerSize, k.records*recordSize))
}

// stream gives one record after the other.
type stream struct {
	from *bufio.Reader
	now  records // one; nil after the last
	err  error
}

func newStream(from io.Reader) *stream {
	s := &stream{from: bufio.NewReaderSize(from, blockSize), now: make(records, recordSize)}
	s.next()
	return s
}

func (s *stream) next() {
	if _, err := io.ReadFull(s.from, s.now); err != nil {
		if s.now = nil; !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			s.err = fmt.Errorf("reading the cache: %w", err)
		}
	}
}

// merged are the records of several streams in one order; of one file what the last of them knows.
// A record is valid until the next.
func merged(streams []*stream) func(yield func([]byte, error) bool) {
	return func(yield func([]byte, error) bool) {
		record := make(records, recordSize)
		for {
			var first *stream
			for _, s := range streams { // there are few
				if s.err != nil {
					yield(nil, s.err)
					return
				}
				if s.now != nil && (first == nil || s.now.inode(0) <= first.now.inode(0)) {
					first = s
				}
			}
			if first == nil {
				return
			}
			copy(record, first.now)
			if !yield(record, nil) {
				return
			}
			for _, s := range streams {
				if s.now != nil && s.now.inode(0) == record.inode(0) {
					s.next()
				}
			}
		}
	}
}
