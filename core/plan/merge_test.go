package plan_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/merge"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/core/plan/view"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// What two layers say about one path, and what comes of it: the stronger step, or a conflict that
// names both lines.
func TestUnite(t *testing.T) {
	host := plantest.Machine()
	const p = "/home/ada/data"
	rw, ro := host.Bind("filesystem.read.1", p, true), host.Bind("filesystem.allow.1", p, false)
	other := host.Bind("", "/home/ada/proj", false)
	other.Path, other.From = p, "/home/ada/proj"
	noexec := rw
	noexec.NoExec = true
	device := rw
	device.Devices = true
	mask, readable := fragment.Mask{Path: p, Directory: true}, fragment.Mask{Path: p, Directory: true, Readable: true}
	tmpfs, reported := fragment.Tmpfs{Path: p, Size: 1 << 20, Mode: 0o700}, fragment.Tmpfs{Path: p, Size: 1 << 20, Mode: 0o700, Report: true}
	file := fragment.File{Path: p, Mode: 0o444, Content: []byte("a")}

	tests := []struct {
		name string
		a, b fragment.Mount
		want fragment.Mount // nil: a conflict
	}{
		{"a mask beats a file", mask, file, mask},
		{"a mask beats a bind", mask, rw, mask},
		{"a mask beats a link", mask, fragment.Link{Path: p, Target: "x"}, mask},
		{"a file beats a read-only bind", file, ro, file},
		{"a file beats a link", file, fragment.Link{Path: p, Target: "x"}, file},
		{"a read-only bind beats a writable one", ro, rw, ro},
		{"a read-only bind beats a writable one of another place", other, rw, other},
		{"a bind beats an empty directory", rw, tmpfs, rw},
		{"the same twice is once", rw, rw, rw},
		{"no-exec holds if one says so", rw, noexec, noexec},
		{"devices only if all say so", rw, device, rw},
		{"a mask is readable only if all say so", mask, readable, mask},
		{"what was left is reported if one asks", tmpfs, reported, reported},

		{"two binds of different places", ro, other, nil},
		{"a directory and a file as masks", mask, fragment.Mask{Path: p}, nil},
		{"two files", file, fragment.File{Path: p, Mode: 0o444, Content: []byte("b")}, nil},
		{"two links", fragment.Link{Path: p, Target: "x"}, fragment.Link{Path: p, Target: "y"}, nil},
		{"two sizes", tmpfs, fragment.Tmpfs{Path: p, Size: 1 << 21, Mode: 0o700}, nil},
		{"two modes", tmpfs, fragment.Tmpfs{Path: p, Size: 1 << 20, Mode: 0o755}, nil},
		{"a link beside a bind", fragment.Link{Path: p, Target: "x"}, rw, nil},
		{"a link beside an empty directory", tmpfs, fragment.Link{Path: p, Target: "x"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, order := range [][2]fragment.Mount{{tt.a, tt.b}, {tt.b, tt.a}} {
				in := plantest.Input(host)
				in.Policy.Filesystem = append(in.Policy.Filesystem,
					plantest.Rule("filesystem.allow.1", plantest.ByDefault, policy.Allow, p), plantest.Rule("filesystem.read.1", plantest.ByDefault, policy.Read, p))
				fs := plantest.Binds(host, policy.Policy{Filesystem: in.Policy.Filesystem[:3]})
				fs.Response.Coverage = plantest.Binds(host, in.Policy).Response.Coverage
				in.Layers = []plan.Share{fs, plantest.Custom("a/a", order[0]), plantest.Custom("b/b", order[1])}
				if tt.want == nil {
					got := plantest.Refused(t, in)
					for _, part := range []string{"disagree about " + p, "the one comes from ", "the other comes from ", "layer a/a", "layer b/b"} {
						if !strings.Contains(got, part) {
							t.Errorf("the message lacks %q:\n%s", part, got)
						}
					}
					continue
				}
				got := plantest.MountAt(plantest.Make(t, in), p)
				if b, ok := got.(fragment.Bind); ok { // whose rule is named is another test's matter
					b.For = tt.want.Rule()
					got = b
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("united (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// TestEveryKindOfStepReachesThePlan: whatever a layer may send is in the plan, and so in the
// recipe.
func TestEveryKindOfStepReachesThePlan(t *testing.T) {
	host := plantest.Machine()
	source := host.Bind("", "/home/ada/data", true)
	source.Path, source.From = "/marked", "/home/ada/data"
	steps := []fragment.Step{
		source,
		fragment.Link{Path: "/marked", Target: "x"},
		fragment.Tmpfs{Path: "/marked", Size: 1 << 20, Mode: 0o755},
		fragment.Mask{Path: "/marked"},
		fragment.File{Path: "/marked", Mode: 0o444},
		fragment.Env{Name: "MARKED", Value: fragment.Text("x")},
		fragment.Landlock{Path: "/home/ada/data/marked", Rights: []fragment.Right{fragment.RightRead}},
		fragment.Seccomp{Syscalls: []string{"getcpu"}, Errno: "EXFULL"},
		fragment.Listener{Name: "marked", Network: fragment.TCP},
		fragment.Dialer{Ports: []uint16{64321}},
	}
	gathered, err := merge.Gather([]merge.Share{{Fragment: fragment.Fragment{Steps: steps}}})
	if err != nil {
		t.Fatal(err)
	}
	for field, group := range reflect.ValueOf(gathered).Fields() {
		if group.Len() == 0 {
			t.Errorf("no step here is one of %s", field.Name)
		}
	}
	mark := regexp.MustCompile(`(?i)[/"]marked"|EXFULL|64321`)
	for _, s := range steps {
		in := plantest.Grant(host, policy.Allow, "/home/ada/data")
		in.Layers = append(in.Layers, plantest.Custom("acme/x", s))
		text, err := json.Marshal(plantest.Make(t, in))
		if err != nil || !mark.Match(text) {
			t.Errorf("a %s step is not in the plan: %v", fragment.Kind(s), err)
		}
	}
}

// TestNothingElseIsAStep: what only looks like a step is refused, and never dropped.
func TestNothingElseIsAStep(t *testing.T) {
	for s, want := range map[fragment.Step]string{
		nil:                        "layer acme/x: step 0 is nil",
		&fragment.Mask{Path: "/x"}: "layer acme/x: *fragment.Mask step: a step is a value",
	} {
		in := plantest.Input(plantest.Machine())
		in.Layers = append(in.Layers, plantest.Custom("acme/x", s))
		if got := plantest.Refused(t, in); !strings.Contains(got, want) {
			t.Errorf("%T: got %s, want %q", s, got, want)
		}
	}
	if _, err := merge.Gather([]merge.Share{{Fragment: fragment.Fragment{Steps: []fragment.Step{&fragment.Mask{}}}}}); err == nil {
		t.Error("a pointer was gathered")
	}
}

func TestConflictNamesTheUsersLines(t *testing.T) {
	host := plantest.Machine()
	in := plantest.Input(host)
	other := host.Bind("filesystem.deny.0", "/home/ada/data", true)
	other.Path, other.From = "/home/ada/proj", "/home/ada/data"
	in.Layers = append(in.Layers, plantest.Custom("acme/mirror", other))
	want := `error: two steps disagree about /home/ada/proj: the host's, writable, and the host's /home/ada/data, writable
  agent.hcl:4:3
  the one comes from agent.hcl:4:3 (layer binds)
  the other comes from default.hcl:9:1 (layer acme/mirror)
  take one of them out
`
	if got := plantest.Refused(t, in); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestBeneath(t *testing.T) {
	host := plantest.Machine()
	host.Put("/proc/1", "dir")
	tests := []struct {
		name  string
		steps []fragment.Step
		gone  []string // paths at which nothing is mounted
		kept  []string
		want  string // of the refusal
	}{
		{
			name:  "what lies beneath a mask is dropped",
			steps: []fragment.Step{fragment.Mask{Path: "/home/ada/proj/.git", Directory: true}, host.Bind("", "/home/ada/proj/.git/hooks", false)},
			kept:  []string{"/home/ada/proj/.git"}, gone: []string{"/home/ada/proj/.git/hooks"},
		},
		{
			name:  "a name that begins alike does not lie beneath",
			steps: []fragment.Step{fragment.Mask{Path: "/home/ada/dat", Directory: true}, host.Bind("", "/home/ada/data", false)},
			kept:  []string{"/home/ada/dat", "/home/ada/data"},
		},
		{
			name:  "a bind that shows what its parent shows is dropped",
			steps: []fragment.Step{host.Bind("", "/home/ada/proj/.git/hooks", true), host.Bind("", "/home/ada/proj/.git", true)},
			gone:  []string{"/home/ada/proj/.git", "/home/ada/proj/.git/hooks"},
		},
		{
			name:  "a pin stays, for something is mounted beneath it",
			steps: []fragment.Step{host.Bind("", "/home/ada/proj/.git", true), host.Bind("", "/home/ada/proj/.git/hooks", false)},
			kept:  []string{"/home/ada/proj/.git", "/home/ada/proj/.git/hooks"},
		},
		{
			name:  "nothing lies beneath a link",
			steps: []fragment.Step{fragment.Link{Path: "/lib", Target: "usr/lib"}, fragment.Mask{Path: "/lib/x"}},
			want:  "nothing can lie beneath /lib, which is a link to usr/lib",
		},
		{
			name:  "nothing lies beneath a file",
			steps: []fragment.Step{fragment.File{Path: "/etc/x", Mode: 0o444}, fragment.Mask{Path: "/etc/x/y"}},
			want:  "nothing can lie beneath /etc/x",
		},
		{
			name:  "/proc is the session's own",
			steps: []fragment.Step{host.Bind("", "/proc/1", false)},
			want:  "/proc is the session's own",
		},
		{
			name:  "a file of /proc can be hidden",
			steps: []fragment.Step{fragment.Mask{Path: "/proc/cpuinfo"}}, kept: []string{"/proc/cpuinfo"},
		},
		{
			name:  "/proc cannot be hidden",
			steps: []fragment.Step{fragment.Mask{Path: "/proc", Directory: true}}, want: "/proc cannot be hidden",
		},
		{
			name:  "nor the root",
			steps: []fragment.Step{fragment.Mask{Path: "/", Directory: true}}, want: "/ cannot be hidden",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := plantest.Input(host)
			plantest.Permit(&in, policy.Read, "/home/ada/data")
			in.Layers = append(in.Layers, plantest.Custom("acme/x", tt.steps...))
			if tt.want != "" {
				if got := plantest.Refused(t, in); !strings.Contains(got, tt.want) {
					t.Errorf("the message lacks %q:\n%s", tt.want, got)
				}
				return
			}
			p := plantest.Make(t, in)
			for _, at := range tt.gone {
				if m := plantest.MountAt(p, at); m != nil {
					t.Errorf("%s: there is %v, which should be gone", at, m)
				}
			}
			for _, at := range tt.kept {
				if plantest.MountAt(p, at) == nil {
					t.Errorf("%s: nothing is mounted there", at)
				}
			}
		})
	}
}

// A layer that binds the host's /dev, or a device of it, changes nothing of what core mounts; the
// user whose rule it was is told.
func TestBaseMountsStay(t *testing.T) {
	host := plantest.Machine()
	in := plantest.Input(host)
	in.Policy.Filesystem = append(in.Policy.Filesystem, plantest.Rule("filesystem.allow.1", plantest.At(7), policy.Allow, "/dev"))
	null := host.Bind("", "/dev/null", false)
	in.Layers = []plan.Share{plantest.Binds(host, in.Policy), plantest.Custom("acme/x", null, fragment.Mask{Path: "/dev/tty"})}
	p := plantest.Make(t, in)
	if _, ok := plantest.MountAt(p, "/dev").(fragment.Tmpfs); !ok {
		t.Errorf("/dev is %v", plantest.MountAt(p, "/dev"))
	}
	if b, ok := plantest.MountAt(p, "/dev/null").(fragment.Bind); !ok || !b.Writable || !b.Devices {
		t.Errorf("/dev/null is %v", plantest.MountAt(p, "/dev/null"))
	}
	if _, ok := plantest.MountAt(p, "/dev/tty").(fragment.Mask); !ok {
		t.Errorf("/dev/tty is %v; a mask only takes away more", plantest.MountAt(p, "/dev/tty"))
	}
	if len(p.Notices) != 1 || p.Notices[0].Source != plantest.At(7) || !strings.Contains(p.Notices[0].Text, "/dev inside is always nono's own") {
		t.Errorf("notices: %+v", p.Notices)
	}
}

func TestMountsAreSortedParentsFirst(t *testing.T) {
	host := plantest.Machine()
	in := plantest.Input(host)
	in.Layers = append(in.Layers, plantest.Custom("acme/x",
		fragment.Mask{Path: "/usr/lib", Directory: true}, fragment.Tmpfs{Path: "/usr-local", Size: 1, Mode: 0o755}))
	var got []string
	for _, s := range plantest.Make(t, in).Mounts {
		got = append(got, s.At())
	}
	if got[0] != "/" || !slices.IsSortedFunc(got, view.ComparePaths) {
		t.Errorf("order: %v", got)
	}
	if u := slices.Index(got, "/usr"); got[u+1] != "/usr/lib" || got[u+2] != "/usr-local" {
		t.Errorf("what lies in /usr does not come right after it: %v", got)
	}
}

func TestAbsurdPlanIsRefused(t *testing.T) {
	in := plantest.Input(plantest.Machine())
	var steps []fragment.Step
	for i := range plan.MaxMounts {
		steps = append(steps, fragment.Mask{Path: fmt.Sprintf("/home/ada/proj/f%d", i)})
	}
	in.Layers = append(in.Layers, plantest.Custom("acme/x", steps...))
	want := fmt.Sprintf("layer acme/x asks for %d mounts, and at most %[1]d can be made", plan.MaxMounts)
	if got := plantest.Refused(t, in); !strings.Contains(got, want) {
		t.Error(got)
	}
	if got := plantest.Refused(t, deniedInput(plan.MaxMounts/2)); !strings.Contains(got, "this plan needs") || strings.Contains(got, "layer") {
		t.Errorf("a layer is blamed for the user's rules: %s", got)
	}
}

// The contract that a fragment must keep; each broken promise names the layer.
func TestFlawsOfALayer(t *testing.T) {
	host := plantest.Machine()
	tests := []struct {
		step fragment.Step
		want string
	}{
		{fragment.Pseudo{Path: "/proc", Type: fragment.Procfs}, "pseudo step: only nono itself may send it"},
		{fragment.Pseudo{Path: "/x", Type: fragment.Devpts}, "pseudo step: only nono itself may send it"},
		{fragment.Bind{Path: "/usr"}, "bind step: the layer did not look at the source"},
		{fragment.Bind{Path: "usr", Device: 1, Inode: 1}, `path: "usr" is not absolute and clean`},
		{fragment.Bind{Path: "/usr/../etc", Device: 1, Inode: 1}, `path: "/usr/../etc" is not absolute and clean`},
		{fragment.Bind{Path: "/usr", From: "etc", Device: 1, Inode: 1}, `from: "etc" is not absolute and clean`},
		{fragment.Mask{Path: "/usr/\x00"}, "path: it holds a NUL"},
		{fragment.Tmpfs{Path: "/x", Mode: 0o755}, "size: no limit is given"},
		{fragment.Tmpfs{Path: "/x", Size: 1, Mode: 0o755 | 1<<23}, "holds more than permissions"},
		{fragment.File{Path: "/x", Content: make([]byte, 64<<10+1)}, "65537 bytes"},
		{fragment.Link{Path: "/x"}, `target: "" is empty`},
		{fragment.Landlock{Path: "/x"}, "rights: there are none"},
		{fragment.Landlock{Path: "/x", Rights: []fragment.Right{"all"}}, `rights: there is no right "all"`},
		{fragment.Seccomp{Syscalls: []string{"ptrace"}, Errno: "EWHAT"}, "EWHAT"},
		{fragment.Seccomp{Syscalls: []string{"no_such_call"}, Errno: "EPERM"}, "no_such_call"},
		{fragment.Listener{Name: "a", Network: "sctp"}, `network: there is no "sctp"`},
		{fragment.Listener{Network: fragment.TCP}, "name: it is empty"},
		{fragment.Listener{Name: "a", Network: fragment.TCP, Address: "localhost"}, `address: "localhost" is none`},
		{fragment.Listener{Name: "a", Network: fragment.TCP, LocalPrefix: "198.18.0.1/15"}, "not a range"},
		{fragment.Dialer{}, "ports: there are none"},
		{fragment.Env{Name: "A=B"}, `name: "A=B" holds a =`},
		{fragment.Env{Name: "PATH", Value: fragment.Text("/evil")}, "no layer sets it"},
		{fragment.Env{Name: "A", Value: fragment.Value{{Host: "B", Secret: "C"}}}, "two things at once"},
		{fragment.Env{Name: "A", Value: fragment.Value{fragment.SecretValue("key")}}, "did not return"},
		{fragment.Env{Name: "A", Value: fragment.Value{fragment.ListenerAddress("x")}}, "the layer does not have"},
		{fragment.Mask{For: "filesystem.deny.99", Path: "/x"}, `no rule "filesystem.deny.99"`},
		{fragment.Mask{For: "base.proc", Path: "/x"}, "nono's own"},
	}
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			in := plantest.Input(host)
			in.Layers = append(in.Layers, plantest.Custom("acme/x", tt.step))
			got := plantest.Refused(t, in)
			if !strings.Contains(got, tt.want) || !strings.Contains(got, "layer acme/x") {
				t.Errorf("the message lacks %q or the layer's name:\n%s", tt.want, got)
			}
		})
	}
}

func TestFlawsOfTheSet(t *testing.T) {
	host := plantest.Machine()
	second := plantest.Binds(host, policy.Policy{})
	second.Name = "other"
	unknown := plantest.Custom("acme/x")
	unknown.Kind = "magic"
	tests := []struct {
		name   string
		change func(*plan.Input)
		want   string
	}{
		{"two layers of one name", func(in *plan.Input) { in.Layers = append(in.Layers, plantest.Custom("a/b"), plantest.Custom("a/b")) }, "two layers of this name"},
		{"a layer with core's name", func(in *plan.Input) { in.Layers = append(in.Layers, plantest.Custom(plan.Core)) }, "two layers of this name"},
		{"two filesystem layers", func(in *plan.Input) { in.Layers = append(in.Layers, second) }, "is the filesystem layer already"},
		{"no filesystem layer", func(in *plan.Input) { in.Layers = nil }, "no filesystem layer runs"},
		{"an unknown kind", func(in *plan.Input) { in.Layers = append(in.Layers, unknown) }, `"magic" is no kind of layer`},
		{
			"a disabled kind", func(in *plan.Input) {
				in.Policy.Disabled = []policy.Disabled{{Kind: policy.KindFilesystem, Source: plantest.At(2)}}
			},
			"although filesystem is disabled",
		},
		{
			"no answer", func(in *plan.Input) {
				in.Layers = append(in.Layers, plan.Share{Layer: plan.Layer{Kind: policy.KindCustom, Name: "a/b"}})
			},
			"answered with nothing",
		},
		{"another tier", func(in *plan.Input) { in.Host.Tier = sdk.TierB }, "nothing can be mounted"},
		{"no tier", func(in *plan.Input) { in.Host.Tier = "" }, `its tier is ""`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := plantest.Input(host)
			tt.change(&in)
			if got := plantest.Refused(t, in); !strings.Contains(got, tt.want) {
				t.Errorf("the message lacks %q:\n%s", tt.want, got)
			}
		})
	}
}

// The order in which layers were asked, and that of their steps, means nothing: neither for the
// plan nor for what is wrong with it.
func TestOrderMeansNothing(t *testing.T) {
	host := plantest.Machine()
	agreed, refusals := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		in := plantest.Input(host)
		for _, name := range []string{"a/a", "b/b", "c/c"} {
			in.Layers = append(in.Layers, plantest.Custom(name, rapid.SliceOfN(anyStep(host), 0, 6).Draw(t, name)...))
		}
		want := outcome(in)
		again := in
		again.Layers = rapid.Permutation(in.Layers).Draw(t, "layers")
		for i, s := range again.Layers {
			r := *s.Response
			r.Fragment.Steps = rapid.Permutation(r.Fragment.Steps).Draw(t, "steps")
			r.Coverage = rapid.Permutation(r.Coverage).Draw(t, "coverage")
			again.Layers[i].Response = &r
		}
		if got := outcome(again); got != want {
			t.Fatalf("another order gives another plan:\n%s", cmp.Diff(want, got))
		}
		if strings.HasPrefix(want, "{") {
			agreed++
		} else {
			refusals++
		}
	})
	if agreed == 0 || refusals == 0 {
		t.Errorf("%d plans and %d refusals: the property was not tried on both", agreed, refusals)
	}
}

// outcome is the plan as JSON, or everything that is wrong.
func outcome(in plan.Input) string {
	p, err := plan.Make(in)
	if err != nil {
		return err.Error()
	}
	b, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return "cannot be printed: " + err.Error()
	}
	return string(b)
}

// anyStep draws steps that often meet at one path.
func anyStep(host plantest.Tree) *rapid.Generator[fragment.Step] {
	return rapid.Custom(func(t *rapid.T) fragment.Step {
		p := rapid.SampledFrom([]string{"/home/ada/proj", "/home/ada/proj/.git", "/home/ada/proj/.git/hooks", "/home/ada/data", "/srv", "/srv/x"}).Draw(t, "path")
		id := rapid.SampledFrom([]policy.RuleID{"", "filesystem.allow.0", "filesystem.deny.0"}).Draw(t, "rule")
		flag := rapid.Bool().Draw(t, "flag")
		switch rapid.IntRange(0, 7).Draw(t, "kind") {
		case 0:
			return fragment.Mask{For: id, Path: p, Directory: true, Readable: flag}
		case 1:
			return fragment.Tmpfs{For: id, Path: p, Size: rapid.SampledFrom([]uint64{4096, 4096, 8192}).Draw(t, "size"), Mode: 0o700, Report: flag}
		case 2:
			return fragment.Landlock{For: id, Path: p, Rights: []fragment.Right{rapid.SampledFrom(merge.AllRights).Draw(t, "right")}}
		case 3:
			return fragment.Env{For: id, Name: rapid.SampledFrom([]string{"A", "B", "C", "D"}).Draw(t, "name"), Value: fragment.Text(rapid.SampledFrom([]string{"one", "two"}).Draw(t, "value"))}
		case 4:
			return fragment.Seccomp{For: id, Syscalls: []string{"ptrace"}, Errno: rapid.SampledFrom([]string{"EPERM", "ENOSYS"}).Draw(t, "errno")}
		case 5:
			return fragment.Dialer{For: id, Ports: []uint16{rapid.Uint16Range(1, 9).Draw(t, "port")}}
		case 6:
			return fragment.Listener{For: id, Name: rapid.StringMatching("[a-z]{3}").Draw(t, "name"), Network: fragment.TCP}
		}
		if p == "/srv" || p == "/srv/x" {
			p = "/home/ada/data"
		}
		b := host.Bind(id, p, flag)
		b.NoExec = rapid.Bool().Draw(t, "noexec")
		return b
	})
}
