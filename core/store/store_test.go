package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/lease"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

func newStore(t *testing.T) Store {
	t.Helper()
	return In(dirs.Dirs{State: filepath.Join(t.TempDir(), "state")})
}

func create(t *testing.T, s Store) *Session {
	t.Helper()
	session, err := s.Create(lease.NewID())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

// began is a session that owes something to a layer.
func began(t *testing.T, s Store, when time.Time) *Session {
	t.Helper()
	session := create(t, s)
	update(t, session, func(r *Record) {
		r.Created = when
		r.Layers = []Layer{{
			Kind: policy.KindCustom, Name: "test/keeper", Version: "1.0.0", Lifetime: sdk.Bracket,
			Owed: true,
		}}
	})
	return session
}

func update(t *testing.T, s *Session, change func(*Record)) {
	t.Helper()
	if err := s.Update(change); err != nil {
		t.Fatal(err)
	}
}

// kill is what the kernel does to a session whose process is gone.
func kill(t *testing.T, s *Session) {
	t.Helper()
	if err := s.lease.Close(); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, s Store, id string) Entry {
	t.Helper()
	e, err := s.Open(id)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestLifeOfASession(t *testing.T) {
	s := newStore(t)
	if list, err := s.List(); len(list) != 0 || err != nil {
		t.Fatalf("before there is anything: %v, %v", list, err)
	}
	live := began(t, s, time.Unix(100, 0).UTC())
	if e := open(t, s, live.ID()); e.State != Live || e.Err != nil {
		t.Errorf("it is %s, %v", e.State, e.Err)
	}
	if err := s.Remove(live.ID()); !errors.Is(err, ErrLive) {
		t.Errorf("removing it: %v", err)
	}
	if _, err := s.Take(live.ID()); !errors.Is(err, ErrLive) {
		t.Errorf("taking it: %v", err)
	}
	kill(t, live)
	if e := open(t, s, live.ID()); e.State != Dead {
		t.Errorf("its process is gone, and it is %s", e.State)
	}

	taken, err := s.Take(live.ID())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(live.Record(), taken.Record()); diff != "" {
		t.Errorf("what it said is lost: %s", diff)
	}
	end := func(released bool) func(*Record) {
		return func(r *Record) {
			r.End = &End{Reason: sdk.EndCoreLost, Report: []string{"one"}}
			r.Layers[0].Owed = !released
		}
	}
	if finished, err := taken.End(end(false)); finished || err != nil {
		t.Fatalf("with something owed: %t, %v", finished, err)
	}
	if e := open(t, s, live.ID()); e.State != Dead {
		t.Errorf("something is owed to it, and it is %s", e.State)
	}

	if taken, err = s.Take(live.ID()); err != nil {
		t.Fatal(err)
	}
	if finished, err := taken.End(end(true)); !finished || err != nil {
		t.Fatalf("with nothing owed: %t, %v", finished, err)
	}
	e := open(t, s, live.ID())
	if e.State != Finished || e.Record.End.Reason != sdk.EndCoreLost {
		t.Errorf("it is finished, and %+v", e)
	}
	if _, err := s.Take(live.ID()); !errors.Is(err, ErrNone) {
		t.Errorf("taking it again: %v", err)
	}
	if err := s.Remove(live.ID()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(live.ID()); !errors.Is(err, ErrNone) {
		t.Errorf("it is removed: %v", err)
	}
}

// A session that was killed before it said anything.
func TestNeverBegun(t *testing.T) {
	s := newStore(t)
	session := create(t, s)
	kill(t, session)
	dead, unread, err := s.TakeDead()
	if len(dead) != 0 || len(unread) != 0 || err != nil {
		t.Errorf("it is to be finished: %v, %v, %v", dead, unread, err)
	}
	if list, err := s.List(); len(list) != 0 || err != nil {
		t.Errorf("it is still there: %v, %v", list, err)
	}
}

// A session that was stored while something else of its start failed.
func TestDiscard(t *testing.T) {
	s := newStore(t)
	session := began(t, s, time.Unix(100, 0).UTC())
	if list, err := s.List(); len(list) != 1 || err != nil {
		t.Fatalf("control: there are %v, %v", list, err)
	}
	if err := session.Discard(); err != nil {
		t.Fatal(err)
	}
	if list, err := s.List(); len(list) != 0 || err != nil {
		t.Errorf("it is still there: %v, %v", list, err)
	}
}

func TestADeadSessionIsGivenUp(t *testing.T) {
	s := newStore(t)
	session := began(t, s, time.Now())
	kill(t, session)
	if err := s.Remove(session.ID()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(session.ID()); !errors.Is(err, ErrNone) {
		t.Errorf("%v", err)
	}
}

// A start takes what is dead and leaves what lives, is being made, or cannot be read.
func TestTakeDead(t *testing.T) {
	s := newStore(t)
	if dead, _, err := s.TakeDead(); len(dead) != 0 || err != nil {
		t.Fatalf("before there is anything: %v, %v", dead, err)
	}
	began(t, s, time.Unix(1, 0))
	tried, late, early := began(t, s, time.Unix(2, 0)), began(t, s, time.Unix(4, 0)), began(t, s, time.Unix(3, 0))
	update(t, tried, func(r *Record) { r.Tries = 1 })
	broken := began(t, s, time.Unix(5, 0))
	if err := os.WriteFile(filepath.Join(broken.Path(), RecordFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, session := range []*Session{tried, late, early, broken} {
		kill(t, session)
	}
	rest := filepath.Join(s.unfinished(), beingRemoved+lease.NewID())
	making := filepath.Join(s.unfinished(), "new-"+lease.NewID())
	for _, dir := range []string{rest, making} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}

	dead, unread, err := s.TakeDead()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, session := range dead {
		defer session.Close()
		got = append(got, session.ID())
	}
	if want := []string{early.ID(), late.ID(), tried.ID()}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(unread) != 1 || !strings.Contains(unread[0].Error(), broken.ID()) {
		t.Errorf("what cannot be read is told by %v", unread)
	}
	if _, err := os.Stat(rest); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what a removal left is still there: %v", err)
	}
	if _, err := os.Stat(making); err != nil {
		t.Errorf("a session that is being made is gone: %v", err)
	}
}

// A record that names another session is not followed there, whatever that is: nothing but its own
// process ends a live one.
func TestARecordOfAnotherSession(t *testing.T) {
	s := newStore(t)
	live, dead := began(t, s, time.Now()), began(t, s, time.Now())
	kill(t, dead)
	copied, err := os.ReadFile(filepath.Join(live.Path(), RecordFile))
	if err != nil {
		t.Fatal(err)
	}
	control, err := s.Take(dead.ID())
	if err != nil {
		t.Fatal(err)
	}
	_ = control.Close()
	if err := os.WriteFile(filepath.Join(dead.Path(), RecordFile), copied, 0o600); err != nil {
		t.Fatal(err)
	}
	if taken, err := s.Take(dead.ID()); err == nil {
		t.Errorf("it is taken for %s", taken.ID())
	}
	if e := open(t, s, dead.ID()); e.Record != nil || e.Err == nil {
		t.Errorf("it is listed as %+v", e)
	}
	if err := s.Remove(dead.ID()); err != nil {
		t.Error(err)
	}
	if e := open(t, s, live.ID()); e.State != Live {
		t.Errorf("the live one is %s", e.State)
	}
}

// However many starts find a dead session, one finishes it.
func TestOneTakes(t *testing.T) {
	s := newStore(t)
	session := began(t, s, time.Now())
	kill(t, session)
	var taken []*Session
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { // somebody who only looks is in nobody's way
			for range 20 {
				if _, err := s.List(); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			got, err := s.Take(session.ID())
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				taken = append(taken, got)
			case !errors.Is(err, ErrLive):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(taken) != 1 {
		t.Errorf("%d have taken it", len(taken))
	}
	for _, got := range taken {
		_ = got.Close()
	}
}

// A session that is finished while sessions are listed is found once.
func TestListWhileSessionsEnd(t *testing.T) {
	s := newStore(t)
	const sessions = 50
	var wg sync.WaitGroup
	all := make([]*Session, sessions)
	for i := range all {
		all[i] = create(t, s)
		update(t, all[i], func(r *Record) { r.Created = time.Unix(int64(i), 0) })
	}
	wg.Go(func() {
		for _, session := range all {
			if finished, err := session.End(func(*Record) {}); !finished || err != nil {
				t.Error(finished, err)
			}
		}
	})
	for range 20 {
		list, err := s.List()
		if err != nil {
			t.Fatal(err)
		}
		newest := slices.IsSortedFunc(list, func(a, b Entry) int {
			return b.Record.Created.Compare(a.Record.Created)
		})
		if len(list) != sessions || !newest {
			t.Fatalf("%d of %d are listed, the newest first: %t", len(list), sessions, newest)
		}
	}
	wg.Wait()
}

// An older nono does nothing with what a newer one wrote, and says so by name.
func TestNewer(t *testing.T) {
	s := newStore(t)
	session := began(t, s, time.Now())
	kill(t, session)
	file := filepath.Join(session.Path(), RecordFile)
	const text = `{"version": 2, "layers": "of another form", "unknown": 1}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := s.Take(session.ID())
	var newer *NewerError
	if !errors.As(err, &newer) || newer.Version != 2 || !strings.Contains(err.Error(), file) {
		t.Errorf("taking it: %v", err)
	}
	if e := open(t, s, session.ID()); e.State != Dead || !errors.As(e.Err, &newer) {
		t.Errorf("it is listed as %+v", e)
	}
	if got, err := os.ReadFile(file); string(got) != text {
		t.Errorf("it is %q, %v", got, err)
	}
}

func TestBroken(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "no version": "{}", "negative": `{"version": -1}`, "null": "null",
		"unknown": `{"version": 1, "unknown": 1}`, "cut off": `{"version": 1, "layers": [`,
	} {
		s := newStore(t)
		session := began(t, s, time.Now())
		kill(t, session)
		file := filepath.Join(session.Path(), RecordFile)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Take(session.ID()); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Paths and arguments are bytes.
func TestBytesAreKept(t *testing.T) {
	s := newStore(t)
	session := create(t, s)
	update(t, session, func(r *Record) { r.Dir, r.Command = "/srv/\xff", []string{"\xc3", "\xef\xbe\x80"} })
	if got := open(t, s, session.ID()).Record; got.Dir != "/srv/\xff" ||
		!slices.Equal(got.Command, []string{"\xc3", "\xef\xbe\x80"}) {
		t.Errorf("got %q, %q", got.Dir, got.Command)
	}
}

func TestOthersMayNotLook(t *testing.T) {
	s := newStore(t)
	session := create(t, s)
	if _, err := session.WritePlan("plan"); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(s.unfinished(), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(lease.NewID()); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("got %v", err)
	}
	for _, path := range []string{session.Path(), filepath.Join(session.Path(), PlanFile)} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

func TestLayersHaveDirectoriesOfTheirOwn(t *testing.T) {
	s := newStore(t)
	session := create(t, s)
	seen := map[string]bool{}
	for _, layer := range []string{"keeper", "test/keeper", "session/json"} {
		dir, err := session.LayerDir(layer)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(dir)
		if err != nil || !info.IsDir() || seen[dir] {
			t.Errorf("%s has %s: %v", layer, dir, err)
		}
		seen[dir] = true
	}
}

// What Start returned, an empty state and none are told apart.
func TestWhatIsKeptOfALayer(t *testing.T) {
	s := newStore(t)
	session := create(t, s)
	if _, err := session.LayerDir("test/keeper"); err != nil {
		t.Fatal(err)
	}
	for _, state := range [][]byte{nil, {}, {0, 0xff}} {
		want := Kept{Version: Version, Run: []byte("run"), State: state}
		if err := session.Keep("test/keeper", want); err != nil {
			t.Fatal(err)
		}
		got, err := session.Kept("test/keeper")
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v: %s, %v", state, diff, err)
		}
	}
}
