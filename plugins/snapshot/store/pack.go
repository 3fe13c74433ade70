//go:build linux

package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
)

const (
	// cloneLeast is the smallest file that is cloned. Of a clone nothing is in memory, so what it is
	// the digest of has to be read from the disk, where a copy is made of what was just read: below
	// this size copying was faster (measured on xfs).
	cloneLeast = 32 << 20
	// mostPieces is how many pieces of big files are handled at once, however many cores there are.
	mostPieces = 8
)

var (
	errSealed = errors.New("the pack is sealed or given up")
	errBusy   = errors.New("something is still being put into the pack")
)

// Pack is a pack that this process writes. Put and PutFile may be called by many goroutines; Seal
// or Discard ends it. After an error nothing more is taken, and it cannot be sealed.
type Pack struct {
	store *Store
	id    string
	// pieces has a token for each piece of a big file that may be handled at once.
	pieces     chan struct{}
	unclonable sync.Map               // devices from which nothing can be cloned into the store
	anew       bool                   // what the store has is put too: for Prune
	zeros      func() (Digest, error) // puts a piece of zeros, once

	mu    sync.Mutex
	file  file // nil until there is something to put, and when it is over
	over  bool
	err   error
	busy  int    // how many are putting something
	index *index // an entry without an offset is being put
	tail  tail
}

// NewPack begins a pack. The store has to be held. There is a file of it from the first object on
// that the store does not have.
func (s *Store) NewPack() (*Pack, error) {
	if s.shared.Load() == 0 {
		return nil, fmt.Errorf("beginning a pack: %w", ErrNotShared)
	}
	s.writing.Add(1)
	atOnce := min(max(2, runtime.GOMAXPROCS(0)), mostPieces)
	p := &Pack{
		store: s, id: newID(), index: newIndex(), pieces: make(chan struct{}, atOnce),
		tail: newTail(appendHeader(nil, s.boot)),
	}
	p.zeros = sync.OnceValues(p.putZeros)
	return p, nil
}

// Put adds a content, unless the store has it. The bytes are not kept.
func (p *Pack) Put(data []byte) (Digest, error) {
	if len(data) > PieceSize {
		return p.putList(bytes.NewReader(data), nil, int64(len(data)))
	}
	sp := getSpace()
	defer sp.put()
	return p.putObject(blob, data, sp)
}

// PutFile adds the first bytes of a file. It is an error if the file is shorter: it is being
// changed.
func (p *Pack) PutFile(f *os.File, size int64) (Digest, error) {
	switch {
	case size < 0:
		return Digest{}, fmt.Errorf("a file of %d bytes", size)
	case size >= cloneLeast:
		return p.putList(f, f, size)
	case size > PieceSize:
		return p.putList(f, nil, size)
	case size > smallSpace:
		return p.putPiece(f, nil, 0, int(size))
	}
	sp := getSpace()
	defer sp.put()
	raw := sp.rawRoom(int(size))
	if err := readSource(f, raw, 0); err != nil {
		return Digest{}, err
	}
	return p.putObject(blob, raw, sp)
}

// putObject adds an object that is in memory. The space's room for a content may hold it.
func (p *Pack) putObject(k kind, raw []byte, sp *space) (Digest, error) {
	e := entry{digest: digestOf(k, raw), kind: k, raw: uint32(len(raw))}
	if p.has(e.digest) {
		return e.digest, nil
	}
	if mine, err := p.begin(e); err != nil || !mine {
		return e.digest, err
	}
	// Compressing, the most of the work, is done by all who put something, at the same time.
	var stored []byte
	e.codec, stored = compress(raw, sp.compressRoom(len(raw)))
	return e.digest, p.finish(e, stored)
}

// has reports whether an object need not be put.
func (p *Pack) has(d Digest) bool { return !p.anew && p.store.Has(d) }

// begin says that an object is being put. It is not for this caller to put it where somebody else
// has, or is about to.
func (p *Pack) begin(e entry) (mine bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.open(); err != nil {
		return false, err
	}
	if !p.index.add(e) {
		return false, nil
	}
	p.busy++
	return true, nil
}

// open makes the file, where there is none yet.
func (p *Pack) open() error {
	if p.err == nil && p.file == nil {
		f, err := p.store.disk.create(packs + "/" + p.id + being)
		if err != nil {
			return p.fail(err)
		}
		p.file = f
	}
	return p.err
}

// finish writes an object, which begin was called for.
func (p *Pack) finish(e entry, stored []byte) error {
	e.stored = uint32(len(stored))
	header := appendRecord(make([]byte, 0, recordSize), &e)
	e.sum = sumRecord(header, checksum(stored))
	to, due, err := p.place(&e, header, stored)
	if err != nil || len(due) == 0 {
		return err
	}
	return p.written(p.tail.write(to, due))
}

// place gives an object its place in the file. While something is due to be written, it is still
// being put.
func (p *Pack) place(e *entry, header, stored []byte) (to file, due []extent, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		e.offset = p.tail.end()
		*p.index.find(e.digest) = *e
		due = p.tail.add(p.tail.add(nil, header), stored)
	}
	if len(due) == 0 {
		p.busy--
	}
	return p.file, due, p.err
}

// written says that what was due is written, or what went wrong.
func (p *Pack) written(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	if err != nil {
		return p.fail(err)
	}
	return nil
}

// fail remembers the first error.
func (p *Pack) fail(err error) error {
	if p.err == nil {
		p.err = fmt.Errorf("writing %s/%s: %w", packs, p.id+being, err)
	}
	return p.err
}

// Seal ends the pack: what is in it can be found, by this process and by others. With sync it is
// safe from a loss of power as well; else Store.Sync makes it so. A pack with nothing in it leaves
// nothing.
func (p *Pack) Seal(sync bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil && p.busy > 0 {
		return fmt.Errorf("sealing a pack: %w", errBusy)
	}
	ending := sealed
	if sync {
		ending = safe
	}
	err := p.err
	if err == nil && p.index.len() > 0 {
		if err = p.seal(ending); err != nil {
			err = p.fail(err)
		}
	}
	if err != nil || p.index.len() == 0 {
		return errors.Join(err, p.discard())
	}
	p.store.addPack(p.id, &p.index.entries)
	p.release()
	return nil
}

func (p *Pack) seal(ending string) error {
	p.index.slots = nil // nothing is looked for any more
	foot := footer{index: p.tail.end(), number: int64(p.index.len())}
	var record []byte
	for e := range p.index.sorted() {
		record = appendEntry(record[:0], e)
		foot.sum = updateSum(foot.sum, record)
		if err := p.tail.write(p.file, p.tail.add(nil, record)); err != nil {
			return err
		}
	}
	due := p.tail.cut(p.tail.add(nil, appendFooter(nil, foot)))
	if err := p.tail.write(p.file, due); err != nil {
		return err
	}
	if ending == safe {
		if err := p.file.sync(); err != nil {
			return err
		}
	}
	path := packs + "/" + p.id
	if err := p.store.disk.rename(path+being, path+ending); err != nil {
		return err
	}
	if ending == safe {
		return p.store.disk.syncDir(packs)
	}
	return nil
}

// Discard gives the pack up. After Seal it does nothing.
func (p *Pack) Discard() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.discard()
}

func (p *Pack) discard() error {
	if p.over {
		return nil
	}
	made := p.file != nil
	p.release()
	if !made {
		return nil
	}
	return p.store.disk.remove(packs + "/" + p.id + being)
}

// release lets go of what a pack that ends has.
func (p *Pack) release() {
	if p.file != nil {
		p.file.close()
	}
	p.file, p.over, p.tail.buffer, p.index = nil, true, nil, newIndex()
	p.store.writing.Add(-1)
	if p.err == nil {
		p.err = errSealed
	}
}

// addPack has the objects of a pack that was just sealed found.
func (s *Store) addPack(id string, all *entries) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &sealedPack{id: id}
	number := uint32(len(s.packs))
	s.packs = append(s.packs, p)
	s.known[id] = p
	for i := range all.len() {
		e := *all.at(i)
		e.pack = number
		if old := s.index.find(e.digest); old != nil && s.packs[old.pack].suspect {
			*old = e
		}
		s.index.add(e)
		if i%chunkEntries == chunkEntries-1 {
			all.chunks[i/chunkEntries] = nil // it is twice in memory no longer
		}
	}
}
