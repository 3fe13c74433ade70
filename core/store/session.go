package store

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/nono-run/nono/core/events"
	"github.com/nono-run/nono/core/lease"
	"github.com/nono-run/nono/sdk/bytejson"
	"github.com/nono-run/nono/sdk/ownfile"
)

// Session is a session that this process holds: its own, or a dead one that it finishes. Its
// methods may be called from several goroutines.
type Session struct {
	store Store
	base  *os.Root // the directory of unfinished sessions
	dir   *os.Root // the session's own, by whichever name
	lease *lease.Lease

	mu      sync.Mutex
	record  Record
	written bool
}

// Take takes over a dead session, to finish it. It is ErrLive where that is not dead, and ErrNone
// where somebody else has finished it meanwhile.
func (s Store) Take(id string) (*Session, error) {
	base, err := s.open(s.unfinished())
	if err != nil {
		return nil, err
	}
	held, err := lease.Take(base, id)
	switch {
	case errors.Is(err, lease.ErrHeld):
		err = ErrLive
	case errors.Is(err, fs.ErrNotExist):
		err = ErrNone
	}
	if err != nil {
		return nil, errors.Join(err, base.Close())
	}
	taken, err := s.hold(base, id, held)
	if err != nil {
		return nil, err
	}
	record, err := readRecord(filepath.Join(s.unfinished(), id))
	taken.written = err == nil
	switch {
	case errors.Is(err, fs.ErrNotExist): // it was killed before it owed anything
	case err != nil:
		return nil, errors.Join(err, taken.let()) // it says no name that Close could remove
	default:
		taken.record = *record
	}
	return taken, nil
}

// hold opens the directory of a session whose lease this process has. It takes over what it is
// given.
func (s Store) hold(base *os.Root, id string, held *lease.Lease) (*Session, error) {
	dir, err := base.OpenRoot(id)
	if err != nil {
		err = fmt.Errorf("opening the session's directory: %w", err)
		return nil, errors.Join(err, held.Close(), base.Close())
	}
	record := Record{Version: Version, ID: id}
	return &Session{store: s, base: base, dir: dir, lease: held, record: record}, nil
}

// TakeDead takes over the dead sessions, to finish them: those first that were tried least often,
// and of these the oldest. Which cannot be read is told, and left.
//
// Only unfinished sessions are looked at, so that it costs the same however many are stored.
func (s Store) TakeDead() (dead []*Session, unread []error, err error) {
	base, err := s.open(s.unfinished())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = base.Close() }()
	names, err := readNames(base)
	if err != nil {
		return nil, nil, fmt.Errorf("looking for sessions whose nono was killed: %w", err)
	}
	for _, name := range names {
		if !lease.IsID(name) {
			removeRest(base, name)
			continue
		}
		session, err := s.Take(name)
		if err == nil && !session.written { // it was killed before it owed anything
			err = session.Close()
			session = nil
		}
		switch {
		case errors.Is(err, ErrLive), errors.Is(err, ErrNone):
		case err != nil:
			unread = append(unread, err)
		case session != nil:
			dead = append(dead, session)
		}
	}
	slices.SortFunc(dead, func(a, b *Session) int {
		return cmp.Or(cmp.Compare(a.record.Tries, b.record.Tries),
			a.record.Created.Compare(b.record.Created))
	})
	return dead, unread, nil
}

// ID is the session's.
func (s *Session) ID() string { return s.record.ID }

// Path is the session's directory, for as long as it is not finished.
func (s *Session) Path() string { return filepath.Join(s.store.unfinished(), s.record.ID) }

// Record is what session.json says.
func (s *Session) Record() Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.record
	r.Layers, r.Processes = slices.Clone(r.Layers), slices.Clone(r.Processes)
	return r
}

// Update changes what session.json says. When it returns, that survives the process.
func (s *Session) Update(change func(*Record)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.update(change)
}

func (s *Session) update(change func(*Record)) error {
	change(&s.record)
	s.record.Version = Version // whichever it was read with, it is written in this form
	if err := s.write(RecordFile, &s.record); err != nil {
		return err
	}
	s.written = true
	return nil
}

// storedPlan is the content of plan.json.
type storedPlan struct {
	Version int `json:"version"`
	Plan    any `json:"plan"`
}

// WritePlan stores the plan, which has nothing secret in it, and returns the file's hash.
func (s *Session) WritePlan(plan any) (events.Hash, error) {
	text, err := bytejson.Marshal(storedPlan{Version, plan})
	if err != nil {
		return events.Hash{}, fmt.Errorf("storing the plan: %w", err)
	}
	return sha256.Sum256(text), s.replace(PlanFile, text)
}

func (s *Session) write(name string, content any) error {
	text, err := bytejson.Marshal(content)
	if err != nil {
		return fmt.Errorf("storing the session: %w", err)
	}
	return s.replace(name, text)
}

// replace replaces a file in one step.
func (s *Session) replace(name string, text []byte) error {
	if err := ownfile.Replace(s.dir, name, text); err != nil {
		return fmt.Errorf("storing the session: %w", err)
	}
	return nil
}

// LayerDir makes the directory that is a layer's own for this session, and is its path.
func (s *Session) LayerDir(layer string) (string, error) {
	if err := s.dir.MkdirAll(layerPath(layer), 0o700); err != nil {
		return "", fmt.Errorf("making the directory of layer %s: %w", layer, err)
	}
	return filepath.Join(s.Path(), layerPath(layer)), nil
}

// Keep stores what is to be kept of a layer. When it returns, that survives the process. The layer
// has its directory.
func (s *Session) Keep(layer string, k Kept) error {
	k.Version = Version
	return s.write(keptFile(layer), k)
}

// Kept is what was kept of a layer.
func (s *Session) Kept(layer string) (Kept, error) { return readKept(s.Path(), layer) }

// layerPath is a layer's directory in that of a session. A layer's name has no dot, so that no two
// share one.
func layerPath(layer string) string {
	return filepath.Join("layers", strings.ReplaceAll(layer, "/", "."))
}

// keptFile is the file with what is kept of a layer: beside the layer's directory, which is its
// own.
func keptFile(layer string) string { return layerPath(layer) + ".json" }

// End is the last Update, which says how the session ended, and lets it go. Where nothing is owed
// to it any more, it is moved to those that are finished; else the next start tries again.
func (s *Session) End(change func(*Record)) (finished bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.update(change)
	if err == nil && !s.record.owes() {
		err = s.store.finish(s.record.ID)
		finished = err == nil
	}
	return finished, errors.Join(err, s.let())
}

// Close lets the session go as it is. One that is not finished counts as dead; one that has never
// said anything owes nothing to anybody, and is removed. It may be called more than once.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lease == nil || s.written {
		return s.let()
	}
	return errors.Join(s.base.RemoveAll(s.record.ID), s.let())
}

// Discard removes a session that never came to be, whatever it has said.
func (s *Session) Discard() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.base.RemoveAll(s.record.ID), s.let())
}

func (s *Session) let() error {
	if s.lease == nil {
		return nil
	}
	err := errors.Join(s.dir.Close(), s.lease.Close(), s.base.Close())
	s.lease = nil
	return err
}

// ignoreEOF is the error without the one that means the end.
func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
