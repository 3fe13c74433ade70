package show_test

import (
	"strings"
	"testing"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/core/plan/show"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// recorded is a run whose project is recorded first.
func recorded() plan.Input {
	in := plantest.Input(plantest.Machine())
	sessions := int64(5)
	in.Policy.Snapshot = policy.Snapshot{
		Paths: []policy.SnapshotPath{{ID: "snapshot.path.0", Source: plantest.At(20), Path: in.Command.Dir}},
		Exclude: []policy.SnapshotExclude{
			{ID: "snapshot.exclude.0", Source: policy.Source{Origin: policy.OriginDefault}, Pattern: "target/"},
			{ID: "snapshot.exclude.1", Source: plantest.At(21), Pattern: "*.log\x1b[2J"},
		},
		Keep: &policy.SnapshotKeep{ID: "snapshot.keep.0", Source: plantest.At(22), Sessions: &sessions},
	}
	share := plan.Share{
		Layer:    plan.Layer{Kind: policy.KindSnapshot, Name: "snapshot", Version: "1.0.0", BuiltIn: true, Why: "needed"},
		Response: &sdk.PlanResponse{},
	}
	for _, r := range in.Policy.Rules() {
		if r.ID.Kind() == policy.KindSnapshot {
			share.Response.Coverage = append(share.Response.Coverage,
				sdk.Coverage{Rule: r.ID, Held: sdk.Enforced, By: "recorded first"})
		}
	}
	in.Layers = append(in.Layers, share)
	return in
}

func TestSnapshotInTheStartLine(t *testing.T) {
	in := recorded()
	line := show.Summary(plantest.Make(t, in))
	if want := "; home private; snapshot of "; !strings.Contains(line, want) {
		t.Errorf("%q is not in\n%s", want, line)
	}
	in.Policy.Snapshot, in.Layers = policy.Snapshot{}, in.Layers[:len(in.Layers)-1]
	if line := show.Summary(plantest.Make(t, in)); strings.Contains(line, "snapshot") {
		t.Errorf("without one: %s", line)
	}
}

func TestPrintSnapshot(t *testing.T) {
	var out strings.Builder
	if err := show.Print(&out, plantest.Make(t, recorded()), false, false); err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(out.String(), "\nsnapshot\n")
	section, _, _ = strings.Cut(section, "\n\n")
	const want = `  record   ~/proj                        agent.hcl:20:3  recorded first
  exclude  *.log\x1b[2J                  agent.hcl:21:3  recorded first
  and 1 patterns of the default profile (-v lists them)
  keep     keep snapshots of 5 sessions  agent.hcl:22:3  recorded first`
	if section != want {
		t.Errorf("got\n%s\nwant\n%s", section, want)
	}
}
