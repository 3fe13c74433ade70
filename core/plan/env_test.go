package plan_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/core/plan/show"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

var flagged = policy.Source{Origin: policy.OriginFlag, Flag: "--env X"}

func TestEnvironment(t *testing.T) {
	inherit := func(name string) fragment.Value { return fragment.Value{fragment.HostVariable(name)} }
	never := []policy.EnvRule{
		{ID: "environment.deny.0", Source: plantest.ByDefault, Action: policy.EnvDeny, Name: "LD_*"},
		{ID: "environment.deny.1", Source: plantest.ByDefault, Action: policy.EnvDeny, Name: "BASH_FUNC_*"},
	}
	tests := []struct {
		name    string
		rules   []policy.EnvRule
		environ []string
		check   string
		want    fragment.Value // nil: not there
	}{
		{"what no rule passes stays outside", nil, []string{"TOKEN=x"}, "TOKEN", nil},
		{"a passed one is inherited", []policy.EnvRule{{Source: flagged, Action: policy.EnvPass, Name: "TOKEN"}}, []string{"TOKEN=x"}, "TOKEN", inherit("TOKEN")},
		{"a passed one that is not set is not there", []policy.EnvRule{{Source: flagged, Action: policy.EnvPass, Name: "TOKEN"}}, nil, "TOKEN", nil},
		{"a pattern passes", []policy.EnvRule{{Source: plantest.At(3), Action: policy.EnvPass, Name: "LC_*"}}, []string{"LC_ALL=C"}, "LC_ALL", inherit("LC_ALL")},
		{
			"no pattern passes what loads code", append(never, policy.EnvRule{Source: plantest.At(3), Action: policy.EnvPass, Name: "*"}),
			[]string{"LD_PRELOAD=/evil.so"},
			"LD_PRELOAD", nil,
		},
		{
			"nor an exported function", append(never, policy.EnvRule{Source: plantest.At(3), Action: policy.EnvPass, Name: "*"}),
			[]string{"BASH_FUNC_ls%%=() { evil; }"},
			"BASH_FUNC_ls%%", nil,
		},
		{
			"its exact name does", append(never, policy.EnvRule{Source: plantest.At(3), Action: policy.EnvPass, Name: "LD_PRELOAD"}),
			[]string{"LD_PRELOAD=/mine.so"},
			"LD_PRELOAD", inherit("LD_PRELOAD"),
		},
		{"a value is set", []policy.EnvRule{{Source: plantest.At(3), Action: policy.EnvSet, Name: "CI", Value: "1"}}, nil, "CI", fragment.Text("1")},
		{"an empty value is a value", []policy.EnvRule{{Source: plantest.At(3), Action: policy.EnvSet, Name: "CI"}}, nil, "CI", fragment.Text("")},
		{
			"a value of --env is a secret",
			[]policy.EnvRule{{Source: flagged, Action: policy.EnvSet, Name: "KEY", Secret: "env.KEY"}},
			nil, "KEY",
			fragment.Value{fragment.SecretValue("env.KEY")},
		},
		{"HOME is the private one, whatever the variable says", nil, []string{"HOME=/elsewhere"}, "HOME", fragment.Text("/home/ada")},
		{"unless set", []policy.EnvRule{{Source: plantest.At(3), Action: policy.EnvSet, Name: "HOME", Value: "/home/ada/proj"}}, nil, "HOME", fragment.Text("/home/ada/proj")},
		{"TMPDIR is /tmp", nil, nil, "TMPDIR", fragment.Text("/tmp")},
		{"or the user's own, where it is mounted", nil, []string{"TMPDIR=/tmp"}, "TMPDIR", inherit("TMPDIR")},
		{"or granted", nil, []string{"TMPDIR=/home/ada/proj/tmp"}, "TMPDIR", inherit("TMPDIR")},
		{"but not one that does not exist inside", nil, []string{"TMPDIR=/var/tmp"}, "TMPDIR", fragment.Text("/tmp")},
		{"nor one that is no path", nil, []string{"TMPDIR=tmp"}, "TMPDIR", fragment.Text("/tmp")},
		{"nor one that can only be read", nil, []string{"TMPDIR=/usr/tmp"}, "TMPDIR", fragment.Text("/tmp")},
		{"PWD is the name by which the user came", nil, []string{"PWD=/elsewhere"}, "PWD", fragment.Text("/home/ada/link/proj")},
		{"unless denied", []policy.EnvRule{{Source: plantest.At(3), Action: policy.EnvDeny, Name: "PWD"}}, nil, "PWD", nil},
		{"a name that is none is left out", []policy.EnvRule{{Source: plantest.At(3), Action: policy.EnvPass, Name: "*"}}, []string{"=x", "nothing"}, "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := plantest.Input(plantest.Machine())
			in.DirName = "/home/ada/link/proj"
			for i, r := range tt.rules {
				r.ID = policy.RuleID(fmt.Sprintf("environment.%s.%d", r.Action, 20+i))
				in.Policy.Environment = append(in.Policy.Environment, r)
			}
			in.Environ = tt.environ
			got, ok := plantest.Value(plantest.Make(t, in), tt.check)
			if ok != (tt.want != nil) || !slices.Equal(got, tt.want) {
				t.Errorf("%s is %v", tt.check, got)
			}
		})
	}
}

func TestPath(t *testing.T) {
	tests := []struct {
		name    string
		path    string // of the host; "-" is none
		prefix  []string
		instead map[string][]string
		want    string
	}{
		{"as it is", "/usr/bin:/bin", nil, nil, "/usr/bin:/bin"},
		{"the toolchain first", "/usr/bin", []string{"/home/ada/.pyenv/versions/3.13/bin"}, nil, "/home/ada/.pyenv/versions/3.13/bin:/usr/bin"},
		{"once", "/usr/bin:/t/bin:/usr/bin", []string{"/t/bin"}, nil, "/t/bin:/usr/bin"},
		{"no shims", "/home/ada/.pyenv/shims:/usr/bin", nil, map[string][]string{"/home/ada/.pyenv/shims": nil}, "/usr/bin"},
		{"no shims spelled otherwise", "/home/ada/.pyenv//shims/:/usr/bin", nil, map[string][]string{"/home/ada/.pyenv/shims": nil}, "/usr/bin"},
		{"what shims lead to in their place", "/a:/shims:/usr/bin", nil, map[string][]string{"/shims": {"/v/2/bin", "/v/1/bin"}}, "/a:/v/2/bin:/v/1/bin:/usr/bin"},
		{"and before a directory that has more than shims", "/a:/mixed:/b", nil, map[string][]string{"/mixed": {"/v/bin", "/mixed"}}, "/a:/v/bin:/mixed:/b"},
		{"no current directory", ":.:/usr/bin:bin:../x:", nil, nil, "/usr/bin"},
		{"none at all", "-", nil, nil, "/usr/local/bin:/usr/bin:/bin"},
		{"nothing left, which some shells take for the current directory", ".:", nil, nil, "/usr/local/bin:/usr/bin:/bin"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := plantest.Input(plantest.Machine())
			in.Environ = nil
			if tt.path != "-" {
				in.Environ = []string{"PATH=" + tt.path}
			}
			in.PathPrefix, in.Instead = tt.prefix, tt.instead
			if got, _ := plantest.Value(plantest.Make(t, in), "PATH"); !slices.Equal(got, fragment.Text(tt.want)) {
				t.Errorf("PATH is %v", got)
			}
		})
	}
	t.Run("set by the policy", func(t *testing.T) {
		in := plantest.Input(plantest.Machine())
		in.Policy.Environment = append(in.Policy.Environment, policy.EnvRule{
			ID: "environment.set.0", Source: plantest.At(3), Action: policy.EnvSet, Name: "PATH", Value: "/opt/bin:.",
		})
		in.PathPrefix = []string{"/t/bin"}
		if got, _ := plantest.Value(plantest.Make(t, in), "PATH"); !slices.Equal(got, fragment.Text("/t/bin:/opt/bin")) {
			t.Errorf("PATH is %v", got)
		}
	})
}

// Two values for one variable: a layer's beats a default's; what the user asked for, and what
// another layer says, it contradicts.
func TestVariableOfALayer(t *testing.T) {
	env := func(v fragment.Part) fragment.Env { return fragment.Env{Name: "X", Value: fragment.Value{v}} }
	tests := []struct {
		name     string
		rule     policy.EnvRule
		steps    []fragment.Env // of layers of their own
		want     fragment.Value
		conflict []string
	}{
		{"alone", policy.EnvRule{}, []fragment.Env{env(fragment.Literal("1"))}, fragment.Text("1"), nil},
		{"two that agree", policy.EnvRule{}, []fragment.Env{env(fragment.Literal("1")), env(fragment.Literal("1"))}, fragment.Text("1"), nil},
		{"two that do not", policy.EnvRule{}, []fragment.Env{env(fragment.Literal("1")), env(fragment.Literal("2"))}, nil, []string{"layer a/a", "layer b/b"}},
		{
			"a default gives way",
			policy.EnvRule{ID: "environment.pass.9", Source: plantest.ByDefault, Action: policy.EnvPass, Name: "X"},
			[]fragment.Env{env(fragment.Literal("1"))},
			fragment.Text("1"), nil,
		},
		{
			"the user does not",
			policy.EnvRule{ID: "environment.pass.9", Source: plantest.At(8), Action: policy.EnvPass, Name: "X"},
			[]fragment.Env{env(fragment.Literal("1"))},
			nil,
			[]string{"agent.hcl:8:3", "layer a/a"},
		},
		{
			"two secrets of one name are two values",
			policy.EnvRule{},
			[]fragment.Env{env(fragment.SecretValue("k")), env(fragment.SecretValue("k"))},
			nil,
			[]string{"layer a/a", "layer b/b"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := plantest.Input(plantest.Machine())
			in.Environ = []string{"X=outside"}
			if tt.rule.ID != "" {
				in.Policy.Environment = append(in.Policy.Environment, tt.rule)
			}
			for i, step := range tt.steps {
				s := plantest.Custom([]string{"a/a", "b/b"}[i], step)
				s.Response.Secrets = map[string]sdk.Secret{"k": sdk.NewSecret([]byte("v"))}
				in.Layers = append(in.Layers, s)
			}
			if tt.conflict == nil {
				if got, _ := plantest.Value(plantest.Make(t, in), "X"); !slices.Equal(got, tt.want) {
					t.Errorf("X is %v", got)
				}
				return
			}
			got := plantest.Refused(t, in)
			for _, part := range append(tt.conflict, "two different values for the variable X") {
				if !strings.Contains(got, part) {
					t.Errorf("the message lacks %q:\n%s", part, got)
				}
			}
		})
	}
}

// No value that is not written in the policy itself is in a plan, however it is printed; and each
// is in the recipe.
func TestPlanHoldsNoSecret(t *testing.T) {
	in := plantest.Input(plantest.Machine())
	in.Environ = []string{"TOKEN=canary-of-the-host", "LANG=canary-of-a-default", "PATH=/usr/bin"}
	in.Policy.Environment = append(in.Policy.Environment,
		policy.EnvRule{ID: "environment.pass.9", Source: plantest.At(3), Action: policy.EnvPass, Name: "TOKEN"},
		policy.EnvRule{ID: "environment.set.0", Source: flagged, Action: policy.EnvSet, Name: "KEY", Secret: "env.KEY"})
	s := plantest.Custom("acme/x", fragment.Env{Name: "ACME", Value: fragment.Value{fragment.Literal("id:"), fragment.SecretValue("k")}})
	s.Response.Secrets = map[string]sdk.Secret{"k": sdk.NewSecret([]byte("canary-of-a-layer"))}
	in.Layers = append(in.Layers, s)
	p := plantest.Make(t, in)

	j, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := show.Print(&text, p, true, false); err != nil {
		t.Fatal(err)
	}
	for what, out := range map[string]string{"JSON": string(j), "print": text.String(), "summary": show.Summary(p), "hint": show.Hint(p)} {
		if strings.Contains(out, "canary") {
			t.Errorf("a value is in the plan's %s:\n%s", what, out)
		}
	}

	secrets := plan.Secrets{plan.Core: {"env.KEY": []byte("canary-of-a-flag")}, "acme/x": {"k": []byte("canary-of-a-layer")}}
	host := map[string]string{"TOKEN": "canary-of-the-host", "LANG": "canary-of-a-default"}
	r, err := p.Recipe(secrets, func(n string) (string, bool) { v, ok := host[n]; return v, ok }, in.Look)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"ACME=id:canary-of-a-layer", "CARGO_NET_RETRY=0", "HOME=/home/ada", "KEY=canary-of-a-flag", "LANG=canary-of-a-default", "PATH=/usr/bin",
		"PIP_RETRIES=0", "TMPDIR=/tmp", "TOKEN=canary-of-the-host", "npm_config_fetch_retries=0",
	}
	if !slices.Equal(r.Env, want) {
		t.Errorf("environment: %q", r.Env)
	}
}
