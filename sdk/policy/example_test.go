package policy_test

import (
	"fmt"

	"github.com/nono-run/nono/sdk/policy"
)

func ExampleDecider_Path() {
	at := func(line int) policy.Source {
		return policy.Source{Origin: policy.OriginFile, File: "agent.hcl", Line: line, Column: 12}
	}
	p := policy.Policy{Filesystem: []policy.PathRule{
		{Source: at(4), Access: policy.Allow, Path: "/home/ada/proj", Type: policy.Directory},
		{Source: at(5), Access: policy.Protect, Path: "/home/ada/proj/deploy", Type: policy.Directory},
	}}
	decide := policy.NewDecider(&p)
	for _, path := range []string{"/home/ada/proj/main.go", "/home/ada/proj/deploy/prod.sh"} {
		d := decide.Path(path, policy.OpWrite)
		fmt.Println(d.Allowed, d.Why, d.Rule.Source)
	}
	// Output:
	// true granted agent.hcl:4:12
	// false protected: may be read, not written agent.hcl:5:12
}
