//go:build linux

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// MaxFile is the size of the biggest file that the store takes: the list of its pieces is one
// object.
const MaxFile = (PieceSize - 8) / int64(len(Digest{})) * PieceSize

// putList adds a big file: its pieces, as many at once as the machine has cores, and their list.
// The file, if not nil, is the source, and its blocks are shared where that can be done.
func (p *Pack) putList(source io.ReaderAt, f *os.File, size int64) (Digest, error) {
	if size > MaxFile {
		return Digest{}, fmt.Errorf("it has %d bytes, and the store takes %d at most", size, MaxFile)
	}
	pieces := make([]Digest, piecesOf(size))
	var next atomic.Int64
	var workers sync.WaitGroup
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	for range min(len(pieces), runtime.GOMAXPROCS(0), cap(p.pieces)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(pieces)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				at, length := i*PieceSize, int(min(PieceSize, size-i*PieceSize))
				put := func() (Digest, error) { return p.putPiece(source, f, at, length) }
				if length == PieceSize && isHole(source, at) {
					put = p.zeros
				}
				d, err := put()
				if err != nil {
					cancel(err)
				}
				pieces[i] = d
			}
		})
	}
	workers.Wait()
	if ctx.Err() != nil {
		return Digest{}, context.Cause(ctx)
	}
	sp := getSpace()
	defer sp.put()
	return p.putObject(list, appendList(nil, size, pieces), sp)
}

// isHole reports whether nothing was ever written to a piece of a file. A file of nothing else may
// have any size, and take nobody any room, so it must not take the time of its size either.
func isHole(source io.ReaderAt, from int64) bool {
	f, ok := source.(*os.File)
	if !ok {
		return false
	}
	data, err := unix.Seek(int(f.Fd()), from, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) { // up to its end, which may have come nearer
		data, err = unix.Seek(int(f.Fd()), 0, unix.SEEK_END)
	}
	return err == nil && data >= from+PieceSize
}

// putZeros adds the piece that a hole is.
func (p *Pack) putZeros() (Digest, error) {
	sp := get(1)
	defer sp.put()
	raw := sp.rawRoom(PieceSize)
	clear(raw)
	return p.putObject(blob, raw, sp)
}

// putPiece adds a part of a file that is one blob. Only so many are in memory at once.
func (p *Pack) putPiece(source io.ReaderAt, f *os.File, from int64, length int) (Digest, error) {
	p.pieces <- struct{}{}
	defer func() { <-p.pieces }()
	if f != nil && length > smallSpace {
		if d, cloned, err := p.clone(f, from, length); cloned || err != nil {
			return d, err
		}
	}
	sp := get(1)
	defer sp.put()
	raw := sp.rawRoom(length)
	if err := readSource(source, raw, from); err != nil {
		return Digest{}, err
	}
	return p.putObject(blob, raw, sp)
}

// readSource reads from what is added.
func readSource(source io.ReaderAt, b []byte, from int64) error {
	n, err := source.ReadAt(b, from)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return fmt.Errorf("it is %d bytes shorter than it was: %w", len(b)-n, io.ErrUnexpectedEOF)
	}
	return err
}

// neverClones reports whether an error means that no file of the same device can be cloned.
func neverClones(err error) bool {
	for _, e := range []error{unix.EXDEV, unix.EOPNOTSUPP, unix.ENOTTY, unix.ENOSYS, unix.EPERM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// clone adds a part of a file by sharing its blocks. It hashes what it has then, not the source, so
// that nobody can have changed it in between. Where it cannot be done the caller reads the file.
func (p *Pack) clone(f *os.File, from int64, length int) (d Digest, cloned bool, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return Digest{}, false, err
	}
	if _, never := p.unclonable.Load(st.Dev); never {
		return Digest{}, false, nil
	}
	own, at, err := p.share(f, from, length)
	if err != nil {
		if neverClones(err) {
			p.unclonable.Store(st.Dev, true)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		return Digest{}, false, p.err // a failed clone is nothing; the pack may have failed
	}
	sp := get(1)
	defer sp.put()
	raw := sp.rawRoom(length)
	if err := readFull(own, raw, at); err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.busy--
		return Digest{}, true, p.fail(err)
	}
	return p.finishClone(raw, at)
}

// share makes a part of the pack's file that is a part of the other, and says where. Until
// finishClone is called, the pack cannot be sealed.
func (p *Pack) share(f *os.File, from int64, length int) (own file, at int64, err error) {
	own, at, due, err := p.shareAt(f, from, length)
	if err != nil {
		return nil, 0, err
	}
	if err := p.tail.write(own, due); err != nil {
		return nil, 0, p.written(err)
	}
	return own, at, nil
}

func (p *Pack) shareAt(
	f *os.File, from int64, length int,
) (own file, at int64, due []extent, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.open(); err != nil {
		return nil, 0, nil, err
	}
	at = wholeBlocks(p.tail.end() + recordSize)
	// With the lock: a part that ends within a block can be cloned to the end of a file alone.
	if err := p.file.clone(at, f, from, int64(length)); err != nil {
		return nil, 0, nil, err
	}
	due = p.tail.cut(nil)
	p.tail.skip(at + int64(length))
	p.busy++
	return p.file, at, due, nil
}

// finishClone makes an object of what was cloned. Where the store has it already, the blocks are
// given back.
func (p *Pack) finishClone(raw []byte, at int64) (Digest, bool, error) {
	e := entry{
		digest: digestOf(blob, raw), kind: blob, codec: codecRaw,
		offset: at - recordSize, raw: uint32(len(raw)), stored: uint32(len(raw)),
	}
	header := appendRecord(make([]byte, 0, recordSize), &e)
	e.sum = sumRecord(header, checksum(raw))
	known := p.has(e.digest)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	if p.err != nil {
		return Digest{}, true, p.err
	}
	if known || !p.index.add(e) {
		_ = p.file.punch(at, int64(len(raw))) // where that fails, it is room that is lost until Prune
		return e.digest, true, nil
	}
	if _, err := p.file.WriteAt(header, e.offset); err != nil {
		return Digest{}, true, p.fail(err)
	}
	return e.digest, true, nil
}
