package show_test

import (
	"strings"
	"testing"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/core/plan/show"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
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

// TestGrantInPart: a grant that is given piece by piece, because something in it is denied, is told
// as one, and not as a grant of nothing.
func TestGrantInPart(t *testing.T) {
	in := plantest.Walled(plantest.Machine())
	const grant = policy.RuleID("filesystem.read.90")
	in.Policy.Filesystem = append(in.Policy.Filesystem, policy.PathRule{
		ID: grant, Source: plantest.At(9), Access: policy.Read, Path: "/srv/data", Type: policy.Directory,
	})
	walls := plantest.Walls(in.Policy)
	answer := walls.Response
	for i, s := range answer.Fragment.Steps {
		if l := s.(fragment.Landlock); l.For == grant {
			l.Path = "/srv/data/a"
			answer.Fragment.Steps[i] = l
		}
	}
	for i, c := range answer.Coverage {
		if c.Rule == grant {
			answer.Coverage[i].Why = "/srv/data cannot be listed"
		}
	}
	in.Layers = []plan.Share{walls}
	in.Command.Dir = "/srv/data"
	p := plantest.Make(t, in)
	line, _, _ := strings.Cut(show.Summary(p), "\n")
	if !strings.Contains(line, "ro /srv/data in part;") || strings.Contains(line, "not granted") {
		t.Errorf("the start line is %q", line)
	}
	var page strings.Builder
	if err := show.Print(&page, p, false, false); err != nil {
		t.Fatal(err)
	}
	if want := "in part: /srv/data cannot be listed"; !strings.Contains(page.String(), want) {
		t.Errorf("the plan lacks %q:\n%s", want, page.String())
	}
}
