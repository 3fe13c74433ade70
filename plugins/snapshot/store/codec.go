//go:build linux

package store

import (
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// codec says how a content is stored.
type codec uint8

const (
	codecRaw  codec = 1 + iota
	codecS2         // what is added
	codecZstd       // what Prune writes anew
)

const (
	// trial is how much of a content of more than twice that decides whether it is compressed.
	trial = 64 << 10
	// worthIt is as much of it, in hundredths, as may be left of the trial. Compressing is the most of
	// what a new content costs, and whoever waits for a snapshot to be taken waits for that. Programs,
	// of which half would be left, took a sixth of the time and gave a quarter of the room.
	worthIt = 60
	// leastCompressed is what no codec makes smaller by a tenth.
	leastCompressed = 64
)

// gains reports whether it pays to decompress it again some day.
func gains(stored, raw int) bool { return stored <= raw-raw/10 }

// compress is how a new content is stored. The result may be the content itself, or lie in space.
func compress(raw, space []byte) (codec, []byte) {
	if len(raw) < leastCompressed {
		return codecRaw, raw
	}
	if len(raw) > 2*trial && len(s2.Encode(space, raw[:trial])) > trial*worthIt/100 {
		return codecRaw, raw
	}
	stored := s2.Encode(space, raw)
	if !gains(len(stored), len(raw)) {
		return codecRaw, raw
	}
	return codecS2, stored
}

// zstds are made when they are first needed: they have tables to fill.
var (
	zstdWriter = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
			zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithAllLitEntropyCompression(true),
			zstd.WithWindowSize(PieceSize))
	})
	zstdReader = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(2),
			zstd.WithDecoderMaxMemory(2*PieceSize), zstd.WithDecoderMaxWindow(2*PieceSize))
	})
)

// recompress is how a content is stored that is written anew: by zstd, where that makes a tenth
// less of it than it was. Else it stays as it was stored.
func recompress(c codec, raw, stored []byte) (codec, []byte, error) {
	if c == codecZstd || len(raw) < leastCompressed {
		return c, stored, nil
	}
	encoder, err := zstdWriter()
	if err != nil {
		return 0, nil, err
	}
	if c == codecRaw && len(raw) > 2*trial &&
		!gains(len(encoder.EncodeAll(raw[:trial], nil)), trial) {
		return c, stored, nil
	}
	smaller := encoder.EncodeAll(raw, make([]byte, 0, len(stored)))
	if !gains(len(smaller), len(stored)) {
		return c, stored, nil
	}
	return codecZstd, smaller, nil
}

// decompress is the content of a length; it is in space where that is long enough, or is the stored
// bytes themselves. It never takes more memory than that length.
func decompress(c codec, stored []byte, length int, space []byte) ([]byte, error) {
	switch c {
	case codecRaw:
		return stored, nil
	case codecS2:
		if n, err := s2.DecodedLen(stored); err != nil || n != length {
			return nil, fmt.Errorf("S2 speaks of %d bytes instead of %d", n, length)
		}
		return s2.Decode(space[:cap(space)], stored)
	case codecZstd:
		decoder, err := zstdReader()
		if err != nil {
			return nil, err
		}
		if cap(space) < length {
			space = make([]byte, 0, length)
		}
		raw, err := decoder.DecodeAll(stored, space[:0:length])
		if err == nil && len(raw) != length {
			err = fmt.Errorf("zstd gave %d bytes instead of %d", len(raw), length)
		}
		return raw, err
	}
	return nil, fmt.Errorf("no codec has the number %d", c)
}

// digestOf is the name of an object.
func digestOf(k kind, raw []byte) Digest {
	if k == list {
		return sha512.Sum512_256(raw)
	}
	return sha256.Sum256(raw)
}
