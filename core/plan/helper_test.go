package plan

import (
	"errors"
	"hash/fnv"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// tree is a host's file system: a path and what stands there: "dir", "file", "device", or "-> target" for a link. Parents are made.
type tree map[string]string

func newTree(lines ...string) tree {
	t := tree{"/": "dir"}
	for _, l := range lines {
		name, what, ok := strings.Cut(l, " ")
		if !ok {
			what = "dir"
		}
		t.put(name, what)
	}
	return t
}

func (t tree) put(name, what string) {
	t[name] = what
	for p := path.Dir(name); t[p] == ""; p = path.Dir(p) {
		t[p] = "dir"
	}
}

// look is the tree's Look. Every path has an inode of its own.
func (t tree) look(name string) (hostfile.Entry, error) {
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

// bind is a bind of a path of the tree.
func (t tree) bind(rule policy.RuleID, p string, writable bool) fragment.Bind {
	e, _ := t.look(p)
	return fragment.Bind{For: rule, Path: p, Writable: writable, Device: e.Device, Inode: e.Inode}
}

// standardTree is a machine with a user, a project and an installed nono.
func standardTree() tree {
	return newTree("/usr/bin/nono file", "/usr/lib", "/etc/hosts file", "/dev/null device", "/dev/zero device", "/dev/tty device", "/tmp", "/sys",
		"/home/ada/proj/.git/hooks", "/home/ada/proj/agent.hcl file", "/home/ada/data", "/home/ada/.ssh", "/home/ada/.config/nono/config.hcl file",
		"/home/ada/.local/share", "/home/ada/.cache", "/run/user/1000/nono")
}

func standardOwn() Own {
	return Own{
		Programs: []string{"/usr/bin", "/usr/bin/nono"},
		Directories: []string{
			"/home/ada/.config/nono", "/home/ada/.local/state/nono", "/home/ada/.local/share/nono", "/home/ada/.cache/nono",
			"/run/user/1000/nono",
		},
		Documents: []string{"/home/ada/proj/agent.hcl"},
	}
}

// at is a line of agent.hcl.
func at(line int) policy.Source {
	return policy.Source{Origin: policy.OriginFile, File: "agent.hcl", Line: line, Column: 3}
}

var byDefault = policy.Source{Origin: policy.OriginDefault, File: "default.hcl", Line: 9, Column: 1}

// rule is a filesystem rule about something that exists.
func rule(id policy.RuleID, src policy.Source, a policy.Access, p string) policy.PathRule {
	return policy.PathRule{ID: id, Source: src, Access: a, Path: p, Type: policy.Directory}
}

// standardInput is a run with one grant, made by a filesystem layer that uses binds alone.
func standardInput(t tree) Input {
	pol := policy.Policy{
		Filesystem: []policy.PathRule{
			rule("filesystem.allow.0", at(4), policy.Allow, "/home/ada/proj"),
			rule("filesystem.read.0", byDefault, policy.Read, "/usr"),
			rule("filesystem.deny.0", byDefault, policy.Deny, "/home/ada/.ssh"),
		},
		Environment: []policy.EnvRule{
			{ID: "environment.pass.0", Source: byDefault, Action: policy.EnvPass, Name: "LANG"},
			{ID: "environment.pass.1", Source: byDefault, Action: policy.EnvPass, Name: "PATH"},
			{ID: "environment.pass.2", Source: byDefault, Action: policy.EnvPass, Name: "TMPDIR"},
		},
	}
	return Input{
		Session: "s1",
		Host:    sdk.Host{Tier: sdk.TierA, LandlockABI: 7, Kernel: "6.18", UID: 1000, GID: 1000, Home: "/home/ada"},
		Command: sdk.Command{Args: []string{"python", "my agent.py"}, Executable: "/usr/bin/python3.13", Dir: "/home/ada/proj"},
		Policy:  pol,
		Layers:  []Share{binds(t, pol)},
		Own:     standardOwn(),
		Environ: []string{"LANG=C.UTF-8", "PATH=/usr/bin:/bin", "SECRET=canary"},
		Look:    t.look,
	}
}

// binds is a filesystem layer in a few lines: a private home, a bind for each grant, a mask for each denial.
func binds(t tree, pol policy.Policy) Share {
	r := &sdk.PlanResponse{}
	add := func(s fragment.Step) { r.Fragment.Steps = append(r.Fragment.Steps, s) }
	add(fragment.Tmpfs{Path: "/home/ada", Size: 1 << 26, Mode: 0o700, Report: true})
	add(fragment.Tmpfs{Path: "/tmp", Size: 1 << 26, Mode: 0o777})
	for _, p := range pol.Filesystem {
		if p.Type != policy.Missing {
			switch p.Access {
			case policy.Allow, policy.Write, policy.Read:
				add(t.bind(p.ID, p.Path, p.Access.Writable()))
			case policy.Deny:
				add(fragment.Mask{For: p.ID, Path: p.Path, Directory: t[p.Path] == "dir"})
			case policy.Protect:
				add(t.bind(p.ID, p.Path, false))
			}
		}
		r.Coverage = append(r.Coverage, sdk.Coverage{Rule: p.ID, Held: sdk.Enforced, By: "binds"})
	}
	return Share{Layer: Layer{Kind: policy.KindFilesystem, Name: "binds", Version: "1.0.0", BuiltIn: true, Why: "always"}, Response: r}
}

// custom is a layer of a vendor's with these steps.
func custom(name string, steps ...fragment.Step) Share {
	return Share{
		Layer: Layer{
			Kind: policy.KindCustom, Name: name, Version: "0.1.0", Path: "/opt/" + name, Digest: strings.Repeat("ab", 32),
			Why: `the block layer "` + name + `"`,
		},
		Response: &sdk.PlanResponse{Fragment: fragment.Fragment{Steps: steps}},
	}
}

func mustMake(t *testing.T, in Input) *Plan {
	t.Helper()
	p, err := Make(in)
	if err != nil {
		t.Fatalf("Make: %v", err)
	}
	return p
}

// refused makes a plan that must fail, and returns its problems as the user sees them.
func refused(t *testing.T, in Input) string {
	t.Helper()
	_, err := Make(in)
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

// mountAt is what the plan mounts at a path; nil if nothing.
func mountAt(p *Plan, at string) fragment.Mount {
	i := slices.IndexFunc(p.Mounts, func(s fragment.Step) bool { return s.(fragment.Mount).At() == at })
	if i < 0 {
		return nil
	}
	return p.Mounts[i].(fragment.Mount)
}

func value(p *Plan, name string) (fragment.Value, bool) {
	i := slices.IndexFunc(p.Env, func(v Variable) bool { return v.Name == name })
	if i < 0 {
		return nil, false
	}
	return p.Env[i].Value, true
}
