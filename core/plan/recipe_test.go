package plan_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/nono-run/nono/core/launch/filter"
	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/core/plan/proof"
	"github.com/nono-run/nono/core/plan/view"
	"github.com/nono-run/nono/sdk/bytejson"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

func unset(string) (string, bool) { return "", false }

func TestRecipe(t *testing.T) {
	in := plantest.Input(plantest.Machine())
	in.Environ = []string{"PATH=/usr/bin"}
	in.Layers = append(in.Layers,
		plantest.Custom("a/a",
			fragment.Listener{Name: "proxy", Network: fragment.TCP},
			fragment.Env{Name: "PROXY", Value: fragment.Value{fragment.Literal("http://"), fragment.ListenerAddress("proxy"), fragment.Literal("/")}},
			fragment.Dialer{Ports: []uint16{9000, 80}},
			fragment.Landlock{Path: "/usr", Rights: []fragment.Right{fragment.RightRead}}),
		plantest.Custom("b/b",
			fragment.Listener{Name: "proxy", Network: fragment.UDP, Address: "0.0.0.0", Port: 53},
			fragment.Env{Name: "DNS", Value: fragment.Value{fragment.ListenerAddress("proxy")}},
			fragment.Dialer{Ports: []uint16{80}}))
	p := plantest.Make(t, in)
	r, err := p.Recipe(nil, unset, in.Look)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"DNS=127.0.0.1:53", "HOME=/home/ada", "PATH=/usr/bin", "PROXY=http://127.0.0.1:61000/", "TMPDIR=/tmp"}; !slices.Equal(r.Env, want) {
		t.Errorf("environment: %q", r.Env)
	}
	want := []fragment.Listener{
		{Name: "a/a:proxy", Network: fragment.TCP, Address: "127.0.0.1", Port: 61000},
		{Name: "b/b:proxy", Network: fragment.UDP, Address: "0.0.0.0", Port: 53},
	}
	if diff := cmp.Diff(want, r.Listeners); diff != "" {
		t.Errorf("listeners (-want +got):\n%s", diff)
	}
	if !slices.Equal(r.Dial, []uint16{80, 9000}) {
		t.Errorf("ports to dial: %v", r.Dial)
	}
	if len(r.Landlock) == 0 || r.LandlockABI != 7 {
		t.Errorf("Landlock: %d grants, ABI %d", len(r.Landlock), r.LandlockABI)
	}
	program, err := filter.Assemble(p.Calls, plantest.Filters(p))
	if err != nil || len(program) == 0 || !slices.Equal(program, r.Seccomp) {
		t.Errorf("filter of %d bytes, %v", len(r.Seccomp), err)
	}
	if r.Executable != in.Command.Executable || !slices.Equal(r.Args, in.Command.Args) || r.Dir != in.Command.Dir {
		t.Errorf("command: %s %q in %s", r.Executable, r.Args, r.Dir)
	}
	if diff := cmp.Diff(plantest.Mounts(p), r.Mounts); diff != "" {
		t.Errorf("mounts (-plan +recipe):\n%s", diff)
	}
}

// TestSettled: who builds the mounts early is told those of the recipe; and nothing as long as one of
// them is still to be made.
func TestSettled(t *testing.T) {
	var told []fragment.List
	in := plantest.Input(plantest.Machine())
	in.Environ = []string{"PATH=/usr/bin"}
	in.Settled = func(mounts fragment.List) { told = append(told, mounts) }
	p := plantest.Make(t, in)
	r, err := p.Recipe(nil, unset, in.Look)
	if err != nil {
		t.Fatal(err)
	}
	if len(told) != 1 {
		t.Fatalf("told %d times", len(told))
	}
	if diff := cmp.Diff(r.Mounts, told[0]); diff != "" {
		t.Errorf("mounts (-recipe +told):\n%s", diff)
	}

	told = nil
	in = lending(plantest.Machine(), "", "")
	in.Settled = func(mounts fragment.List) { told = append(told, mounts) }
	if p := plantest.Make(t, in); len(p.Make) == 0 || len(told) > 0 {
		t.Errorf("%v are still to be made, and told was %v", p.Make, told)
	}
}

// What cannot be filled in ends the start; the message has the name and never the value.
func TestRecipeRefuses(t *testing.T) {
	tests := []struct {
		name    string
		value   fragment.Value
		secrets plan.Secrets
		want    string
	}{
		{"a secret that is not there", fragment.Value{fragment.SecretValue("k")}, nil, `variable X: the secret "k" is not there`},
		{"another layer's secret", fragment.Value{fragment.SecretValue("k")}, plan.Secrets{"b/b": {"k": []byte("v")}}, `the secret "k" is not there`},
		{"a secret that no variable can hold", fragment.Value{fragment.SecretValue("k")}, plan.Secrets{"a/a": {"k": []byte("canary\x00")}}, "zero byte"},
		{"a variable that the user has not", fragment.Value{fragment.HostVariable("NOT_SET")}, nil, "your own variable NOT_SET is not set"},
		{"a listener that nobody has", fragment.Value{fragment.ListenerAddress("x")}, nil, `layer a/a has no listener "x"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &plan.Plan{Env: []plan.Variable{{Name: "X", Value: tt.value, Layer: "a/a"}}}
			_, err := p.Recipe(tt.secrets, unset, plantest.Machine().Look)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("error: %v", err)
			}
		})
	}
	t.Run("a bind that nobody looked at", func(t *testing.T) {
		p := &plan.Plan{Mounts: []view.Mount{{Mount: fragment.Bind{Path: "/usr"}}}}
		if _, err := p.Recipe(nil, unset, plantest.Machine().Look); err == nil || !strings.Contains(err.Error(), "nobody looked at it") {
			t.Errorf("error: %v", err)
		}
	})
}

// On real files: nono's own directories are made, for this user alone, and what pins them gets the
// identity they have then.
func TestMakeOwn(t *testing.T) {
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	in := plantest.Input(plantest.Machine())
	in.Look, in.Environ = hostfile.Host, nil
	in.Host.Home, in.Command.Dir = home, home
	in.Own = proof.Own{Directories: []string{filepath.Join(home, ".local/state/nono")}}
	in.Policy.Filesystem = nil
	e, err := hostfile.Host(home)
	if err != nil {
		t.Fatal(err)
	}
	in.Layers = []plan.Share{plantest.Binds(plantest.Tree{}, policy.Policy{}), plantest.Custom("a/a", fragment.Bind{Path: home, Writable: true, Device: e.Device, Inode: e.Inode})}
	in.Layers[0].Response.Fragment.Steps = nil
	plantest.Permit(&in, policy.Allow, home)
	p := plantest.Make(t, in)

	if _, err := p.Recipe(nil, unset, hostfile.Host); err == nil || !strings.Contains(err.Error(), "is none") {
		t.Errorf("a recipe before the directories were made: %v", err)
	}
	for range 2 { // the second time they are there
		if err := p.MakeOwn(); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{".local", ".local/state", ".local/state/nono"} {
		info, err := os.Stat(filepath.Join(home, dir))
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", dir, info, err)
		}
	}
	r, err := p.Recipe(nil, unset, hostfile.Host)
	if err != nil {
		t.Fatal(err)
	}
	want, err := hostfile.Host(filepath.Join(home, ".local/state"))
	if err != nil {
		t.Fatal(err)
	}
	pinned := slices.ContainsFunc(r.Mounts, func(s fragment.Step) bool {
		b, ok := s.(fragment.Bind)
		return ok && b.Path == filepath.Join(home, ".local/state") && b.Inode == want.Inode && b.Device == want.Device
	})
	if !pinned {
		t.Errorf("mounts: %+v", r.Mounts)
	}
	if err := p.Prove(in.Own, hostfile.Host); err != nil {
		t.Errorf("after the directories were made: %v", err)
	}

	// What another process put there in the meantime is not taken for ours.
	planted := &plan.Plan{Make: []string{filepath.Join(home, "link")}}
	if err := os.Symlink("/", planted.Make[0]); err != nil {
		t.Fatal(err)
	}
	if err := planted.MakeOwn(); err == nil || !strings.Contains(err.Error(), "is no directory") {
		t.Errorf("a link in the place of nono's directory: %v", err)
	}
}

// A layer may ask for as many listeners as its answer can hold: to look at each pair of them would
// take core minutes, and to tell of each all memory.
func TestManyListeners(t *testing.T) {
	for what, port := range map[string]uint16{"picked": 0, "all the same": 80} {
		in := plantest.Input(plantest.Machine())
		var steps []fragment.Step
		for i := range 32768 {
			steps = append(steps, fragment.Listener{Name: fmt.Sprint(i), Network: fragment.TCP, Port: port})
		}
		in.Layers = append(in.Layers, plantest.Custom("x/x", steps...))
		if got := plantest.Refused(t, in); !strings.Contains(got, "want 32768 listeners, and at most 512") {
			t.Errorf("%s: %s", what, got)
		}
	}
}

func TestListeners(t *testing.T) {
	tcp := func(name, address string, port uint16) fragment.Listener {
		return fragment.Listener{Name: name, Network: fragment.TCP, Address: address, Port: port}
	}
	udp := tcp("b", "", 53)
	udp.Network = fragment.UDP
	tests := []struct {
		name string
		a, b fragment.Listener
		want string // of the conflict; else the two addresses
	}{
		{"picked, by name", tcp("b", "", 0), tcp("a", "", 0), "127.0.0.1:61000 127.0.0.1:61001"},
		{"picked beside a fixed one", tcp("a", "", 61000), tcp("b", "", 0), "127.0.0.1:61000 127.0.0.1:61001"},
		{"on all addresses", tcp("a", "::", 80), tcp("b", "0.0.0.0", 81), "[::1]:80 127.0.0.1:81"},
		{"one port, two protocols", tcp("a", "", 53), udp, "127.0.0.1:53 127.0.0.1:53"},
		{"one port, two addresses", tcp("a", "127.0.0.2", 80), tcp("b", "127.0.0.3", 80), "127.0.0.2:80 127.0.0.3:80"},
		{"one port", tcp("a", "", 80), tcp("b", "127.0.0.1", 80), "both want port 80"},
		{"one port, one on all addresses", tcp("a", "0.0.0.0", 80), tcp("b", "127.0.0.1", 80), "both want port 80"},
		{"one port, two on all addresses", tcp("a", "0.0.0.0", 80), tcp("b", "::", 80), "both want port 80"},
		{"one port, the other on all addresses", tcp("a", "127.0.0.1", 80), tcp("b", "::", 80), "both want port 80"},
		{"one name, two layers", tcp("a", "", 80), tcp("a", "", 81), "127.0.0.1:80 127.0.0.1:81"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := plantest.Input(plantest.Machine())
			in.Layers = append(in.Layers, plantest.Custom("x/x", tt.a), plantest.Custom("y/y", tt.b))
			p, err := plan.Make(in)
			if err != nil {
				if !strings.Contains(err.Error(), tt.want) {
					t.Error(err)
				}
				return
			}
			if got := p.Listeners[0].Dialled() + " " + p.Listeners[1].Dialled(); got != tt.want {
				t.Errorf("got %s, wanted %s", got, tt.want)
			}
		})
	}
}

// TestBytes: a plan is written as JSON and read back with every byte of its names, and the recipe
// made of it has them too.
func TestBytes(t *testing.T) {
	const name = "/home/ada/caf\xe9"
	host := plantest.Machine()
	host.Put(name, "dir")
	in := plantest.Grant(host, policy.Allow, name)
	in.Command.Args = []string{"run", "a\xffb", "\uef80"}
	in.Environ = append(in.Environ, "LC_\xe9=x")
	in.Policy.Environment = append(in.Policy.Environment, policy.EnvRule{
		ID: "environment.pass.9", Source: plantest.At(9), Action: policy.EnvPass, Name: "LC_*",
	})
	made := plantest.Make(t, in)
	text, err := bytejson.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	var back plan.Plan
	if err := bytejson.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*made, back, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-made +read)\n%s", diff)
	}
	lookup := func(string) (string, bool) { return "\xff", true }
	r, err := back.Recipe(nil, lookup, host.Look)
	if err != nil {
		t.Fatal(err)
	}
	shown := slices.ContainsFunc(r.Mounts, func(s fragment.Step) bool {
		b, ok := s.(fragment.Bind)
		return ok && b.Path == name
	})
	if !shown || !slices.Equal(r.Args, in.Command.Args) || !slices.Contains(r.Env, "LC_\xe9=\xff") {
		t.Errorf("got the mounts %q, the arguments %q, the variables %q", r.Mounts, r.Args, r.Env)
	}
}
