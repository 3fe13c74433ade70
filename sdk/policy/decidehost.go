package policy

import (
	"net/netip"
	"strings"

	"github.com/nono-run/nono/sdk/hostname"
)

// HostDecision is the answer to "may this host be reached at this port".
type HostDecision struct {
	Allowed bool
	// Opaque says that nobody looks at what is spoken with an allowed host.
	Opaque bool
	// Rule decided; it points into the policy. It is nil where no rule speaks of the host.
	Rule *HostRule
	// Why is the reason in a few words.
	Why string
}

// hostRules are those of a policy, by what they name.
type hostRules struct {
	free  string                 // why no host is restricted, where none is
	names map[string][]*HostRule // by a name, or by "*." and a name
	// ranges are the rules about addresses. There are few: people write names.
	ranges []rangeRule
}

type rangeRule struct {
	prefix netip.Prefix
	rule   *HostRule
}

func newHostRules(p *Policy) hostRules {
	h := hostRules{names: map[string][]*HostRule{}}
	for _, off := range p.Disabled {
		if off.Kind == KindNetwork {
			h.free = "no host is restricted: " + off.Source.String()
		}
	}
	for i := range p.Network.Hosts {
		r := &p.Network.Hosts[i]
		if prefix, err := netip.ParsePrefix(r.Host); err == nil {
			h.ranges = append(h.ranges, rangeRule{prefix, r})
		} else {
			h.names[r.Host] = append(h.names[r.Host], r)
		}
	}
	return h
}

// verdict gathers what the rules say that speak of a host, the most specific first.
type verdict struct{ denial, grant, opaque, lesser *HostRule }

func (v *verdict) add(r *HostRule, port uint16) {
	if !r.speaksOf(port) {
		if r.Action == HostAllow && v.lesser == nil {
			v.lesser = r
		}
		return
	}
	switch r.Action {
	case HostAllow:
		v.grant = sharperHost(v.grant, r)
	case HostOpaque:
		v.opaque = sharperHost(v.opaque, r)
	case HostDeny:
		v.denial = sharperHost(v.denial, r)
	default: // an action that nobody knows is never taken for a grant
		v.denial = sharperHost(v.denial, r)
	}
}

func (v *verdict) decision() HostDecision {
	switch {
	case v.denial != nil:
		return HostDecision{Rule: v.denial, Why: "denied"}
	case v.grant != nil:
		return HostDecision{Allowed: true, Opaque: v.opaque != nil, Rule: v.grant, Why: "allowed"}
	case v.lesser != nil:
		return HostDecision{Rule: v.lesser, Why: "allowed at other ports only"}
	}
	return HostDecision{Why: "no rule allows it"}
}

// sharperHost returns the rule to name out of two that say the same about a host: the first, for
// the more specific is asked first, unless the second is as specific and the user wrote only that
// one.
func sharperHost(a, b *HostRule) *HostRule {
	switch {
	case a == nil:
		return b
	case a.Host == b.Host && b.Source.Asked() && !a.Source.Asked():
		return b
	case a.Host == b.Host && b.Source.Asked() == a.Source.Asked() && b.ID < a.ID:
		return b
	}
	return a
}

// Host decides about a name, before it is resolved. It has the plain form of package hostname;
// another one is denied. A denial, of the name or of what it lies below, beats every grant.
func (d *Decider) Host(name string, port uint16) HostDecision {
	if d.hosts.free != "" {
		return HostDecision{Allowed: true, Opaque: true, Why: d.hosts.free}
	}
	if !hostname.IsPlain(name) {
		return HostDecision{Why: "not a name in its plain form"}
	}
	var v verdict
	for _, r := range d.hosts.names[name] {
		v.add(r, port)
	}
	for rest := name; ; {
		_, above, ok := strings.Cut(rest, ".")
		if !ok {
			return v.decision()
		}
		for _, r := range d.hosts.names["*."+above] {
			v.add(r, port)
		}
		rest = above
	}
}

// Literal decides about an address that was itself asked for. Only a rule for addresses allows
// one, and of what is not the public internet only a rule that lies within that range.
func (d *Decider) Literal(addr netip.Addr, port uint16) HostDecision {
	if d.hosts.free != "" {
		return HostDecision{Allowed: true, Opaque: true, Why: d.hosts.free}
	}
	v, special := d.address(addr, port)
	decision := v.decision()
	if !decision.Allowed && decision.Rule == nil && special != "" {
		decision.Why = "no rule allows it: " + special
	}
	return decision
}

// Resolved decides about an address that an allowed name was resolved to: on the public internet it
// is where the name's owner put it; elsewhere a rule must name it, or a stranger's name would lead
// into the user's own network.
func (d *Decider) Resolved(addr netip.Addr, port uint16) HostDecision {
	if d.hosts.free != "" {
		return HostDecision{Allowed: true, Opaque: true, Why: d.hosts.free}
	}
	v, special := d.address(addr, port)
	switch {
	case v.denial != nil || v.grant != nil:
		return v.decision()
	case special != "":
		return HostDecision{Why: special}
	}
	return HostDecision{Allowed: true, Why: "on the public internet"}
}

// address asks the rules about addresses, and says what the address is if it is not of the public
// internet.
func (d *Decider) address(addr netip.Addr, port uint16) (v verdict, special string) {
	addr = addr.Unmap()
	if !addr.IsValid() || addr.Zone() != "" {
		return v, "not an address of a host"
	}
	within, what, isSpecial := hostname.Special(addr)
	isMetadata := hostname.IsMetadata(addr)
	switch {
	case isMetadata:
		special = addr.String() + " is a metadata service"
	case isSpecial:
		special = addr.String() + " is special (" + what + ")"
	}
	best := -1
	var grants verdict
	for _, r := range d.hosts.ranges {
		if !r.prefix.Contains(addr) {
			continue
		}
		if r.rule.Action == HostDeny || r.rule.Action == HostOpaque {
			v.add(r.rule, port)
			continue
		}
		switch {
		case isMetadata && !r.prefix.IsSingleIP():
		case isSpecial && (r.prefix.Bits() < within.Bits() || !within.Overlaps(r.prefix)):
		case !r.rule.speaksOf(port):
			grants.add(r.rule, port)
		case r.prefix.Bits() > best:
			best, grants.grant = r.prefix.Bits(), r.rule
		}
	}
	v.grant, v.lesser = grants.grant, grants.lesser
	return v, special
}
