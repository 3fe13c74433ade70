// Package store is what a session leaves on disk: while it runs, so that what it took can be
// released if its core is killed, and after it, so that a person can look.
//
//	$XDG_STATE_HOME/nono/unfinished/ID/    a session that is live, or dead
//	$XDG_STATE_HOME/nono/sessions/ID/      a session that is finished
//	    session.json     a [Record]
//	    plan.json        the plan, as `nono plan --json` has it
//	    events.jsonl     what happened (core/events)
//	    events.jsonl.sigstore.json   the signature of its end; or
//	    unsigned.txt     why there is none, where it should have been signed
//	    layers/NAME/     a directory of a layer's own
//	    layers/NAME.json what Finish of the layer needs, a [Kept]
//
// A session that lives holds a lease on its directory. One that is unfinished and not held is dead:
// its core was killed, and the next start finishes it. A directory moves when its session is
// finished, in one step, so that a start looks at a list of those alone that are not, however many
// are stored.
//
// # What is written when
//
//	live, err := sessions.Create(id)     // the directory, held
//	err = live.Keep(layer, Kept{...})    // before the layer's Start is called, and once more with
//	                                     // what it returned: before the gate opens
//	err = live.Update(func(r *Record) {  // who takes part, and that Finish is owed to them
//		...
//	})
//	finished, err := live.End(func(r *Record) { // how it ended, and who has finished
//		...
//	})
//
// A file is written under another name and renamed, so that it is whole whenever its writer is
// killed. Nothing is synced: only a crash of the machine can lose it, and then what the session
// took is gone as well.
//
// Every file says its version. One of a newer nono is a [*NewerError], and nothing is done with its
// session.
package store

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/lease"
	"github.com/nono-run/nono/sdk/bytejson"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/ownfile"
)

// The files of a session's directory.
const (
	RecordFile = "session.json"
	PlanFile   = "plan.json"
	EventsFile = "events.jsonl"
	// SignatureFile is a bundle, as package sdk/loghead has it, and UnsignedFile a line of text.
	SignatureFile = EventsFile + ".sigstore.json"
	UnsignedFile  = "unsigned.txt"
)

// maxFile bounds what is read of one file. What is kept of a layer is two messages in base64.
const maxFile = 16 << 20

// maxSessions bounds how many sessions are listed.
const maxSessions = 100_000

// Store is where sessions are kept.
type Store struct{ state string }

// In is the store beneath the user's state directory. It need not exist.
func In(d dirs.Dirs) Store { return Store{d.State} }

func (s Store) unfinished() string { return filepath.Join(s.state, "unfinished") }
func (s Store) finished() string   { return filepath.Join(s.state, "sessions") }

// Create makes the directory of a session and holds it.
func (s Store) Create(id string) (*Session, error) {
	base, err := s.openMade()
	if err != nil {
		return nil, err
	}
	held, err := lease.Make(base, id)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making the session's directory: %w", err), base.Close())
	}
	return s.hold(base, id, held)
}

// finish moves a session to those that are finished.
func (s Store) finish(id string) error {
	from, to := filepath.Join(s.unfinished(), id), filepath.Join(s.finished(), id)
	err := os.Rename(from, to)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(s.finished(), 0o700); err != nil { // somebody tidied up
		return err
	}
	return os.Rename(from, to)
}

// openMade opens the directory of unfinished sessions, and makes it if it is missing. It is the
// user's alone.
func (s Store) openMade() (*os.Root, error) {
	base, err := s.open(s.unfinished())
	if !errors.Is(err, fs.ErrNotExist) {
		return base, err
	}
	for _, dir := range []string{s.finished(), s.unfinished()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("making the directory of sessions: %w", err)
		}
	}
	return s.open(s.unfinished())
}

func (s Store) open(dir string) (*os.Root, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the directory of sessions: %w", err)
	}
	info, err := root.Stat(".")
	if err == nil {
		err = ownfile.CheckPrivate(dir, info, os.Geteuid(), "nono keeps its sessions there")
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
}

// List is all sessions, the newest first. One that cannot be read is in it, with what is wrong.
func (s Store) List() ([]Entry, error) {
	// In this order: one that is finished meanwhile is found twice, and never not at all.
	list, err := s.Unfinished()
	if err != nil {
		return nil, err
	}
	over, err := s.entries(s.finished())
	if err != nil {
		return nil, err
	}
	for _, e := range over {
		list = slices.DeleteFunc(list, func(o Entry) bool { return o.ID == e.ID })
		list = append(list, e)
	}
	slices.SortStableFunc(list, newestFirst)
	return list, nil
}

func newestFirst(a, b Entry) int {
	switch {
	case a.Record != nil && b.Record != nil:
		return b.Record.Created.Compare(a.Record.Created)
	case a.Record != nil:
		return -1
	case b.Record != nil:
		return 1
	}
	return cmp.Compare(a.ID, b.ID)
}

// Unfinished is the sessions that are live or dead, in no order.
func (s Store) Unfinished() ([]Entry, error) { return s.entries(s.unfinished()) }

// entries is the sessions in one of the two directories.
func (s Store) entries(dir string) ([]Entry, error) {
	base, err := s.open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = base.Close() }()
	names, err := readNames(base)
	if err != nil {
		return nil, fmt.Errorf("listing sessions: %w", err)
	}
	var list []Entry
	for _, name := range names {
		if !lease.IsID(name) {
			continue // one that is being made, or removed
		}
		e, err := s.entry(base, dir, name)
		if errors.Is(err, ErrNone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

func readNames(base *os.Root) ([]string, error) {
	d, err := base.Open(".")
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }()
	names, err := d.Readdirnames(maxSessions)
	if len(names) == maxSessions {
		return nil, fmt.Errorf("there are %d and more", maxSessions)
	}
	if len(names) > 0 {
		err = nil // the end is an error only where nothing comes before it
	}
	return names, ignoreEOF(err)
}

// entry looks at one session. It is ErrNone for one that is not there, or not any more.
func (s Store) entry(base *os.Root, dir, id string) (Entry, error) {
	e := Entry{ID: id, State: Finished, Path: filepath.Join(dir, id)}
	if dir == s.unfinished() {
		held, err := lease.Held(base, id)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return Entry{}, ErrNone
		case err != nil:
			return Entry{}, fmt.Errorf("looking whether session %s is live: %w", id, err)
		case held:
			e.State = Live
		default:
			e.State = Dead
		}
	}
	e.Record, e.Err = readRecord(e.Path)
	if errors.Is(e.Err, fs.ErrNotExist) {
		if _, err := base.Lstat(id); errors.Is(err, fs.ErrNotExist) {
			return Entry{}, ErrNone // it was finished, or removed, meanwhile
		}
	}
	return e, nil
}

// Open is one session by its id.
func (s Store) Open(id string) (Entry, error) {
	if !lease.IsID(id) {
		return Entry{}, ErrNone
	}
	for _, dir := range []string{s.unfinished(), s.finished()} { // in the order of a session's life
		base, err := s.open(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Entry{}, err
		}
		e, err := Entry{}, ErrNone
		if _, statErr := base.Lstat(id); statErr == nil {
			e, err = s.entry(base, dir, id)
		}
		_ = base.Close()
		if !errors.Is(err, ErrNone) {
			return e, err
		}
	}
	return Entry{}, ErrNone
}

// beingRemoved begins the name of a directory that is on its way out.
const beingRemoved = "removed-"

// Remove removes a session with all that is in its directory. One that is dead is given up: what it
// took is not released. One that is live is ErrLive.
func (s Store) Remove(id string) error {
	e, err := s.Open(id)
	if err != nil {
		return err
	}
	base, err := s.open(filepath.Dir(e.Path))
	if err != nil {
		return err
	}
	defer func() { _ = base.Close() }()
	if e.State != Finished {
		held, err := lease.Take(base, id)
		if errors.Is(err, lease.ErrHeld) {
			return ErrLive
		}
		if err != nil {
			return fmt.Errorf("removing session %s: %w", id, err)
		}
		defer func() { _ = held.Close() }()
	}
	// A session is there as a whole or not at all, whenever this is interrupted.
	if err := base.Rename(id, beingRemoved+id); err != nil {
		return fmt.Errorf("removing session %s: %w", id, err)
	}
	if err := base.RemoveAll(beingRemoved + id); err != nil {
		return fmt.Errorf("removing session %s: %w", id, err)
	}
	return nil
}

// sweep removes what interrupted removals have left of finished sessions.
func (s Store) sweep() error {
	base, err := s.open(s.finished())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = base.Close() }()
	names, err := readNames(base)
	for _, name := range names {
		if !lease.IsID(name) {
			removeRest(base, name)
		}
	}
	return err
}

// removeRest removes what the making or the removal of a session has left that was interrupted. It
// is in nobody's way where it cannot be removed.
func removeRest(base *os.Root, name string) {
	if rest, err := lease.Take(base, name); err == nil {
		_ = base.RemoveAll(name)
		_ = rest.Close()
	}
}

// Kept is what was kept of a layer.
func (e Entry) Kept(layer string) (Kept, error) { return readKept(e.Path, layer) }

// readRecord is what the session in a directory says of itself. One that was copied from another
// session's is none: what is done with it would be done with that one.
func readRecord(dir string) (*Record, error) {
	r := new(Record)
	file := filepath.Join(dir, RecordFile)
	if err := read(file, r); err != nil {
		return nil, err
	}
	if r.ID != filepath.Base(dir) {
		return nil, fmt.Errorf("reading %s: it is about session %q", file, r.ID)
	}
	return r, nil
}

func readKept(dir, layer string) (Kept, error) {
	var k Kept
	return k, read(filepath.Join(dir, keptFile(layer)), &k)
}

// read reads a file of this version or of one before it. Where sessions are pruned it reads a
// thousand: so the text is read a second time, for its version alone, only if the first one failed.
func read(file string, content interface{ version() int }) error {
	text, err := hostfile.Read(file, maxFile)
	if err != nil {
		return err
	}
	unknown := bytejson.Unmarshal(text, content)
	version := content.version()
	if unknown != nil {
		var says struct {
			Version int `json:"version"`
		}
		if err := json.Unmarshal(text, &says); err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
		version = says.Version
	}
	switch {
	case version > Version:
		return &NewerError{file, version}
	case version < 1:
		return fmt.Errorf("reading %s: it does not say its version", file)
	case unknown != nil:
		return fmt.Errorf("reading %s: %w", file, unknown)
	}
	return nil
}

func (r *Record) version() int     { return r.Version }
func (k *Kept) version() int       { return k.Version }
func (p *storedPlan) version() int { return p.Version }
