package gitdir

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1" //nolint:gosec // it is what git names objects by
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strings"
)

// Room is how much may be inflated, of all objects together, beyond what files of their size hold
// in earnest. A file of a megabyte can hold a gigabyte of zeros, and an agent can make many of
// them.
type Room struct{ left int64 }

const (
	// EnoughRoom is what honest repositories do not need.
	EnoughRoom = 1 << 30
	// inEarnest is how much smaller than its content an object's file is at the most. Text is a
	// quarter, a log a thirtieth.
	inEarnest = 32
	atOnce    = 1 << 20 // is inflated between two looks at the context
)

// NewRoom is room for so many bytes.
func NewRoom(bytes int64) *Room { return &Room{left: bytes} }

// ErrNoRoom says that an object would take more than there is room for.
var ErrNoRoom = errors.New("it holds far more than its file does, and is not looked at")

// Sound reports whether the bytes of an object's file are the object or the pack that its path
// names. What is sound git can use, and so a commit that the user made since may need it; what is
// not is rubbish. A doubt is an error: such a file is to be kept.
//
// Of a pack and its index the sums at their ends are looked at, and not each object in them.
func Sound(ctx context.Context, path string, content io.Reader, room *Room) (bool, error) {
	name, ok := strings.CutPrefix(Of(path).Name, "objects/")
	if !ok || !isObject(name) {
		return false, errors.New("it has no name that an object has")
	}
	if pack, ok := PackOf(name); ok {
		return soundPack(ctx, strings.TrimPrefix(name, pack+"."), len(pack)-len("pack/pack-"), content)
	}
	return soundLoose(ctx, strings.Replace(name, "/", "", 1), content, room)
}

func newHash(digits int) hash.Hash {
	if digits == 64 {
		return sha256.New()
	}
	return sha1.New() //nolint:gosec // it is what git names objects by
}

func soundLoose(
	ctx context.Context, name string, content io.Reader, room *Room,
) (bool, error) {
	file := &counted{from: content}
	inflated, err := zlib.NewReader(bufio.NewReader(file))
	if err != nil {
		return false, trouble(err)
	}
	sum := newHash(len(name))
	held, beyond := int64(0), int64(0)
	for {
		if err := context.Cause(ctx); err != nil {
			return false, err
		}
		n, err := io.CopyN(sum, inflated, atOnce)
		switch {
		case errors.Is(err, io.EOF):
			return hex.EncodeToString(sum.Sum(nil)) == name, nil
		case err != nil:
			return false, trouble(err)
		}
		held += n
		if more := held - inEarnest*file.bytes - beyond; more > 0 {
			if more > room.left {
				return false, ErrNoRoom
			}
			room.left, beyond = room.left-more, beyond+more
		}
	}
}

// counted counts what is read.
type counted struct {
	from  io.Reader
	bytes int64
}

// Read implements io.Reader.
func (c *counted) Read(b []byte) (int, error) {
	n, err := c.from.Read(b)
	c.bytes += int64(n)
	return n, err
}

// trouble is nil where the bytes are at fault, and not their reading.
func trouble(err error) error {
	for _, fault := range []error{
		zlib.ErrHeader, zlib.ErrChecksum, zlib.ErrDictionary, io.EOF, io.ErrUnexpectedEOF,
	} {
		if errors.Is(err, fault) {
			return nil
		}
	}
	if strings.HasPrefix(err.Error(), "flate: ") {
		return nil
	}
	return err
}

// magics are how the files of a pack begin; an index of the first version has none.
var magics = map[string]string{
	"pack": "PACK", "idx": "", "rev": "RIDX", "bitmap": "BITM", "mtimes": "MTME",
}

// soundPack reads one of the files of a pack: each but the promise that others can be fetched
// begins with its magic and ends with a hash of all that is before.
func soundPack(
	ctx context.Context, ending string, digits int, content io.Reader,
) (bool, error) {
	magic, ok := magics[ending]
	if !ok {
		return true, nil
	}
	sum, size := newHash(digits), digits/2
	held := make([]byte, 0, size+64<<10) // what may be the hash at the end is not hashed
	for first := true; ; first = false {
		if err := context.Cause(ctx); err != nil {
			return false, err
		}
		n, err := io.ReadFull(content, held[len(held):cap(held)])
		held = held[:len(held)+n]
		if first && !bytes.HasPrefix(held, []byte(magic)) {
			return false, nil
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			if len(held) < size {
				return false, nil
			}
			sum.Write(held[:len(held)-size])
			return bytes.Equal(sum.Sum(nil), held[len(held)-size:]), nil
		case err != nil:
			return false, err
		}
		sum.Write(held[:len(held)-size])
		held = held[:copy(held[:cap(held)], held[len(held)-size:])]
	}
}
