//go:build linux

package store

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk/hostfile"
)

const (
	packs     = "packs"
	manifests = "manifests"
	lockFile  = "lock"

	being   = ".tmp"     // is being written
	sealed  = ".sealed"  // is whole, but for a loss of power
	safe    = ".pack"    // is whole
	suspect = ".suspect" // says that something in the pack of this name is damaged
)

var (
	// ErrMissing is about an object or a manifest that is not in the store.
	ErrMissing = errors.New("it is not in the store")
	// ErrNotShared is about adding to a store that the process does not hold.
	ErrNotShared = errors.New("the store is not held")
)

// NewerError is about a file of a version that this program does not know.
type NewerError struct{ Version string }

// Error implements error.
func (e *NewerError) Error() string {
	return fmt.Sprintf("a newer nono wrote it (its version is %q)", e.Version)
}

// Store is an open store. Its methods may be called from several goroutines.
type Store struct {
	root *os.Root
	disk disk
	boot boot

	shared  atomic.Int32 // how often this process holds it
	writing atomic.Int32 // packs that are not sealed

	mu      sync.RWMutex
	index   *index
	packs   []*sealedPack          // by the number that their entries have
	known   map[string]*sealedPack // by their ids; nil is damaged
	damaged []error
	// wholeLists are the lists of which is known that all pieces are there.
	wholeLists map[Digest]bool
}

// Open opens the store in a directory, and makes it where it is missing. What a killed process left
// behind is removed, and what was not safe when the machine stopped is looked at.
func Open(dir string) (*Store, error) {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("making the store: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	s, err := open(root, onDisk{root}, thisBoot())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the store in %s: %w", dir, err), root.Close())
	}
	return s, nil
}

// open is Open on a disk, at a time.
func open(root *os.Root, d disk, at boot) (*Store, error) {
	for _, dir := range []string{".", packs, manifests} {
		if err := ownDir(root, dir); err != nil {
			return nil, err
		}
	}
	s := &Store{
		root: root, disk: d, boot: at, index: newIndex(),
		known: map[string]*sealedPack{}, wholeLists: map[Digest]bool{},
	}
	if err := s.recover(); err != nil {
		return nil, err
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	return s, nil
}

// ownDir makes sure of a directory that nobody but its owner, the user, can enter.
func ownDir(root *os.Root, dir string) error {
	if err := root.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	var st unix.Stat_t
	f, err := root.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	if int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d: the store must be your own", dir, st.Uid)
	}
	if st.Mode&0o077 != 0 {
		return fmt.Errorf("%s has mode %o, and others must not see what is in it: chmod 700",
			dir, st.Mode&0o777)
	}
	return nil
}

// thisBoot is the time since the machine was started. It is zero where nobody says: then what was
// sealed is never taken for whole unseen.
func thisBoot() boot {
	text, err := hostfile.Read("/proc/sys/kernel/random/boot_id", 64)
	if err != nil {
		return boot{}
	}
	id, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(string(text)), "-", ""))
	if err != nil || len(id) != len(boot{}) {
		return boot{}
	}
	return boot(id)
}

// Close lets the store go.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.packs {
		p.close()
	}
	return s.root.Close()
}

// Damaged are the packs that were passed over when the store was opened, and why.
func (s *Store) Damaged() []error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.damaged)
}

// Shared holds the store, so that nobody removes anything from it. It waits for one who does.
func (s *Store) Shared(ctx context.Context) (release func(), err error) {
	unlock, err := s.lock(ctx, unix.LOCK_SH)
	if err != nil {
		return nil, fmt.Errorf("waiting until nobody prunes the store: %w", err)
	}
	s.shared.Add(1)
	return sync.OnceFunc(func() {
		s.shared.Add(-1)
		unlock()
	}), nil
}

func (s *Store) openLock() (*os.File, error) {
	return s.root.OpenFile(lockFile, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
}

// tryLock is EWOULDBLOCK where it would have to wait.
func (s *Store) tryLock(how int) (unlock func(), err error) {
	f, err := s.openLock()
	if err != nil {
		return nil, err
	}
	if err := flock(f, how|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { f.Close() }, nil
}

func (s *Store) lock(ctx context.Context, how int) (unlock func(), err error) {
	unlock, err = s.tryLock(how)
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return unlock, err
	}
	f, err := s.openLock()
	if err != nil {
		return nil, err
	}
	var failed error
	locked := make(chan struct{})
	go func() {
		defer close(locked)
		failed = flock(f, how)
	}()
	select {
	case <-locked:
		if failed != nil {
			return nil, errors.Join(failed, f.Close())
		}
		return func() { f.Close() }, nil
	case <-ctx.Done():
		go func() { // no signal ends the wait; so it is let go as soon as it is there
			<-locked
			f.Close()
		}()
		return nil, context.Cause(ctx)
	}
}

// Has reports whether an object can be opened. It looks at indexes alone, and knows what was sealed
// when the store was opened, or by this process. For a list it looks whether all of its pieces are
// there: they may be in packs that are lost, or that were pruned when nothing live needed the list.
// What is in a pack of which something is damaged is not counted, so that it is put once more while
// there still is what it was made of.
func (s *Store) Has(d Digest) bool {
	s.mu.RLock()
	e := s.sound(d)
	isList, whole := e != nil && e.kind == list, s.wholeLists[d]
	s.mu.RUnlock()
	if !isList || whole {
		return e != nil
	}
	if !s.hasPieces(d) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wholeLists[d] = true
	return true
}

// sound is the entry of an object in a pack of which nothing is known to be damaged, or nil.
func (s *Store) sound(d Digest) *entry {
	if e := s.index.find(d); e != nil && !s.packs[e.pack].suspect {
		return e
	}
	return nil
}

// hasPieces reports whether all pieces of a list are there.
func (s *Store) hasPieces(d Digest) bool {
	sp := getSpace()
	defer sp.put()
	pieces, err := s.pieces(d, sp)
	if err != nil {
		return false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return !slices.ContainsFunc(pieces, func(d Digest) bool { return s.sound(d) == nil })
}

// Objects is the number of objects that Has knows.
func (s *Store) Objects() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.index.len()
}

// load reads the indexes of all packs, unless there are none but those that it has read.
func (s *Store) load() error {
	names, err := s.list(packs)
	if err != nil {
		return err
	}
	suspects := map[string]bool{}
	names = slices.DeleteFunc(names, func(n name) bool {
		suspects[n.id] = suspects[n.id] || n.ending == suspect
		return n.ending != safe && n.ending != sealed
	})
	names = slices.CompactFunc(names, func(a, b name) bool { return a.id == b.id })
	// What is there twice is taken from elsewhere.
	slices.SortStableFunc(names, func(a, b name) int {
		return cmp.Compare(order(suspects[a.id]), order(suspects[b.id]))
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(names) == len(s.known) &&
		!slices.ContainsFunc(names, func(n name) bool { _, ok := s.known[n.id]; return !ok }) {
		return nil
	}
	x, known := newIndex(), make(map[string]*sealedPack, len(names))
	var loaded []*sealedPack
	var bad []error
	for _, n := range names {
		err := s.readPack(n, x, uint32(len(loaded)))
		newer := (*NewerError)(nil)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, errOtherBoot):
			continue // it has another name by now, or nobody has looked at it yet
		case errors.As(err, &newer):
			return fmt.Errorf("%s/%s: %w", packs, n, err)
		case err != nil:
			bad = append(bad, fmt.Errorf("%s/%s: %w", packs, n, err))
			known[n.id] = nil
			continue
		}
		p := s.known[n.id]
		if p == nil {
			p = &sealedPack{id: n.id}
		}
		p.suspect = suspects[n.id]
		known[n.id] = p
		loaded = append(loaded, p)
	}
	s.index, s.packs, s.known, s.damaged = x, loaded, known, bad
	clear(s.wholeLists)
	return nil
}

// order has what is so come after what is not.
func order(last bool) int {
	if last {
		return 1
	}
	return 0
}

// name is that of a file in one of the directories.
type name struct{ id, ending string }

func (n name) String() string { return n.id + n.ending }

// list are the files in a directory that have names of ours, in order.
func (s *Store) list(dir string) ([]name, error) {
	all, err := s.disk.list(dir)
	if err != nil {
		return nil, err
	}
	names := make([]name, 0, len(all))
	for _, full := range all {
		id, ending, _ := strings.Cut(full, ".")
		if ending != "" {
			ending = "." + ending
		}
		if _, err := ParseDigest(id); err == nil || isID(id) {
			names = append(names, name{id, ending})
		}
	}
	// By name: a pack is listed as safe before as sealed, should it have both.
	slices.SortFunc(names, func(a, b name) int { return cmp.Compare(a.String(), b.String()) })
	return names, nil
}
