package gitdir

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"crypto/sha1" //nolint:gosec // it is what git names objects by
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strings"
)

// MaxInflated is how much of an object is looked at. A larger one counts as sound.
const MaxInflated = 1 << 30

// Sound reports whether the bytes of an object's file are the object or the pack that its path
// names. What is sound git can use, and so a commit that the user made since may need it; what is
// not is rubbish. A doubt is an error: such a file is to be kept.
//
// Of a pack and its index the sums at their ends are looked at, and not each object in them.
func Sound(path string, content io.Reader) (bool, error) {
	name, ok := strings.CutPrefix(Of(path).Name, "objects/")
	if !ok || !isObject(name) {
		return false, errors.New("it has no name that an object has")
	}
	if pack, ok := PackOf(name); ok {
		return soundPack(strings.TrimPrefix(name, pack+"."), len(pack)-len("pack/pack-"), content)
	}
	return soundLoose(strings.Replace(name, "/", "", 1), content)
}

func newHash(digits int) hash.Hash {
	if digits == 64 {
		return sha256.New()
	}
	return sha1.New() //nolint:gosec // it is what git names objects by
}

func soundLoose(name string, content io.Reader) (bool, error) {
	inflated, err := zlib.NewReader(bufio.NewReader(content))
	if err != nil {
		return false, trouble(err)
	}
	sum := newHash(len(name))
	n, err := io.CopyN(sum, inflated, MaxInflated)
	if n == MaxInflated {
		return true, nil
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return false, trouble(err)
	}
	return hex.EncodeToString(sum.Sum(nil)) == name, nil
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
func soundPack(ending string, digits int, content io.Reader) (bool, error) {
	magic, ok := magics[ending]
	if !ok {
		return true, nil
	}
	sum, size := newHash(digits), digits/2
	held := make([]byte, 0, size+64<<10) // what may be the hash at the end is not hashed
	for first := true; ; first = false {
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
