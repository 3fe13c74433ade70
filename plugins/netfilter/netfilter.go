// Package netfilter is nono's network layer: the agent reaches the hosts that were allowed, and no
// others, whatever program it runs and whether that knows a proxy or not.
//
// The agent's network namespace has a loopback and nothing else. On it are listeners that nono-init
// opened and that this layer serves from outside, so there is no process between, and no port on
// the host:
//
//   - a proxy, for programs that know one: HTTP and SOCKS5;
//   - a resolver, for those that do not. It gives an allowed name an address of a range that leads
//     to the loopback, and asks nobody: a denied name does not exist;
//   - a listener at each port of the policy, which knows by the address that was dialled which name
//     was meant.
//
// The layer's packages are its parts, in the order in which a connection meets them:
//
//	door       what comes in, and which host it asks for
//	synthetic  names and the addresses that stand for them, and the resolver
//	gate       the decision, its events, its words to the agent
//	hello      what a connection begins with; a ClientHello names its server
//	plain      HTTP that is not encrypted, request by request
//	relay      bytes between two connections
//
// and package egress, which connects to the host.
//
// # What it cannot hold
//
// What is said inside TLS nobody sees here: a server may serve other names beneath an allowed one
// (a Host header, an :authority), and an agent may send what it likes to a host that is allowed.
// What is spoken with a host that is opaque nobody looks at.
package netfilter

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/nono-run/nono/plugins/netfilter/gate"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/confine"
	"github.com/nono-run/nono/sdk/egress"
	"github.com/nono-run/nono/sdk/fact"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// New returns the layer.
func New() sdk.Layer { return &layer{confine: confine.Self} }

type layer struct {
	// auth is for the upstream proxy. It comes with Plan alone, and stays in this process.
	auth sdk.Secret
	// gate decides, from Start on.
	gate *gate.Gate
	// confine takes from the process what it does not need any more.
	confine func(read ...string) (confine.Report, error)
}

// Names of listeners.
const (
	proxy    = "proxy"
	dns      = "dns"     // of packets
	dnsTCP   = "dns-tcp" // for answers that are too long
	atPort   = "port-"   // and the port: connections to what stands for a host there
	forRange = "range-"  // and a number: as atPort, and there to carry a range
	atLocal  = "local-"  // and the port: connections to a service of the host's loopback
)

// synthetics are the addresses that stand for names: a range for measurements between networks,
// which nobody on the internet has.
var synthetics = netip.MustParsePrefix("198.18.0.0/15")

// mostPorts is at how many ports there is a listener. A host that is allowed at more ports is
// reached there by programs that know the proxy.
const mostPorts = 256

// Describe implements sdk.Layer.
func (*layer) Describe() sdk.Description {
	return sdk.Description{
		Name:     "netfilter",
		Version:  "1.0.0",
		Kind:     policy.KindNetwork,
		Lifetime: sdk.Resident,
		Settings: []sdk.Setting{{
			Name: "mode", Type: sdk.SettingString, OneOf: []string{"namespace"}, Default: "namespace",
			Help: "how programs are brought here: namespace gives them a network of their own",
		}},
		Subcommands: subcommands,
		Pure:        true,
	}
}

// Plan implements sdk.Layer.
func (l *layer) Plan(_ context.Context, req *sdk.PlanRequest) (*sdk.PlanResponse, error) {
	if req.Host.Tier != sdk.TierA && req.Host.Tier != sdk.TierB {
		return nil, fmt.Errorf("cannot hold the network rules on a host of tier %q", req.Host.Tier)
	}
	l.auth = req.UpstreamAuth
	network := &req.Policy.Network
	answer := &sdk.PlanResponse{
		Fragment: fragment.Fragment{Steps: listeners(network)},
		Facts:    []fact.Fact{fact.Proxy{Listener: proxy}, fact.Resolver{Listener: dns}},
		Coverage: coverage(network, req.Host.Tier),
	}
	answer.Diagnostics = twoWays(network.Ports)
	if _, err := egress.UpstreamOf(network, l.auth); err != nil {
		answer.Diagnostics = append(answer.Diagnostics, sdk.Diagnostic{
			Severity: sdk.SeverityError, Rule: network.Upstream.ID, Summary: err.Error(),
		})
	}
	return answer, nil
}

// twoWays finds ports that the agent is to serve and to find the host's service at.
func twoWays(rules []policy.PortRule) []sdk.Diagnostic {
	var all []sdk.Diagnostic
	for _, r := range rules {
		local := slices.ContainsFunc(rules, func(other policy.PortRule) bool {
			return other.Action == policy.PortLoopback && other.Port == r.Port
		})
		if r.Action == policy.PortListen && local {
			all = append(all, sdk.Diagnostic{
				Severity: sdk.SeverityError, Rule: r.ID,
				Summary: fmt.Sprintf("port %d is to be the agent's, and the host's as well", r.Port),
				Detail:  "let the agent serve another port, or reach another one of the host",
			})
		}
	}
	return all
}

// listeners are all that there is to be connected to inside.
func listeners(n *policy.Network) []fragment.Step {
	const port53 = 53
	steps := []fragment.Listener{
		{Name: proxy, Network: fragment.TCP},
		{Name: dns, Network: fragment.UDP, Port: port53},
		{Name: dnsTCP, Network: fragment.TCP, Port: port53},
	}
	everywhere := netip.IPv4Unspecified().String()
	ports := hostPorts(n)
	for _, port := range ports {
		steps = append(steps, fragment.Listener{
			Name: fmt.Sprint(atPort, port), Network: fragment.TCP, Address: everywhere, Port: port,
		})
	}
	steps = append(steps, atLoopback(n.Ports, ports)...)
	for i, r := range ranges(n) {
		// A listener carries one range. Which of them does means nothing to the kernel.
		if i == len(steps) {
			steps = append(steps, fragment.Listener{
				Name: fmt.Sprint(forRange, i), Network: fragment.TCP, Address: everywhere,
			})
		}
		steps[i].LocalPrefix, steps[i].For = r.prefix.String(), r.rule
	}
	all := dialers(n.Ports)
	for _, step := range steps {
		all = append(all, step)
	}
	return all
}

// hostPorts are those at which connections to hosts arrive. A port that the agent serves is its
// own, and to a host at such a port leads the proxy alone.
func hostPorts(n *policy.Network) []uint16 {
	ports := slices.DeleteFunc(gate.Ports(n), func(port uint16) bool {
		return slices.ContainsFunc(n.Ports, func(r policy.PortRule) bool {
			return r.Action == policy.PortListen && r.Port == port
		})
	})
	return ports[:min(len(ports), mostPorts)]
}

// atLoopback are the listeners in the place of services of the host's loopback. Where a port has a
// listener at every address, that is one of them.
func atLoopback(rules []policy.PortRule, taken []uint16) []fragment.Listener {
	var steps []fragment.Listener
	for _, r := range rules {
		if r.Action == policy.PortLoopback && !slices.Contains(taken, r.Port) {
			taken = append(taken, r.Port)
			steps = append(steps, fragment.Listener{
				For: r.ID, Name: fmt.Sprint(atLocal, r.Port), Network: fragment.TCP, Port: r.Port,
			})
		}
	}
	return steps
}

// dialers let the layer connect to what the agent serves.
func dialers(rules []policy.PortRule) []fragment.Step {
	var steps []fragment.Step
	for _, r := range rules {
		if r.Action == policy.PortListen {
			steps = append(steps, fragment.Dialer{For: r.ID, Ports: []uint16{r.Port}})
		}
	}
	return steps
}

// addresses are a range that leads to the loopback inside, and the rule that it is there for.
type addresses struct {
	prefix netip.Prefix
	rule   policy.RuleID
}

// mostRanges bounds how many listeners there are for them.
const mostRanges = 64

// ranges are those in which a program that knows no proxy may dial an address: what stands for
// names, and what the policy allows. Everything is no range: then each connection would look as if
// it had been made.
func ranges(n *policy.Network) []addresses {
	all := []addresses{{prefix: synthetics}}
	for i := range n.Hosts {
		r := &n.Hosts[i]
		prefix, err := netip.ParsePrefix(r.Host)
		if err != nil || r.Action != policy.HostAllow || !prefix.Addr().Is4() || prefix.Bits() == 0 ||
			prefix.Overlaps(loopback) {
			continue
		}
		all = append(all, addresses{prefix, r.ID})
	}
	slices.SortStableFunc(all[1:], func(a, b addresses) int {
		return cmp.Or(a.prefix.Addr().Compare(b.prefix.Addr()), a.prefix.Bits()-b.prefix.Bits())
	})
	all = slices.CompactFunc(all, func(a, b addresses) bool { return a.prefix == b.prefix })
	return all[:min(len(all), mostRanges)]
}

var loopback = netip.MustParsePrefix("127.0.0.0/8")

// coverage says by what each rule is held.
func coverage(n *policy.Network, tier sdk.Tier) []sdk.Coverage {
	var all []sdk.Coverage
	for i := range n.Hosts {
		r := &n.Hosts[i]
		all = append(all, sdk.Coverage{Rule: r.ID, Held: sdk.Enforced, By: by(r.Action, tier)})
	}
	for _, r := range n.Ports {
		all = append(all, coverPort(r, tier))
	}
	if n.Upstream != nil {
		all = append(all, sdk.Coverage{
			Rule: n.Upstream.ID, Held: sdk.Enforced, By: "the layer connects through it",
		})
	}
	return all
}

func coverPort(r policy.PortRule, tier sdk.Tier) sdk.Coverage {
	held := sdk.Coverage{Rule: r.ID, Held: sdk.Enforced}
	switch r.Action {
	case policy.PortLoopback:
		held.By = "a listener in its place"
	case policy.PortListen:
		held.By = "a listener on the host's loopback"
		if tier == sdk.TierB {
			held.By = "the agent's own socket, on the host's loopback alone"
		}
	default:
		held.Held, held.Why = sdk.Unavailable, "the layer does not know this kind of rule"
	}
	return held
}

func by(action policy.HostAction, tier sdk.Tier) string {
	switch action {
	case policy.HostAllow:
		if tier == sdk.TierB {
			return "connections that core makes, to a proxy and a resolver"
		}
		return "a network of its own, a proxy and a resolver in it"
	case policy.HostDeny:
		return "not resolved, not connected to"
	case policy.HostOpaque:
		return "carried without a look at it"
	}
	return "denied: an action that nobody knows"
}

// Finish implements sdk.Starter. All that Start made ends with the process; what is not told yet is
// told.
func (l *layer) Finish(context.Context, *sdk.FinishRequest) (*sdk.FinishResponse, error) {
	if l.gate != nil {
		l.gate.Flush()
	}
	return &sdk.FinishResponse{}, nil
}

// Interface guard.
var _ sdk.Starter = (*layer)(nil)
