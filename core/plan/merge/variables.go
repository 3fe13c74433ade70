package merge

import (
	"cmp"
	"slices"
	"strings"

	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// Variable is one variable of the agent's environment.
type Variable struct {
	Name  string         `json:"name"`
	Value fragment.Value `json:"value"`
	Rule  policy.RuleID  `json:"rule,omitempty"`
	// Layer is whose secrets the value's secret parts name.
	Layer string `json:"layer"`
}

// Variables is every variable once, sorted by name. A default gives way to what anybody else says;
// two different values of the others are a conflict.
func (m *Merger) Variables(vars, defaults []Variable) []Variable {
	byName := map[string]Variable{}
	vars = slices.Clone(vars)
	sortSteps(vars, Variable.step, m.compareVariables)
	for _, v := range vars {
		old, ok := byName[v.Name]
		if !ok {
			byName[v.Name] = v
		} else if !sameValue(old, v) {
			m.conflict(old.origin(), v.origin(),
				"two different values for the variable %s", v.Name)
		}
	}
	for _, v := range defaults {
		if over, ok := byName[v.Name]; ok {
			m.Lost = append(m.Lost, Loss{v.Name, v.claim(), over.claim()})
		} else {
			byName[v.Name] = v
		}
	}
	out := make([]Variable, 0, len(byName))
	for _, v := range byName {
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b Variable) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func (v Variable) claim() Claim { return Claim{v.origin(), v.Text()} }

// Text is the value as it can be shown: the user's own values and secrets are not in a plan.
func (v Variable) Text() string {
	var b strings.Builder
	for _, part := range v.Value {
		switch {
		case part.Host != "":
			b.WriteString("<your " + part.Host + ">")
		case part.Secret != "":
			b.WriteString("<secret>")
		case part.Listener != "":
			b.WriteString("<address of " + part.Listener + ">")
		default:
			b.WriteString(part.Literal)
		}
	}
	return b.String()
}

func (m *Merger) compareVariables(a, b Variable) int {
	return cmp.Or(
		cmp.Compare(a.Name, b.Name),
		m.compareRules(a.Rule, b.Rule),
		compareOrigins(a.origin(), b.origin()),
	)
}

func (v Variable) step() fragment.Step {
	return fragment.Env{For: v.Rule, Name: v.Name, Value: v.Value}
}

func (v Variable) origin() Origin { return Origin{v.Rule, v.Layer} }

// sameValue compares what can be compared before there are values: two layers' secrets and
// listeners differ even where their names agree.
func sameValue(a, b Variable) bool {
	local := slices.ContainsFunc(a.Value, func(p fragment.Part) bool {
		return p.Secret != "" || p.Listener != ""
	})
	return slices.Equal(a.Value, b.Value) && (!local || a.Layer == b.Layer)
}
