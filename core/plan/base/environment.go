package base

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

// Environment is what the agent's own variables are made from.
type Environment struct {
	Policy *policy.Policy
	Decide *policy.Decider
	// Environ is the user's environment, as os.Environ returns it.
	Environ []string
	Home    string
	// Dir is the command's directory, and DirName the name by which the user came to it.
	Dir, DirName string
	// PathPrefix are directories put first in PATH; Instead says what stands in it in the place of a
	// directory: nothing, where it has no use inside.
	PathPrefix []string
	Instead    map[string][]string
	// Writable reports whether the agent can write in a directory.
	Writable func(dir string) bool
	// Closed says that nothing leads out of the session's network.
	Closed bool
}

// noRetries are the variables by which programs that fetch things are told how often to try again.
// Where the network is closed, npm would do so for a minute and pip for eight seconds.
var noRetries = map[string]string{
	"npm_config_fetch_retries": "0",
	"PIP_RETRIES":              "0",
	"CARGO_NET_RETRY":          "0",
}

// Variables are those of the policy and of core: what somebody asked for, and defaults, which give
// way to a layer's. The user's own value is looked at where core composes from it, and is not in a
// step otherwise.
func (e Environment) Variables() (asked, defaults []fragment.Env, problems diag.Problems) {
	host := map[string]string{}
	for _, v := range e.Environ {
		if name, value, ok := strings.Cut(v, "="); ok && fragment.CheckVariable(name) == nil {
			host[name] = value
		}
	}
	names := map[string]bool{"PATH": true, "HOME": true, "TMPDIR": true, "PWD": true}
	if e.Closed {
		for name := range noRetries {
			names[name] = true
		}
	}
	for name := range host {
		names[name] = true
	}
	for _, r := range e.Policy.Environment {
		if r.Action == policy.EnvSet {
			names[r.Name] = true
		}
	}
	for name := range names {
		d := e.Decide.Variable(name)
		if d.Allowed && d.Rule.Action == policy.EnvSet {
			if err := fragment.CheckVariable(name); err != nil {
				problems = append(problems,
					diag.Errorf("cannot set a variable: its name: %s", err).At(d.Rule.Source))
				continue
			}
		}
		value, inherited := host[name]
		v, ok := e.variable(name, value, inherited, d)
		switch {
		case !ok:
		case d.Rule != nil && d.Rule.Source.Asked():
			asked = append(asked, v)
		default:
			defaults = append(defaults, v)
		}
	}
	return asked, defaults, problems
}

// variable makes one variable as the policy decides about it.
func (e Environment) variable(
	name, value string, inherited bool, d policy.VariableDecision,
) (fragment.Env, bool) {
	v := fragment.Env{For: RuleEnvironment, Name: name}
	if d.Rule != nil {
		v.For = d.Rule.ID
	}
	if d.Allowed && d.Rule.Action == policy.EnvSet {
		switch {
		case d.Rule.Secret != "":
			v.Value = fragment.Value{fragment.SecretValue(d.Rule.Secret)}
		case name == "PATH":
			v.Value = fragment.Text(e.searchPath(d.Rule.Value))
		default:
			v.Value = fragment.Text(d.Rule.Value)
		}
		return v, true
	}
	inherited = inherited && d.Allowed
	switch name {
	case "PATH":
		if !inherited {
			value = systemPath
		}
		v.Value = fragment.Text(e.searchPath(value))
	case "HOME":
		v.Value = fragment.Text(e.Home)
	case "TMPDIR":
		v.Value = fragment.Text("/tmp")
		if inherited && e.Writable(value) {
			v.Value = fragment.Value{fragment.HostVariable(name)}
		}
	case "PWD":
		// A shell believes it where it leads to the directory that the shell is in, and so shows the
		// name that the user knows.
		denied := d.Rule != nil && !d.Allowed
		if denied || e.DirName == "" || e.DirName == e.Dir {
			return v, false
		}
		v.Value = fragment.Text(e.DirName)
	default:
		if retries, ok := noRetries[name]; ok && e.Closed && d.Rule == nil {
			v.Value = fragment.Text(retries)
			break
		}
		if !inherited {
			return v, false
		}
		v.Value = fragment.Value{fragment.HostVariable(name)}
	}
	return v, true
}

// searchPath composes PATH: the command's own toolchain first, then the user's directories without
// those that a program could be planted in by standing somewhere (relative and empty entries mean
// the current directory) and with what shims lead to in their place: a shim would run a version
// manager that reads what the project says.
func (e Environment) searchPath(user string) string {
	var dirs []string
	add := func(d string) {
		if d = path.Clean(d); path.IsAbs(d) && !slices.Contains(dirs, d) {
			dirs = append(dirs, d)
		}
	}
	for _, d := range slices.Concat(e.PathPrefix, strings.Split(user, ":")) {
		instead, ok := e.Instead[path.Clean(d)]
		if !ok {
			instead = []string{d}
		}
		for _, d := range instead {
			add(d)
		}
	}
	if len(dirs) == 0 {
		return systemPath // an empty PATH means the current directory to some shells
	}
	return strings.Join(dirs, ":")
}
