//go:build linux

package store

import (
	"errors"
	"fmt"
	"io"
)

// Refs calls a function with each digest that a manifest refers to, in any order and as often as it
// likes, and gives up when that does. It is the caller's, who knows what is in a manifest.
type Refs func(manifest io.Reader, each func(Digest) error) error

// marks is a set of objects, by their positions in an index: a bit for each.
type marks []uint64

func newMarks(x *index) marks  { return make(marks, (x.len()+63)/64) }
func (m marks) set(i int)      { m[i/64] |= 1 << (i % 64) }
func (m marks) has(i int) bool { return m[i/64]&(1<<(i%64)) != 0 }
func (m marks) setAll(number int) {
	for i := range number {
		m.set(i)
	}
}

// refer calls a function with the position of each object that a manifest needs, those of the
// pieces of big files too. What is not there has no position; absent is called for it.
func (s *Store) refer(
	id ManifestID, refs Refs, x *index, each func(int), absent func(Digest, error),
) error {
	r, err := s.OpenManifest(id)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	follow, done := s.follow(x, each, absent)
	defer done()
	if err = refs(r, follow); err == nil {
		// Only its end tells that it is what it is named after.
		_, err = io.Copy(io.Discard, r)
	}
	if err != nil {
		return fmt.Errorf("what manifest %s refers to: %w", id, err)
	}
	return nil
}

// follow returns a function that calls each with the position of an object, and of the pieces of a
// big file, once for each of them. What is not there has no position; absent is called for it.
func (s *Store) follow(
	x *index, each func(int), absent func(Digest, error),
) (follow func(Digest) error, done func()) {
	sp := get(1)
	seen := newMarks(x)
	one := func(d Digest) (int, bool) {
		i, ok := x.position(d)
		if !ok {
			absent(d, ErrMissing)
			return 0, false
		}
		if seen.has(i) {
			return 0, false
		}
		seen.set(i)
		each(i)
		return i, true
	}
	return func(d Digest) error {
		i, ok := one(d)
		if !ok || x.at(i).kind != list {
			return nil
		}
		pieces, err := s.pieces(d, sp)
		if err != nil {
			absent(d, err)
			return nil
		}
		for _, piece := range pieces {
			one(piece)
		}
		return nil
	}, sp.put
}

// pieces are those that a list names.
func (s *Store) pieces(d Digest, sp *space) ([]Digest, error) {
	k, raw, err := s.read(d, sp)
	if err != nil {
		return nil, err
	}
	if k != list {
		return nil, errors.New("it is no list")
	}
	_, pieces, err := parseList(raw)
	return pieces, err
}
