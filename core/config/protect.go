package config

import (
	"path/filepath"

	"github.com/nono-run/nono/sdk/policy"
)

// protector turns the default protections into rules.
type protector struct {
	*reader
	asked    *policy.Decider  // the writable grants that the user wrote
	writable pathSet          // every writable grant
	lifts    map[string][]int // the user's own write rules, by the path that they name
	told     map[string]bool  // the directories that were reported
	absent   map[string]bool
	missing  []string // what is in absent, in order
}

// protections makes a rule for what exists of the default protections in each project that the user
// lets the agent write. No rule is made for what does not exist, for nothing is ever made on the
// host to hold its place; those are the names that it returns.
func (r *reader) protections() (missing []string) {
	p := &protector{
		reader: r, lifts: map[string][]int{}, told: map[string]bool{}, absent: map[string]bool{},
		asked: r.grants(func(g *rule) bool { return g.Source.Asked() && g.Access.Writable() }),
	}
	roots := p.roots()
	for _, is := range r.defaults.patterns {
		if filepath.IsAbs(is.path) { // not a project's, but the system's
			p.protect(is.path, is)
		}
	}
	for _, root := range roots {
		r.effort.at = root.Source
		for _, is := range r.defaults.patterns {
			if filepath.IsAbs(is.path) {
				continue
			}
			for _, place := range r.projects.Places(root.Path, root.Type == policy.Directory,
				is.path) {
				p.protect(place, is)
			}
		}
	}
	return p.missing
}

// roots are the grants that a project may lie in or around, each path once. What the protector
// knows of the grants is collected on the way: what it adds itself is none.
func (p *protector) roots() []rule {
	var roots []rule
	seen := map[string]bool{}
	for i, g := range p.rules {
		if !g.Access.Writable() {
			continue
		}
		p.writable.add(g.Path)
		if !g.Source.Asked() {
			continue
		}
		if g.Access == policy.Write {
			p.lifts[g.Path] = append(p.lifts[g.Path], i)
		}
		if g.Type != policy.Missing && !seen[g.Path] {
			seen[g.Path] = true
			roots = append(roots, g)
		}
	}
	return roots
}

// protect adds the rule for one path, unless the user's write rule names it.
func (p *protector) protect(path string, is pattern) {
	to, err := p.resolve(path)
	if err != nil {
		p.hidden(err)
		return
	}
	missing := to.Entry.Type == policy.Missing
	switch {
	case !missing && to.Entry.Type != is.typ, p.stated[statement{policy.Protect, to.Path}]:
	case len(p.lifts[to.Path]) > 0:
		for _, i := range p.lifts[to.Path] {
			p.rules[i].lifts = true
		}
	case !p.writable.meets(to.Path):
	case !missing:
		p.state(policy.Protect, path, to, is.at)
	case !p.absent[to.Path]:
		p.absent[to.Path] = true
		p.missing = append(p.missing, to.Path)
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
