//go:build linux

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"
)

// Sync has returned when all that was sealed is safe from a loss of power: first the packs, of
// every process, and then the manifests, which may refer to any of them.
func (s *Store) Sync(ctx context.Context) error {
	for _, dir := range []struct{ name, safe string }{{packs, safe}, {manifests, ""}} {
		ids, err := s.ids(dir.name, sealed)
		if err != nil {
			return fmt.Errorf("syncing the store: %w", err)
		}
		for _, id := range ids {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			path := dir.name + "/" + id
			at, err := s.sealedAt(dir.name, path+sealed)
			if err == nil && at == s.boot && (at != boot{}) {
				err = s.promote(path+sealed, path+dir.safe)
			}
			if ignore(err, fs.ErrNotExist) != nil {
				return fmt.Errorf("syncing %s: %w", path+sealed, err)
			}
		}
		// Also where there was none: another process may have renamed one, and not come further yet.
		if err := s.disk.syncDir(dir.name); err != nil {
			return fmt.Errorf("syncing %s: %w", dir.name, err)
		}
	}
	return nil
}

// Synced reports whether all that was sealed is safe by its name: then Sync does nothing that
// somebody should be kept waiting for.
func (s *Store) Synced() (bool, error) {
	for _, dir := range []string{packs, manifests} {
		if ids, err := s.ids(dir, sealed); err != nil || len(ids) > 0 {
			return false, err
		}
	}
	return true, nil
}

// promote gives a file the name that says it is safe.
func (s *Store) promote(from, to string) error {
	f, err := s.disk.open(from)
	if err != nil {
		return err
	}
	defer f.close()
	if err := f.sync(); err != nil {
		return err
	}
	return s.disk.rename(from, to)
}

// sealedAt is when a file was sealed.
func (s *Store) sealedAt(dir, path string) (boot, error) {
	f, err := s.disk.open(path)
	if err != nil {
		return boot{}, err
	}
	defer f.close()
	if dir == packs {
		at, _, err := ends(f)
		return at, err
	}
	size, err := f.size()
	if err != nil {
		return boot{}, err
	}
	t, _, err := readTrailer(f, size)
	return t.boot, err
}

// recover removes what killed processes left, and looks at what was not safe when the machine
// stopped. That is done alone: where another machine shares the store, it may be about to make safe
// what it has sealed. While somebody else uses the store, it is left for the next time.
func (s *Store) recover() error {
	unlock, err := s.tryLock(unix.LOCK_SH)
	if err != nil {
		return ignore(err, unix.EWOULDBLOCK)
	}
	unsafe := false
	for _, dir := range []string{packs, manifests} {
		var names []name
		if names, err = s.list(dir); err != nil {
			break
		}
		for _, n := range names {
			unsafe = unsafe || n.ending == sealed
			alone := n.ending == suspect &&
				!slices.Contains(names, name{n.id, safe}) && !slices.Contains(names, name{n.id, sealed})
			if (n.ending == being || alone) && err == nil {
				err = s.disk.rubbish(dir + "/" + n.String())
			}
		}
	}
	unlock()
	if err != nil || !unsafe {
		return err
	}
	if unlock, err = s.tryLock(unix.LOCK_EX); err != nil {
		return ignore(err, unix.EWOULDBLOCK)
	}
	defer unlock()
	if err := s.recoverSealed(packs, safe, s.wholePack); err != nil {
		return err
	}
	return s.recoverSealed(manifests, "", s.wholeManifest)
}

// recoverSealed gives what was sealed before the machine was started, and is whole, the name that
// says so. What is not is removed: nothing that has a better name refers to it.
func (s *Store) recoverSealed(dir, ending string, whole func(id string) error) error {
	ids, err := s.ids(dir, sealed)
	if err != nil {
		return err
	}
	changed := false
	for _, id := range ids {
		path := dir + "/" + id
		at, err := s.sealedAt(dir, path+sealed)
		if err == nil && at == s.boot && (at != boot{}) {
			continue
		}
		if err == nil {
			err = whole(id)
		}
		newer := (*NewerError)(nil)
		switch {
		case errors.As(err, &newer):
			return fmt.Errorf("%s: %w", path+sealed, err)
		case errors.Is(err, errDamaged), errors.Is(err, ErrMissing):
			err = s.disk.remove(path + sealed)
		case err == nil:
			err = s.promote(path+sealed, path+ending)
		}
		if ignore(err, fs.ErrNotExist) != nil {
			return fmt.Errorf("looking at %s, which was not safe when the machine stopped: %w",
				path+sealed, err)
		}
		changed = true
	}
	if changed {
		return s.disk.syncDir(dir)
	}
	return nil
}

// wholePack reports whether all of a sealed pack is as it was written.
func (s *Store) wholePack(id string) error {
	f, err := s.disk.open(packs + "/" + id + sealed)
	if err != nil {
		return err
	}
	defer f.close()
	_, foot, err := ends(f)
	if err != nil {
		return err
	}
	var all entries
	if err := readIndex(f, foot, &all); err != nil {
		return err
	}
	sp := get(1)
	defer sp.put()
	for i := range all.len() {
		if _, err := readRecord(f, all.at(i), sp); err != nil {
			return err
		}
	}
	return nil
}

// wholeManifest reports whether a sealed manifest is as it was written, and all packs that were not
// safe when it was sealed are there. They have been looked at before.
func (s *Store) wholeManifest(id string) error {
	name, err := ParseManifestID(id)
	if err != nil {
		return damaged("%v", err)
	}
	f, err := s.disk.open(manifests + "/" + id + sealed)
	if err != nil {
		return err
	}
	r, err := newManifestReader(f, name)
	if err != nil {
		f.close()
		return err
	}
	defer func() { _ = r.Close() }()
	there, err := s.ids(packs, safe)
	if err != nil {
		return err
	}
	for _, id := range r.trailer.packs {
		if !slices.Contains(there, id) {
			return fmt.Errorf("pack %s: %w", id, ErrMissing)
		}
	}
	_, err = io.Copy(io.Discard, r)
	return err
}
