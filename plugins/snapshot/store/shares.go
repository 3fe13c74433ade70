//go:build linux

package store

import (
	"context"
	"errors"
	"fmt"
)

// Shares says how many bytes are stored for each of several groups of manifests. What more than one
// refers to is counted with the first of them. A manifest that is damaged or not there refers to
// nothing.
func (s *Store) Shares(
	ctx context.Context, groups [][]ManifestID, refs Refs,
) ([]int64, error) {
	if s.shared.Load() == 0 {
		return nil, fmt.Errorf("counting what is stored: %w", ErrNotShared)
	}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("counting what is stored: %w", err)
	}
	s.mu.RLock()
	x := s.index
	s.mu.RUnlock()
	counted := newMarks(x)
	shares := make([]int64, len(groups))
	for number, group := range groups {
		count := func(i int) {
			if !counted.has(i) {
				counted.set(i)
				shares[number] += recordSize + int64(x.at(i).stored)
			}
		}
		for _, id := range group {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			err := s.refer(id, refs, x, count, func(Digest, error) {})
			if err != nil && !errors.Is(err, errDamaged) && !errors.Is(err, ErrMissing) {
				return nil, fmt.Errorf("counting what is stored: %w", err)
			}
		}
	}
	return shares, nil
}
