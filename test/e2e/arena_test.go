//go:build linux

package e2e

import (
	"fmt"
	"os/exec"
	"testing"

	"github.com/nono-run/nono/core/attack/arena"
	"github.com/nono-run/nono/test/machine"
)

// A testArena is an arena for attacks whose user is also one of these tests'. There is one for each
// way in which the attacker is run: with no sandbox, to see that every attack works here, and in each
// kind of sandbox.
type testArena struct {
	*arena.Arena
	*user
	kind arenaKind
}

type arenaKind string

const (
	bare      arenaKind = "no sandbox"
	landlock  arenaKind = "landlock"
	binds     arenaKind = "binds"
	wholeDisk arenaKind = "filesystem disabled"
	oneHost   arenaKind = "a host allowed"
)

var arenaKinds = []arenaKind{bare, landlock, binds, wholeDisk, oneHost}

func newArena(t *testing.T, kind arenaKind) *testArena {
	t.Helper()
	a, err := arena.New(machine.Base(), attacker, programs+"/nono")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	a.Sandboxed = kind != bare
	u := &user{t: t, Home: a.Home, Project: a.Project, Programs: programs, Program: "nono", runtime: a.Runtime}
	u.locks(nil)
	return &testArena{Arena: a, user: u, kind: kind}
}

// attacker makes these tries in this kind of arena.
func (a *testArena) attacker(tries []string) *exec.Cmd {
	switch a.kind {
	case bare:
		return a.Bare(a.t.Context(), tries)
	case binds:
		policy := fmt.Sprintf("layer \"filesystem\" { plugin = \"test/binds\" }\nplugin \"test/binds\" { path = %q }\n", layers+"/nono-layer-binds")
		return a.Sandbox(a.t.Context(), nil, policy, tries)
	case wholeDisk:
		return a.Sandbox(a.t.Context(), []string{"--disable", "filesystem"}, "", tries)
	case oneHost: // which nobody asks for: it is there so that the network layer is
		return a.Sandbox(a.t.Context(), []string{"--allow-host", "host.example"}, "", tries)
	case landlock:
		return a.Sandbox(a.t.Context(), nil, "", tries)
	}
	return nil
}
