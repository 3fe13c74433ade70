package plan_test

import (
	"fmt"
	"testing"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// BenchmarkMake is a plan of ordinary size (60 rules, on real files): it lies between the layers' answers and the agent.
func BenchmarkMake(b *testing.B) {
	host := plantest.Machine()
	in := plantest.Input(host)
	for i := range 60 {
		p := fmt.Sprintf("/home/ada/proj/d%d", i)
		host.Put(p, "dir")
		in.Policy.Filesystem = append(in.Policy.Filesystem, plantest.Rule(policy.RuleID(fmt.Sprintf("filesystem.deny.%d", i+1)), plantest.ByDefault, policy.Deny, p))
	}
	in.Layers = []plan.Share{plantest.Binds(host, in.Policy)}
	in.Look, in.Own.Documents = hostfile.Host, nil
	for b.Loop() {
		if _, err := plan.Make(in); err != nil {
			b.Fatal(err)
		}
	}
}
