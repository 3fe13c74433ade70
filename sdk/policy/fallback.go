package policy

import (
	"slices"
)

// Fallback is what holds in the place of a credential for which no source has a key: the agent's
// own login, mostly, which is a real key and is inside then.
//
// Nobody decides by it. Until it is known which keys are missing it is no part of the policy; then
// [Policy.Settled] makes rules like any others of it, or leaves it out.
type Fallback struct {
	// Filesystem are grants. Neither they nor the other rules have an id before they hold.
	Filesystem []PathRule `json:"filesystem,omitempty"`
	// Lifts are taken out of the denials that can be lifted.
	Lifts       []Lift     `json:"lifts,omitempty"`
	Environment []EnvRule  `json:"environment,omitempty"`
	Hosts       []HostRule `json:"hosts,omitempty"`
}

// StandsIn reports whether the agent has something to go on with without the key. A login that
// nobody has made is nothing: of the files that would be granted one must be there.
func (f *Fallback) StandsIn() bool {
	if f == nil {
		return false
	}
	return len(f.Filesystem) == 0 || len(f.Granted()) > 0
}

// Granted are the files of a fallback that are there.
func (f *Fallback) Granted() []PathRule {
	if f == nil {
		return nil
	}
	there := slices.Clone(f.Filesystem)
	return slices.DeleteFunc(there, func(r PathRule) bool { return r.Type == Missing })
}

// Settled is the policy when it is known for which services no source has a key. Their fallbacks
// are rules of it, and no other is.
func (p Policy) Settled(missing []string) Policy {
	p.Credentials = slices.Clone(p.Credentials)
	for i := range p.Credentials {
		c := &p.Credentials[i]
		if c.Fallback != nil && slices.Contains(missing, c.Service) {
			p = p.With(c.Fallback.Filesystem, c.Fallback.Environment)
			p.Network = p.Network.with(c.Fallback.Hosts)
			p.Filesystem = lifted(p.Filesystem, c.Fallback.Lifts)
		}
		c.Fallback = nil
	}
	return p
}

// lifted are the rules without what lifts take out of their denials.
func lifted(rules []PathRule, lifts []Lift) []PathRule {
	rules = slices.Clone(rules)
	for i := range rules {
		r := &rules[i]
		for _, l := range lifts {
			if r.Access == Deny && r.Source.Liftable() && Within(l.Path, r.Path) {
				r.Lifted = append(slices.Clone(r.Lifted), l)
			}
		}
	}
	return slices.DeleteFunc(rules, func(r PathRule) bool {
		return slices.ContainsFunc(r.Lifted, func(l Lift) bool { return l.Path == r.Path })
	})
}
