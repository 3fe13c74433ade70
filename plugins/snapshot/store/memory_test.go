//go:build linux

package store

import (
	"bytes"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// memory is a disk in memory. It knows what would be left of it after a loss of power, and can
// fail.
type memory struct {
	mu    sync.Mutex
	names map[string]*memoryFile
	// safe is what the names were when their directory was synced, and pending what was done to them
	// since, in order.
	safe    map[string]*memoryFile
	pending []naming
	// step, if not nil, is called before each step, without the lock. It may fail.
	step func(what, name string) error
	// forgetful are the steps that do nothing, for a store that forgets them.
	forgetful string
}

// naming is a change of names; to is empty where one was removed, and from where one was made.
type naming struct {
	from, to string
	file     *memoryFile
}

func (n naming) dir() string { return path.Dir(max(n.from, n.to)) } // one may be empty

func (n naming) apply(names map[string]*memoryFile) {
	if n.from != "" {
		delete(names, n.from)
	}
	if n.to != "" {
		names[n.to] = n.file
	}
}

// memoryFile is a file: what it is now, and what it was when it was synced. What was written since
// is kept to be lost.
type memoryFile struct {
	disk       *memory
	name       string
	now, saved []byte
	writes     []write
	writing    bool // it is open to be written
}

type write struct {
	at   int64
	data []byte
}

func newMemory() *memory {
	return &memory{names: map[string]*memoryFile{}, safe: map[string]*memoryFile{}}
}

func (m *memory) before(what, name string) error {
	if m.step == nil {
		return nil
	}
	return m.step(what, name)
}

func (m *memory) create(name string) (file, error) {
	if err := m.before("create", name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.names[name] != nil {
		return nil, fs.ErrExist
	}
	f := &memoryFile{disk: m, name: name, writing: true}
	m.change(naming{"", name, f})
	return f, nil
}

func (m *memory) change(n naming) {
	n.apply(m.names)
	m.pending = append(m.pending, n)
}

func (m *memory) open(name string) (file, error) {
	if err := m.before("open", name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.names[name]
	if f == nil {
		return nil, fs.ErrNotExist
	}
	return f, nil
}

func (m *memory) rename(from, to string) error {
	if err := m.before("rename", from); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.names[from]
	if f == nil {
		return fs.ErrNotExist
	}
	f.name = to
	m.change(naming{from, to, f})
	return nil
}

func (m *memory) remove(name string) error {
	if err := m.before("remove", name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.names[name] == nil {
		return fs.ErrNotExist
	}
	m.change(naming{name, "", nil})
	return nil
}

func (m *memory) rubbish(name string) error {
	m.mu.Lock()
	f := m.names[name]
	m.mu.Unlock()
	if f == nil || f.writing {
		return nil
	}
	return m.remove(name)
}

func (m *memory) list(dir string) ([]string, error) {
	if err := m.before("list", dir); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for name := range m.names {
		if path.Dir(name) == dir {
			all = append(all, path.Base(name))
		}
	}
	return all, nil
}

func (m *memory) syncDir(dir string) error {
	if err := m.before("syncDir", dir); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if strings.Contains(m.forgetful, "syncDir") {
		return nil
	}
	var left []naming
	for _, n := range m.pending {
		if n.dir() == dir {
			n.apply(m.safe)
		} else {
			left = append(left, n)
		}
	}
	m.pending = left
	return nil
}

func (f *memoryFile) ReadAt(b []byte, at int64) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if err := f.disk.before("read", f.name); err != nil {
		return 0, err
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return bytes.NewReader(f.now).ReadAt(b, at)
}

func (f *memoryFile) WriteAt(b []byte, at int64) (int, error) {
	if err := f.disk.before("write", f.name); err != nil {
		return 0, err
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	w := write{at, bytes.Clone(b)}
	f.now = w.apply(f.now)
	f.writes = append(f.writes, w)
	return len(b), nil
}

func (w write) apply(to []byte) []byte {
	if end := int(w.at) + len(w.data); end > len(to) {
		to = append(to, make([]byte, end-len(to))...)
	}
	copy(to[w.at:], w.data)
	return to
}

func (f *memoryFile) close() {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.writing = false
}

func (f *memoryFile) size() (int64, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return int64(len(f.now)), nil
}

func (f *memoryFile) used() (int64, error)                      { return f.size() }
func (f *memoryFile) start(int64, int64) error                  { return nil }
func (f *memoryFile) source() *os.File                          { return nil }
func (f *memoryFile) punch(int64, int64) error                  { return unix.EOPNOTSUPP }
func (f *memoryFile) clone(int64, *os.File, int64, int64) error { return unix.EOPNOTSUPP }

func (f *memoryFile) sync() error {
	if err := f.disk.before("sync", f.name); err != nil {
		return err
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if strings.Contains(f.disk.forgetful, "sync ") {
		return nil
	}
	f.saved, f.writes = bytes.Clone(f.now), nil
	return nil
}

// afterPowerLoss is what may be there when the machine is started again: of the names of each
// directory a state between the last sync and now, and of each file what was synced and some of
// what was written since, or a part of that.
func (m *memory) afterPowerLoss(r *rand.Rand) *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := maps.Clone(m.safe)
	for _, dir := range []string{packs, manifests} {
		of := slices.DeleteFunc(slices.Clone(m.pending), func(n naming) bool { return n.dir() != dir })
		for _, n := range of[:r.IntN(len(of)+1)] {
			n.apply(names)
		}
	}
	after := newMemory()
	for name, f := range names {
		content := bytes.Clone(f.saved)
		for _, w := range f.writes {
			switch r.IntN(3) {
			case 0: // lost
			case 1:
				content = w.apply(content)
			case 2:
				w.data = w.data[:r.IntN(len(w.data)+1)]
				content = w.apply(content)
			}
		}
		g := &memoryFile{disk: after, name: name, now: content, saved: bytes.Clone(content)}
		after.names[name], after.safe[name] = g, g
	}
	return after
}

// openOn opens a store on a disk, at some time.
func openOn(t testing.TB, m *memory, at byte) (*Store, error) {
	t.Helper()
	return open(mustRoot(t), m, boot{at})
}

// mustRoot is an empty directory, for what a store does outside of its disk.
func mustRoot(t testing.TB) *os.Root {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// on is an open store on a disk, held.
func on(t testing.TB, m *memory, at byte) *Store {
	t.Helper()
	s, err := openOn(t, m, at)
	if err != nil {
		t.Fatal(err)
	}
	s.shared.Add(1)
	return s
}
