package config

import (
	"slices"

	"github.com/nono-run/nono/sdk/policy"
)

// prove holds that nothing which an agent can change, this run's or an earlier one's, decides what
// is granted, denied or run on the host.
//
// Five things could. A program that the policy names, if a grant makes it writable. A file with a
// key, if it can be replaced; nor is it to be read. What says whom to trust. A link on the way to a
// rule's path that this run's agent may replace: the next run, with the same policy, would follow
// it to your mail, or away from your keys. And a link on the way to a grant that the agent of an
// earlier run left there, with grants that nobody remembers: see [host.systems].
func (r *reader) prove() {
	r.programsOutside()
	all := r.decider()
	r.keysOutside(all)
	r.rootsHeld(all)
	r.trustHeld(all)
	r.proveLifts(all)
	r.proveGlobs(all)
	led := map[int]planted{}
	for i, g := range r.rules {
		if by, ok := r.plantedOn(g.links, g.Source.Asked() && g.Access.Grants(), all); ok {
			led[i] = by
		}
	}
	if len(led) == 0 {
		return
	}
	solid := r.solid(led)
	var kept []rule
	for i := range r.rules {
		by, ok := led[i]
		if !ok || !solid.matters(&r.rules[i]) || r.mayStay(&r.rules[i], by) {
			kept = append(kept, r.rules[i])
		}
	}
	r.rules = kept
}

// planted is a link that is no authority, and why.
type planted struct{ link, why string }

// plantedOn finds, among the links that were followed, the first that is no authority. What gives
// something must not follow one of an earlier agent's either.
func (r *reader) plantedOn(links []string, gives bool, all *policy.Decider) (planted, bool) {
	for _, link := range links {
		if all.Path(link, policy.OpWrite).Allowed {
			return planted{link, "which the agent could change for the next run"}, true
		}
		if gives && !r.systems(link) {
			return planted{link, "which the agent of an earlier run could have made"}, true
		}
	}
	return planted{}, false
}

// decider is what the rules decide, as far as they are known.
func (d *draft) decider() *policy.Decider {
	p := &policy.Policy{Filesystem: make([]policy.PathRule, len(d.rules))}
	for i := range d.rules {
		p.Filesystem[i] = d.rules[i].PathRule
	}
	return policy.NewDecider(p)
}

// solid are the grants that no agent can lead elsewhere. What they give they give in every run.
type solid struct {
	given *policy.Decider
	paths pathSet
}

func (d *draft) solid(led map[int]planted) solid {
	var s solid
	p := &policy.Policy{}
	for i, g := range d.rules {
		if _, ok := led[i]; ok || !g.Access.Grants() {
			continue
		}
		s.paths.add(g.Path)
		if g.fallback == "" {
			p.Filesystem = append(p.Filesystem, g.PathRule)
		}
	}
	s.given = policy.NewDecider(p)
	return s
}

// matters reports whether it makes a difference that the rule could be led elsewhere: a grant of
// what is granted anyway gives nothing, and a denial of what nothing grants takes nothing away.
func (s solid) matters(r *rule) bool {
	if r.Access.Grants() {
		return !gives(s.given, r)
	}
	return s.paths.meets(r.Path)
}

// mayStay decides about a rule that an agent could lead elsewhere. What the user wrote is refused,
// with the way out. Of the defaults, and of what a pattern matched, a restriction is kept and the
// link is held where it is; a grant is left out.
func (r *reader) mayStay(g *rule, by planted) bool {
	name := r.homely(g.name())
	if g.Source.Asked() && !g.matched {
		r.add(problem(g.Source, "%s leads through the link %s, %s", name, r.homely(by.link), by.why).
			Try("name what it leads to: %s", r.written(g, g.Path)))
		return true
	}
	if g.Access.Grants() {
		r.notice(g.Source,
			"%s is left out: it leads through the link %s, %s", name, r.homely(by.link), by.why)
		return false
	}
	r.hold(by.link)
	return true
}

// hold notes a link that is to be held in its place, so that what it leads to stays what it is.
func (d *draft) hold(link string) {
	if !slices.Contains(d.links, link) {
		d.links = append(d.links, link)
	}
}

// programsOutside refuses a program that lies in a writable grant, or behind a link that does.
// Whether a denial or a protection would keep the agent from it is not asked: what runs on the host
// has no business there.
func (r *reader) programsOutside() {
	writable := r.grants(func(g *rule) bool { return g.Access.Writable() })
	for _, p := range r.programs {
		names := []string{p.to.Path}
		for _, link := range p.to.Links() {
			names = append(names, link.Path)
		}
		for _, name := range names {
			if by := writable.Path(name, policy.OpWrite); by.Allowed {
				r.add(problem(p.at, "%s lies in %s, which the agent may write (%s)", p.what,
					r.homely(by.Rule.Path), by.Rule.Source).
					Try("keep programs that run outside the sandbox outside every writable grant"))
			}
		}
	}
}
