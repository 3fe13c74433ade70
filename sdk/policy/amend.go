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
	next := map[RuleID]int{}
	for _, r := range p.Filesystem {
		next[r.prefix()]++
	}
	for _, r := range p.Environment {
		next[r.prefix()]++
	}
	number := func(prefix RuleID) RuleID {
		id := fmt.Sprintf("%s.%d", prefix, next[prefix])
		next[prefix]++
		return RuleID(id)
	}
	p.Filesystem = slices.Concat(p.Filesystem, paths)
	for i := len(p.Filesystem) - len(paths); i < len(p.Filesystem); i++ {
		p.Filesystem[i].ID = number(p.Filesystem[i].prefix())
	}
	p.Environment = slices.Concat(p.Environment, variables)
	for i := len(p.Environment) - len(variables); i < len(p.Environment); i++ {
		p.Environment[i].ID = number(p.Environment[i].prefix())
	}
	return p
}

// Narrowed returns the policy with narrower rules in the place of one about a path. Their ids begin
// with that rule's.
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

// prefix is what the ids of rules of one access begin with.
func (r *PathRule) prefix() RuleID { return RuleID("filesystem." + string(r.Access)) }

// A secret is held by the layer of the credentials, and the others by core.
func (r *EnvRule) prefix() RuleID {
	if r.Action == EnvSecret {
		return secrets
	}
	return RuleID("environment." + string(r.Action))
}
