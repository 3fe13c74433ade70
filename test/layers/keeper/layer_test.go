package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/layertest"
)

func TestContract(t *testing.T) {
	layertest.Conformance(t, func() sdk.Layer { return layer{} }, layertest.Options{})
}

// What Start remembered is what Finish, in a fresh process, compares with.
func TestTellsWhatChanged(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("kept", "1")
	write("changed", "1")
	write("removed", "1")
	if err := os.Symlink("kept", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}

	req := layertest.Request(nil)
	req.Command.Dir, req.StateDir, req.Dir = dir, t.TempDir(), t.TempDir()
	state := layertest.New(t, layer{}).Start(&sdk.StartRequest{Run: req.Run}, nil).State
	finish := func(state []byte) string {
		return layertest.New(t, layer{}).Finish(&sdk.FinishRequest{
			Run: req.Run, End: sdk.End{Reason: sdk.EndExited}, State: state,
		}).Lines[0]
	}
	if got := finish(state); got != "keeper: nothing has changed" {
		t.Errorf("before anything was done: %q", got)
	}

	write("changed", "2")
	write("new", "1")
	for _, name := range []string{"removed", "link"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	const want = "keeper: added new, changed changed link, removed removed"
	for range 2 {
		if got := finish(state); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := finish(nil); got != "keeper: nothing was remembered" {
		t.Errorf("after a Start that did not return: %q", got)
	}
}

// All that a Start took is released that was cut off, and has returned no state.
func TestTheJournalIsHonoured(t *testing.T) {
	req := layertest.Request(nil)
	req.StateDir, req.Dir = t.TempDir(), t.TempDir()
	for n := range taken + 3 {
		if err := take(req.Run, n+1); err != nil {
			t.Fatal(err)
		}
	}
	left := func() int {
		found, err := filepath.Glob(filepath.Join(req.StateDir, "taken-*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	if left() != taken {
		t.Fatalf("%d are taken", left())
	}
	for range 2 {
		layertest.New(t, layer{}).Finish(&sdk.FinishRequest{Run: req.Run, End: sdk.End{Reason: sdk.EndCoreLost}, Stored: true})
		if left() != 0 {
			t.Errorf("%d are left", left())
		}
	}
}

func TestRefusesOnDemand(t *testing.T) {
	kit := layertest.New(t, layer{})
	req := layertest.Request(map[string]any{"misbehave": "refuse-plan"})
	if _, err := kit.Host.Plan(t.Context(), req); err == nil || !strings.Contains(err.Error(), "told to refuse") {
		t.Errorf("Plan: %v", err)
	}
}
