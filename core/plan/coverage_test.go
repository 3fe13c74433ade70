package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// Who must be held, and what happens if it is not. The rule in question is filesystem.deny.1 on
// /home/ada/data.
func TestInsist(t *testing.T) {
	missing := func(r policy.PathRule) policy.PathRule { r.Type = policy.Missing; return r }
	user, def := plantest.At(6), plantest.ByDefault
	const inside, outside = "/home/ada/proj/data", "/home/ada/data"
	tests := []struct {
		name string
		rule policy.PathRule
		held sdk.Held // empty: the layer says nothing
		want string   // of the refusal; empty: the plan is made
	}{
		{"the user's denial, held", plantest.Rule("filesystem.deny.1", user, policy.Deny, outside), sdk.Enforced, ""},
		{"the user's denial, partial", plantest.Rule("filesystem.deny.1", user, policy.Deny, outside), sdk.Partial, "cannot be held: half of it"},
		{"the user's denial, unavailable", plantest.Rule("filesystem.deny.1", user, policy.Deny, outside), sdk.Unavailable, "cannot be held: half of it"},
		{"the user's denial, forgotten", plantest.Rule("filesystem.deny.1", user, policy.Deny, outside), "", "layer binds says nothing about it"},
		{"the user's grant, forgotten", plantest.Rule("filesystem.deny.1", user, policy.Read, outside), "", "layer binds says nothing about it"},
		{"the user's protection, partial", plantest.Rule("filesystem.deny.1", user, policy.Protect, inside), sdk.Partial, "cannot be held"},
		{"the user's denial of nothing", missing(plantest.Rule("filesystem.deny.1", user, policy.Deny, inside)), "", ""},
		{"the user's protection of nothing", missing(plantest.Rule("filesystem.deny.1", user, policy.Protect, inside)), sdk.Unavailable, ""},
		{"the user's grant of nothing", missing(plantest.Rule("filesystem.deny.1", user, policy.Read, inside)), "", ""},
		{"a default denial outside every grant", plantest.Rule("filesystem.deny.1", def, policy.Deny, outside), sdk.Partial, ""},
		{"a default denial inside a grant", plantest.Rule("filesystem.deny.1", def, policy.Deny, inside), sdk.Partial, "narrow the grant"},
		{"a default denial that is a grant itself", plantest.Rule("filesystem.deny.1", def, policy.Deny, "/home/ada/proj"), "", "narrow the grant"},
		{"a default protection", plantest.Rule("filesystem.deny.1", def, policy.Protect, inside), sdk.Partial, ""},
		{"the toolchain of the command", plantest.Rule("filesystem.deny.1", policy.Source{Origin: policy.OriginCommand}, policy.Read, outside), sdk.Partial, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			host := plantest.Machine()
			host.Put(inside, "dir")
			in := plantest.Input(host)
			in.Policy.Filesystem = append(in.Policy.Filesystem, tt.rule)
			in.Layers = []plan.Share{plantest.Binds(host, in.Policy)}
			coverage := &in.Layers[0].Response.Coverage
			last := len(*coverage) - 1
			(*coverage)[last] = sdk.Coverage{Rule: tt.rule.ID, Held: tt.held, Why: "half of it"}
			if tt.held == "" {
				*coverage = (*coverage)[:last]
			}
			if tt.want == "" {
				p := plantest.Make(t, in)
				if r := ruleOf(p, tt.rule.ID); tt.rule.Type == policy.Missing && (r.Held != sdk.Enforced || r.By != "nothing is there") {
					t.Errorf("the rule is %+v", r)
				}
				return
			}
			got := plantest.Refused(t, in)
			for _, part := range []string{tt.want, tt.rule.Source.String(), "best_effort"} {
				if !strings.Contains(got, part) {
					t.Errorf("the message lacks %q:\n%s", part, got)
				}
			}

			in.BestEffort = true
			p := plantest.Make(t, in)
			said := slices.ContainsFunc(p.Notices, func(n plan.Notice) bool {
				return n.Source == tt.rule.Source && strings.Contains(n.Text, "is not held") && strings.Contains(n.Text, "best_effort")
			})
			if !said {
				t.Errorf("best_effort is not announced: %+v", p.Notices)
			}
		})
	}
}

// TestLimits: a limit of the user's that this host cannot hold is refused at its line, or told.
func TestLimits(t *testing.T) {
	at := plantest.At(7)
	limited := func(why string) plan.Input {
		in := plantest.Input(plantest.Machine())
		in.Limits = []base.Limit{{
			Rule: policy.Rule{ID: base.RuleProcessMax, Source: at, Says: "few processes"}, By: "a limit", Why: why,
		}}
		return in
	}
	r := ruleOf(plantest.Make(t, limited("")), base.RuleProcessMax)
	if r.Held != sdk.Enforced || r.By != "a limit" || !r.Required {
		t.Errorf("the rule is %+v", r)
	}
	got := plantest.Refused(t, limited("nobody counts"))
	if !strings.Contains(got, `"few processes" cannot be held: nobody counts`) || !strings.Contains(got, at.String()) {
		t.Errorf("the message is\n%s", got)
	}
	in := limited("nobody counts")
	in.BestEffort = true
	p := plantest.Make(t, in)
	if r := ruleOf(p, base.RuleProcessMax); r.Held != sdk.Unavailable || r.Why != "nobody counts" {
		t.Errorf("the rule is %+v", r)
	}
	if !slices.ContainsFunc(p.Notices, func(n plan.Notice) bool { return n.Source == at }) {
		t.Errorf("it is not told: %+v", p.Notices)
	}
}

func ruleOf(p *plan.Plan, id policy.RuleID) plan.Rule {
	for _, r := range p.Rules {
		if r.ID == id {
			return r
		}
	}
	return plan.Rule{}
}

func TestWrongAnswers(t *testing.T) {
	tests := []struct {
		name   string
		answer sdk.Coverage
		want   string
	}{
		{"a rule that does not exist", sdk.Coverage{Rule: "filesystem.deny.77", Held: sdk.Enforced}, "which does not exist"},
		{"a rule of core's", sdk.Coverage{Rule: "base.proc", Held: sdk.Enforced}, "not its to hold"},
		{"an environment rule", sdk.Coverage{Rule: "environment.pass.0", Held: sdk.Enforced}, "not its to hold"},
		{"the same rule twice", sdk.Coverage{Rule: "filesystem.allow.0", Held: sdk.Enforced}, "answers twice"},
		{"no degree", sdk.Coverage{Rule: "filesystem.read.1"}, `is "", which means nothing`},
		{"an unknown degree", sdk.Coverage{Rule: "filesystem.read.1", Held: "mostly"}, `is "mostly", which means nothing`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			host := plantest.Machine()
			in := plantest.Input(host)
			in.Policy.Filesystem = append(in.Policy.Filesystem, plantest.Rule("filesystem.read.1", plantest.ByDefault, policy.Read, "/etc"))
			r := in.Layers[0].Response
			r.Coverage = append(r.Coverage, tt.answer)
			if got := plantest.Refused(t, in); !strings.Contains(got, tt.want) || !strings.Contains(got, "layer binds") {
				t.Errorf("the message lacks %q:\n%s", tt.want, got)
			}
		})
	}
	t.Run("another kind's rule", func(t *testing.T) {
		in := plantest.Input(plantest.Machine())
		c := plantest.Custom("acme/x")
		c.Response.Coverage = []sdk.Coverage{{Rule: "filesystem.allow.0", Held: sdk.Enforced}}
		in.Layers = append(in.Layers, c)
		if got := plantest.Refused(t, in); !strings.Contains(got, "it is a custom layer") || !strings.Contains(got, "agent.hcl:4:3") {
			t.Error(got)
		}
	})
}

func TestDisabled(t *testing.T) {
	in := plantest.Input(plantest.Machine())
	flag := policy.Source{Origin: policy.OriginFlag, Flag: "--disable filesystem"}
	in.Policy.Filesystem = append(in.Policy.Filesystem, plantest.Rule("filesystem.deny.1", plantest.At(6), policy.Deny, "/home/ada/data"))
	in.Policy.Disabled = []policy.Disabled{{Kind: policy.KindFilesystem, Source: flag}, {Kind: policy.KindNetwork, Source: plantest.At(9)}}
	in.Layers = nil
	p := plantest.Make(t, in)

	if len(p.Notices) != 0 { // core/config has announced it, with each line that it overrides
		t.Errorf("there are notices: %+v", p.Notices)
	}
	if b, ok := plantest.MountAt(p, "/").(interface{ Source() string }); !ok || b.Source() != "/" {
		t.Errorf("the root is %v", plantest.MountAt(p, "/"))
	}
	for _, id := range []policy.RuleID{"filesystem.deny.1", base.RuleMounts, base.RuleNetwork} {
		if r := ruleOf(p, id); r.Held != sdk.Unavailable {
			t.Errorf("%s is said to be %s", id, r.Held)
		}
	}
	// The rest of the base fragment does not depend on any layer.
	for _, at := range []string{"/proc", "/dev", "/dev/pts", "/dev/null"} {
		if plantest.MountAt(p, at) == nil {
			t.Errorf("%s is gone with the filesystem layer", at)
		}
	}
	if b, ok := plantest.MountAt(p, "/sys").(fragment.Bind); !ok || b.Writable {
		t.Errorf("the host's /sys is %+v", plantest.MountAt(p, "/sys"))
	}
	for _, id := range []policy.RuleID{base.RuleProc, base.RuleSeccomp, base.RulePrivileges, base.RuleProcesses, base.RuleIPC, base.RuleDescriptors} {
		if r := ruleOf(p, id); r.Held != sdk.Enforced {
			t.Errorf("%s is %s", id, r.Held)
		}
	}
	if len(p.Seccomp) == 0 {
		t.Error("the hardening filter is gone")
	}
}

func TestDiagnostics(t *testing.T) {
	in := plantest.Input(plantest.Machine())
	s := plantest.Custom("acme/x")
	s.Setting = func(attribute string) policy.Source {
		if attribute == "mode" {
			return plantest.At(12)
		}
		return policy.Source{}
	}
	s.Response.Diagnostics = []sdk.Diagnostic{
		{Severity: sdk.SeverityWarning, Rule: "filesystem.deny.0", Summary: "has 2 names", Detail: "look for the other"},
		{Severity: sdk.SeverityWarning, Summary: "slow today"},
	}
	in.Layers = append(in.Layers, s)
	in.Notices = []diag.Problem{{Severity: diag.Warning, Summary: "~/x does not exist", Source: plantest.At(3)}}
	p := plantest.Make(t, in)
	want := []plan.Notice{
		{Text: "~/x does not exist", Source: plantest.At(3)},
		{Text: "has 2 names", Detail: "look for the other", Source: plantest.ByDefault},
		{Text: "layer acme/x: slow today"},
	}
	if !slices.Equal(p.Notices, want) {
		t.Errorf("notices: %+v", p.Notices)
	}

	s.Response.Diagnostics = []sdk.Diagnostic{
		{Severity: sdk.SeverityError, Attribute: "mode", Summary: "cannot be both", Detail: "choose one"},
		{Severity: "", Rule: "filesystem.allow.0", Summary: "hm"},
	}
	if got, want := plantest.Refused(t, in), `error: cannot be both
  agent.hcl:12:3
  choose one
error: hm
  agent.hcl:4:3
`; got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
