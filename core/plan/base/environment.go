package base

import (
	"cmp"
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
	// Closed says that nothing leads out of the session's network; if something does, Doors are where.
	Closed bool
	Doors  Doors
	// Bundle is the host's certificates; see [Bundle].
	Bundle string
	// Visible reports whether a file or a directory of the host is there inside, by its name.
	Visible func(path string) bool
	// Directories are the session's own in tier B; Lent is where tools keep what they built there,
	// and Reaches reports whether something is granted at a path or beneath it.
	Directories Directories
	Lent        []Lent
	Homes       []Home
	Reaches     func(path string) bool
}

// Variable is one variable of the agent's.
type Variable struct {
	fragment.Env
	// Layer is whose secrets the value names; "" where it names none.
	Layer string
}

// ours is a variable that core composes.
func ours(name string, value fragment.Value) Variable {
	return Variable{Env: fragment.Env{For: RuleEnvironment, Name: name, Value: value}}
}

// Variables are those of the policy and of core: what somebody asked for, and defaults, which give
// way to a layer's. The user's own value is looked at where core composes from it, and is not in a
// step otherwise.
func (e Environment) Variables() (asked, defaults []Variable, problems diag.Problems) {
	host := map[string]string{}
	for _, v := range e.Environ {
		if name, value, ok := strings.Cut(v, "="); ok && fragment.CheckVariable(name) == nil {
			host[name] = value
		}
	}
	composed := e.composed(host)
	certificates, problems := e.certificates(host)
	for _, v := range certificates {
		delete(composed, v.Name)
		defaults = append(defaults, Variable{Env: v})
	}
	names := map[string]bool{"PATH": true, "HOME": true, "TMPDIR": true, "PWD": true}
	for name := range host {
		names[name] = true
	}
	for name := range composed {
		names[name] = true
	}
	for _, r := range e.Policy.Environment {
		if r.Action == policy.EnvSet {
			names[r.Name] = true
		}
	}
	for name := range names {
		d := e.Decide.Variable(name)
		if d.Allowed && d.Rule.Action == policy.EnvSecret {
			continue // the layer with the keys gives it, or nobody does
		}
		if d.Allowed && d.Rule.Action == policy.EnvSet {
			if err := fragment.CheckVariable(name); err != nil {
				problems = append(problems,
					diag.Errorf("cannot set a variable: its name: %s", err).At(d.Rule.Source))
				continue
			}
		}
		value, inherited := host[name]
		if own, ok := composed[name]; ok && e.composes(name, inherited, d) {
			if inherited && d.Allowed && d.Rule.Name == name && d.Rule.Source.Asked() &&
				name != gitCount {
				problems = append(problems, unheeded(name, d))
			}
			defaults = append(defaults, own)
			continue
		}
		v, ok := e.variable(name, value, inherited, d)
		switch {
		case !ok:
		case d.Rule != nil && d.Rule.Source.Asked():
			asked = append(asked, Variable{Env: v})
		default:
			defaults = append(defaults, Variable{Env: v})
		}
	}
	return asked, defaults, problems
}

// composes reports whether core's own value of a variable stands: where the user says nothing of
// the variable, and against his own one that leads to a proxy which is not there inside.
func (e Environment) composes(name string, inherited bool, d policy.VariableDecision) bool {
	switch {
	case d.Rule == nil:
		return true
	case name == gitCount && d.Allowed:
		return true // the user's own settings are among those that it counts
	case d.Allowed && d.Rule.Action == policy.EnvSet:
		return false
	case d.Allowed:
		return !inherited || !e.Closed && ofProxies(name) || e.movesFrom(name, d)
	}
	return !d.Rule.Source.Asked() // what a default denies, it denies to be inherited
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
		v.Value = fragment.Text(cmp.Or(e.Directories.Scratch, "/tmp"))
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
