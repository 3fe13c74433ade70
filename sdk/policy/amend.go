package policy

import (
	"fmt"
	"slices"
)

// With returns the policy with more rules, each with an id that names its access and its place
// among those; an id that a rule had before is replaced. The policy itself does not change, nor
// does any part of it: a policy is a value, and what is found out after it was read (what the
// command needs, for one) makes another policy.
func (p Policy) With(paths []PathRule, variables []EnvRule) Policy {
	p.Filesystem = added(p.Filesystem, paths,
		func(r *PathRule) (RuleID, *RuleID) { return r.prefix(), &r.ID })
	p.Environment = added(p.Environment, variables,
		func(r *EnvRule) (RuleID, *RuleID) { return r.prefix(), &r.ID })
	return p
}

// Narrowed returns the policy with narrower rules in the place of one about a path, of which there
// may be none. Their ids begin with that rule's; where no rule has that id nothing is different.
func (p Policy) Narrowed(id RuleID, to []PathRule) Policy {
	var rules []PathRule
	for _, r := range p.Filesystem {
		if r.ID != id {
			rules = append(rules, r)
			continue
		}
		for i, narrow := range to {
			narrow.ID = RuleID(fmt.Sprintf("%s.%d", id, i))
			rules = append(rules, narrow)
		}
	}
	p.Filesystem = rules
	return p
}

// added is a list with more rules, which get their ids: of is what the id of a rule begins with,
// and where it stands.
func added[R any](rules, more []R, of func(*R) (RuleID, *RuleID)) []R {
	if len(more) == 0 {
		return slices.Clip(rules)
	}
	next := map[RuleID]int{}
	for i := range rules {
		prefix, _ := of(&rules[i])
		next[prefix]++
	}
	all := slices.Concat(rules, more)
	for i := len(rules); i < len(all); i++ {
		prefix, id := of(&all[i])
		*id = RuleID(fmt.Sprintf("%s.%d", prefix, next[prefix]))
		next[prefix]++
	}
	return all
}

// prefix is what the ids of rules of one access begin with.
func (r *PathRule) prefix() RuleID { return RuleID("filesystem." + string(r.Access)) }

// A secret is held by the layer of the credentials, and the others by core.
func (r *EnvRule) prefix() RuleID {
	if r.Action == EnvSecret {
		return secrets
	}
	return RuleID("environment." + string(r.Action))
}
