package config

import (
	"cmp"
	"path/filepath"

	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// protector turns the default protections into rules.
type protector struct {
	*reader
	asked    *policy.Decider  // the writable grants that the user wrote
	writable pathSet          // every writable grant
	roots    []rule           // the grants that a project may lie in or around
	lifts    map[string][]int // the user's own write rules, by the path that they name
	// lifted are the paths of those that may lift, with their lines; nil until that is settled.
	lifted map[string]policy.Source
	told   map[string]bool // the directories that were reported
	named  map[string]bool // what is in names
	names  []string        // the places of the protections, by the names that others know
}

// protections makes a rule for what exists of the default protections in each project that the user
// lets the agent write. No rule is made for what does not exist, for nothing is ever made on the
// host to hold its place. It is among the names to look at when the run is over.
func (r *reader) protections() *protector {
	p := &protector{
		reader: r, lifts: map[string][]int{}, told: map[string]bool{}, named: map[string]bool{},
		asked: r.grants(func(g *rule) bool { return g.Source.Asked() && g.Access.Writable() }),
	}
	p.findRoots()
	for _, is := range r.defaults.patterns {
		if filepath.IsAbs(is.path) { // not a project's, but the system's
			p.protect(is.path, is)
		}
	}
	for _, root := range p.roots {
		r.effort.at = root.Source
		p.each(func(is pattern) []string {
			return r.projects.Places(root.Path, root.Type == policy.Directory, is.path)
		})
	}
	p.settleLifts()
	return p
}

// settleLifts decides which write rules lift what is found later. What a file of a stranger's lifts
// has to be asked for, and then it is too late to ask: only what was found until now will be.
func (p *protector) settleLifts() {
	p.lifted = map[string]policy.Source{}
	for path, rules := range p.lifts {
		for _, i := range rules {
			g := &p.rules[i]
			if g.lifts || p.Approve || !p.isForeign(g.Source) {
				p.lifted[path] = g.Source
			}
		}
	}
}

// Lifts is the line by which the user wants a path written whatever protects it; false where there
// is none. What a file from elsewhere says of a path that nothing protected when it was approved is
// none.
func (c *Config) Lifts(path string) (policy.Source, bool) {
	at, ok := c.protector.lifted[path]
	return at, ok
}

// each protects the places that each name relative to a project has.
func (p *protector) each(places func(is pattern) []string) {
	for _, is := range p.defaults.patterns {
		if filepath.IsAbs(is.path) {
			continue
		}
		for _, place := range places(is) {
			p.protect(place, is)
		}
	}
}

// findRoots finds the grants that a project may lie in or around, each path once. What the
// protector knows of the grants is collected on the way: what it adds itself is none.
func (p *protector) findRoots() {
	seen := map[string]bool{}
	for i, g := range p.rules {
		if !g.Access.Writable() {
			continue
		}
		p.writable.add(g.Path)
		if !g.Source.Asked() {
			continue
		}
		if g.Access == policy.Write && g.fallback == "" {
			p.lifts[g.Path] = append(p.lifts[g.Path], i)
		}
		if g.Type != policy.Missing && !seen[g.Path] {
			seen[g.Path] = true
			p.roots = append(p.roots, g)
		}
	}
}

// protect adds the rule for one path, unless the user's write rule names it, and notes its name and
// the links on the way.
func (p *protector) protect(path string, is pattern) {
	to, err := p.resolve(path)
	if to.Path != "" { // a path that is too long leads nowhere
		p.note(path, to)
	}
	if err != nil {
		p.hidden(err)
		return
	}
	missing := to.Entry.Type == policy.Missing
	switch {
	case !missing && to.Entry.Type != is.typ, p.stated[statement{policy.Protect, to.Path}]:
	case p.lifted[to.Path] != (policy.Source{}):
	case p.lifted == nil && len(p.lifts[to.Path]) > 0:
		for _, i := range p.lifts[to.Path] {
			p.rules[i].lifts = true
		}
	case p.writable.meets(to.Path) && !missing:
		p.state(policy.Protect, path, to, is.at)
	}
}

// note remembers a protected name that the agent could give to something else, and the links on the
// way to it that the agent could replace: they are held in their places. Of a name that could not
// be followed to its end, the name itself is all that is known.
func (p *protector) note(path string, to hostfile.Route) {
	changeable := p.writable.meets(cmp.Or(to.Path, path))
	for _, link := range to.Links() {
		if p.asked.Path(link.Path, policy.OpWrite).Allowed {
			changeable = true
			p.hold(link.Path)
		}
	}
	if len(p.lifts[to.Path]) == 0 && changeable && !p.named[path] {
		p.named[path] = true
		p.names = append(p.names, path)
	}
}

// hidden refuses a grant in which a protected path may be hidden, as refuseHidden does for denials.
// One problem a directory is enough.
func (p *protector) hidden(err error) {
	blocked, ours := p.blocked(err)
	if !ours || p.told[blocked] {
		return
	}
	if by := p.asked.Path(blocked, policy.OpWrite); by.Allowed {
		p.told[blocked] = true
		p.add(problem(by.Rule.Source,
			"cannot see what is to be protected: %s cannot be searched, and is granted",
			p.homely(blocked)).Try("chmod u+rx %s", p.homely(blocked)))
	}
}
