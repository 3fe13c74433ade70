package session

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/pluginlock"
	"github.com/nono-run/nono/core/store"
	"github.com/nono-run/nono/sdk"
)

// A layer gets what an older version of it has left, and never what a newer one has.
func TestWhoUnderstandsADeadSession(t *testing.T) {
	for name, c := range map[string]struct {
		then, now string
		lifetime  sdk.Lifetime
		want      string // in the problem; none if empty
	}{
		"the same":            {"1.0.0", "1.0.0", sdk.Bracket, ""},
		"newer":               {"1.9.0", "1.10.0", sdk.Resident, ""},
		"another lifetime":    {"1.0.0", "2.0.0", sdk.Resident, ""},
		"older":               {"1.10.0", "1.9.0", sdk.Bracket, "has version 1.9.0, and had 1.10.0"},
		"no version, same":    {"tuesday", "tuesday", sdk.Bracket, ""},
		"no version, another": {"tuesday", "monday", sdk.Bracket, "has version monday, and had tuesday"},
		"a version since":     {"tuesday", "1.0.0", sdk.Bracket, "had tuesday"},
		"nothing to finish":   {"1.0.0", "2.0.0", sdk.Ephemeral, "no Finish any more"},
	} {
		now := sdk.Description{Name: "test/keeper", Version: c.now, Lifetime: c.lifetime}
		err := understands(now, store.Layer{Name: "test/keeper", Version: c.then})
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, and should say %q", name, err, c.want)
		}
	}
}

// TestDeadSessionWithFresh: a start with --fresh runs no kept copy, for a dead session neither.
func TestDeadSessionWithFresh(t *testing.T) {
	own := dirs.Dirs{Config: t.TempDir(), State: t.TempDir()}
	program := filepath.Join(t.TempDir(), "nono-layer-keeper")
	content := []byte("#!/bin/true\n")
	lock := func(l *pluginlock.Lock) error {
		l.Put(pluginlock.Program{Name: "test/keeper", SHA256: fmt.Sprintf("%x", sha256.Sum256(content))})
		return nil
	}
	if err := errors.Join(os.WriteFile(program, content, 0o700), pluginlock.Change(own, lock)); err != nil {
		t.Fatal(err)
	}
	copies := func(fresh bool) bool {
		t.Helper()
		d := deadSession{run: &run{req: &Request{Dirs: own, Fresh: fresh}}}
		m, err := d.find(store.Layer{Name: "test/keeper", Path: program})
		if err != nil {
			t.Fatal(err)
		}
		defer m.close()
		if err := pluginlock.Keep(own, m.binary); err != nil {
			t.Fatal(err)
		}
		made, _ := m.binary.NewCopy()
		return made != nil
	}
	if !copies(false) || copies(false) {
		t.Fatal("control: no copy is kept")
	}
	if !copies(true) {
		t.Error("the copy was kept from before")
	}
}

func TestTellFinished(t *testing.T) {
	ended := func(reason sdk.EndReason) store.Record {
		r := store.Record{
			ID: "a", Dir: "/home/ada/proj", Command: []string{"sh", "-c", strings.Repeat("x", 1000)},
		}
		if reason != "" {
			r.End = &store.End{Reason: reason}
		}
		return r
	}
	many := []store.Record{{ID: "a"}, {ID: "b"}, {ID: "c"}, {ID: "d"}, {ID: "e"}, {ID: "f"}, {ID: "g"}}
	for _, c := range []struct {
		records []store.Record
		want    string
	}{
		{[]store.Record{ended("")}, "finished session a (sh -c xxx"},
		{[]store.Record{ended("")}, "..., in ~/proj), whose nono was killed"},
		{[]store.Record{ended(sdk.EndCoreLost)}, "whose nono was killed"}, // a start has tried before
		{[]store.Record{ended(sdk.EndExited)}, "which could not be cleaned up when it ended"},
		{many[:2], "finished 2 sessions that were left unfinished: a, b"},
		{many, "finished 7 sessions that were left unfinished: a, b, c, d, e and 2 more"},
	} {
		got := tellFinished(c.records, "/home/ada")
		if !strings.Contains(got, c.want) || len(got) > 300 {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// How a session ended is known where its core had seen it, and its layers are told that.
func TestEndOfADeadSession(t *testing.T) {
	began := time.Unix(100, 0)
	lost := endOf(&store.Record{})
	if lost != (sdk.End{Reason: sdk.EndCoreLost}) {
		t.Errorf("got %+v", lost)
	}
	known := endOf(&store.Record{
		Started: began, Ended: began,
		End: &store.End{Reason: sdk.EndExited, Agent: &store.Exit{Code: 3}},
	})
	want := sdk.End{Reason: sdk.EndExited, ExitCode: 3, Started: began, Ended: began}
	if known != want {
		t.Errorf("got %+v, want %+v", known, want)
	}
}
