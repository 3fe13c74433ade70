package toolchain

import (
	"path"
	"strings"

	"github.com/nono-run/nono/sdk/lazyregexp"
)

// needPython adds what a Python program needs besides the file itself: its virtual environment with
// the interpreter that is behind it, and the user's own packages.
func (r *resolver) needPython(program, resolved string) *Error {
	env, isEnv, err := r.environment(program)
	if err != nil {
		return err
	}
	if isEnv && !env.userSite {
		return nil // such an environment does not look at the user's packages
	}
	name := path.Base(resolved)
	if !strings.HasPrefix(name, "python") { // as most: the expression is not even compiled
		return nil
	}
	if m := pythonName.FindStringSubmatch(name); m != nil {
		return r.userPackages(path.Join(r.Home, ".local/lib/python"+m[1]+"/site-packages"))
	}
	return nil
}

// userPackages grants the user's own packages, which are where they are by name alone. Where links
// lead elsewhere they are left out: Python runs without them, and the links may be an agent's work.
func (r *resolver) userPackages(dir string) *Error {
	if !r.host.isDirectory(dir) {
		return nil
	}
	resolved, links, err := r.host.follow(dir)
	if err != nil {
		return nil
	}
	if len(links) > 0 && !r.granted(resolved) {
		r.tc.Notices = append(r.tc.Notices, "Python's user packages are left out: the link "+
			links[0]+" leads to them; --read "+resolved+" grants them")
		return nil
	}
	// Whatever named the interpreter, it did not name these.
	defer func(by string) { r.namedBy = by }(r.namedBy)
	r.namedBy = ""
	return r.grant(dir, "Python's user packages")
}

// pythonName is what the file of an interpreter is called once all links are resolved.
var pythonName = lazyregexp.New(`^python(\d+\.\d+t?)$`)

// environment is a virtual environment, as its pyvenv.cfg describes it.
type environment struct {
	home     string // where the interpreter behind it lies
	userSite bool
}

// environment grants the virtual environment that a program lies in, and the interpreter behind it
// if a root holds that.
func (r *resolver) environment(program string) (environment, bool, *Error) {
	dir := path.Dir(path.Dir(program))
	config := path.Join(dir, "pyvenv.cfg")
	content, ok := r.host.readable(config, 16<<10)
	if !ok {
		// Then it is none; what else may be wrong with the file, Python will say.
		return environment{}, false, nil
	}
	env := parseEnvironment(string(content))
	resolved, _, err := r.host.follow(dir)
	if err != nil {
		return env, true, fail(notExecutable, "cannot look at %s: %s", dir, reason(err))
	}
	// Whoever once made an environment of the home directory itself did not mean to grant all that
	// lies there.
	if r.ofOneTool(resolved) {
		if err := r.grant(dir, "the virtual environment"); err != nil {
			return env, true, err
		}
	}
	return env, true, r.needBase(config, env)
}

func parseEnvironment(content string) environment {
	var env environment
	for line := range strings.Lines(content) {
		key, value, _ := strings.Cut(line, "=")
		switch key, value := strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value); key {
		case "home":
			env.home = value
		case "include-system-site-packages":
			env.userSite = strings.EqualFold(value, "true")
		}
	}
	return env
}

// needBase grants the interpreter behind an environment. pyvenv.cfg names it, and the agent may
// have written that.
func (r *resolver) needBase(config string, env environment) *Error {
	if !path.IsAbs(env.home) {
		return nil
	}
	home, _, err := r.host.follow(path.Clean(env.home))
	if err != nil {
		return nil //nolint:nilerr // a home that leads nowhere is Python's to complain about
	}
	if r.granted(home) {
		return nil
	}
	if in, ok := r.root(home); ok {
		return r.grant(in.path, in.kind.tool+", the interpreter behind the virtual environment")
	}
	named := installation(path.Join(home, "python"), r.Home)
	if path.Base(home) != "bin" {
		named = home
	}
	return r.refuse(config, named)
}
