package plan_test

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/core/plan/proof"
	"github.com/nono-run/nono/core/plan/view"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// shielded is what core mounted to protect its own: path and what stands there.
func shielded(p *plan.Plan) []string {
	var out []string
	for _, s := range p.Mounts {
		if s.Rule() != base.RuleSelf {
			continue
		}
		kind := "mask"
		if b, ok := s.Mount.(fragment.Bind); ok {
			kind = "read-only"
			if b.Writable {
				kind = "pin"
			}
		}
		out = append(out, kind+" "+s.At())
	}
	return out
}

func TestSelfProtection(t *testing.T) {
	tests := []struct {
		name  string
		input func() plan.Input
		want  []string
		make  []string
	}{
		{
			name:  "a policy file in the project, with no ancestor in between",
			input: func() plan.Input { return plantest.Input(plantest.Machine()) },
			want:  []string{"read-only /home/ada/proj/agent.hcl"},
		},
		{
			name: "deeper, its ancestors are pinned",
			input: func() plan.Input {
				host := plantest.Machine()
				host.Put("/home/ada/proj/conf/nono/agent.hcl", "file")
				in := plantest.Input(host)
				in.Own.Documents = []string{"/home/ada/proj/conf/nono/agent.hcl"}
				return in
			},
			want: []string{"pin /home/ada/proj/conf", "pin /home/ada/proj/conf/nono", "read-only /home/ada/proj/conf/nono/agent.hcl"},
		},
		{
			name:  "read grants need nothing but to hide nono's directories",
			input: func() plan.Input { return plantest.Grant(plantest.Machine(), policy.Read, "/home/ada/.config") },
			want:  []string{"mask /home/ada/.config/nono", "read-only /home/ada/proj/agent.hcl"},
		},
		{
			name:  "the whole home: what exists is hidden, what does not is made first",
			input: func() plan.Input { return plantest.Grant(plantest.Machine(), policy.Allow, "/home/ada") },
			want: []string{
				"pin /home/ada/.cache", "mask /home/ada/.cache/nono",
				"pin /home/ada/.config", "mask /home/ada/.config/nono",
				"pin /home/ada/.local", "pin /home/ada/.local/share", "mask /home/ada/.local/share/nono",
				"pin /home/ada/.local/state", "mask /home/ada/.local/state/nono",
				"read-only /home/ada/proj/agent.hcl",
			},
			make: []string{"/home/ada/.cache/nono", "/home/ada/.local/share/nono", "/home/ada/.local/state", "/home/ada/.local/state/nono"},
		},
		{
			name: "what is made because of one bind is hidden in all",
			input: func() plan.Input {
				host := plantest.Machine()
				in := plantest.Input(host)
				in.Own = proof.Own{Directories: []string{"/home/ada/.cache/nono"}}
				rw, ro := host.Bind("", "/home/ada/.cache", true), host.Bind("", "/home/ada/.cache", false)
				ro.Path, ro.From = "/srv/cache", ro.Path
				in.Layers = append(in.Layers, plantest.Custom("acme/x", rw, ro))
				plantest.Permit(&in, policy.Allow, "/home/ada/.cache")
				return in
			},
			want: []string{"mask /home/ada/.cache/nono", "mask /srv/cache/nono"},
			make: []string{"/home/ada/.cache/nono"},
		},
		{
			name: "what does not exist and cannot be made from inside needs nothing",
			input: func() plan.Input {
				in := plantest.Grant(plantest.Machine(), policy.Read, "/home/ada/.cache")
				in.Own = proof.Own{Directories: []string{"/home/ada/.cache/nono"}}
				return in
			},
		},
		{
			name: "a way that turns back",
			input: func() plan.Input {
				host := plantest.Machine()
				host.Put("/home/ada/proj/conf/x/y", "dir")
				host.Put("/etc/nono", "-> /home/ada/proj/conf/x/..")
				in := plantest.Input(host)
				in.Own = proof.Own{Directories: []string{"/etc/nono"}}
				return in
			},
			want: []string{"mask /home/ada/proj/conf"},
		},
		{
			name: "a grant above nono's programs",
			input: func() plan.Input {
				host := plantest.Machine()
				host.Put("/home/ada/proj/bin/nono", "file")
				in := plantest.Input(host)
				in.Own.Programs = []string{"/home/ada/proj/bin", "/home/ada/proj/bin/nono"}
				return in
			},
			want: []string{"read-only /home/ada/proj/agent.hcl", "read-only /home/ada/proj/bin"},
		},
		{
			name: "a directory shown under another name",
			input: func() plan.Input {
				host := plantest.Machine()
				in := plantest.Input(host)
				b := host.Bind("", "/home/ada/.config", true)
				b.Path, b.From = "/srv/config", "/home/ada/.config"
				plantest.Permit(&in, policy.Allow, "/home/ada/.config")
				in.Layers = append(in.Layers, plantest.Custom("acme/x", b))
				return in
			},
			want: []string{"read-only /home/ada/proj/agent.hcl", "mask /srv/config/nono"},
		},
		{
			name: "a directory that the host mounts at a second place",
			input: func() plan.Input {
				host := plantest.Machine()
				host.Put("/mnt/home/ada", "dir")
				in := plantest.Input(host)
				in.Policy.Filesystem = in.Policy.Filesystem[:2] // no denial, which such a bind would undo
				b := host.Bind("", "/home/ada", true)           // the same device and inode ...
				b.Path = "/mnt/home/ada"                        // ... under another name
				in.Layers = []plan.Share{plantest.Binds(host, in.Policy), plantest.Custom("acme/x", b)}
				plantest.Permit(&in, policy.Allow, "/mnt/home/ada")
				in.Own.Directories = in.Own.Directories[:1]
				return in
			},
			want: []string{
				"read-only /home/ada/proj/agent.hcl",
				"pin /mnt/home/ada/.config", "mask /mnt/home/ada/.config/nono",
				"pin /mnt/home/ada/proj", "read-only /mnt/home/ada/proj/agent.hcl",
			},
		},
		{
			name: "with the filesystem layer off, the masks stay",
			input: func() plan.Input {
				in := plantest.Input(plantest.Machine())
				in.Layers = nil
				in.Policy.Disabled = []policy.Disabled{{Kind: policy.KindFilesystem, Source: policy.Source{Origin: policy.OriginFlag, Flag: "--disable filesystem"}}}
				in.Own.Directories = []string{"/home/ada/.config/nono", "/run/user/1000/nono"}
				in.Own.Documents = nil
				return in
			},
			want: []string{
				"pin /home", "pin /home/ada", "pin /home/ada/.config", "mask /home/ada/.config/nono",
				"pin /run", "pin /run/user", "pin /run/user/1000", "mask /run/user/1000/nono",
				"pin /usr", "read-only /usr/bin",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := plantest.Make(t, tt.input())
			if diff := cmp.Diff(tt.want, shielded(p)); diff != "" {
				t.Errorf("protected (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.make, p.Make); diff != "" {
				t.Errorf("made first (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSelfProtectionRefuses(t *testing.T) {
	tests := []struct {
		name  string
		input func() plan.Input
		want  []string
	}{
		{
			"a grant of nono's own directory", func() plan.Input { return plantest.Grant(plantest.Machine(), policy.Read, "/home/ada/.config/nono") },
			[]string{"agent.hcl:5:3", "/home/ada/.config/nono is nono's own directory"},
		},
		{"a grant inside one", func() plan.Input {
			host := plantest.Machine()
			host.Put("/home/ada/.config/nono/profiles", "dir")
			return plantest.Grant(host, policy.Read, "/home/ada/.config/nono/profiles")
		}, []string{"agent.hcl:5:3", "nono's own directory"}},
		{
			"writing where the programs lie", func() plan.Input { return plantest.Grant(plantest.Machine(), policy.Allow, "/usr/bin") },
			[]string{"agent.hcl:5:3", "/usr/bin is where nono's own programs lie"},
		},
		{"writing a policy file of this run", func() plan.Input {
			in := plantest.Grant(plantest.Machine(), policy.Write, "/home/ada/proj/agent.hcl")
			return in
		}, []string{"agent.hcl:5:3", "a policy file of this run"}},
		{"a link that the agent could replace", func() plan.Input {
			host := plantest.Machine()
			host.Put("/home/ada/dotfiles/nono", "dir")
			host.Put("/home/ada/.config/nono", "-> ../dotfiles/nono")
			return plantest.Grant(host, policy.Allow, "/home/ada")
		}, []string{"agent.hcl:5:3", "could replace the link /home/ada/.config/nono, which leads to /home/ada/dotfiles/nono"}},
		{"a policy file that is gone", func() plan.Input {
			host := plantest.Machine()
			delete(host, "/home/ada/proj/agent.hcl")
			return plantest.Input(host)
		}, []string{"/home/ada/proj/agent.hcl, a policy file of this run, is gone"}},
		{"a layer that shows the inside of one elsewhere", func() plan.Input {
			host := plantest.Machine()
			in := plantest.Input(host)
			b := host.Bind("filesystem.allow.0", "/home/ada/.config/nono/config.hcl", false)
			b.Path, b.From = "/srv/x", b.Path
			in.Layers = append(in.Layers, plantest.Custom("acme/x", b))
			return in
		}, []string{"agent.hcl:4:3", "cannot be shown inside"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := plantest.Refused(t, tt.input())
			for _, part := range tt.want {
				if !strings.Contains(got, part) {
					t.Errorf("the message lacks %q:\n%s", part, got)
				}
			}
		})
	}
}

// A link in a directory that this user cannot change is no way in: /home -> var/home, as some
// distributions have it.
func TestLinkOfTheSystem(t *testing.T) {
	for what, ok := range map[string]bool{"fixed": true, "dir": false} {
		host := plantest.NewTree("/var/home/ada/.config/nono", "/home -> var/home", "/usr")
		host["/"] = what
		in := plantest.Input(host)
		in.Layers = nil
		in.Policy.Disabled = []policy.Disabled{{Kind: policy.KindFilesystem, Source: plantest.At(1)}}
		in.Own = proof.Own{Directories: []string{"/home/ada/.config/nono"}}
		if _, err := plan.Make(in); (err == nil) != ok {
			t.Errorf("/home is a link in a root that is %q: %v", what, err)
		}
	}
}

func TestLinkedFileIsAnnounced(t *testing.T) {
	host := plantest.Machine()
	host.Put("/home/ada/proj/agent.hcl", "linked")
	p := plantest.Make(t, plantest.Input(host))
	if len(p.Notices) != 1 || !strings.Contains(p.Notices[0].Text, "has 2 names") {
		t.Errorf("notices: %+v", p.Notices)
	}
}

// Every step that protects is needed: without any one of them the proof fails. This is what shows
// that the proof sees anything.
func TestProofMissesNothing(t *testing.T) {
	for name, in := range map[string]plan.Input{
		"the whole home": plantest.Grant(plantest.Machine(), policy.Allow, "/home/ada"),
		"read only":      plantest.Grant(plantest.Machine(), policy.Read, "/home/ada"),
		"the project":    plantest.Input(plantest.Machine()),
	} {
		p := plantest.Make(t, in)
		if err := p.Prove(in.Own, in.Look); err != nil {
			t.Fatalf("%s: the whole plan: %v", name, err)
		}
		for i, s := range p.Mounts {
			if s.Rule() != base.RuleSelf {
				continue
			}
			without := *p
			without.Mounts = slices.Delete(slices.Clone(p.Mounts), i, i+1)
			if err := without.Prove(in.Own, in.Look); err == nil {
				t.Errorf("%s: proved without %s at %s", name, fragment.Kind(s.Mount), s.At())
			}
		}
	}
}

// What a plan could hold that Make would never make.
func TestProofRefuses(t *testing.T) {
	host := plantest.Machine()
	own := proof.Own{Directories: []string{"/home/ada/.config/nono"}, Documents: []string{"/home/ada/proj/agent.hcl"}}
	root := fragment.Tmpfs{Path: "/", Size: 1, Mode: 0o755}
	mask := fragment.Mask{Path: "/home/ada/.config/nono", Directory: true}
	moved := host.Bind("", "/home/ada/proj/agent.hcl", true)
	moved.Path, moved.From = "/srv/x", moved.Path
	tests := []struct {
		name   string
		mounts []fragment.Mount
		want   string // empty: it holds
	}{
		{"nothing of it is shown", []fragment.Mount{root, host.Bind("", "/usr", true)}, ""},
		{"hidden, in a read-only home", []fragment.Mount{root, host.Bind("", "/home/ada", false), mask}, ""},
		{"readable", []fragment.Mount{root, host.Bind("", "/home/ada", false)}, "can be read at /home/ada/.config/nono"},
		{"inside it", []fragment.Mount{root, host.Bind("", "/home/ada/.config/nono/config.hcl", false)}, "can be read at"},
		{"writable", []fragment.Mount{root, host.Bind("", "/home/ada/.config/nono", true)}, "can be changed at /home/ada/.config/nono"},
		{"an ancestor is not pinned", []fragment.Mount{
			root, host.Bind("", "/home/ada", true), mask, host.Bind("", "/home/ada/proj", true),
			host.Bind("", "/home/ada/proj/agent.hcl", false),
		}, "/home/ada/.config, on the way to /home/ada/.config/nono"},
		{"a file shown elsewhere", []fragment.Mount{root, moved}, "can be changed at /srv/x"},
		{"the parent mounted over its child", []fragment.Mount{root, mask, host.Bind("", "/home/ada", false)}, "can be read at"},
		{"a mask that a link leads astray", []fragment.Mount{
			root, host.Bind("", "/home/ada", false),
			fragment.Link{Path: "/home/ada/.config", Target: "/elsewhere"},
			mask,
		}, ""},
		{"a mount that a link leads there", []fragment.Mount{
			root, host.Bind("", "/home/ada/.config", false), mask,
			fragment.Link{Path: "/l", Target: "home/ada/.config"},
			func() fragment.Bind {
				b := host.Bind("", "/home/ada/.config/nono", false)
				b.Path, b.From = "/l/nono", b.Path
				return b
			}(),
		}, "can be read at /home/ada/.config/nono"},
		{"links in a circle", []fragment.Mount{
			root,
			fragment.Link{Path: "/a", Target: "b"},
			fragment.Link{Path: "/b", Target: "a"},
			fragment.Mask{Path: "/a/x"},
		}, "lead in a circle"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			made := &plan.Plan{}
			for _, m := range tt.mounts {
				made.Mounts = append(made.Mounts, view.Mount{Mount: m})
			}
			err := made.Prove(own, host.Look)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the proof says %v, wanted %q", err, tt.want)
			}
		})
	}
}

// Whatever is granted, denied and bound by whatever layer: if there is a plan, an agent that walks
// through all it can see finds nothing of nono's own that it can change, replace or, for its
// directories, read. The walk below knows nothing of how core/plan looks.
func TestSelfProtectionHoldsForRandomPolicies(t *testing.T) {
	plans := 0
	rapid.Check(t, func(t *rapid.T) {
		host := anyTree(t)
		in := plantest.Input(host)
		in.Own = anyOwn(t, host)
		in.Policy.Filesystem = nil
		var dirs []string
		for p := range host {
			if host[p] == "dir" && p != "/" {
				dirs = append(dirs, p)
			}
		}
		slices.Sort(dirs)
		for i, p := range rapid.SliceOfNDistinct(rapid.SampledFrom(dirs), 0, 5, rapid.ID[string]).Draw(t, "rules") {
			a := rapid.SampledFrom([]policy.Access{policy.Allow, policy.Allow, policy.Read, policy.Deny, policy.Protect}).Draw(t, "access")
			in.Policy.Filesystem = append(in.Policy.Filesystem, plantest.Rule(policy.RuleID(fmt.Sprintf("filesystem.rule.%d", i)), plantest.ByDefault, a, p))
		}
		in.Layers = []plan.Share{plantest.Binds(host, in.Policy)}
		if rapid.IntRange(0, 4).Draw(t, "disabled") == 0 {
			in.Policy.Disabled = []policy.Disabled{{Kind: policy.KindFilesystem, Source: plantest.At(1)}}
			in.Layers = nil
		}
		in.Layers = append(in.Layers, plantest.Custom("acme/x", rapid.SliceOfN(anyMount(host, dirs), 0, 4).Draw(t, "steps")...))
		plantest.Permit(&in, policy.Allow, "/home", "/srv") // what it shows is granted; what of it is nono's own is not
		p, err := plan.Make(in)
		if err != nil {
			if strings.Contains(err.Error(), "checking the plan") {
				t.Fatalf("Make made a plan that it cannot prove: %v", err)
			}
			return
		}
		plans++
		for _, dir := range p.Make {
			host.Put(dir, "dir")
		}
		if crime := walk(p, host, in.Own); crime != "" {
			t.Fatalf("the agent %s\n%s", crime, strings.Join(shielded(p), "\n"))
		}
	})
	if plans < 20 {
		t.Errorf("only %d plans were made", plans)
	}
}

func anyTree(t *rapid.T) plantest.Tree {
	host := plantest.NewTree("/home/ada", "/tmp", "/dev/null device")
	for range rapid.IntRange(3, 12).Draw(t, "names") {
		p := anyPath(t)
		if _, there := host[p]; !there {
			host.Put(p, rapid.SampledFrom([]string{"dir", "dir", "dir", "file"}).Draw(t, "type"))
		}
	}
	for p, what := range host { // a file has nothing beneath it
		if parent := path.Dir(p); what != "" && host[parent] == "file" {
			host[parent] = "dir"
		}
	}
	return host
}

func anyPath(t *rapid.T) string {
	name := rapid.SampledFrom([]string{"a", "b", "c"})
	root := rapid.SampledFrom([]string{"/home/ada", "/home/ada", "/home/ada", "/srv"}).Draw(t, "root")
	return path.Join(append([]string{root}, rapid.SliceOfN(name, 1, 4).Draw(t, "path")...)...)
}

func anyOwn(t *rapid.T, host plantest.Tree) proof.Own {
	var own proof.Own
	for range rapid.IntRange(1, 3).Draw(t, "directories") {
		own.Directories = append(own.Directories, anyPath(t))
	}
	for range rapid.IntRange(0, 2).Draw(t, "documents") {
		if p := anyPath(t); host[p] == "file" {
			own.Documents = append(own.Documents, p)
		}
	}
	if p := anyPath(t); host[p] == "dir" {
		own.Programs = []string{p}
	}
	return own
}

func anyMount(host plantest.Tree, dirs []string) *rapid.Generator[fragment.Step] {
	return rapid.Custom(func(t *rapid.T) fragment.Step {
		p := rapid.SampledFrom(dirs).Draw(t, "path")
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			return fragment.Tmpfs{Path: p, Size: 4096, Mode: 0o700}
		case 1:
			return fragment.Mask{Path: p, Directory: true}
		}
		b := host.Bind("", p, rapid.Bool().Draw(t, "writable"))
		if rapid.IntRange(0, 3).Draw(t, "moved") == 0 {
			b.Path, b.From = "/opt/"+path.Base(p), p
		}
		return b
	})
}

// walk goes through the view as an agent would, from the root down, and says what it could do to
// nono's own; empty if nothing.
func walk(p *plan.Plan, host plantest.Tree, own proof.Own) string {
	mounts := map[string]fragment.Mount{}
	for _, s := range p.Mounts {
		mounts[s.At()] = s.Mount
	}
	names := map[string]bool{} // every name on the way to something of nono's own
	for _, o := range slices.Concat(own.Directories, own.Programs, own.Documents) {
		for ; o != "/"; o = path.Dir(o) {
			names[o] = true
		}
	}
	var visit func(at, real string, writable bool) string
	visit = func(at, real string, writable bool) string {
		if real != "" { // a place of the host's
			for _, o := range own.Directories {
				if _, there := host[real]; there && policy.Within(real, o) {
					return fmt.Sprintf("reads %s at %s", real, at)
				}
			}
			if writable && (slices.Contains(own.Programs, real) || slices.Contains(own.Documents, real)) {
				return fmt.Sprintf("changes %s at %s", real, at)
			}
		}
		children := map[string]bool{}
		for m := range mounts {
			if m != at && policy.Within(m, at) {
				children[strings.Split(strings.TrimPrefix(m, strings.TrimSuffix(at, "/")), "/")[1]] = true
			}
		}
		if real != "" {
			for h := range host {
				if h != "/" && path.Dir(h) == real {
					children[path.Base(h)] = true
				}
			}
			for h := range names {
				if path.Dir(h) == real {
					children[path.Base(h)] = true
				}
			}
		}
		for child := range children {
			in, below := path.Join(at, child), ""
			if real != "" {
				below = path.Join(real, child)
			}
			rw := writable
			switch m := mounts[in].(type) {
			case nil:
				if _, there := host[below]; !there && names[below] && !writable {
					continue // it is not there, and cannot be made
				}
				if writable && names[below] {
					return fmt.Sprintf("replaces %s at %s", below, in)
				}
			case fragment.Bind:
				below, rw = m.Source(), m.Writable
			case fragment.Mask:
				continue
			default:
				below, rw = "", false
			}
			if crime := visit(in, below, rw); crime != "" {
				return crime
			}
		}
		return ""
	}
	real, rw := "", false
	if b, ok := mounts["/"].(fragment.Bind); ok {
		real, rw = b.Source(), b.Writable
	}
	return visit("/", real, rw)
}
