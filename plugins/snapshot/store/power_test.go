//go:build linux

package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// life is what a store goes through: snapshots that are safe at once, that are made so later or
// never, that share objects with each other, and pruning. It says which manifests are safe.
type life struct{ safe []ManifestID }

func (l *life) run(t *testing.T, m *memory) {
	t.Helper()
	s := on(t, m, 1)
	// As a process that comes later, for it must not rely on what this one knows.
	later := func() *Store { return on(t, m, 1) }
	common := [][]byte{random(1, 5000), text(1, 9000), {}}
	// with is a copy: others read what is safe meanwhile.
	with := func(ids ...ManifestID) { l.safe = slices.Concat(l.safe, ids) }

	a := snapshot(t, s, true, append(common, []byte("a"))...)
	with(a)
	b := snapshot(t, s, false, append(common, []byte("b"), random(2, 3000))...)
	c := snapshot(t, later(), false, random(2, 3000), []byte("c"))
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	with(b, c)
	d := snapshot(t, later(), false, random(3, 3000), []byte("d"))
	e := snapshot(t, later(), true, random(3, 3000), []byte("e")) // makes d safe, too
	with(d, e)
	snapshot(t, s, false, random(3, 3000), []byte("never safe"))
	l.safe = []ManifestID{b, d}
	s = later()
	s.shared.Add(-1)
	if _, err := s.Prune(t.Context(), keep(b, d)); err != nil {
		t.Fatal(err)
	}
}

// lose lets power fail before each step of a store's life, and looks each time at what is there
// when the machine is started again.
func lose(t *testing.T, forgetful string) (problems []string) {
	m := newMemory()
	m.forgetful = forgetful
	var l life
	r := rand.New(rand.NewPCG(1, 2))
	steps := 0
	look := func(what, name string) error {
		if what == "read" || what == "open" || what == "list" {
			return nil // nothing has changed since the last
		}
		steps++
		for range 2 {
			if problem := afterwards(t, m.afterPowerLoss(r), &l); problem != "" {
				problems = append(problems,
					fmt.Sprintf("before step %d, %s %s: %s", steps, what, name, problem))
			}
		}
		return nil
	}
	m.step = look
	l.run(t, m)
	_ = look("end", "")
	if steps < 50 {
		t.Errorf("there were %d steps", steps)
	}
	return problems
}

// afterwards says what is wrong with a store after power was lost.
func afterwards(t *testing.T, m *memory, l *life) string {
	s, err := openOn(t, m, 2)
	if err != nil {
		return err.Error()
	}
	if bad := s.Damaged(); len(bad) > 0 {
		return bad[0].Error()
	}
	all, err := s.Manifests()
	if err != nil {
		return err.Error()
	}
	for _, id := range all {
		if err := resolves(s, id); err != nil {
			return err.Error()
		}
	}
	for _, id := range l.safe {
		if !slices.Contains(all, id) {
			return "a manifest that was safe is not there"
		}
	}
	for name := range m.names {
		if strings.HasSuffix(name, being) || strings.HasSuffix(name, sealed) {
			return name + " was left"
		}
	}
	// And it can be used.
	s.shared.Add(1)
	id, err := trySnapshot(t.Context(), s, true, random(1, 5000), []byte("new"))
	if err == nil {
		err = resolves(s, id)
	}
	if err != nil {
		return "a new snapshot: " + err.Error()
	}
	return ""
}

func TestLossOfPower(t *testing.T) {
	for _, problem := range lose(t, "") {
		t.Error(problem)
	}
}

// The model sees what is wrong: a store that does not sync its files, or its directories, is not
// valid afterwards.
func TestLossOfPowerIsSeen(t *testing.T) {
	for _, forgetful := range []string{"sync ", "syncDir"} {
		if problems := lose(t, forgetful); len(problems) == 0 {
			t.Errorf("without %s nothing is wrong", forgetful)
		}
	}
}

// What is lost is known to be.
func TestWhatWasNotSafeIsLostAsAWhole(t *testing.T) {
	m := newMemory()
	id := snapshot(t, on(t, m, 1), false, random(1, 5000), []byte("content"))
	// In the same life of the machine it is there, whoever was killed.
	if err := resolves(on(t, m, 1), id); err != nil {
		t.Error(err)
	}
	// After a clean end nothing is lost: it is looked at, and safe from then on.
	s := on(t, m, 2)
	if err := resolves(s, id); err != nil {
		t.Error(err)
	}
	if m.names[manifests+"/"+id.String()] == nil {
		t.Errorf("it is not safe: %v", m.names)
	}

	m = newMemory()
	id = snapshot(t, on(t, m, 1), false, random(1, 5000), []byte("content"))
	for name, f := range m.names {
		if strings.HasPrefix(name, packs) {
			f.now[len(f.now)/2] ^= 1
		}
	}
	s = on(t, m, 2)
	if _, err := s.OpenManifest(id); !errors.Is(err, ErrMissing) {
		t.Errorf("its pack is damaged: %v", err)
	}
	if len(m.names) != 0 {
		t.Errorf("there are %v", m.names)
	}
}

// A list that was saved is not there while a piece of it is lost: what asks for it reads the file
// again.
func TestAListWhosePieceIsLost(t *testing.T) {
	m := newMemory()
	big := random(1, PieceSize+1)
	snapshot(t, on(t, m, 1), false, big[:PieceSize])
	s := on(t, m, 1)
	snapshot(t, s, false, big) // its pack has the other piece and the list
	for name, f := range m.names {
		if strings.HasPrefix(name, packs) && len(f.now) > PieceSize {
			f.now[len(f.now)/2] ^= 1
		}
	}
	d := digestOf(list, appendList(nil, int64(len(big)), []Digest{
		digestOf(blob, big[:PieceSize]), digestOf(blob, big[PieceSize:]),
	}))
	if !s.Has(d) {
		t.Error("it was not there before")
	}
	s = on(t, m, 2)
	if s.index.find(d) == nil || s.Has(d) {
		t.Error("it is said to be there")
	}
	if err := resolves(s, snapshot(t, s, false, big)); err != nil || !s.Has(d) {
		t.Errorf("when the file was read again: %v", err)
	}
}

// Whether anything is left to be synced is told by the names.
func TestSynced(t *testing.T) {
	s := on(t, newMemory(), 1)
	want := func(want bool) {
		t.Helper()
		if got, err := s.Synced(); got != want || err != nil {
			t.Errorf("all is synced: %t, %v", got, err)
		}
	}
	want(true)
	snapshot(t, s, false, []byte("content"))
	want(false)
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(true)
	snapshot(t, s, false, []byte("content")) // the same once more
	want(true)
	snapshot(t, s, true, []byte("another"))
	want(true)
}
