package config

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/nono-run/nono/core/kinds"
	"github.com/nono-run/nono/sdk/policy"
)

// tell says what the user may not have meant. None of it stops a run.
func (r *reader) tell(cfg *Config) {
	r.announce(cfg.Layers)
	if cfg.BestEffort {
		r.notice(cfg.BestEffortSource,
			"best_effort is on: the run goes on where a rule cannot be held")
	}
	r.wideGrants()
	r.uselessGrants()
	all := policy.NewDecider(&cfg.Policy)
	r.deniedVariables(all, cfg.Policy.Environment)
	r.tellSecrets(cfg.Policy.Environment)
	// The same decisions as of the rules alone: what is granted, whether or not anything holds it.
	granted := r.decider()
	r.foreignGit(granted)
	r.dotEnv(granted)
	r.tellLifts(granted)
	r.runLater(granted)
	r.tellSnapshot(cfg.Policy.Snapshot)
}

// announce says what is off, and which lines that overrides.
func (r *reader) announce(layers []Layer) {
	for _, l := range layers {
		if l.Off == nil {
			continue
		}
		says := fmt.Sprintf("the layer %q is off", l.Name)
		if kind, ok := kinds.Of(l.Kind); ok && kind.Without != "" {
			says = fmt.Sprintf("the %s layer is off: %s", l.Name, kind.Without)
		}
		overridden := ""
		for _, at := range slices.Concat(r.lines[l.Kind], l.overrides) {
			if at.Line != l.Off.Source.Line || at.File != l.Off.Source.File ||
				at.Flag != l.Off.Source.Flag {
				overridden += ", " + at.String()
			}
		}
		if overridden != "" && l.Off.Source.Flag != "" {
			says += "; overrides " + overridden[len(", "):]
		}
		r.notice(l.Off.Source, "%s", says)
	}
}

// wideGrants are grants of the home directory, or of what contains it.
func (r *reader) wideGrants() {
	for i := range r.rules {
		g := &r.rules[i]
		if !g.Source.Asked() || !g.Access.Grants() || !policy.Within(r.home, g.Path) {
			continue
		}
		if g.Path == r.home {
			r.notice(g.Source,
				"this grants your whole home directory, but for what is denied by default")
		} else {
			r.notice(g.Source, "this grants %s, and your whole home directory in it, "+
				"but for what is denied by default", g.Path)
		}
	}
}

// uselessGrants are grants of writing what stays protected.
func (r *reader) uselessGrants() {
	byPath := map[string][]*rule{}
	for i := range r.rules {
		if p := &r.rules[i]; p.Access == policy.Protect {
			byPath[p.Path] = append(byPath[p.Path], p)
		}
	}
	for i := range r.rules {
		g := &r.rules[i]
		if !g.Source.Asked() || !g.Access.Writable() {
			continue
		}
		for at := g.Path; ; at = filepath.Dir(at) {
			if protections := byPath[at]; len(protections) > 0 {
				r.useless(g, protections[0])
				break
			}
			if at == "/" {
				break
			}
		}
	}
}

func (r *reader) useless(g, protection *rule) {
	if protection.Source.Asked() {
		r.notice(g.Source, "%s stays protected (%s)", r.homely(g.Path), protection.Source)
		return
	}
	r.notice(g.Source, "%s stays protected (%s); a write rule that names %s lifts that",
		r.homely(g.Path), protection.Source, r.homely(protection.Path))
}

// deniedVariables are names that the user passes and denies.
func (r *reader) deniedVariables(all *policy.Decider, rules []policy.EnvRule) {
	for _, pass := range rules {
		if pass.Action != policy.EnvPass || !pass.Source.Asked() || !isVariable(pass.Name) {
			continue
		}
		if d := all.Variable(pass.Name); !d.Allowed && d.Rule != nil {
			r.notice(pass.Source, "%s is not passed: %s denies it", pass.Name, d.Rule.Source)
		}
	}
}

// foreignGit names the git directory that git, run in the current directory, would look for and not
// find: that of a worktree or of a submodule, or of a project of which only a part is granted.
func (r *reader) foreignGit(granted *policy.Decider) {
	if !granted.Path(r.Dir, policy.OpRead).Allowed {
		return
	}
	for dir := r.Dir; ; dir = filepath.Dir(dir) {
		if found := r.git.Dirs(dir); len(found) > 0 {
			r.nameGit(granted, dir, found)
			return
		}
		if dir == "/" {
			return
		}
	}
}

func (r *reader) nameGit(granted *policy.Decider, root string, dirs []string) {
	// The shared directory, which is last, usually contains the worktree's own; then one flag is
	// enough.
	for i, dir := range dirs {
		to, err := r.resolve(dir)
		if err != nil || granted.Path(to.Path, policy.OpRead).Allowed {
			continue
		}
		if last := dirs[len(dirs)-1]; i < len(dirs)-1 && policy.Within(to.Path, last) {
			continue
		}
		if to.Path != root && !policy.Within(to.Path, root+"/.git") &&
			!r.git.LeadsBack(dirs[0], root) {
			r.notice(policy.Source{},
				"%s names %s as the git directory, which is not granted and does not name this project",
				r.homely(root+"/.git"), r.homely(to.Path))
			continue
		}
		if to.Path == filepath.Join(root, ".git") && root != r.Dir {
			// Git looks for it in the directories above, and would take all that lies in them and is not
			// there for deleted.
			r.notice(policy.Source{}, "the git directory of %s is %s, which is not granted, "+
				"and git needs what lies between as well: --allow %s grants both",
				r.homely(r.Dir), r.homely(to.Path), r.homely(root))
			continue
		}
		r.notice(policy.Source{},
			"the git directory of %s is %s, which is not granted; --allow %s grants it",
			r.homely(r.Dir), r.homely(to.Path), r.homely(to.Path))
	}
}

// dotEnv names each project's .env that the agent can read, with the line that would deny it.
func (r *reader) dotEnv(granted *policy.Decider) {
	roots := []string{r.Dir}
	for _, g := range r.rules {
		if g.Source.Asked() && g.Access.Grants() && g.Type == policy.Directory {
			roots = append(roots, g.Path)
		}
	}
	seen := map[string]bool{}
	for _, root := range roots {
		path := filepath.Join(root, ".env")
		to, err := r.resolve(path)
		readable := err == nil && to.Entry.Type == policy.Regular &&
			granted.Path(to.Path, policy.OpRead).Allowed
		if !readable || seen[to.Path] {
			continue
		}
		seen[to.Path] = true
		r.notice(policy.Source{},
			"%s can be read inside; filesystem { deny = [\"%s\"] } would hide it", r.homely(path),
			r.homely(path))
	}
}
