// Package plantest is a small machine for the tests of plans: a file system that no disk holds, a
// policy, a filesystem layer in a few lines and one of a vendor's.
package plantest

import (
	"errors"
	"hash/fnv"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/proof"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fact"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// Tree is a host's file system: a path and what stands there: "dir", "file", "device", or "->
// target" for a link. Parents are made.
type Tree map[string]string

// NewTree makes a tree of lines such as "/etc/hosts file".
func NewTree(lines ...string) Tree {
	t := Tree{"/": "dir"}
	for _, l := range lines {
		name, what, ok := strings.Cut(l, " ")
		if !ok {
			what = "dir"
		}
		t.Put(name, what)
	}
	return t
}

// Put puts something into the tree, in place of what is there.
func (t Tree) Put(name, what string) {
	t[name] = what
	for p := path.Dir(name); t[p] == ""; p = path.Dir(p) {
		t[p] = "dir"
	}
}

// Look is the tree's Look. Every path has an inode of its own.
func (t Tree) Look(name string) (hostfile.Entry, error) {
	what, ok := t[name]
	if !ok {
		return hostfile.Entry{Type: policy.Missing}, nil
	}
	h := fnv.New64a()
	h.Write([]byte(name))
	e := hostfile.Entry{Device: 7, Inode: h.Sum64() | 1, Links: 1}
	switch target, link := strings.CutPrefix(what, "-> "); {
	case link:
		e.Type, e.Target = policy.Special, target
	case what == "dir":
		e.Type = policy.Directory
	case what == "file":
		e.Type = policy.Regular
	case what == "linked":
		e.Type, e.Links = policy.Regular, 2
	case what == "fixed":
		e.Type, e.Fixed = policy.Directory, true
	default:
		e.Type = policy.Special
	}
	return e, nil
}

// Bind is a bind of a path of the tree.
func (t Tree) Bind(rule policy.RuleID, p string, writable bool) fragment.Bind {
	e, _ := t.Look(p)
	return fragment.Bind{For: rule, Path: p, Writable: writable, Device: e.Device, Inode: e.Inode}
}

// Machine is a machine with a user, a project and an installed nono.
func Machine() Tree {
	return NewTree("/usr/bin/nono file", "/usr/lib", "/etc/hosts file", "/dev/null device",
		"/dev/zero device", "/dev/tty device", "/tmp", "/sys",
		"/home/ada/proj/.git/hooks", "/home/ada/proj/agent.hcl file", "/home/ada/data",
		"/home/ada/.ssh", "/home/ada/.config/nono/config.hcl file", "/home/ada/.local/share",
		"/home/ada/.cache", "/run/user/1000/nono")
}

// Own is what that nono has.
func Own() proof.Own {
	return proof.Own{
		Programs: []string{"/usr/bin", "/usr/bin/nono"},
		Directories: []string{
			"/home/ada/.config/nono", "/home/ada/.local/state/nono", "/home/ada/.local/share/nono",
			"/home/ada/.cache/nono", "/run/user/1000/nono",
		},
		Documents: []string{"/home/ada/proj/agent.hcl"},
	}
}

// At is a line of agent.hcl.
func At(line int) policy.Source {
	return policy.Source{Origin: policy.OriginFile, File: "agent.hcl", Line: line, Column: 3}
}

// ByDefault is a line of the default profile.
var ByDefault = policy.Source{Origin: policy.OriginDefault, File: "default.hcl", Line: 9, Column: 1}

// Rule is a filesystem rule about something that exists.
func Rule(id policy.RuleID, src policy.Source, a policy.Access, p string) policy.PathRule {
	return policy.PathRule{ID: id, Source: src, Access: a, Path: p, Type: policy.Directory}
}

// Input is a run with one grant, made by a filesystem layer that uses binds alone.
func Input(t Tree) plan.Input {
	pol := policy.Policy{
		Filesystem: []policy.PathRule{
			Rule("filesystem.allow.0", At(4), policy.Allow, "/home/ada/proj"),
			Rule("filesystem.read.0", ByDefault, policy.Read, "/usr"),
			Rule("filesystem.deny.0", ByDefault, policy.Deny, "/home/ada/.ssh"),
		},
		Environment: []policy.EnvRule{
			{ID: "environment.pass.0", Source: ByDefault, Action: policy.EnvPass, Name: "LANG"},
			{ID: "environment.pass.1", Source: ByDefault, Action: policy.EnvPass, Name: "PATH"},
			{ID: "environment.pass.2", Source: ByDefault, Action: policy.EnvPass, Name: "TMPDIR"},
		},
	}
	return plan.Input{
		Session: "s1",
		Host: sdk.Host{
			Tier: sdk.TierA, LandlockABI: 7, Kernel: "6.18", UID: 1000, GID: 1000, Home: "/home/ada",
		},
		Command: sdk.Command{
			Args: []string{"python", "my agent.py"}, Executable: "/usr/bin/python3.13",
			Dir: "/home/ada/proj",
		},
		Policy:  pol,
		Layers:  []plan.Share{Binds(t, pol)},
		Own:     Own(),
		Environ: []string{"LANG=C.UTF-8", "PATH=/usr/bin:/bin", "SECRET=canary"},
		Look:    t.Look,
		Reach:   func(string) hostfile.Reach { return hostfile.Reach{Read: true, Write: true} },
	}
}

// Binds is a filesystem layer in a few lines: a private home, a bind for each grant, a mask for
// each denial.
func Binds(t Tree, pol policy.Policy) plan.Share {
	r := &sdk.PlanResponse{}
	add := func(s fragment.Step) { r.Fragment.Steps = append(r.Fragment.Steps, s) }
	add(fragment.Tmpfs{Path: "/home/ada", Size: 1 << 26, Mode: 0o700, Report: true})
	add(fragment.Tmpfs{Path: "/tmp", Size: 1 << 26, Mode: 0o777})
	for _, p := range pol.Filesystem {
		if p.Type != policy.Missing {
			switch p.Access {
			case policy.Allow, policy.Write, policy.Read, policy.Unix:
				add(t.Bind(p.ID, p.Path, p.Access.Writable()))
			case policy.Deny:
				add(fragment.Mask{For: p.ID, Path: p.Path, Directory: t[p.Path] == "dir"})
			case policy.Protect:
				add(t.Bind(p.ID, p.Path, false))
			}
		}
		r.Coverage = append(r.Coverage, sdk.Coverage{Rule: p.ID, Held: sdk.Enforced, By: "binds"})
	}
	return plan.Share{
		Layer: plan.Layer{
			Kind: policy.KindFilesystem, Name: "binds", Version: "1.0.0", BuiltIn: true, Why: "always",
		},
		Response: r,
	}
}

// Custom is a layer of a vendor's with these steps.
func Custom(name string, steps ...fragment.Step) plan.Share {
	return plan.Share{
		Layer: plan.Layer{
			Kind: policy.KindCustom, Name: name, Version: "0.1.0",
			Path: "/opt/" + name, Digest: strings.Repeat("ab", 32),
			Why: `the block layer "` + name + `"`,
		},
		Response: &sdk.PlanResponse{Fragment: fragment.Fragment{Steps: steps}},
	}
}

// Network is a network layer of a vendor's with these facts and steps.
func Network(facts []fact.Fact, steps ...fragment.Step) plan.Share {
	s := Custom("a/gateway", steps...)
	s.Kind, s.Response.Facts = policy.KindNetwork, facts
	return s
}

// Make makes a plan that must be made.
func Make(t *testing.T, in plan.Input) *plan.Plan {
	t.Helper()
	p, err := plan.Make(in)
	if err != nil {
		t.Fatalf("Make: %v", err)
	}
	return p
}

// Refused makes a plan that must fail, and returns its problems as the user sees them.
func Refused(t *testing.T, in plan.Input) string {
	t.Helper()
	_, err := plan.Make(in)
	var ps diag.Problems
	if !errors.As(err, &ps) {
		t.Fatalf("Make gave %v instead of problems", err)
	}
	var b strings.Builder
	for _, p := range ps {
		b.WriteString(p.String())
	}
	return b.String()
}

// MountAt is what the plan mounts at a path; nil if nothing.
func MountAt(p *plan.Plan, at string) fragment.Mount {
	m, _ := p.View().At(at)
	return m.Mount
}

// Value is the value of a variable in a plan.
func Value(p *plan.Plan, name string) (fragment.Value, bool) {
	i := slices.IndexFunc(p.Env, func(v plan.Variable) bool { return v.Name == name })
	if i < 0 {
		return nil, false
	}
	return p.Env[i].Value, true
}

// Grant is the standard run with one more grant of the user's.
func Grant(host Tree, a policy.Access, p string) plan.Input {
	in := Input(host)
	in.Policy.Filesystem = append(in.Policy.Filesystem, Rule("filesystem.allow.1", At(5), a, p))
	in.Layers = []plan.Share{Binds(host, in.Policy)}
	return in
}

// Permit adds grants that the filesystem layer shows nothing of: what another layer may show.
func Permit(in *plan.Input, access policy.Access, paths ...string) {
	for _, p := range paths {
		r := Rule(policy.RuleID("filesystem.permit."+p), ByDefault, access, p)
		in.Policy.Filesystem = append(in.Policy.Filesystem, r)
		for i, s := range in.Layers {
			if s.Kind == policy.KindFilesystem {
				response := *s.Response
				held := sdk.Coverage{Rule: r.ID, Held: sdk.Enforced, By: "another layer"}
				response.Coverage = append(slices.Clone(response.Coverage), held)
				in.Layers[i].Response = &response
			}
		}
	}
}

// Mounts is the plan's mount steps without their layers.
func Mounts(p *plan.Plan) fragment.List {
	var steps fragment.List
	for _, m := range p.Mounts {
		steps = append(steps, m.Mount)
	}
	return steps
}

// Filters is the plan's seccomp steps without their layers.
func Filters(p *plan.Plan) []fragment.Seccomp {
	var steps []fragment.Seccomp
	for _, f := range p.Seccomp {
		steps = append(steps, f.Seccomp)
	}
	return steps
}
