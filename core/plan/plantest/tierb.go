package plantest

import (
	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// Session is a session's own directories on a host of tier B.
var Session = base.Directories{Scratch: "/tmp/nono-run-1/tmp", Own: "/tmp/nono-run-1/own"}

// Walled is the standard run on a host without user namespaces, with a filesystem layer of Landlock
// rules alone.
func Walled(t Tree) plan.Input {
	in := Input(t)
	in.Host.Tier = sdk.TierB
	in.Fallback = &plan.Fallback{Reason: "user namespaces are switched off", Try: "switch them on"}
	in.Directories = Session
	in.Layers = []plan.Share{Walls(in.Policy)}
	return in
}

// Walls is a filesystem layer of Landlock rules: one for each grant, and none for what is denied.
func Walls(pol policy.Policy, more ...fragment.Step) plan.Share {
	r := &sdk.PlanResponse{}
	for _, p := range pol.Filesystem {
		rights := []fragment.Right{fragment.RightRead, fragment.RightExecute}
		if p.Access.Writable() {
			rights = append(rights, fragment.RightWrite)
		}
		if p.Access.Grants() && p.Type != policy.Missing {
			r.Fragment.Steps = append(r.Fragment.Steps,
				fragment.Landlock{For: p.ID, Path: p.Path, Rights: rights})
		}
		held := sdk.Coverage{Rule: p.ID, Held: sdk.Enforced, By: "Landlock"}
		if p.Access == policy.Protect {
			held = sdk.Coverage{Rule: p.ID, Held: sdk.Partial, Why: "kept aside"}
		}
		r.Coverage = append(r.Coverage, held)
	}
	r.Fragment.Steps = append(r.Fragment.Steps, more...)
	return plan.Share{
		Layer: plan.Layer{
			Kind: policy.KindFilesystem, Name: "walls", Version: "1.0.0", BuiltIn: true, Why: "always",
		},
		Response: r,
	}
}
