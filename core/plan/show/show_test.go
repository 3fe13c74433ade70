package show_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/core/plan/show"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

var update = flag.Bool("update", false, "write the golden files anew")

// richInput is a run with something of everything.
func richInput() plan.Input {
	host := plantest.Machine()
	host.Put("/home/ada/proj/.git/config", "file")
	in := plantest.Input(host)
	protect := plantest.Rule("filesystem.protect.0", plantest.ByDefault, policy.Protect, "/home/ada/proj/.git/config")
	gone := plantest.Rule("filesystem.read.2", policy.Source{Origin: policy.OriginFlag, Flag: "--read /etc/ssl/cert.pem"}, policy.Read, "/etc/ssl/cert.pem")
	gone.Type = policy.Missing
	linked := plantest.Rule("filesystem.read.3", plantest.At(6), policy.Read, "/home/ada/data")
	linked.Name = "/home/ada/inputs"
	tool := plantest.Rule("filesystem.read.4", policy.Source{Origin: policy.OriginCommand}, policy.Read, "/usr/lib")
	nasty := plantest.Rule("filesystem.deny.1", plantest.At(8), policy.Deny, "/home/ada/proj/\x1b[31mred")
	nasty.Type = policy.Missing
	in.Policy.Filesystem = append(in.Policy.Filesystem, protect, gone, linked, tool, nasty)
	in.Policy.Environment = append(in.Policy.Environment,
		policy.EnvRule{ID: "environment.set.0", Source: plantest.At(12), Action: policy.EnvSet, Name: "CI", Value: "1"},
		policy.EnvRule{
			ID: "environment.set.1", Source: policy.Source{Origin: policy.OriginFlag, Flag: "--env KEY"}, Action: policy.EnvSet, Name: "KEY",
			Secret: "env.KEY",
		},
		policy.EnvRule{ID: "environment.pass.9", Source: plantest.At(11), Action: policy.EnvPass, Name: "MY_SETTING"})
	in.Environ = append(in.Environ, "MY_SETTING=x")
	in.Layers = []plan.Share{plantest.Binds(host, in.Policy), plantest.Custom("acme/echo",
		fragment.Listener{Name: "echo", Network: fragment.TCP},
		fragment.Dialer{Ports: []uint16{7000}},
		fragment.Env{Name: "ECHO_URL", Value: fragment.Value{fragment.Literal("http://"), fragment.ListenerAddress("echo")}})}
	for i, c := range in.Layers[0].Response.Coverage {
		if c.Rule == protect.ID {
			in.Layers[0].Response.Coverage[i] = sdk.Coverage{Rule: c.Rule, Held: sdk.Partial, Why: "a rename outside takes it along"}
		}
	}
	in.GitIdentity = []byte("[user]\n\tname = \"Ada\"\n")
	in.Notices = []diag.Problem{{Severity: diag.Warning, Summary: "/etc/ssl/cert.pem does not exist", Source: gone.Source}}
	return in
}

func TestPrint(t *testing.T) {
	p := plantest.Make(t, richInput())
	for name, verbose := range map[string]bool{"plan.txt": false, "plan-verbose.txt": true} {
		var b strings.Builder
		if err := show.Print(&b, p, verbose, false); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
	}
}

// What every run has is counted, and what lies in a grant of the user's is listed, for the user may
// be looking for it.
func TestPrintDefaultDenials(t *testing.T) {
	host := plantest.Machine()
	host.Put("/usr/local/etc", "dir")
	host.Put("/home/ada/proj/.netrc", "file")
	in := plantest.Input(host)
	in.Policy.Filesystem = append(in.Policy.Filesystem,
		plantest.Rule("filesystem.deny.7", plantest.ByDefault, policy.Deny, "/usr/local/etc"), plantest.Rule("filesystem.deny.8", plantest.ByDefault, policy.Deny, "/home/ada/proj/.netrc"))
	in.Layers = []plan.Share{plantest.Binds(host, in.Policy)}
	var b strings.Builder
	if err := show.Print(&b, plantest.Make(t, in), false, false); err != nil {
		t.Fatal(err)
	}
	if want := "denied\n  deny  ~/proj/.netrc  default\n  and 2 of the default profile (-v lists them)\n"; !strings.Contains(b.String(), want) {
		t.Errorf("got\n%s\nwant in it\n%s", b.String(), want)
	}
}

func TestPrintGrantThatGivesNothing(t *testing.T) {
	in := plantest.Grant(plantest.Machine(), policy.Read, "/home/ada/.ssh")
	var b strings.Builder
	if err := show.Print(&b, plantest.Make(t, in), false, false); err != nil {
		t.Fatal(err)
	}
	if want := "gives nothing: denied by default.hcl:9:1\n"; !strings.Contains(b.String(), want) {
		t.Errorf("got\n%s\nwant in it %q", b.String(), want)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got; -update writes it anew):\n%s", name, diff)
	}
}

func TestColourIsForHeadingsOnly(t *testing.T) {
	p := plantest.Make(t, richInput())
	var plain, coloured strings.Builder
	if err := show.Print(&plain, p, true, false); err != nil {
		t.Fatal(err)
	}
	if err := show.Print(&coloured, p, true, true); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsRune(plain.String(), '\x1b') {
		t.Error("a control character is in the plain print")
	}
	stripped := strings.NewReplacer("\x1b[1m", "", "\x1b[0m", "").Replace(coloured.String())
	if stripped != plain.String() || coloured.String() == plain.String() {
		t.Error("colour changes more than the headings, or nothing")
	}
}

// A stored plan reads back as the same plan, and prints the same.
func TestPlanAsJSON(t *testing.T) {
	p := plantest.Make(t, richInput())
	j, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back plan.Plan
	if err := json.Unmarshal(j, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, &back); diff != "" {
		t.Errorf("after JSON (-want +got):\n%s", diff)
	}
}

func TestSummary(t *testing.T) {
	off := policy.Source{Origin: policy.OriginFlag, Flag: "--disable x"}
	tests := []struct {
		name  string
		input func() plan.Input
		want  string
	}{
		{"the standard run", func() plan.Input { return plantest.Input(plantest.Machine()) }, "rw ~/proj; network closed; home private; tier A"},
		{
			"two grants", func() plan.Input { return plantest.Grant(plantest.Machine(), policy.Read, "/home/ada/data") },
			"rw ~/proj; ro ~/data; network closed; home private; tier A",
		},
		{"the home", func() plan.Input {
			in := plantest.Grant(plantest.Machine(), policy.Allow, "/home/ada")
			in.Policy.Filesystem = in.Policy.Filesystem[1:]
			in.Layers = []plan.Share{plantest.Binds(plantest.Machine(), in.Policy)}
			return in
		}, "rw ~; network closed; home shared; tier A"},
		{"many grants", func() plan.Input {
			host := plantest.Machine()
			in := plantest.Input(host)
			for _, p := range []string{"a", "b", "c", "d", "e"} {
				host.Put("/srv/"+p, "dir")
				in.Policy.Filesystem = append(in.Policy.Filesystem, plantest.Rule(policy.RuleID("filesystem.read.x"+p), plantest.At(6), policy.Read, "/srv/"+p))
			}
			in.Layers = []plan.Share{plantest.Binds(host, in.Policy)}
			return in
		}, "rw ~/proj; ro /srv/a; ro /srv/b; ro /srv/c; and 2 more; network closed; home private; tier A"},
		{"nothing granted", func() plan.Input {
			in := plantest.Input(plantest.Machine())
			in.Policy.Filesystem = nil
			layer := plantest.Binds(plantest.Machine(), in.Policy)
			layer.Response.Fragment.Steps = append(layer.Response.Fragment.Steps, fragment.Tmpfs{Path: "/home/ada/proj", Size: 4096, Mode: 0o555})
			in.Layers = []plan.Share{layer}
			return in
		}, "no path granted; network closed; home private; current directory empty; tier A"},
		{"what was granted is not there", func() plan.Input {
			in := plantest.Input(plantest.Machine())
			r := plantest.Rule("filesystem.read.7", plantest.At(6), policy.Read, "/nowhere")
			r.Type = policy.Missing
			in.Policy.Filesystem = append(in.Policy.Filesystem, r)
			return in
		}, "rw ~/proj; network closed; home private; tier A"},
		{
			"a grant of what is denied", func() plan.Input { return plantest.Grant(plantest.Machine(), policy.Allow, "/home/ada/.ssh") },
			"rw ~/proj; network closed; home private; tier A",
		},
		{"a grant inside a directory that is not granted", func() plan.Input {
			host := plantest.Machine()
			host.Put("/srv/data/part", "dir")
			in := plantest.Grant(host, policy.Read, "/srv/data/part")
			in.Command.Dir = "/srv/data"
			return in
		}, "rw ~/proj; ro /srv/data/part; network closed; home private; current directory not granted; tier A"},
		{"all off", func() plan.Input {
			in := plantest.Input(plantest.Machine())
			in.Layers = nil
			in.Policy.Disabled = []policy.Disabled{{Kind: policy.KindFilesystem, Source: off}, {Kind: policy.KindNetwork, Source: off}}
			return in
		}, "all files open; network open; home shared; tier A"},
		{"something is not held", func() plan.Input {
			in := plantest.Input(plantest.Machine())
			in.Layers[0].Response.Coverage[2] = sdk.Coverage{Rule: "filesystem.deny.0", Held: sdk.Partial, Why: "names can be seen"}
			return in
		}, "rw ~/proj; network closed; home private; tier A\nnot held: deny /home/ada/.ssh (partial: names can be seen)"},
		{"what the host does not let this user do", func() plan.Input {
			host := plantest.Machine()
			in := plantest.Input(host)
			for i, p := range []string{"/srv/mounted", "/srv/others", "/srv/closed"} {
				host.Put(p, "dir")
				in.Policy.Filesystem = append(in.Policy.Filesystem, plantest.Rule(policy.RuleID(fmt.Sprintf("filesystem.allow.x%d", i)), plantest.At(6), policy.Allow, p))
			}
			in.Layers = []plan.Share{plantest.Binds(host, in.Policy)}
			in.Reach = func(p string) hostfile.Reach {
				ours := p == "/home/ada/proj"
				return hostfile.Reach{Read: p != "/srv/closed", Write: ours, ReadOnly: p == "/srv/mounted"}
			}
			return in
		}, "rw ~/proj; ro /srv/mounted; ro /srv/others; unreadable /srv/closed; network closed; home private; tier A"},
		{"a name with control characters", func() plan.Input {
			host := plantest.Machine()
			host.Put("/home/ada/\x1b[2Jx", "dir")
			return plantest.Grant(host, policy.Read, "/home/ada/\x1b[2Jx")
		}, `rw ~/proj; ro ~/\x1b[2Jx; network closed; home private; tier A`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := show.Summary(plantest.Make(t, tt.input())); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestHint(t *testing.T) {
	const want = "inside were rw ~/proj, ro ~/data and the system's files; `nono plan` shows all"
	if got := show.Hint(plantest.Make(t, richInput())); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
