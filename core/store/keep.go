package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// Keep is how many finished sessions are kept, for how long after their end, and how many bytes
// they may take together. What is older goes first.
type Keep struct {
	Sessions int
	Age      time.Duration
	Size     int64
}

// DefaultKeep is what is kept where the user says nothing.
var DefaultKeep = Keep{Sessions: 1000, Age: 90 * 24 * time.Hour, Size: 1 << 30}

// Stored is a finished session, as what is kept is decided on.
type Stored struct {
	ID    string    `json:"id"`
	Ended time.Time `json:"ended"`
	Size  int64     `json:"size"`
}

// surplus is what is not kept of a list.
func (k Keep) surplus(list []Stored, now time.Time) []Stored {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Stored) int { return b.Ended.Compare(a.Ended) })
	size := int64(0)
	for i, s := range list {
		size += s.Size
		if i >= k.Sessions || now.Sub(s.Ended) > k.Age || size > k.Size {
			return list[i:] // all that follow are older
		}
	}
	return nil
}

// Surplus is the finished sessions that are not kept, the newest first. What nobody can read is
// kept, for it may be a newer nono's.
func (s Store) Surplus(k Keep, now time.Time) ([]Stored, error) {
	list, err := s.entries(s.finished())
	if err != nil {
		return nil, err
	}
	stored := make([]Stored, 0, len(list))
	for _, e := range list {
		if e.Record != nil {
			stored = append(stored, Stored{e.ID, e.Record.over(), sizeOf(e.Path)})
		}
	}
	return k.surplus(stored, now), nil
}

// over is when a finished session was over, as far as anybody saw.
func (r *Record) over() time.Time {
	for _, at := range []time.Time{r.Ended, r.Started} {
		if !at.IsZero() {
			return at
		}
	}
	return r.Created
}

// sizeOf is the bytes of the files in a directory. It is the user's own, and what cannot be seen of
// it counts nothing.
func sizeOf(dir string) int64 {
	size := int64(0)
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // what cannot be seen counts nothing
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return nil
	})
	return size
}

// Forget is what is done with sessions before they are removed; nil is nothing. What it fails for
// is removed all the same.
type Forget func(ids []string) error

// Prune removes the sessions that are not kept, and returns those that are gone.
func (s Store) Prune(k Keep, now time.Time, forget Forget) ([]Stored, error) {
	list, err := s.Surplus(k, now)
	if err != nil {
		return nil, err
	}
	var gone []Stored
	errs := []error{s.sweep()}
	if forget != nil && len(list) > 0 {
		ids := make([]string, len(list))
		for i, old := range list {
			ids[i] = old.ID
		}
		errs = append(errs, forget(ids))
	}
	for _, old := range list {
		switch err := s.Remove(old.ID); {
		case err == nil:
			gone = append(gone, old)
		case !errors.Is(err, ErrNone): // another run did it
			errs = append(errs, err)
		}
	}
	return gone, errors.Join(errs...)
}

// pruneEvery is how often the age and the size of all sessions are looked at.
const pruneEvery = time.Hour

// prunedFile says by its time when that was done last.
const prunedFile = "pruned"

// PruneWhenDue is [Store.Prune] for the end of a run: it looks at all sessions only once an hour,
// or where there are many more than are kept.
func (s Store) PruneWhenDue(k Keep, now time.Time, forget Forget) ([]Stored, error) {
	stamp := filepath.Join(s.state, prunedFile)
	if info, err := os.Lstat(stamp); err == nil && now.Sub(info.ModTime()) < pruneEvery {
		stored, err := s.count()
		if err != nil || stored <= k.Sessions+k.Sessions/10 {
			return nil, err
		}
	}
	err := os.WriteFile(stamp, nil, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // no session was ever stored: the first run was refused
	}
	if err == nil {
		err = os.Chtimes(stamp, now, now)
	}
	if err != nil {
		return nil, err
	}
	return s.Prune(k, now, forget)
}

// count is how many finished sessions there are. Most file systems know how many directories are in
// one: each has a link to it.
func (s Store) count() (int, error) {
	info, err := os.Stat(s.finished())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	const own = 2 // its name, and the "." in it
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Nlink >= own {
		return int(stat.Nlink) - own, nil
	}
	base, err := s.open(s.finished())
	if err != nil {
		return 0, err
	}
	defer func() { _ = base.Close() }()
	names, err := readNames(base)
	return len(names), err
}
