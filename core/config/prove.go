package config

import (
	"github.com/nono-run/nono/sdk/policy"
)

// prove holds that nothing which this run's agent can change decides what the next run may do, or what runs on the host.
//
// Two things could. A program that the policy names, if a grant makes it writable. And a link on the way to a rule's path: an
// agent that may write where the link stands can lead a grant to your mail, or a denial away from your keys, and the next run, with
// the same policy, would follow it.
func (l *loader) prove() {
	l.programsOutside()
	all := l.decision()
	planted := map[int]string{}
	for i, r := range l.rules {
		for _, link := range r.links {
			if all.Path(link, policy.OpWrite).Allowed {
				planted[i] = link
				break
			}
		}
	}
	if len(planted) == 0 {
		return
	}
	kept := l.rules[:0:0]
	solid := l.solid(planted)
	decide := policy.NewDecider(solid)
	for i := range l.rules {
		link, ok := planted[i]
		if !ok || !l.matters(&l.rules[i], solid, decide) || l.mayStay(&l.rules[i], link) {
			kept = append(kept, l.rules[i])
		}
	}
	l.rules = kept
}

// decision is the policy as far as it is known.
func (l *loader) decision() *policy.Decider {
	p := &policy.Policy{Filesystem: make([]policy.PathRule, 0, len(l.rules))}
	for _, r := range l.rules {
		p.Filesystem = append(p.Filesystem, r.PathRule)
	}
	return policy.NewDecider(p)
}

// solid are the grants that no agent can lead elsewhere.
func (l *loader) solid(planted map[int]string) *policy.Policy {
	p := &policy.Policy{}
	for i, r := range l.rules {
		if _, ok := planted[i]; !ok && r.Access.Grants() {
			p.Filesystem = append(p.Filesystem, r.PathRule)
		}
	}
	return p
}

// matters reports whether it makes a difference that the rule could be led elsewhere: a grant of what is granted anyway gives
// nothing, and a denial of what nothing grants takes nothing away.
func (l *loader) matters(r *rule, solid *policy.Policy, decide *policy.Decider) bool {
	if r.Access.Grants() {
		return !gives(decide, r)
	}
	for _, g := range solid.Filesystem {
		if policy.Within(r.Path, g.Path) || policy.Within(g.Path, r.Path) {
			return true
		}
	}
	return false
}

// mayStay decides about a rule that an agent could lead elsewhere. What the user wrote is refused, with the way out. Of the
// defaults, a restriction holds for what the link leads to now, and is kept; a grant is not.
func (l *loader) mayStay(r *rule, link string) bool {
	if r.Source.Asked() {
		l.fail(r.Source, "%s leads through the link %s, which the agent could change for the next run", l.homely(name(r)), l.homely(link)).
			Try("name what it leads to: %s", l.homely(r.Path)).add(l)
		return true
	}
	if r.Access.Grants() {
		l.notice(r.Source, "%s is left out: it leads through the link %s, which the agent could change", l.homely(name(r)), l.homely(link))
		return false
	}
	l.notice(r.Source, "%s leads through the link %s: what it leads to is held, the link itself the agent can replace", l.homely(name(r)), l.homely(link))
	return true
}

func name(r *rule) string {
	if r.Name != "" {
		return r.Name
	}
	return r.Path
}

// programsOutside refuses a program that lies in a writable grant, or behind a link that does. Whether a denial or a protection would
// keep the agent from it is not asked: what runs on the host has no business there.
func (l *loader) programsOutside() {
	for _, p := range l.programs {
		for _, path := range append(p.place.links, p.place.path) {
			for _, r := range l.rules {
				if r.Access.Writable() && policy.Within(path, r.Path) {
					l.fail(p.at, "%s lies in %s, which the agent may write (%s)", p.what, l.homely(r.Path), r.Source).
						Try("keep programs that run outside the sandbox outside every writable grant").add(l)
					break
				}
			}
		}
	}
}
