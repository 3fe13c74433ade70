package credproxy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nono-run/nono/plugins/credproxy/source"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// sourcesFor are the places in which the key for each secret is.
func sourcesFor(secrets []policy.EnvRule) [][]policy.KeySource {
	places := make([][]policy.KeySource, len(secrets))
	for i := range secrets {
		places[i] = []policy.KeySource{secrets[i].From}
	}
	return places
}

// hand hands a key over to the agent, in the variable that the policy names for it. A plan that is
// only looked at has a stand-in, whether the key is there or not.
func hand(answer *sdk.PlanResponse, rule *policy.EnvRule, found outcome, dry bool) {
	if found.err != nil {
		lacks := lacking(rule, found.err, dry)
		answer.Diagnostics = append(answer.Diagnostics, lacks)
		if lacks.Severity == sdk.SeverityError {
			answer.Coverage = append(answer.Coverage,
				sdk.Coverage{Rule: rule.ID, Held: sdk.Unavailable, Why: "it has no value"})
			return
		}
	}
	name, value := "environment."+rule.Name, found.key
	if dry {
		value = source.Unknown
	}
	answer.Secrets[name] = value
	answer.Fragment.Steps = append(answer.Fragment.Steps, fragment.Env{
		For: rule.ID, Name: rule.Name, Value: fragment.Value{fragment.SecretValue(name)},
	})
	answer.Coverage = append(answer.Coverage, sdk.Coverage{
		Rule: rule.ID, Held: sdk.Enforced, By: "the real key, from " + rule.From.String(),
	})
}

// lacking is why there is nothing to hand over. It ends a run, and no plan that is only looked at:
// people look at one before they have the key.
func lacking(rule *policy.EnvRule, err error, dry bool) sdk.Diagnostic {
	d := sdk.Diagnostic{Severity: sdk.SeverityError, Rule: rule.ID}
	var absent *source.Absent
	if !errors.As(err, &absent) {
		d.Summary = fmt.Sprintf("the secret %s cannot be read: %v", rule.Name, err)
		return d
	}
	d.Summary = "no source has the secret " + rule.Name
	d.Detail = strings.Join(append(tried(absent), toStore(rule.Name, rule.From)...), "\n")
	if dry {
		d.Severity = sdk.SeverityWarning
		d.Summary += ": a run would be refused"
	}
	return d
}
