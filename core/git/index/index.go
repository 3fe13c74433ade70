// Package index reads git's index, the list of what is in a working tree, for one thing alone:
// which of its entries are repositories of their own. Git enters each of them when it is asked for
// the state of the whole, and there runs what that repository's settings say.
//
//	found, err := index.Read(file, size, index.SHA1)
//	for _, path := range found.Links { ... } // "vendor/lib"
//
// The index may be the work of an agent, made to say one thing to whoever checks it and another to
// git. So it is read as git reads it, and what git might understand in two ways is an error: git
// reads a large index at several places at once, which the file itself names, and those must be
// where a reader from the front finds the same.
//
// Versions 2, 3 and 4 are read. A split index is a list of changes to another file, which is read
// by [Index.ReadShared]. Time is bounded by the size of the file, memory by the number of links.
package index

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
)

// The lengths of an object's name: of SHA-1, or where extensions.objectFormat says sha256.
const (
	SHA1   = 20
	SHA256 = 32
)

// The bounds of what is read.
const (
	MaxSize  = 512 << 20 // of the file
	MaxLinks = 4096
	maxName  = 1 << 15 // no system call takes a path of an eighth of that
)

// Index is what an index says of repositories.
type Index struct {
	// Links are the paths of the entries that are repositories, relative to the working tree.
	Links []string
	// Shared is the name of the file beside the index that it changes; empty where it is whole.
	Shared string

	// replaces are the entries without a name, which take the places of others in the shared file:
	// whether each is a link; replaced is where those places are, in the same order.
	replaces []bool
	replaced []uint32
}

var (
	errShort   = errors.New("it ends too early")
	errTooMany = fmt.Errorf("more than %d of its entries are repositories", MaxLinks)
	errTwoWays = errors.New("it can be read in two ways")
)

// Read reads an index of this size, whose objects have names of hash bytes.
func Read(from io.ReaderAt, size int64, hash int) (*Index, error) {
	p, err := parse(from, size, hash, nil)
	if err != nil {
		return nil, err
	}
	return &p.found, nil
}

// ReadShared adds the links of the file that a split index changes.
func (x *Index) ReadShared(from io.ReaderAt, size int64, hash int) error {
	if len(x.replaced) > len(x.replaces) {
		return errors.New("it replaces more entries than it has")
	}
	by := make(map[uint32]bool, len(x.replaced))
	for i, at := range x.replaced {
		by[at] = x.replaces[i]
	}
	p, err := parse(from, size, hash, by)
	if err != nil {
		return err
	}
	if p.found.Shared != "" {
		return errors.New("the shared index is itself split")
	}
	if x.Links = append(x.Links, p.found.Links...); len(x.Links) > MaxLinks {
		return errTooMany
	}
	return nil
}

// parser reads one file, its entries from the front to the end.
type parser struct {
	from io.ReaderAt
	in   *bufio.Reader
	at   int64 // how far in has been read
	size int64 // of all but the checksum at the end
	hash int

	version, count uint32
	name           []byte // the path of the last entry
	found          Index
}

const (
	headerSize = 12
	oldest     = 2
	newest     = 4
)

// buffers are for one index after another: a repository may have many worktrees, each with its own.
var buffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 2*maxName) }}

func parse(
	from io.ReaderAt, size int64, hash int, replaced map[uint32]bool,
) (*parser, error) {
	if size > MaxSize {
		return nil, fmt.Errorf("it is larger than %d MiB", MaxSize>>20)
	}
	p := &parser{from: from, size: size - int64(hash), hash: hash}
	if p.size < headerSize {
		return nil, errShort
	}
	p.in = buffers.Get().(*bufio.Reader)
	p.in.Reset(io.NewSectionReader(from, 0, p.size))
	defer func() {
		p.in.Reset(nil)
		buffers.Put(p.in)
		p.in = nil
	}()
	head, err := p.take(headerSize)
	if err != nil {
		return nil, err
	}
	signature, numbers := head[:4], head[4:]
	p.version, p.count = binary.BigEndian.Uint32(numbers), binary.BigEndian.Uint32(numbers[4:])
	if string(signature) != "DIRC" || p.version < oldest || p.version > newest {
		return nil, errors.New("it is no index of a version that is known")
	}
	other, err := p.otherStarts()
	if err != nil {
		return nil, err
	}
	if err := p.entries(other, replaced); err != nil {
		return nil, err
	}
	return p, p.extensions()
}

// take is the next n bytes. They are good until it is called again.
func (p *parser) take(n int) ([]byte, error) {
	b, err := p.in.Peek(n)
	if errors.Is(err, io.EOF) {
		return nil, errShort
	}
	if err != nil {
		return nil, err
	}
	p.at += int64(n)
	_, err = p.in.Discard(n)
	return b, err
}

// entries reads all entries. In a shared index those at the replaced positions are what the
// replacing one makes of them.
func (p *parser) entries(other starts, replaced map[uint32]bool) error {
	for i := range p.count {
		if !other.agree(i, p.at) {
			return errTwoWays
		}
		_, begins := other.blocks[i]
		link, err := p.entry(begins)
		if err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
		if by, ok := replaced[i]; ok {
			link = by
		}
		switch {
		case len(p.name) == 0 && len(p.found.Links) > 0:
			return fmt.Errorf("entry %d has no name", i) // those come first
		case len(p.name) == 0:
			p.found.replaces = append(p.found.replaces, link)
		case link:
			if p.found.Links = append(p.found.Links, string(p.name)); len(p.found.Links) > MaxLinks {
				return errTooMany
			}
		}
	}
	if !other.agree(p.count, p.at) {
		return errTwoWays
	}
	return nil
}

// An entry is 40 bytes of what stat says, with the mode at 24; the object's name; two bytes of
// flags, and two more if a flag says so; the path.
const (
	statSize = 40
	modeAt   = 24
	typeMask = 0o170000
	gitlink  = 0o160000
	nameMask = 0x0fff // in the flags: the length of the path, or more than fits
	extended = 0x4000 // in the flags: there are two bytes more
)

// entry reads the next entry, and says whether it is a link. Where git may begin to read at it, its
// name must not lean on the one before.
func (p *parser) entry(begins bool) (link bool, err error) {
	fixed, err := p.take(statSize + p.hash + 2)
	if err != nil {
		return false, err
	}
	link = binary.BigEndian.Uint32(fixed[modeAt:])&typeMask == gitlink
	flags := binary.BigEndian.Uint16(fixed[len(fixed)-2:])
	size := len(fixed)
	if flags&extended != 0 {
		if _, err := p.take(2); err != nil {
			return false, err
		}
		size += 2
	}
	length := int(flags & nameMask)
	if p.version == newest {
		return link, p.difference(length, begins)
	}
	return link, p.padded(length, size)
}

// padded reads a path that is written out, and the zeros, up to eight, with which its entry ends.
func (p *parser) padded(length, before int) error {
	if length == nameMask {
		var err error
		if length, err = p.untilZero(); err != nil {
			return err
		}
	}
	text, err := p.take((before+length+8)&^7 - before)
	if err != nil {
		return err
	}
	p.name = append(p.name[:0], text[:length]...)
	return p.checkName()
}

// difference reads a path as what it has not in common with the one before: how many bytes of that
// are left out, and what follows.
func (p *parser) difference(length int, begins bool) error {
	strip, err := p.number()
	if err != nil {
		return err
	}
	if strip > uint64(len(p.name)) || begins && strip != uint64(len(p.name)) {
		return errTwoWays
	}
	kept := len(p.name) - int(strip)
	more := length - kept
	if length == nameMask {
		if more, err = p.untilZero(); err != nil {
			return err
		}
	}
	if more < 0 {
		return errors.New("its name is shorter than what it shares with the one before")
	}
	text, err := p.take(more + 1)
	if err != nil {
		return err
	}
	p.name = append(p.name[:kept], text[:more]...)
	return p.checkName()
}

// checkName refuses a name that git would read as another one than we do.
func (p *parser) checkName() error {
	if len(p.name) > maxName || bytes.IndexByte(p.name, 0) >= 0 {
		return errors.New("its name is none")
	}
	return nil
}

// untilZero is how many bytes come before the next zero.
func (p *parser) untilZero() (int, error) {
	text, err := p.in.Peek(maxName)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	n := bytes.IndexByte(text, 0)
	if n < 0 {
		return 0, errors.New("its name has no end")
	}
	return n, nil
}

// number reads an integer of git's: seven bits a byte, the first ones first, where each that is
// continued counts one more.
func (p *parser) number() (uint64, error) {
	for n := uint64(0); ; n = (n + 1) << 7 {
		b, err := p.take(1)
		if err != nil {
			return 0, err
		}
		n |= uint64(b[0] & 0x7f)
		if b[0]&0x80 == 0 {
			return n, nil
		}
		if n > maxName {
			return 0, errors.New("a number is too large")
		}
	}
}

// extensions reads what follows the entries.
func (p *parser) extensions() error {
	for p.at < p.size {
		head, err := p.take(8)
		if err != nil {
			return err
		}
		name, size := string(head[:4]), int64(binary.BigEndian.Uint32(head[4:]))
		if size > p.size-p.at {
			return errShort
		}
		if name == "link" {
			if p.found.Shared != "" {
				return errTwoWays
			}
			if err := p.link(size); err != nil {
				return fmt.Errorf("what it shares: %w", err)
			}
			continue
		}
		if _, err := io.CopyN(io.Discard, p.in, size); err != nil {
			return err
		}
		p.at += size
	}
	if p.found.Shared == "" && len(p.found.replaces) > 0 {
		return errors.New("it replaces entries, and does not say where")
	}
	return nil
}

// link reads what makes an index a split one: the name of the other file, and two sets of positions
// there, of entries that are gone and of those that are replaced.
func (p *parser) link(size int64) error {
	name, err := p.take(p.hash)
	if err != nil {
		return err
	}
	shared := hex.EncodeToString(name)
	if len(bytes.Trim(name, "\x00")) > 0 {
		p.found.Shared = shared
	}
	end := p.at + size - int64(p.hash)
	if end == p.at {
		return nil
	}
	if _, err := p.bits(0); err != nil { // what is gone is looked at all the same
		return err
	}
	p.found.replaced, err = p.bits(len(p.found.replaces))
	if err == nil && p.at != end {
		err = errTwoWays
	}
	return err
}

// bits reads a compressed set of numbers, and returns the first ones: a run of words that are all
// alike, then some words as they are, and so on.
func (p *parser) bits(most int) ([]uint32, error) {
	head, err := p.take(8)
	if err != nil {
		return nil, err
	}
	words := binary.BigEndian.Uint32(head[4:])
	var set []uint32
	add := func(word uint64, at uint64) error {
		for bit := range uint64(64) {
			if word&(1<<bit) == 0 || len(set) == most {
				continue
			}
			if at+bit > 1<<31 {
				return errors.New("a position is too large")
			}
			set = append(set, uint32(at+bit))
		}
		return nil
	}
	at, literal := uint64(0), uint64(0)
	for range words {
		b, err := p.take(8)
		if err != nil {
			return nil, err
		}
		word := binary.BigEndian.Uint64(b)
		if literal > 0 {
			literal--
			if err := add(word, at); err != nil {
				return nil, err
			}
			at += 64
			continue
		}
		alike := word >> 1 & 0xffffffff
		literal = word >> 33
		for i := uint64(0); word&1 != 0 && i < alike && len(set) < most; i++ {
			if err := add(^uint64(0), at+i*64); err != nil {
				return nil, err
			}
		}
		at += alike * 64
	}
	_, err = p.take(4) // where in the set its last run is
	return set, err
}
