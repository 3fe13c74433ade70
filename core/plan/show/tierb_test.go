package show_test

import (
	"strings"
	"testing"

	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/core/plan/show"
)

// TestSignalsInTheStartLine: a kernel whose Landlock has no scopes lets the agent signal the user's
// other processes, and the start line says so; on any other it does not.
func TestSignalsInTheStartLine(t *testing.T) {
	for abi, want := range map[int]bool{2: true, 5: true, 6: false, 7: false} {
		in := plantest.Walled(plantest.Machine())
		in.Host.LandlockABI = abi
		_, notHeld, _ := strings.Cut(show.Summary(plantest.Make(t, in)), "not held: ")
		if !strings.Contains(notHeld, "command lines") {
			t.Errorf("version %d: it says %q", abi, notHeld)
		}
		if strings.Contains(notHeld, "signals to other processes") != want {
			t.Errorf("version %d: it says %q", abi, notHeld)
		}
	}
}
