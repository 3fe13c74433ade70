package plan

import (
	"path"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// systemPath is PATH where the user has none.
const systemPath = "/usr/local/bin:/usr/bin:/bin"

// environment is every variable the agent gets, sorted: what the policy passes and sets, what core composes, what layers add. A
// layer's value beats one that only a default gave; two that somebody asked for are a conflict.
func (m *maker) environment(v view, listeners []Listener) []Variable {
	vars := map[string]Variable{}
	for _, e := range m.ownVariables(v) {
		vars[e.Name] = e
	}
	for _, e := range m.layerVariables(listeners) {
		old, ok := vars[e.Name]
		switch {
		case !ok, old.Layer == Core && !m.asked(old.Rule):
			vars[e.Name] = e
		case !m.sameValue(old, e):
			m.clash(m.originOfVariable(old), m.originOfVariable(e), "two different values for the variable %s", e.Name)
		}
	}
	out := make([]Variable, 0, len(vars))
	for _, e := range vars {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Variable) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// ownVariables are those of the policy and of core.
func (m *maker) ownVariables(v view) []Variable {
	host := map[string]string{}
	for _, e := range m.in.Environ {
		if name, value, ok := strings.Cut(e, "="); ok && checkVariableName(name) == nil {
			host[name] = value
		}
	}
	names := map[string]bool{"PATH": true, "HOME": true, "TMPDIR": true}
	for name := range host {
		names[name] = true
	}
	for _, r := range m.in.Policy.Environment {
		if r.Action == policy.EnvSet {
			names[r.Name] = true
		}
	}
	var out []Variable
	for name := range names {
		value, inherited := host[name]
		if e, ok := m.ownVariable(name, value, inherited, v); ok {
			out = append(out, e)
		}
	}
	return out
}

// ownVariable decides about one name. The user's own value is looked at where core composes from it, and is not in the plan
// otherwise.
func (m *maker) ownVariable(name, value string, inherited bool, v view) (Variable, bool) {
	d := m.decide.Variable(name)
	e := Variable{Name: name, Rule: ruleEnvironment, Layer: Core}
	if d.Rule != nil {
		e.Rule = d.Rule.ID
	}
	if d.Allowed && d.Rule.Action == policy.EnvSet {
		if err := checkVariableName(name); err != nil {
			m.problem(diag.Errorf("cannot set a variable: %s", err), d.Rule.Source)
			return e, false
		}
		switch {
		case d.Rule.Secret != "":
			e.Value = fragment.Text(fragment.SecretValue(d.Rule.Secret))
		case name == "PATH":
			e.Value = fragment.Text(m.searchPath(d.Rule.Value))
		default:
			e.Value = fragment.Text(d.Rule.Value)
		}
		return e, true
	}
	inherited = inherited && d.Allowed
	switch name {
	case "PATH":
		if !inherited {
			value = systemPath
		}
		e.Value = fragment.Text(m.searchPath(value))
	case "HOME":
		e.Value = fragment.Text(m.in.Host.Home)
	case "TMPDIR":
		e.Value = fragment.Text("/tmp")
		if inherited && usableTemp(v, value) {
			e.Value = fragment.Text(fragment.HostVariable(name))
		}
	default:
		if !inherited {
			return e, false
		}
		e.Value = fragment.Text(fragment.HostVariable(name))
	}
	return e, true
}

// usableTemp reports whether the user's own TMPDIR is a place inside where the agent can write.
func usableTemp(v view, dir string) bool {
	if checkPath(dir) != nil {
		return false
	}
	switch s := v.cover(dir).Mount.(type) {
	case fragment.Tmpfs:
		return s.Path == dir && dir != "/"
	case fragment.Bind:
		return s.Writable
	}
	return false
}

// searchPath composes PATH: the command's own toolchain first, then the user's directories without those that a program could
// be planted in by standing somewhere (relative and empty entries mean the current directory) and without shims, which would run
// a version manager that reads what the project says.
func (m *maker) searchPath(user string) string {
	var dirs []string
	for _, d := range slices.Concat(m.in.PathPrefix, strings.Split(user, ":")) {
		if d = path.Clean(d); path.IsAbs(d) && !slices.Contains(dirs, d) && !slices.Contains(m.in.Shims, d) {
			dirs = append(dirs, d)
		}
	}
	if len(dirs) == 0 {
		return systemPath // an empty PATH means the current directory to some shells
	}
	return strings.Join(dirs, ":")
}

// layerVariables are the layers' env steps. Two layers that give one value to one name agree.
func (m *maker) layerVariables(listeners []Listener) []Variable {
	var out []Variable
	for _, s := range m.layers {
		for _, step := range s.Response.Fragment.Steps {
			e, ok := step.(fragment.Env)
			if !ok {
				continue
			}
			for _, part := range e.Value {
				known := slices.ContainsFunc(listeners, func(l Listener) bool { return l.Name == part.Listener })
				if part.Listener != "" && !known {
					m.flaw(s.Name, e.For, "%s uses the listener %q, which no layer has", e.Name, part.Listener)
				}
			}
			out = append(out, Variable{Name: e.Name, Value: e.Value, Rule: e.For, Layer: s.Name})
		}
	}
	slices.SortFunc(out, func(a, b Variable) int {
		if d := strings.Compare(a.Name, b.Name); d != 0 {
			return d
		}
		if a.Layer != b.Layer {
			return strings.Compare(a.Layer, b.Layer)
		}
		if a.Rule != b.Rule {
			return strings.Compare(string(a.Rule), string(b.Rule))
		}
		return slices.CompareFunc(a.Value, b.Value, comparePart)
	})
	return out
}

func comparePart(a, b fragment.Part) int {
	return slices.Compare(
		[]string{a.Literal, a.Host, a.Secret, a.Listener},
		[]string{b.Literal, b.Host, b.Secret, b.Listener},
	)
}

// sameValue compares what can be compared without knowing a secret: two layers' secrets differ even where their names agree.
func (m *maker) sameValue(a, b Variable) bool {
	secret := slices.ContainsFunc(a.Value, func(p fragment.Part) bool { return p.Secret != "" })
	return slices.Equal(a.Value, b.Value) && (!secret || a.Layer == b.Layer)
}

func (m *maker) originOfVariable(v Variable) origin {
	return m.originOf(fragment.Env{For: v.Rule}, v.Layer)
}
