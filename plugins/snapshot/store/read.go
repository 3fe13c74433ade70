//go:build linux

package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
)

// sealedPack is a pack that is not written any more. Its file is opened when it is first read from.
type sealedPack struct {
	id      string
	suspect bool // something in it is damaged

	mu   sync.Mutex
	file file
}

// errOtherBoot is about a sealed pack of a time before the machine was started.
var errOtherBoot = errors.New("it was not safe yet when the machine stopped")

// indexPart is how much of an index is read at once: what a damaged footer speaks of and is not
// there takes no memory.
const indexPart = 4096 * entrySize

// readPack reads the index of a pack and adds it to another.
func (s *Store) readPack(n name, x *index, number uint32) error {
	f, err := s.disk.open(packs + "/" + n.String())
	if err != nil {
		return err
	}
	defer f.close()
	at, foot, err := ends(f)
	if err != nil {
		return err
	}
	if n.ending == sealed && (at != s.boot || at == boot{}) {
		return errOtherBoot
	}
	before := x.len()
	if err := readIndex(f, foot, &x.entries); err != nil {
		return err
	}
	if x.len() > maxObjects {
		x.cut(before)
		return damaged("with it the store would have more than %d objects", maxObjects)
	}
	for i := before; i < x.len(); i++ {
		x.at(i).pack = number
	}
	x.addAll(before)
	return nil
}

// ends reads the beginning and the end of a pack.
func ends(f file) (boot, footer, error) {
	size, err := f.size()
	if err != nil {
		return boot{}, footer{}, err
	}
	if size < headerSize+footerSize {
		return boot{}, footer{}, damaged("it has %d bytes only", size)
	}
	var header [headerSize]byte
	var last [footerSize]byte
	if err := readFull(f, header[:], 0); err != nil {
		return boot{}, footer{}, err
	}
	at, err := parseHeader(header[:])
	if err != nil {
		return boot{}, footer{}, err
	}
	if err := readFull(f, last[:], size-footerSize); err != nil {
		return boot{}, footer{}, err
	}
	foot, err := parseFooter(last[:], size)
	return at, foot, err
}

// readIndex reads the index of a pack, and adds its entries to a list. None is believed before all
// were seen: where something is wrong, the list is as it was.
func readIndex(f io.ReaderAt, foot footer, all *entries) (err error) {
	before := all.len()
	defer func() {
		if err != nil {
			all.cut(before)
		}
	}()
	buffer := make([]byte, min(foot.number*entrySize, indexPart))
	sum := uint32(0)
	last := Digest{}
	for done := int64(0); done < foot.number; {
		part := buffer[:min((foot.number-done)*entrySize, indexPart)]
		if err := readFull(f, part, foot.index+done*entrySize); err != nil {
			return err
		}
		sum = updateSum(sum, part)
		for ; len(part) > 0; part = part[entrySize:] {
			e := parseEntry(part)
			if !e.valid(foot.index) {
				return damaged("entry %d of its index is none", done)
			}
			if done > 0 && bytes.Compare(last[:], e.digest[:]) >= 0 {
				return damaged("entry %d of its index is not in order", done)
			}
			last = e.digest
			all.add(e)
			done++
		}
	}
	if sum != foot.sum {
		return damaged("its index has another checksum")
	}
	return nil
}

// readFull reads what must be there.
func readFull(f io.ReaderAt, b []byte, at int64) error {
	n, err := f.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if errors.Is(err, io.EOF) || err == nil {
		return damaged("it ends %d bytes too early", len(b)-n)
	}
	return err
}

// open is the pack's file.
func (p *sealedPack) open(d disk) (file, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file != nil {
		return p.file, nil
	}
	// It may become safe between the two.
	for _, ending := range []string{safe, sealed, safe} {
		f, err := d.open(packs + "/" + p.id + ending)
		if err == nil {
			p.file = f
			return f, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return nil, ErrMissing
}

func (p *sealedPack) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file != nil {
		p.file.close()
		p.file = nil
	}
}

// find is the entry of an object and its pack. Where there is none, it looks whether another
// process has added it since.
func (s *Store) find(d Digest) (entry, *sealedPack, error) {
	for again := range 2 {
		s.mu.RLock()
		if e := s.index.find(d); e != nil {
			found, p := *e, s.packs[e.pack]
			s.mu.RUnlock()
			return found, p, nil
		}
		s.mu.RUnlock()
		if again == 0 {
			if err := s.load(); err != nil {
				return entry{}, nil, err
			}
		}
	}
	return entry{}, nil, ErrMissing
}

// read is the content of an object, held against its digest. It may lie in the space.
func (s *Store) read(d Digest, sp *space) (kind, []byte, error) {
	e, p, err := s.find(d)
	if err != nil {
		return 0, nil, fmt.Errorf("object %s: %w", d, err)
	}
	f, err := p.open(s.disk)
	if err != nil {
		return 0, nil, fmt.Errorf("object %s in %s/%s: %w", d, packs, p.id, err)
	}
	raw, err := readRecord(f, &e, sp)
	if err != nil {
		return 0, nil, fmt.Errorf("object %s in %s/%s: %w", d, packs, p.id, err)
	}
	return e.kind, raw, nil
}

func readRecord(f io.ReaderAt, e *entry, sp *space) ([]byte, error) {
	record := sp.storedRoom(recordSize + int(e.stored))
	if err := readFull(f, record, e.offset); err != nil {
		return nil, err
	}
	return e.content(record, sp.rawRoom(int(e.raw)))
}

// Open opens the content of an object, of any size. Each part of it is held against its digest
// before a byte of it is read by the caller. It takes some [PieceSize] of memory until it is
// closed.
func (s *Store) Open(d Digest) (io.ReadCloser, error) {
	sp := getSpace()
	k, raw, err := s.read(d, sp)
	if err != nil {
		sp.put()
		return nil, err
	}
	r := &reader{store: s, space: sp}
	if k == blob {
		r.now, r.left = raw, int64(len(raw))
		return r, nil
	}
	r.left, r.pieces, err = parseList(raw)
	if err != nil {
		sp.put()
		return nil, fmt.Errorf("object %s: %w", d, err)
	}
	return r, nil
}

// reader reads an object piece by piece.
type reader struct {
	store  *Store
	space  *space
	pieces []Digest // that are not read yet
	last   Digest   // of the present one
	piece  []byte   // the present one
	now    []byte   // of the present one, what is not read yet
	left   int64    // of all
	err    error
}

// errClosed is about reading what was closed.
var errClosed = errors.New("it is closed")

// Read implements io.Reader.
func (r *reader) Read(b []byte) (int, error) {
	for len(r.now) == 0 && r.err == nil {
		r.next()
	}
	if r.err != nil {
		return 0, r.err
	}
	n := copy(b, r.now)
	r.now = r.now[n:]
	r.left -= int64(n)
	return n, nil
}

func (r *reader) next() {
	if len(r.pieces) == 0 {
		if r.err = io.EOF; r.left != 0 {
			r.err = damaged("its pieces lack %d bytes", r.left)
		}
		return
	}
	if r.pieces[0] == r.last && int64(len(r.piece)) <= r.left { // as those of a hole are
		r.pieces, r.now = r.pieces[1:], r.piece
		return
	}
	k, raw, err := r.store.read(r.pieces[0], r.space)
	if err == nil && (k != blob || len(raw) == 0 || int64(len(raw)) > r.left) {
		err = damaged("object %s is not a piece of it", r.pieces[0])
	}
	r.last, r.piece = r.pieces[0], raw
	r.pieces, r.now, r.err = r.pieces[1:], raw, err
}

// Close implements io.Closer.
func (r *reader) Close() error {
	if r.space != nil {
		r.space.put()
		r.space = nil
	}
	r.now, r.piece, r.pieces, r.err = nil, nil, nil, errClosed
	return nil
}

// appendList appends what a list holds: the length of a file, and the digests of its pieces.
func appendList(b []byte, length int64, pieces []Digest) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(length))
	for i := range pieces {
		b = append(b, pieces[i][:]...)
	}
	return b
}

// parseList is the inverse of appendList.
func parseList(b []byte) (length int64, pieces []Digest, err error) {
	if len(b) < 8 || (len(b)-8)%len(Digest{}) != 0 {
		return 0, nil, damaged("a list of pieces has %d bytes", len(b))
	}
	length = int64(binary.LittleEndian.Uint64(b))
	b = b[8:]
	pieces = make([]Digest, len(b)/len(Digest{}))
	if length <= PieceSize || piecesOf(length) != int64(len(pieces)) {
		return 0, nil, damaged("a list has %d pieces for %d bytes", len(pieces), length)
	}
	for i := range pieces {
		copy(pieces[i][:], b[i*len(Digest{}):])
	}
	return length, pieces, nil
}

// piecesOf is the number of pieces of a file.
func piecesOf(length int64) int64 { return (length-1)/PieceSize + 1 }
