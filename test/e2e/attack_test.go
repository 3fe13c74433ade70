//go:build linux

package e2e

import (
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/nono-run/nono/core/attack"
)

// TestThreats makes each attack of the table three or four times: with no sandbox, where it must
// work, or the test would prove nothing; and in each kind of sandbox of tier A, where it must not.
func TestThreats(t *testing.T) {
	tryAll(t, attack.Table(false))
}

// TestThreatsOfRoot is what only root could do, and must not.
func TestThreatsOfRoot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root has these rights to begin with")
	}
	tryAll(t, attack.Table(true)[len(attack.Table(false)):])
}

func tryAll(t *testing.T, rows []attack.Row) {
	t.Helper()
	lacks := map[string]string{}
	endings := map[string]attack.Ending{} // by row and arena
	for _, kind := range arenaKinds {
		a := newArena(t, kind)
		if kind == bare {
			for _, r := range rows {
				if r.Lacks != nil {
					if why := r.Lacks(a.Arena); why != "" {
						lacks[r.Name()] = why
					}
				}
			}
		}
		var here []attack.Row
		for _, r := range rows {
			if lacks[r.Name()] == "" && slices.Contains(arenas(r), kind) {
				here = append(here, r)
			}
		}
		made, err := attack.Make(a.Arena, here, func(tries []string) *exec.Cmd { return a.attacker(tries) })
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		for i, e := range made {
			if e.Err != nil {
				t.Fatalf("%s: %s: %v", kind, here[i].Name(), e.Err)
			}
			endings[here[i].Name()+string(kind)] = e
		}
	}
	for _, r := range rows {
		t.Run(r.Name(), func(t *testing.T) {
			if why := lacks[r.Name()]; why != "" {
				t.Skip("this host lacks what the attack needs: " + why)
			}
			for _, kind := range arenas(r) {
				e := endings[r.Name()+string(kind)]
				switch {
				case kind == bare && !r.Worked(e):
					t.Errorf("control: with no sandbox: %+v; it should have worked", e)
				case kind == bare:
				case r.A.Not != "" && !r.Worked(e):
					t.Errorf("%s: %+v; it is said to be open", kind, e)
				case r.A.Not == "" && !r.A.Holds(e):
					t.Errorf("%s: %+v, want one of %q", kind, e, r.A.Answers)
				}
			}
		})
	}
}

// arenas are the kinds in which an attack is tried; what a filesystem layer does not hold must hold
// without one too.
func arenas(r attack.Row) []arenaKind {
	if r.NoLayer {
		return arenaKinds
	}
	return []arenaKind{bare, landlock, binds, oneHost}
}
