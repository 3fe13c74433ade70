package plan

import (
	"fmt"
	"path"
	"slices"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/plan/view"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// coverage is every rule with how far it is held, and by whom. A rule belongs to the kind of its
// block: that kind's layer answers for it, or core where none runs.
func (m *maker) coverage(v view.View) []Rule {
	answers := m.answers()
	rules := make([]Rule, 0, len(m.listed)+len(m.base.Rules))
	for _, r := range m.listed {
		rule := Rule{ID: r.ID, Says: r.Says, Source: r.Source, Layer: Core, Required: m.required(r.ID)}
		if p, ok := m.paths[r.ID]; ok {
			rule.Access, rule.Path, rule.Name, rule.Type = p.Access, p.Path, p.Name, p.Type
			rule.Lifted = p.Lifted
		}
		m.hold(&rule, answers)
		m.insist(rule)
		m.bound(&rule)
		rules = append(rules, rule)
	}
	for i, b := range m.base.Rules {
		if !m.serves(b.ID, v) {
			continue
		}
		c := m.base.Coverage[i]
		rule := Rule{
			ID: b.ID, Says: b.Says, Source: b.Source, Layer: Core, Required: b.Source.Asked(),
			Held: c.Held, By: c.By, Why: c.Why,
		}
		m.insist(rule)
		rules = append(rules, rule)
	}
	return rules
}

// serves reports whether a rule of the base fragment is there for something: one that only fills
// what is empty is there where it was needed.
func (m *maker) serves(id policy.RuleID, v view.View) bool {
	fills := false
	for _, s := range m.base.Fill {
		if s.Rule() == id {
			fills = true
			if at, ok := v.At(s.At()); ok && at.Rule() == id {
				return true
			}
		}
	}
	return !fills
}

// bound says where a grant of the user's gives less than it says, because the host does.
func (m *maker) bound(r *Rule) {
	if !r.Access.Grants() || r.Type == policy.Missing || !r.Source.Asked() || m.disabled(r.ID.Kind()) {
		return
	}
	reach := m.in.Reach(r.Path)
	shown := diag.Homely(r.Path, m.in.Host.Home)
	switch {
	case !reach.Read:
		r.Unreadable = "you may not read it"
		m.notice(r.Source, "", "%s cannot be read inside either: %s", shown, r.Unreadable)
	case r.Access.Writable() && reach.ReadOnly:
		r.Unwritable = "its file system is mounted read-only"
	case r.Access.Writable() && !reach.Write:
		r.Unwritable = "you may not write to it"
	}
	if r.Unwritable != "" {
		m.notice(r.Source, "", "%s cannot be written inside either: %s", shown, r.Unwritable)
	}
}

// answers collects the layers' coverage. A layer answers for the rules of its own kind, once each,
// in words that exist. What it says of others is its flaw alone, told once, and does not stand in
// the way of who is to answer.
func (m *maker) answers() map[policy.RuleID]sdk.Coverage {
	all := map[policy.RuleID]sdk.Coverage{}
	for _, s := range m.layers {
		var others []policy.RuleID
		for _, c := range s.Response.Coverage {
			_, known := m.rules[c.Rule]
			_, twice := all[c.Rule]
			switch {
			case !known:
				m.flaw(s.Name, "", "it answers for the rule %q, which does not exist", c.Rule)
				continue
			case c.Rule.Kind() != s.Kind:
				others = append(others, c.Rule)
				continue
			case twice:
				m.flaw(s.Name, c.Rule, "it answers twice for %q", c.Rule)
			case c.Held != sdk.Enforced && c.Held != sdk.Partial && c.Held != sdk.Unavailable:
				m.flaw(s.Name, c.Rule, "it says that %q is %q, which means nothing", c.Rule, c.Held)
			}
			all[c.Rule] = c
		}
		if len(others) > 0 {
			more := ""
			if len(others) > 1 {
				more = fmt.Sprintf(", and for %d more rules", len(others)-1)
			}
			first := slices.Min(others)
			m.flaw(s.Name, first, "it is a %s layer and answers for %q%s, which is not its to hold",
				s.Kind, first, more)
		}
	}
	return all
}

// hold fills in how far the rule is held.
func (m *maker) hold(rule *Rule, answers map[policy.RuleID]sdk.Coverage) {
	kind := rule.ID.Kind()
	layer, runs := m.layer(kind)
	if runs {
		rule.Layer = layer.Name
	}
	answer, answered := answers[rule.ID]
	switch {
	case m.disabled(kind):
		rule.Held, rule.Why = sdk.Unavailable, fmt.Sprintf("%s is disabled", kind)
	case kind == policy.KindBase:
		rule.Held, rule.By = sdk.Enforced, "composed by nono"
	case rule.Access != "" && rule.Type == policy.Missing:
		// Nothing is there: nothing to hide, nothing to show.
		rule.Held, rule.By = sdk.Enforced, "nothing is there"
	case kind == policy.KindNetwork && !runs && !m.in.Policy.Network.Reaches():
		// A denial, and how to go out: nothing goes out.
		rule.Held, rule.By = sdk.Enforced, "nothing is reachable"
	case kind == policy.KindTrust && !runs && !m.looksAtSignatures():
		rule.Held, rule.By = sdk.Enforced, "nothing was ever signed or trusted on this account"
	case answered:
		rule.Held, rule.By, rule.Why = answer.Held, answer.By, answer.Why
	case runs:
		rule.Held, rule.Why = sdk.Unavailable, fmt.Sprintf("layer %s says nothing about it", layer.Name)
	default:
		rule.Held, rule.Why = sdk.Unavailable, fmt.Sprintf("no %s layer runs", kind)
	}
}

// looksAtSignatures reports whether the policy asks for more of trust than to look at what was
// signed before, where anything was.
func (m *maker) looksAtSignatures() bool {
	_, needed := m.in.Policy.Trust.Needed()
	return needed
}

// required reports whether the run is refused unless the rule is enforced: what the user wrote, the
// protection of a verified file, and a default denial that lies inside a grant. A rule of a kind
// that the user has disabled is overridden, and announced. On a host without user namespaces what
// nono protects by itself, a verified file among it, is held as far as the host goes.
func (m *maker) required(id policy.RuleID) bool {
	if m.disabled(id.Kind()) {
		return false
	}
	r, ok := m.paths[id]
	if m.in.Host.Tier == sdk.TierB && r.Access == policy.Protect && r.Source.BuiltIn() {
		return false
	}
	if m.asked(id) || m.verified[id] {
		return true
	}
	return ok && r.Access == policy.Deny && m.granted(r.Path)
}

// granted reports whether a path lies in a grant, anyone's.
func (m *maker) granted(name string) bool {
	for ; ; name = path.Dir(name) {
		if m.grants[name] {
			return true
		}
		if name == "/" || name == "." {
			return false
		}
	}
}

// insist refuses the run for a rule that must be held and is not, or announces it where the user
// said best_effort.
func (m *maker) insist(r Rule) {
	if !r.Required || r.Held == sdk.Enforced {
		return
	}
	why := r.Why
	if why == "" {
		why = "no reason given"
	}
	if m.in.BestEffort {
		m.notice(r.Source, "", "%q is not held: %s (best_effort)", r.Says, why)
		return
	}
	advice := "take the rule out, or run without this promise: best_effort = true"
	if !r.Source.Asked() {
		advice = "narrow the grant so that this path lies outside, " +
			"or run without this promise: best_effort = true"
	}
	m.problem(diag.Errorf("%q cannot be held: %s", r.Says, why).Try("%s", advice), r.Source)
}
