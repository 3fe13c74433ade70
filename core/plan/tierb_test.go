package plan_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fact"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// Where nothing can be mounted a plan is Landlock's rules: the layer's, and what every session has.
func TestWalled(t *testing.T) {
	in := plantest.Walled(plantest.Machine())
	in.Known, in.GitIdentity = []byte("{}"), []byte("[user]\n")
	p := plantest.Make(t, in)
	if len(p.Mounts) > 0 || len(p.Listeners) > 0 {
		t.Errorf("there are mounts %v and listeners %v", p.Mounts, p.Listeners)
	}
	rights := map[string]string{}
	for _, g := range p.Landlock {
		words := make([]string, len(g.Rights))
		for i, r := range g.Rights {
			words[i] = string(r)
		}
		rights[g.Path] = strings.Join(words, " ")
	}
	for path, want := range map[string]string{
		"/proc": "read", "/dev/null": "read write device", "/dev/tty": "read write device",
		"/home/ada/proj": "read execute write", "/usr": "read execute",
		plantest.Session.Scratch: "read execute write", plantest.Session.Own: "read",
		"/": "", "/dev": "", "/tmp": "", "/home/ada": "", "/dev/pts": "", "/dev/shm": "",
	} {
		if rights[path] != want {
			t.Errorf("%s is given %q, want %q", path, rights[path], want)
		}
	}
	for name, want := range map[string]string{
		"TMPDIR": plantest.Session.Scratch, "XDG_CACHE_HOME": plantest.Session.Scratch + "/cache",
		"GIT_CONFIG_GLOBAL": plantest.Session.Own + "/gitconfig", "HOME": "/home/ada",
		base.SessionVariable: plantest.Session.Own + "/nono.json",
	} {
		if v, _ := plantest.Value(p, name); len(v) != 1 || v[0].Literal != want {
			t.Errorf("%s is %v, want %s", name, v, want)
		}
	}
	if p.Fallback == nil || p.Fallback.Reason != in.Fallback.Reason {
		t.Errorf("the plan does not say why: %v", p.Fallback)
	}
	partial := map[policy.RuleID]bool{}
	for _, r := range p.Rules {
		partial[r.ID] = r.Held == sdk.Partial
	}
	for _, id := range []policy.RuleID{base.RuleAttributes, base.RuleProcesses, base.RuleProc, base.RuleEnds, base.RuleDocuments} {
		if !partial[id] {
			t.Errorf("%s is said to be held", id)
		}
	}
	for _, id := range []policy.RuleID{base.RuleNetwork, base.RuleIPC, base.RuleDevices, base.RuleSeccomp, base.RuleSelf} {
		if partial[id] {
			t.Errorf("%s is said not to be held", id)
		}
	}
}

// What is granted where a program keeps its things leaves them there.
func TestWalledPlaces(t *testing.T) {
	host := plantest.Machine()
	host.Put("/home/ada/.config/app", "dir")
	host.Put("/home/ada/go/bin/tool", "file")
	host.Put("/home/ada/.gitconfig", "file")
	in := plantest.Walled(host)
	for i, path := range []string{"/home/ada/.config/app", "/home/ada/go/bin/tool", "/home/ada/.gitconfig"} {
		id := policy.RuleID("filesystem.read." + string(rune('1'+i)))
		in.Policy.Filesystem = append(in.Policy.Filesystem, plantest.Rule(id, plantest.At(6), policy.Read, path))
	}
	in.Layers = []plan.Share{plantest.Walls(in.Policy)}
	in.Lent = []base.Lent{{Dir: lentDir, Inside: lentInside, Variable: "GOCACHE"}}
	in.Own.Lent = []string{lentDir}
	in.Environ = append(in.Environ, "XDG_DATA_HOME=/home/ada/elsewhere")
	in.Policy.Environment = append(in.Policy.Environment,
		policy.EnvRule{ID: "environment.pass.9", Source: plantest.ByDefault, Action: policy.EnvPass, Name: "XDG_DATA_HOME"})
	p := plantest.Make(t, in)
	for name, want := range map[string]string{
		"XDG_CONFIG_HOME": "", "GOPATH": plantest.Session.Scratch + "/go", "GIT_CONFIG_GLOBAL": "",
		"XDG_DATA_HOME": plantest.Session.Scratch + "/data", "GOCACHE": lentDir,
		"XDG_CACHE_HOME": plantest.Session.Scratch + "/cache",
	} {
		v, there := plantest.Value(p, name)
		if got := v; there != (want != "") || there && got[0].Literal != want {
			t.Errorf("%s is %v, want %q", name, got, want)
		}
	}
	if want := lentDir; !slices.Contains(p.Make, want) {
		t.Errorf("%s is not made: %v", want, p.Make)
	}
}

// The proof is about Landlock's rules: whatever a layer asks for, nono's own stays out of reach.
func TestWalledProof(t *testing.T) {
	host := plantest.Machine()
	give := func(at string) func(*plan.Input) {
		return func(in *plan.Input) {
			id := policy.RuleID("filesystem.allow.1")
			in.Policy.Filesystem = append(in.Policy.Filesystem, plantest.Rule(id, plantest.At(5), policy.Allow, at))
			in.Layers = []plan.Share{plantest.Walls(in.Policy)}
		}
	}
	host.Put("/home/ada/listed/key", "file")
	host.Put("/home/ada/listed/keys", "dir")
	answer := func(s plan.Share, rules ...policy.RuleID) {
		for _, id := range rules {
			held := sdk.Coverage{Rule: id, Held: sdk.Enforced, By: "Landlock"}
			s.Response.Coverage = append(s.Response.Coverage, held)
		}
	}
	tests := []struct {
		name   string
		change func(*plan.Input)
		want   string // empty: it holds
	}{
		{"the project alone", func(*plan.Input) {}, ""},
		{"a grant of the home", give("/home/ada"), "can be replaced at /home/ada/.ssh"},
		{"a grant of what is above nono's own", give("/run"), "nono's own directory, can be replaced"},
		{"a grant of the programs", give("/usr/bin"), "can be changed at /usr/bin"},
		{"a grant beside both", give("/home/ada/data"), ""},
		{"the kernel's settings", give("/sys"), "the kernel takes orders in /sys"},
		{"a denied directory in a grant", func(in *plan.Input) {
			id := policy.RuleID("filesystem.deny.1")
			in.Policy.Filesystem = append(in.Policy.Filesystem, plantest.Rule(id, plantest.At(5), policy.Deny, "/home/ada/proj/.git"))
			in.Layers = []plan.Share{plantest.Walls(in.Policy)}
		}, "is enforced, and it is not"},
		{"a denied file in a directory that is listed", func(in *plan.Input) {
			list := fragment.Landlock{Path: "/home/ada/listed", Rights: []fragment.Right{fragment.RightList}}
			in.Policy.Filesystem = append(in.Policy.Filesystem,
				plantest.Rule("filesystem.read.1", plantest.At(5), policy.Read, "/home/ada/listed"),
				policy.PathRule{ID: "filesystem.deny.1", Source: plantest.At(6), Access: policy.Deny, Path: "/home/ada/listed/key", Type: policy.Regular})
			in.Layers = []plan.Share{plantest.Walls(plantest.Walled(host).Policy, list)}
			answer(in.Layers[0], "filesystem.read.1", "filesystem.deny.1")
		}, ""},
		{"a denied directory in one that is listed", func(in *plan.Input) {
			list := fragment.Landlock{Path: "/home/ada/listed", Rights: []fragment.Right{fragment.RightList}}
			in.Policy.Filesystem = append(in.Policy.Filesystem,
				plantest.Rule("filesystem.read.1", plantest.At(5), policy.Read, "/home/ada/listed"),
				plantest.Rule("filesystem.deny.1", plantest.At(6), policy.Deny, "/home/ada/listed/keys"))
			in.Layers = []plan.Share{plantest.Walls(plantest.Walled(host).Policy, list)}
			answer(in.Layers[0], "filesystem.read.1", "filesystem.deny.1")
		}, "can be read at /home/ada/listed/keys"},
		{"what is mounted", func(in *plan.Input) {
			in.Layers = append(in.Layers, plantest.Custom("acme/x", fragment.Mask{Path: "/etc/hosts"}))
		}, "nothing can be mounted"},
		{"a socket of packets", func(in *plan.Input) {
			in.Supervised = true
			in.Layers = append(in.Layers, plantest.Custom("acme/x", fragment.Listener{Name: "n", Network: fragment.UDP, Port: 54}))
		}, "no socket of UDP"},
		{"a socket that nobody can be connected to", func(in *plan.Input) {
			in.Layers = append(in.Layers, plantest.Custom("acme/x", fragment.Listener{Name: "n", Network: fragment.TCP}))
		}, "cannot be connected to anything here"},
		{"a Unix socket that nobody can be connected to", func(in *plan.Input) {
			in.Policy.Filesystem = append(in.Policy.Filesystem,
				plantest.Rule("filesystem.unix.0", plantest.At(5), policy.Unix, "/home/ada/data"))
			in.Layers = []plan.Share{plantest.Walls(in.Policy)}
		}, "cannot be connected to anything here"},
		{"a dialer of a port that the agent may not serve", func(in *plan.Input) {
			in.Supervised = true
			in.Layers = append(in.Layers, plantest.Custom("acme/x", fragment.Dialer{Ports: []uint16{80}}))
		}, "only `listen = [80]` allows that"},
		{"what the policy does not give", func(in *plan.Input) {
			in.Layers = append(in.Layers, plantest.Custom("acme/x",
				fragment.Landlock{Path: "/home/ada/data", Rights: []fragment.Right{fragment.RightRead}}))
		}, "asks Landlock to let /home/ada/data"},
		{"what is core's own", func(in *plan.Input) {
			in.Layers = append(in.Layers, plantest.Custom("acme/x",
				fragment.Landlock{Path: plantest.Session.Scratch, Rights: []fragment.Right{fragment.RightWrite}}))
		}, ""},
		{"no filesystem layer", func(in *plan.Input) {
			in.Layers, in.Policy.Disabled = nil, []policy.Disabled{{Kind: policy.KindFilesystem, Source: plantest.At(1)}}
		}, "needs user namespaces"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := plantest.Walled(host)
			test.change(&in)
			if test.want == "" {
				plantest.Make(t, in)
				return
			}
			if got := plantest.Refused(t, in); !strings.Contains(got, test.want) {
				t.Errorf("the message lacks %q:\n%s", test.want, got)
			}
		})
	}
}

// Where nobody can be connected to anything, the line that asked for it is named: what may be
// reached rather than what may not, and else the block of the layer that carries traffic.
func TestUnconnectedNamesItsLine(t *testing.T) {
	reach := func(line int, action policy.HostAction) policy.HostRule {
		return policy.HostRule{
			ID: policy.RuleID("network." + string(action) + ".0"), Source: plantest.At(line), Action: action, Host: "a.example",
		}
	}
	for name, change := range map[string]func(*plan.Input){
		"a host": func(in *plan.Input) {
			in.Policy.Network.Hosts = []policy.HostRule{reach(6, policy.HostDeny), reach(7, policy.HostAllow)}
		},
		"a port": func(in *plan.Input) {
			in.Policy.Network.Hosts = []policy.HostRule{reach(6, policy.HostDeny)}
			in.Policy.Network.Ports = []policy.PortRule{{ID: "network.loopback.0", Source: plantest.At(7), Action: policy.PortLoopback, Port: 80}}
		},
		"a credential": func(in *plan.Input) {
			in.Policy.Credentials = []policy.Credential{{ID: "credentials.a", Source: plantest.At(7), Service: "a"}}
		},
		"a layer": func(*plan.Input) {},
	} {
		in := plantest.Walled(plantest.Machine())
		in.Unsupervised = base.Obstacle{Why: "nobody may look", Try: "let nono look"}
		change(&in)
		layer := plantest.Network(nil, fragment.Listener{Name: "n", Network: fragment.TCP})
		layer.Source = plantest.At(7)
		in.Layers = append(in.Layers, layer)
		got := plantest.Refused(t, in)
		_, at, _ := strings.Cut(got, "cannot be connected to anything here")
		if at, _, _ = strings.Cut(at, "error:"); !strings.Contains(at, "agent.hcl:7:3") {
			t.Errorf("%s: the line is not named:\n%s", name, got)
		}
		if !strings.Contains(at, ": nobody may look") || !strings.Contains(at, "let nono look; or run without") {
			t.Errorf("%s: it says neither why nor what to do:\n%s", name, got)
		}
	}
}

// What is lent in nono's own directory is the agent's, and nothing beside it or above.
func TestWalledLent(t *testing.T) {
	host := plantest.Machine()
	host.Put(lentDir, "dir")
	in := plantest.Walled(host)
	in.Lent = []base.Lent{{Dir: lentDir, Inside: lentInside, Variable: "GOCACHE"}}
	in.Own.Lent = []string{lentDir}
	plantest.Make(t, in)

	in.Lent[0].Dir = filepath.Dir(lentDir)
	if got := plantest.Refused(t, in); !strings.Contains(got, "nono's own directory") {
		t.Errorf("more than what is lent: %s", got)
	}
}

// Files that cannot be mounted are written once, where nothing stands.
func TestWriteOwn(t *testing.T) {
	dir := t.TempDir()
	in := plantest.Walled(plantest.Machine())
	in.Directories.Own, in.Known = dir, []byte("{}")
	p := plantest.Make(t, in)
	if err := p.WriteOwn(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "nono.json"))
	if err != nil || string(text) != "{}" {
		t.Errorf("written was %q, %v", text, err)
	}
	if err := p.WriteOwn(); err == nil {
		t.Error("a file that is there is written again")
	}
	r, err := p.Recipe(nil, func(string) (string, bool) { return "", true }, hostfile.Host)
	if err != nil || len(r.Mounts) > 0 || len(r.Landlock) == 0 {
		t.Errorf("the recipe mounts %v, %v", r, err)
	}
}

// Where core makes the agent's connections, a plan's sockets are those of any host. What the recipe
// has in their place is the calls that wait for core, and the ports that the agent may serve.
func TestWalledSockets(t *testing.T) {
	in := plantest.Walled(plantest.Machine())
	in.Supervised = true
	in.Policy.Network.Ports = []policy.PortRule{
		{ID: "network.listen.0", Source: plantest.At(9), Action: policy.PortListen, Port: 3000},
	}
	names := plantest.Custom("net",
		fragment.Listener{Name: "proxy", Network: fragment.TCP},
		fragment.Listener{Name: "dns", Network: fragment.UDP, Port: 53},
		fragment.Listener{Name: "dns-tcp", Network: fragment.TCP, Port: 53, LocalPrefix: "198.18.0.0/15"},
		fragment.Listener{Name: "port-443", Network: fragment.TCP, Address: "0.0.0.0", Port: 443},
		fragment.Dialer{Ports: []uint16{3000}})
	names.Kind = policy.KindNetwork
	names.Response.Facts = []fact.Fact{
		fact.Proxy{Listener: "proxy", Layer: "net"}, fact.Resolver{Listener: "dns", Layer: "net"},
	}
	names.Response.Coverage = []sdk.Coverage{{Rule: "network.listen.0", Held: sdk.Enforced, By: "a test"}}
	in.Layers = append(in.Layers, names)
	p := plantest.Make(t, in)
	made := func(call string) bool { return slices.Contains(p.Supervised, call) }
	if !made("connect") || !made("listen") || !made("chmod") || made("open") || p.Names != "net:dns-tcp" {
		t.Errorf("core makes the calls %s, and names are asked at %s", p.Supervised, p.Names)
	}
	for name, want := range map[string]string{"http_proxy": "http://127.0.0.1:61000", "RES_OPTIONS": "use-vc"} {
		if v, _ := plantest.Value(p, name); len(v) != 1 || v[0].Literal != want {
			t.Errorf("%s is %v, want %s", name, v, want)
		}
	}
	r, err := p.Recipe(plan.Secrets{}, os.LookupEnv, in.Look)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Listeners) > 0 || len(r.Dial) > 0 || !slices.Equal(r.BindTCP, []uint16{3000}) || len(r.Notify) == 0 {
		t.Errorf("the recipe has listeners %v, dialers %v, ports %v and %d bytes of a filter",
			r.Listeners, r.Dial, r.BindTCP, len(r.Notify))
	}
	for i := range r.Streams {
		r.Streams[i] = recipe.Stream{Kind: recipe.ClosedStream}
	}
	if err := r.Check(recipe.TierB); err != nil {
		t.Error(err)
	}

	in.Supervised = false
	in.Layers = in.Layers[:1]
	in.Policy.Network.Ports = nil
	p = plantest.Make(t, in)
	if r, err := p.Recipe(plan.Secrets{}, os.LookupEnv, in.Look); err != nil || len(r.Notify) > 0 || len(p.Supervised) > 0 {
		t.Errorf("without a listener of calls core makes %v, %v", p.Supervised, err)
	}
}

// Modes and times are changed where the agent may write; the host's devices are not its own.
func TestChangeable(t *testing.T) {
	in := plantest.Walled(plantest.Machine())
	in.Supervised = true
	p := plantest.Make(t, in)
	want := []string{"/home/ada/proj", plantest.Session.Scratch}
	if got := p.Changeable(); !slices.Equal(got, want) {
		t.Errorf("changed may be %v, want %v", got, want)
	}
	held := func(p *plan.Plan, id policy.RuleID) sdk.Held {
		i := slices.IndexFunc(p.Rules, func(r plan.Rule) bool { return r.ID == id })
		return p.Rules[i].Held
	}
	in.Supervised, in.Unsupervised.Why = false, "nobody may look"
	without := plantest.Make(t, in)
	if i := slices.IndexFunc(without.Rules, func(r plan.Rule) bool { return r.ID == base.RuleAttributes }); !strings.Contains(without.Rules[i].Why, "core cannot make it: nobody may look") {
		t.Errorf("it says %q", without.Rules[i].Why)
	}
	if held(p, base.RuleAttributes) != sdk.Enforced || held(without, base.RuleAttributes) != sdk.Partial {
		t.Errorf("with a listener %s, without %s", held(p, base.RuleAttributes), held(without, base.RuleAttributes))
	}
}
