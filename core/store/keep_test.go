package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/lease"
	"github.com/nono-run/nono/sdk"
)

func TestSurplus(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	ago := func(id string, d time.Duration, size int64) Stored {
		return Stored{id, now.Add(-d), size}
	}
	list := []Stored{
		ago("c", 3*time.Hour, 100), ago("a", time.Hour, 100), ago("d", 30*time.Hour, 0),
		ago("b", 2*time.Hour, 100),
	}
	all := Keep{100, 100 * time.Hour, 1 << 20}
	for name, tt := range map[string]struct {
		change func(*Keep)
		want   []string
	}{
		"everything":      {func(*Keep) {}, nil},
		"two":             {func(k *Keep) { k.Sessions = 2 }, []string{"c", "d"}},
		"none":            {func(k *Keep) { k.Sessions = 0 }, []string{"a", "b", "c", "d"}},
		"a day":           {func(k *Keep) { k.Age = 24 * time.Hour }, []string{"d"}},
		"to the second":   {func(k *Keep) { k.Age = 2 * time.Hour }, []string{"c", "d"}},
		"200 bytes":       {func(k *Keep) { k.Size = 200 }, []string{"c", "d"}},
		"less than one":   {func(k *Keep) { k.Size = 99 }, []string{"a", "b", "c", "d"}},
		"the tightest of": {func(k *Keep) { k.Sessions, k.Size = 3, 100 }, []string{"b", "c", "d"}},
	} {
		keep := all
		tt.change(&keep)
		var got []string
		for _, s := range keep.surplus(list, now) {
			got = append(got, s.ID)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

// ended is a finished session of that time.
func ended(t *testing.T, s Store, at time.Time) string {
	t.Helper()
	session := create(t, s)
	finished, err := session.End(func(r *Record) {
		r.Created, r.Ended, r.End = at, at, &End{Reason: sdk.EndExited}
	})
	if !finished || err != nil {
		t.Fatal(finished, err)
	}
	return session.ID()
}

// What is live, dead, or of a newer nono is not pruned, however old it is.
func TestPrune(t *testing.T) {
	s := newStore(t)
	now := time.Now()
	long := now.Add(-1000 * time.Hour)
	old, recent := ended(t, s, long), ended(t, s, now)
	newer := ended(t, s, long)
	record := filepath.Join(s.finished(), newer, RecordFile)
	if err := os.WriteFile(record, []byte(`{"version":1000}`), 0o600); err != nil {
		t.Fatal(err)
	}
	live, dead := began(t, s, long), began(t, s, long)
	kill(t, dead)

	var forgotten []string
	forget := func(ids []string) error {
		forgotten = ids
		_, err := s.Open(ids[0]) // it is still there
		return err
	}
	gone, err := s.Prune(Keep{10, time.Hour, 1 << 30}, now, forget)
	if !slices.Equal(forgotten, []string{old}) {
		t.Errorf("forgotten are %q", forgotten)
	}
	if err != nil || len(gone) != 1 || gone[0].ID != old {
		t.Errorf("gone are %+v, %v", gone, err)
	}
	if _, err := s.Open(old); !errors.Is(err, ErrNone) {
		t.Errorf("the old one is still there: %v", err)
	}
	for _, id := range []string{recent, newer, live.ID(), dead.ID()} {
		if _, err := s.Open(id); err != nil {
			t.Errorf("%s is gone: %v", id, err)
		}
	}
}

// A run that was refused before anything was stored has nothing to remove, and makes nothing.
func TestPruneWhereNothingIsStored(t *testing.T) {
	s := newStore(t)
	if gone, err := s.PruneWhenDue(DefaultKeep, time.Now(), nil); len(gone) != 0 || err != nil {
		t.Errorf("gone are %+v, %v", gone, err)
	}
	if _, err := os.Stat(s.state); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it made something: %v", err)
	}
}

// A run does not look at a thousand sessions each time it ends.
func TestPruneWhenDue(t *testing.T) {
	s := newStore(t)
	now := time.Now()
	keep := Keep{10, time.Hour, 1 << 30}
	prune := func(at time.Time) int {
		t.Helper()
		gone, err := s.PruneWhenDue(keep, at, nil)
		if err != nil {
			t.Fatal(err)
		}
		return len(gone)
	}
	ended(t, s, now.Add(-2*time.Hour))
	if n := prune(now); n != 1 {
		t.Errorf("the first time %d are gone", n)
	}
	ended(t, s, now.Add(-2*time.Hour))
	if n := prune(now.Add(time.Minute)); n != 0 {
		t.Errorf("a minute later %d are gone", n)
	}
	if n := prune(now.Add(61 * time.Minute)); n != 1 {
		t.Errorf("an hour later %d are gone", n)
	}
	var ids []string
	for i := range 11 {
		ids = append(ids, ended(t, s, now.Add(time.Duration(i)*time.Minute)))
	}
	if n := prune(now.Add(62 * time.Minute)); n != 0 {
		t.Errorf("with one more than are kept %d are gone", n)
	}
	ids = append(ids, ended(t, s, now.Add(11*time.Minute)))
	if n := prune(now.Add(62 * time.Minute)); n != 2 {
		t.Errorf("with many more than are kept %d are gone", n)
	}
	list, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if !slices.Contains(ids[2:], e.ID) {
			t.Errorf("%s is still there", e.ID)
		}
	}
}

// The links of a directory are counted where the file system has them, and its names elsewhere:
// either way it is the sessions.
func TestCount(t *testing.T) {
	s := Store{t.TempDir()}
	for n := range 4 {
		if got, err := s.count(); err != nil || got != n {
			t.Errorf("%d sessions are counted as %d, %v", n, got, err)
		}
		if err := os.MkdirAll(filepath.Join(s.finished(), lease.NewID(), "layers"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// What an interrupted removal has left goes when sessions are pruned, and with no other session.
func TestPruneSweeps(t *testing.T) {
	s := Store{t.TempDir()}
	rest := filepath.Join(s.finished(), beingRemoved+lease.NewID())
	kept, doomed := filepath.Join(s.finished(), lease.NewID()), lease.NewID()
	for _, dir := range []string{s.unfinished(), rest, kept, filepath.Join(s.finished(), doomed)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	there := func(dir string) bool { _, err := os.Stat(dir); return err == nil }
	if err := s.Remove(doomed); err != nil || !there(rest) || there(filepath.Join(s.finished(), doomed)) {
		t.Errorf("removing one: %v, the rest of another is there: %v", err, there(rest))
	}
	if _, err := s.Prune(DefaultKeep, time.Now(), nil); err != nil || there(rest) || !there(kept) {
		t.Errorf("pruning: %v, the rest is there: %v, what is kept is: %v", err, there(rest), there(kept))
	}
}
