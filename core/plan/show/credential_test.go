package show_test

import (
	"strings"
	"testing"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/core/plan/show"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// credentialed is a run with two services, of which one has no key.
func credentialed() plan.Input {
	in := plantest.Input(plantest.Machine())
	keys := plan.Share{
		Layer:    plan.Layer{Kind: policy.KindCredentials, Name: "credproxy", Version: "1.0.0", BuiltIn: true, Why: "needed"},
		Response: &sdk.PlanResponse{Secrets: map[string]sdk.Secret{"acme": sdk.NewSecret([]byte("token"))}},
	}
	for _, name := range []string{"acme", "other"} {
		c := policy.Credential{
			ID: policy.RuleID("credentials." + name), Source: plantest.At(20), Service: name,
			Upstream: "https://" + name + ".example", Methods: []string{"GET"}, Optional: true,
		}
		in.Policy.Credentials = append(in.Policy.Credentials, c)
		keys.Response.Coverage = append(keys.Response.Coverage,
			sdk.Coverage{Rule: c.ID, Held: sdk.Enforced, By: "a token, or nothing"})
	}
	keys.Response.Fragment.Steps = []fragment.Step{
		fragment.Listener{For: "credentials.acme", Name: "acme", Network: fragment.TCP},
		fragment.Env{For: "credentials.acme", Name: "ACME", Value: fragment.Value{fragment.SecretValue("acme")}},
	}
	in.Layers = append(in.Layers, keys)
	return in
}

// The start line names the services that have a key. They lead to no network.
func TestCredentialsInTheStartLine(t *testing.T) {
	line := show.Summary(plantest.Make(t, credentialed()))
	if want := "; credential acme; network closed; "; !strings.Contains(line, want) {
		t.Errorf("%q is not in\n%s", want, line)
	}
}

func TestPrintCredentials(t *testing.T) {
	var out strings.Builder
	if err := show.Print(&out, plantest.Make(t, credentialed()), false, false); err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(out.String(), "\ncredentials\n")
	section, _, _ = strings.Cut(section, "\n\n")
	const want = `  acme   https://acme.example   agent.hcl:20:3  a token, or nothing
         only the methods GET
  other  https://other.example  agent.hcl:20:3  a token, or nothing
         only the methods GET`
	if section != want {
		t.Errorf("got\n%s\nwant\n%s", section, want)
	}
}
