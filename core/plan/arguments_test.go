package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fact"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// withArguments is a run with a service whose credential adds arguments. The layer gives the agent
// these steps for it.
func withArguments(says []fact.Fact, steps ...fragment.Step) plan.Input {
	in := plantest.Input(plantest.Machine())
	in.Policy.Credentials = []policy.Credential{{
		ID: "credentials.acme", Source: plantest.At(20), Service: "acme",
		Upstream: "https://acme.example", URLVariable: "ACME_URL", Optional: true,
		Arguments: []string{"--url={{base_url}}/x", "--plain"},
	}}
	in.Layers = append(in.Layers, plan.Share{
		Layer: plan.Layer{
			Kind: policy.KindCredentials, Name: "credproxy", Version: "1.0.0", BuiltIn: true, Why: "needed",
		},
		Response: &sdk.PlanResponse{
			Facts:    says,
			Secrets:  map[string]sdk.Secret{"acme": sdk.NewSecret([]byte("token"))},
			Coverage: []sdk.Coverage{{Rule: "credentials.acme", Held: sdk.Enforced, By: "a token, or nothing"}},
			Fragment: fragment.Fragment{Steps: steps},
		},
	})
	return in
}

// The arguments of a credential are there with what the agent is given for it, and not without.
func TestArguments(t *testing.T) {
	door := fragment.Listener{For: "credentials.acme", Name: "acme", Network: fragment.TCP}
	url := func(parts ...fragment.Part) fragment.Env {
		return fragment.Env{For: "credentials.acme", Name: "ACME_URL", Value: parts}
	}
	in := withArguments(nil, door, url(fragment.Literal("http://"), fragment.ListenerAddress("acme"), fragment.Literal("/v1")))
	before := slices.Clone(in.Command.Args)
	p := plantest.Make(t, in)
	at := p.Listeners[slices.IndexFunc(p.Listeners, func(l plan.Listener) bool { return l.Name == "acme" })].Dialled()
	want := append(slices.Clone(before), "--url=http://"+at+"/v1/x", "--plain")
	if !slices.Equal(p.Command.Args, want) || !slices.Equal(in.Command.Args, before) {
		t.Errorf("got %q, want %q", p.Command.Args, want)
	}
	if len(p.Notices) > 0 {
		t.Errorf("of what a file of the user's says is told: %v", p.Notices)
	}
	in.Policy.Credentials[0].Source.Origin = policy.OriginProfile
	p = plantest.Make(t, in)
	if len(p.Notices) != 1 || !strings.Contains(p.Notices[0].Text, "--plain") {
		t.Errorf("of what a profile says is told: %v", p.Notices)
	}
	missing := []fact.Fact{fact.CredentialMissing{Service: "acme"}}
	if p := plantest.Make(t, withArguments(missing)); !slices.Equal(p.Command.Args, before) {
		t.Errorf("without a key: %q", p.Command.Args)
	}
}

// What stands among the arguments everybody can see: no secret does, and no address that is not
// there.
func TestArgumentsAreNoSecret(t *testing.T) {
	door := fragment.Listener{For: "credentials.acme", Name: "acme", Network: fragment.TCP}
	for want, steps := range map[string][]fragment.Step{
		"nothing sets ACME_URL": {door},
		"layer credproxy keeps ACME_URL secret": {door, fragment.Env{
			For: "credentials.acme", Name: "ACME_URL", Value: fragment.Value{fragment.SecretValue("acme")},
		}},
	} {
		_, err := plan.Make(withArguments(nil, steps...))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}

// A layer that has no key of what nothing uses has a flaw.
func TestNoKeyOfWhatIsNotUsed(t *testing.T) {
	_, err := plan.Make(withArguments([]fact.Fact{fact.CredentialMissing{Service: "other"}}))
	if err == nil || !strings.Contains(err.Error(), `it has no key of "other", which nothing uses`) {
		t.Errorf("got %v", err)
	}
}
