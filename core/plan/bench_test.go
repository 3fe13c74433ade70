package plan_test

import (
	"fmt"
	"testing"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// BenchmarkMake is a plan with so many denials inside a grant, on real files: it lies between the
// layers' answers and the agent. Twice the denials take twice the time.
func BenchmarkMake(b *testing.B) {
	for _, n := range []int{60, 100, 1000, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			in := deniedInput(n)
			in.Look, in.Own.Documents = hostfile.Host, nil
			for b.Loop() {
				if _, err := plan.Make(in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// deniedInput is a run with so many denials, each in a directory of its own.
func deniedInput(n int) plan.Input {
	host := plantest.Machine()
	in := plantest.Input(host)
	for i := range n {
		p := fmt.Sprintf("/home/ada/proj/d%d/secret", i)
		host.Put(p, "dir")
		in.Policy.Filesystem = append(in.Policy.Filesystem,
			plantest.Rule(policy.RuleID(fmt.Sprintf("filesystem.deny.%d", i+1)), plantest.At(5), policy.Deny, p))
	}
	layer := plantest.Binds(host, in.Policy)
	for i := range n { // what a layer does so that no directory above a denied one can be renamed
		layer.Response.Fragment.Steps = append(layer.Response.Fragment.Steps, host.Bind("", fmt.Sprintf("/home/ada/proj/d%d", i), true))
	}
	in.Layers = []plan.Share{layer}
	return in
}
