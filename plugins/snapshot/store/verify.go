//go:build linux

package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// Verify is what to look at.
type Verify struct {
	// Manifests are those whose objects are looked at; nil is all of the store, what nothing refers
	// to as well.
	Manifests []ManifestID
	Refs      Refs
	// Progress, if not nil, is called now and then with how many bytes were read, of how many.
	Progress func(done, total int64)
}

// Verified is what was found.
type Verified struct {
	Objects   int   // that were read
	Bytes     int64 // that they take
	Manifests int   // that were read
	// Broken are the manifests of which something is damaged or missing, and what.
	Broken []Broken
	// Damaged is the number of objects that are damaged, and Examples what is known of the first, and
	// of packs that cannot be read at all.
	Damaged  int
	Examples []error
}

// Broken is a manifest that does not resolve.
type Broken struct {
	Manifest ManifestID
	// Objects is how many of its objects are damaged or missing; 0 where it cannot be read itself.
	Objects int
	Why     error // the first
}

// maxExamples is how many examples are kept.
const maxExamples = 20

// OK reports whether all is as it should be.
func (v *Verified) OK() bool { return len(v.Broken) == 0 && v.Damaged == 0 && len(v.Examples) == 0 }

// Verify reads objects and holds each against its digest, and looks whether all that manifests
// refer to is there. What it finds is no error.
func (s *Store) Verify(ctx context.Context, q Verify) (Verified, error) {
	if s.shared.Load() == 0 {
		return Verified{}, fmt.Errorf("verifying: %w", ErrNotShared)
	}
	if err := s.load(); err != nil {
		return Verified{}, fmt.Errorf("verifying: %w", err)
	}
	s.mu.RLock()
	v := &verifying{Store: s, Verify: q, ctx: ctx, x: s.index, packs: slices.Clone(s.packs)}
	v.Examples = slices.Clone(s.damaged[:min(len(s.damaged), maxExamples)])
	s.mu.RUnlock()
	if err := v.run(); err != nil {
		return v.Verified, fmt.Errorf("verifying: %w", err)
	}
	return v.Verified, nil
}

// verifying is a Verify that goes on.
type verifying struct {
	*Store
	Verify
	Verified
	ctx   context.Context
	x     *index
	packs []*sealedPack
	bad   marks
}

func (v *verifying) run() error {
	v.bad = newMarks(v.x)
	wanted := newMarks(v.x)
	ids := v.Verify.Manifests
	if ids == nil {
		wanted.setAll(v.x.len())
		var err error
		if ids, err = v.Store.Manifests(); err != nil {
			return err
		}
	} else {
		for _, id := range ids {
			// What cannot be read is found once more below.
			_ = v.refer(id, v.Refs, v.x, wanted.set, func(Digest, error) {})
		}
	}
	if err := v.read(wanted); err != nil {
		return err
	}
	for _, id := range ids {
		if v.ctx.Err() != nil {
			return context.Cause(v.ctx)
		}
		v.manifest(id)
	}
	return nil
}

// read reads all objects of a set, in the order in which they lie on the disk.
func (v *verifying) read(wanted marks) error {
	order := make([][]uint32, len(v.packs))
	total := int64(0)
	for i := range v.x.len() {
		if e := v.x.at(i); wanted.has(i) {
			order[e.pack] = append(order[e.pack], uint32(i))
			total += recordSize + int64(e.stored)
		}
	}
	sp := get(1)
	defer sp.put()
	for number, at := range order {
		if len(at) == 0 {
			continue
		}
		slices.SortFunc(at, func(a, b uint32) int {
			return cmp.Compare(v.x.at(int(a)).offset, v.x.at(int(b)).offset)
		})
		f, openErr := v.packs[number].open(v.disk)
		before := v.Verified.Damaged
		for _, i := range at {
			if v.ctx.Err() != nil {
				return context.Cause(v.ctx)
			}
			e := *v.x.at(int(i))
			err := openErr
			if err == nil {
				_, err = readRecord(f, &e, sp)
			}
			if err != nil {
				v.bad.set(int(i))
				v.Verified.Damaged++
				if len(v.Examples) < maxExamples {
					v.Examples = append(v.Examples, fmt.Errorf("object %s in %s/%s: %w",
						e.digest, packs, v.packs[number].id, err))
				}
			}
			v.Verified.Objects++
			v.Bytes += recordSize + int64(e.stored)
			if v.Progress != nil {
				v.Progress(v.Bytes, total)
			}
		}
		if v.Verified.Damaged > before && openErr == nil {
			if err := v.suspectPack(v.packs[number]); err != nil {
				return err
			}
		}
	}
	return nil
}

// manifest looks whether a manifest resolves.
func (v *verifying) manifest(id ManifestID) {
	b := Broken{Manifest: id}
	broken := func(d Digest, err error) {
		if b.Objects++; b.Why == nil {
			b.Why = fmt.Errorf("object %s: %w", d, err)
		}
	}
	err := v.refer(id, v.Refs, v.x, func(i int) {
		if v.bad.has(i) {
			broken(v.x.at(i).digest, errDamaged)
		}
	}, broken)
	if err != nil {
		b.Why = errors.Join(err, b.Why)
	}
	v.Verified.Manifests++
	if b.Why != nil {
		v.Broken = append(v.Broken, b)
	}
}
