//go:build linux

package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"slices"
)

// A manifest is, in this order:
//
//	header    magic 8
//	blocks    each length 4, stored length 4, codec 1, zero 3, checksum 4, and the stored bytes
//	end       a block of no bytes
//	trailer   ids of packs, boot 16, length 8, digest 32, number of packs 4, checksum 4, magic 8
//
// The packs are those that were not safe when it was sealed.
const (
	blockHeaderSize = 16
	manifestBlock   = 256 << 10
	trailerFixed    = 16 + 4 + 8 + 32 + 4 + 8
	// mostUnsafe is the most packs that a trailer names.
	mostUnsafe = 1 << 16
)

// Manifest is a manifest that is being written: an io.Writer of any bytes. After an error it cannot
// be sealed.
type Manifest struct {
	store *Store
	id    string
	file  file // nil until there is more than a block, and when it is over
	sum   hash.Hash
	space *space
	block []byte // not written yet
	size  int64  // of what was given
	end   int64  // of the file
	over  bool
	err   error
}

// NewManifest begins a manifest. The store has to be held.
func (s *Store) NewManifest() (*Manifest, error) {
	if s.shared.Load() == 0 {
		return nil, fmt.Errorf("beginning a manifest: %w", ErrNotShared)
	}
	return &Manifest{store: s, id: newID(), sum: sha256.New(), space: get(1)}, nil
}

// Write implements io.Writer.
func (m *Manifest) Write(b []byte) (int, error) {
	written := len(b)
	for len(b) > 0 && m.err == nil {
		n := min(len(b), manifestBlock-len(m.block))
		m.block = append(m.block, b[:n]...)
		m.sum.Write(b[:n])
		m.size += int64(n)
		if b = b[n:]; len(m.block) == manifestBlock {
			m.flush()
		}
	}
	if m.err != nil {
		return 0, m.err
	}
	return written, nil
}

// flush writes a block.
func (m *Manifest) flush() {
	if len(m.block) == 0 {
		return
	}
	c, stored := compress(m.block, m.space.compressRoom(len(m.block)))
	m.append(appendBlock(nil, c, len(m.block), stored))
	m.append(stored)
	m.block = m.block[:0]
}

// begin makes the file. A manifest that the store has already, of no more than a block, needs none.
func (m *Manifest) begin() {
	if m.file, m.err = m.store.disk.create(manifests + "/" + m.id + being); m.err != nil {
		m.err = fmt.Errorf("beginning a manifest: %w", m.err)
		return
	}
	m.append([]byte(manifestMagic))
}

// append appends to the file.
func (m *Manifest) append(b []byte) {
	if m.err == nil && m.file == nil {
		m.begin()
	}
	if m.err != nil {
		return
	}
	if _, err := m.file.WriteAt(b, m.end); err != nil {
		m.err = fmt.Errorf("writing %s/%s: %w", manifests, m.id+being, err)
	}
	m.end += int64(len(b))
}

// appendBlock appends the header of a block.
func appendBlock(b []byte, c codec, length int, stored []byte) []byte {
	from := len(b)
	b = binary.LittleEndian.AppendUint32(b, uint32(length))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(stored)))
	b = append(b, byte(c), 0, 0, 0)
	return binary.LittleEndian.AppendUint32(b, updateSum(checksum(stored), b[from:]))
}

// Seal ends the manifest and gives it its name. All packs must have been sealed before: so it
// refers to what exists. With sync it is safe from a loss of power, and so are they; else
// Store.Sync makes them so.
func (m *Manifest) Seal(ctx context.Context, sync bool) (ManifestID, error) {
	if m.over {
		return ManifestID{}, errors.New("sealing a manifest that is sealed or given up")
	}
	id, err := m.seal(ctx, sync)
	if err != nil {
		return ManifestID{}, errors.Join(fmt.Errorf("sealing a manifest: %w", err), m.Discard())
	}
	return id, nil
}

func (m *Manifest) seal(ctx context.Context, sync bool) (ManifestID, error) {
	if m.store.writing.Load() > 0 {
		return ManifestID{}, errors.New("a pack is still being written")
	}
	if sync {
		if err := m.store.Sync(ctx); err != nil {
			return ManifestID{}, err
		}
	}
	unsafe, err := m.store.ids(packs, sealed)
	if err != nil {
		return ManifestID{}, err
	}
	t := trailer{boot: m.store.boot, packs: unsafe, size: m.size, digest: Digest(m.sum.Sum(nil))}
	id := ManifestID{t.digest}
	path := manifests + "/" + id.String()
	if m.err == nil && m.store.exists(path) {
		return id, m.Discard()
	}
	m.flush()
	m.append(appendTrailer(appendBlock(nil, codecRaw, 0, nil), t))
	if m.err != nil {
		return ManifestID{}, m.err
	}
	ending := sealed
	if sync {
		ending = ""
		if err := m.file.sync(); err != nil {
			return ManifestID{}, err
		}
	}
	if err := m.store.disk.rename(manifests+"/"+m.id+being, path+ending); err != nil {
		return ManifestID{}, err
	}
	m.release()
	if sync {
		err = m.store.disk.syncDir(manifests)
	}
	return id, err
}

// Discard gives the manifest up. After Seal it does nothing.
func (m *Manifest) Discard() error {
	if m.over {
		return nil
	}
	made := m.file != nil
	m.release()
	if !made {
		return nil
	}
	return m.store.disk.remove(manifests + "/" + m.id + being)
}

func (m *Manifest) release() {
	if m.file != nil {
		m.file.close()
	}
	m.space.put()
	m.file, m.over, m.block = nil, true, nil
	m.err = errSealed
}

// exists reports whether a file can be opened.
func (s *Store) exists(path string) bool {
	f, err := s.disk.open(path)
	if err != nil {
		return false
	}
	f.close()
	return true
}

// ids are the names of the files with an ending.
func (s *Store) ids(dir, ending string) ([]string, error) {
	names, err := s.list(dir)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, n := range names {
		if n.ending == ending {
			ids = append(ids, n.id)
		}
	}
	return ids, nil
}

// Manifests are all that were sealed, in the order of their names.
func (s *Store) Manifests() ([]ManifestID, error) {
	names, err := s.list(manifests)
	if err != nil {
		return nil, err
	}
	var all []ManifestID
	for _, n := range names {
		if n.ending != "" && n.ending != sealed {
			continue
		}
		if id, err := ParseManifestID(n.id); err == nil {
			all = append(all, id)
		}
	}
	return slices.Compact(all), nil
}

// OpenManifest opens a manifest. Each block of it is checked before it is read; that the whole is
// what it is named after is known when its end was read, so what is read before is not acted on.
func (s *Store) OpenManifest(id ManifestID) (io.ReadCloser, error) {
	path := manifests + "/" + id.String()
	for _, ending := range []string{"", sealed, ""} {
		f, err := s.disk.open(path + ending)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("opening manifest %s: %w", id, err)
		}
		r, err := newManifestReader(f, id)
		if err == nil && ending == sealed && (r.trailer.boot != s.boot || s.boot == boot{}) {
			err = errOtherBoot
		}
		if err != nil {
			f.close()
			return nil, fmt.Errorf("opening manifest %s: %w", id, err)
		}
		return r, nil
	}
	return nil, fmt.Errorf("manifest %s: %w", id, ErrMissing)
}

// manifestReader reads a manifest block by block.
type manifestReader struct {
	id      ManifestID
	file    file
	trailer trailer
	sum     hash.Hash
	space   *space
	now     []byte // of the present block, what is not read yet
	size    int64  // of what was read
	at      int64  // in the file
	end     int64  // of the blocks
	err     error
}

func newManifestReader(f file, id ManifestID) (*manifestReader, error) {
	size, err := f.size()
	if err != nil {
		return nil, err
	}
	var magic [len(manifestMagic)]byte
	if err := readFull(f, magic[:], 0); err != nil {
		return nil, err
	}
	if err := checkMagic(magic[:], manifestMagic); err != nil {
		return nil, err
	}
	t, at, err := readTrailer(f, size)
	if err != nil {
		return nil, err
	}
	if t.digest != id.Digest {
		return nil, damaged("it is manifest %s", t.digest)
	}
	return &manifestReader{
		id: id, file: f, trailer: t, sum: sha256.New(), space: get(1),
		at: int64(len(magic)), end: at,
	}, nil
}

// Read implements io.Reader.
func (r *manifestReader) Read(b []byte) (int, error) {
	for len(r.now) == 0 && r.err == nil {
		if err := r.next(); err != nil {
			r.err = err
			if !errors.Is(err, io.EOF) {
				r.err = fmt.Errorf("reading manifest %s: %w", r.id, err)
			}
		}
	}
	if r.err != nil {
		return 0, r.err
	}
	n := copy(b, r.now)
	r.now = r.now[n:]
	return n, nil
}

func (r *manifestReader) next() error {
	var header [blockHeaderSize]byte
	if r.end-r.at < blockHeaderSize {
		return damaged("there is no block at %d", r.at)
	}
	if err := readFull(r.file, header[:], r.at); err != nil {
		return err
	}
	length := binary.LittleEndian.Uint32(header[:])
	size := binary.LittleEndian.Uint32(header[4:])
	c := codec(header[8])
	if length > manifestBlock || size > length || c == codecRaw && size != length ||
		int64(size) > r.end-r.at-blockHeaderSize {
		return damaged("the block at %d speaks of %d bytes", r.at, length)
	}
	stored := r.space.storedRoom(int(size))
	if err := readFull(r.file, stored, r.at+blockHeaderSize); err != nil {
		return err
	}
	want := appendBlock(make([]byte, 0, blockHeaderSize), c, int(length), stored)
	if !slices.Equal(header[:], want) {
		return damaged("the block at %d has another checksum", r.at)
	}
	at := r.at
	r.at += blockHeaderSize + int64(size)
	if length == 0 {
		if r.at != r.end || r.size != r.trailer.size || Digest(r.sum.Sum(nil)) != r.id.Digest {
			return damaged("it is not what it is named after")
		}
		return io.EOF
	}
	raw, err := decompress(c, stored, int(length), r.space.rawRoom(int(length)))
	if err != nil {
		return damaged("the block at %d: %v", at, err)
	}
	r.sum.Write(raw)
	r.size += int64(length)
	r.now = raw
	return nil
}

// Close implements io.Closer.
func (r *manifestReader) Close() error {
	if r.file == nil {
		return nil
	}
	r.file.close()
	r.space.put()
	r.file, r.now, r.err = nil, nil, errClosed
	return nil
}

// trailer ends a manifest.
type trailer struct {
	boot   boot
	packs  []string // that were not safe
	size   int64
	digest Digest
}

// appendTrailer appends a trailer. The number of packs is written last of all but the magic, so
// that it can be read from the end.
func appendTrailer(b []byte, t trailer) []byte {
	from := len(b)
	for _, id := range t.packs {
		b = append(b, id...)
	}
	b = append(b, t.boot[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(t.size))
	b = append(b, t.digest[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(t.packs)))
	b = binary.LittleEndian.AppendUint32(b, checksum(b[from:]))
	return append(b, trailerMagic...)
}

// readTrailer reads the trailer of a manifest of a size, and says where it begins.
func readTrailer(f io.ReaderAt, size int64) (trailer, int64, error) {
	if size < int64(len(manifestMagic))+blockHeaderSize+trailerFixed {
		return trailer{}, 0, damaged("it has %d bytes only", size)
	}
	var fixed [trailerFixed]byte
	if err := readFull(f, fixed[:], size-trailerFixed); err != nil {
		return trailer{}, 0, err
	}
	if err := checkMagic(fixed[64:], trailerMagic); err != nil {
		return trailer{}, 0, err
	}
	number := int64(binary.LittleEndian.Uint32(fixed[56:]))
	at := size - trailerFixed - number*idLength
	if number > mostUnsafe || at < int64(len(manifestMagic))+blockHeaderSize {
		return trailer{}, 0, damaged("it speaks of %d packs", number)
	}
	ids := make([]byte, number*idLength)
	if err := readFull(f, ids, at); err != nil {
		return trailer{}, 0, err
	}
	if updateSum(checksum(ids), fixed[:60]) != binary.LittleEndian.Uint32(fixed[60:]) {
		return trailer{}, 0, damaged("its end has another checksum")
	}
	t := trailer{
		boot: boot(fixed[:16]), size: int64(binary.LittleEndian.Uint64(fixed[16:])),
		digest: Digest(fixed[24:56]),
	}
	for ; len(ids) > 0; ids = ids[idLength:] {
		id := string(ids[:idLength])
		if !isID(id) {
			return trailer{}, 0, damaged("%q is no pack's name", id)
		}
		t.packs = append(t.packs, id)
	}
	return t, at, nil
}
