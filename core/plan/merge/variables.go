package merge

import (
	"cmp"
	"slices"

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
	slices.SortFunc(vars, m.compareVariables)
	for _, v := range vars {
		old, ok := byName[v.Name]
		if !ok {
			byName[v.Name] = v
		} else if !sameValue(old, v) {
			m.conflict(Origin{old.Rule, old.Layer}, Origin{v.Rule, v.Layer}, "two different values for the variable %s", v.Name)
		}
	}
	for _, v := range defaults {
		if _, ok := byName[v.Name]; !ok {
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

func (m *Merger) compareVariables(a, b Variable) int {
	return cmp.Or(
		cmp.Compare(a.Name, b.Name),
		m.compareRules(a.Rule, b.Rule),
		cmp.Compare(a.Layer, b.Layer),
		slices.CompareFunc(a.Value, b.Value, comparePart),
	)
}

func comparePart(a, b fragment.Part) int {
	return slices.Compare(
		[]string{a.Literal, a.Host, a.Secret, a.Listener},
		[]string{b.Literal, b.Host, b.Secret, b.Listener},
	)
}

// sameValue compares what can be compared before there are values: two layers' secrets and listeners
// differ even where their names agree.
func sameValue(a, b Variable) bool {
	local := slices.ContainsFunc(a.Value, func(p fragment.Part) bool {
		return p.Secret != "" || p.Listener != ""
	})
	return slices.Equal(a.Value, b.Value) && (!local || a.Layer == b.Layer)
}
