package config

import (
	"path/filepath"

	"github.com/nono-run/nono/sdk/policy"
)

// notices says what the user may not have meant. None of it stops a run.
func (l *loader) notices() {
	l.announce()
	if l.cfg.BestEffort {
		l.notice(l.cfg.BestEffortSource, "best_effort is on: the run goes on where a rule cannot be held")
	}
	l.wideGrants()
	l.uselessGrants()
	l.deniedVariables()
	l.foreignGit()
	l.dotEnv()
}

// wideGrants are grants of the home directory, or of what contains it.
func (l *loader) wideGrants() {
	for i := range l.rules {
		r := &l.rules[i]
		if !r.Source.Asked() || !r.Access.Grants() || !policy.Within(l.home, r.Path) {
			continue
		}
		if r.Path == l.home {
			l.notice(r.Source, "this grants your whole home directory, but for what is denied by default")
		} else {
			l.notice(r.Source, "this grants %s, and your whole home directory in it, but for what is denied by default", r.Path)
		}
	}
}

// uselessGrants are grants of writing what stays protected.
func (l *loader) uselessGrants() {
	for i := range l.rules {
		r := &l.rules[i]
		if !r.Source.Asked() || !r.Access.Writable() {
			continue
		}
		for j := range l.rules {
			p := &l.rules[j]
			if p.Access != policy.Protect || !policy.Within(r.Path, p.Path) {
				continue
			}
			if p.Source.Asked() {
				l.notice(r.Source, "%s stays protected (%s)", l.homely(r.Path), p.Source)
			} else {
				l.notice(r.Source, "%s stays protected (%s); a write rule that names %s lifts that", l.homely(r.Path), p.Source, l.homely(p.Path))
			}
		}
	}
}

// deniedVariables are names that the user passes and denies.
func (l *loader) deniedVariables() {
	decide := policy.NewDecider(&l.cfg.Policy)
	for i := range l.env {
		r := &l.env[i]
		if r.Action != policy.EnvPass || !r.Source.Asked() || !isVariable(r.Name) {
			continue
		}
		if d := decide.Variable(r.Name); !d.Allowed && d.Rule != nil {
			l.notice(r.Source, "%s is not passed: %s denies it", r.Name, d.Rule.Source)
		}
	}
}

// foreignGit names the git directory that git, run in the current directory, would look for and not find: that of a worktree or of a
// submodule, or of a project of which only a part is granted.
func (l *loader) foreignGit() {
	all := l.decision()
	if !all.Path(l.Dir, policy.OpRead).Allowed {
		return
	}
	for dir := l.Dir; ; dir = filepath.Dir(dir) {
		if found := l.gitDirs(dir); len(found) > 0 {
			l.nameGit(all, dir, found)
			return
		}
		if dir == "/" {
			return
		}
	}
}

func (l *loader) nameGit(all *policy.Decider, root string, dirs []string) {
	// The shared directory, which is last, usually contains the worktree's own; then one flag is enough.
	for i, dir := range dirs {
		at, err := l.paths.resolve(dir)
		if err != nil || all.Path(at.path, policy.OpRead).Allowed {
			continue
		}
		if last := dirs[len(dirs)-1]; i < len(dirs)-1 && policy.Within(at.path, last) {
			continue
		}
		if at.path != root && !policy.Within(at.path, root+"/.git") && !l.leadsBack(dirs[0], root) {
			l.notice(policy.Source{}, "%s names %s as the git directory, which is not granted and does not name this project", l.homely(root+"/.git"), l.homely(at.path))
			continue
		}
		if at.path == filepath.Join(root, ".git") && root != l.Dir {
			// Git looks for it in the directories above, and would take all that lies in them and is not there for deleted.
			l.notice(policy.Source{}, "the git directory of %s is %s, which is not granted, and git needs what lies between as well: --allow %s grants both",
				l.homely(l.Dir), l.homely(at.path), l.homely(root))
			continue
		}
		l.notice(policy.Source{}, "the git directory of %s is %s, which is not granted; --allow %s grants it", l.homely(l.Dir), l.homely(at.path), l.homely(at.path))
	}
}

// dotEnv names each project's .env that the agent can read, with the line that would deny it.
func (l *loader) dotEnv() {
	all := l.decision()
	roots := []string{l.Dir}
	for _, r := range l.rules {
		if r.Source.Asked() && r.Access.Grants() && r.Type == policy.Directory {
			roots = append(roots, r.Path)
		}
	}
	seen := map[string]bool{}
	for _, root := range roots {
		path := filepath.Join(root, ".env")
		at, err := l.paths.resolve(path)
		if err != nil || at.typ != policy.Regular || seen[at.path] || !all.Path(at.path, policy.OpRead).Allowed {
			continue
		}
		seen[at.path] = true
		l.notice(policy.Source{}, "%s can be read inside; filesystem { deny = [\"%s\"] } would hide it", l.homely(path), l.homely(path))
	}
}
