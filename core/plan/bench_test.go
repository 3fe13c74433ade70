package plan

import (
	"fmt"
	"testing"

	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// BenchmarkMake is a plan of ordinary size (60 rules, on real files): it lies between the layers' answers and the agent.
func BenchmarkMake(b *testing.B) {
	host := standardTree()
	in := standardInput(host)
	for i := range 60 {
		p := fmt.Sprintf("/home/ada/proj/d%d", i)
		host.put(p, "dir")
		in.Policy.Filesystem = append(in.Policy.Filesystem, rule(policy.RuleID(fmt.Sprintf("filesystem.deny.%d", i+1)), byDefault, policy.Deny, p))
	}
	in.Layers = []Share{binds(host, in.Policy)}
	in.Look, in.Own.Documents = hostfile.Host, nil
	for b.Loop() {
		if _, err := Make(in); err != nil {
			b.Fatal(err)
		}
	}
}
