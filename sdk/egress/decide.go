package egress

import (
	"net/netip"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// Decide decides about an address that an allowed host has, or is; own is [IsOwn] outside of tests.
// One of this machine's is reached past its firewall, so it takes a rule that names it and not a
// range around it, as the loopback does.
func Decide(
	d *policy.Decider, own func(netip.Addr) (bool, error), addr netip.Addr, port uint16,
) (policy.HostDecision, error) {
	decision := d.Resolved(addr, port)
	if !decision.Allowed || namesOne(decision.Rule) || addr.IsLoopback() {
		return decision, nil
	}
	switch is, err := own(addr); {
	case err != nil:
		return policy.HostDecision{}, err
	case is:
		return policy.HostDecision{Why: addr.String() + " is an address of this machine"}, nil
	}
	return decision, nil
}

// namesOne reports whether a rule is about one address.
func namesOne(r *policy.HostRule) bool {
	if r == nil {
		return false
	}
	prefix, err := netip.ParsePrefix(r.Host)
	return err == nil && prefix.IsSingleIP()
}

// UpstreamOf is the proxy that the way out of a policy leads through; nil where it names none. auth
// is what a layer's Plan was told of it.
func UpstreamOf(n *policy.Network, auth sdk.Secret) (*Upstream, error) {
	if n.Upstream == nil {
		return nil, nil //nolint:nilnil // there is none
	}
	return ParseUpstream(n.Upstream.URL, auth, n.Upstream.Bypass)
}
