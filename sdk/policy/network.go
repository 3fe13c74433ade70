package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Network is what a run may reach, and what may reach it. Its zero value is a closed network.
type Network struct {
	Hosts []HostRule `json:"hosts,omitempty"`
	Ports []PortRule `json:"ports,omitempty"`
	// Upstream is the proxy that everything goes through on its way out; nil for none.
	Upstream *Upstream `json:"upstream,omitempty"`
}

// Reaches reports whether anything is reachable, from inside or from outside: then a network layer
// has something to do.
func (n *Network) Reaches() bool {
	if len(n.Ports) > 0 {
		return true
	}
	for i := range n.Hosts {
		if n.Hosts[i].Action == HostAllow {
			return true
		}
	}
	return false
}

// with is the network with more rules about hosts, each with an id of its own.
func (n Network) with(hosts []HostRule) Network {
	next := map[HostAction]int{}
	for i := range n.Hosts {
		next[n.Hosts[i].Action]++
	}
	n.Hosts = slices.Concat(n.Hosts, hosts)
	for i := len(n.Hosts) - len(hosts); i < len(n.Hosts); i++ {
		h := &n.Hosts[i]
		h.ID = RuleID(fmt.Sprintf("network.%s.%d", h.Action, next[h.Action]))
		next[h.Action]++
	}
	return n
}

// HostAction is what a rule does to the hosts it names.
type HostAction string

// The actions, as in the network block.
const (
	HostAllow HostAction = "allow" // may be reached
	HostDeny  HostAction = "deny"  // beats every allow
	// HostOpaque grants nothing. Of what is allowed, it says that nobody looks at what is spoken.
	HostOpaque HostAction = "opaque"
)

// HostRule is one host of a network block, or of a flag.
type HostRule struct {
	ID     RuleID     `json:"id"`
	Source Source     `json:"source"`
	Action HostAction `json:"action"`
	// Host is a name in the plain form of package hostname, "*." with such a name for all that lies
	// below it, or a range of addresses, of which one alone is "10.0.0.1/32".
	Host string `json:"host"`
	// Ports are those the rule speaks of; none means every port.
	Ports []uint16 `json:"ports,omitempty"`
	// Group is the network profile or group that brought the rule; empty where it was named itself.
	Group string `json:"group,omitempty"`
}

// speaksOf reports whether the rule has a say about a port.
func (r *HostRule) speaksOf(port uint16) bool {
	for _, p := range r.Ports {
		if p == port {
			return true
		}
	}
	return len(r.Ports) == 0
}

// String is the host with its ports: "api.example.com:443,80".
func (r *HostRule) String() string {
	if len(r.Ports) == 0 {
		return Printable(r.Host) + ":*"
	}
	ports := make([]string, len(r.Ports))
	for i, p := range r.Ports {
		ports[i] = strconv.Itoa(int(p))
	}
	return Printable(r.Host) + ":" + strings.Join(ports, ",")
}

// PortAction is which way a port may be used.
type PortAction string

// The actions, as in the network block.
const (
	PortLoopback PortAction = "loopback" // a service of the host's loopback, for the agent to reach
	PortListen   PortAction = "listen"   // the agent serves, for the host's loopback to reach
)

// PortRule is one port of a network block, or of a flag.
type PortRule struct {
	ID     RuleID     `json:"id"`
	Source Source     `json:"source"`
	Action PortAction `json:"action"`
	Port   uint16     `json:"port"`
}

// Upstream is a proxy that the way out leads through.
type Upstream struct {
	ID     RuleID `json:"id"`
	Source Source `json:"source"`
	// URL has no user information: that is a secret, and in core's memory alone.
	URL string `json:"url"`
	// Bypass are hosts that are reached without it, written as [HostRule.Host] is.
	Bypass []string `json:"bypass,omitempty"`
}

// rules lists those of the network, for [Policy.Rules].
func (n *Network) rules() []Rule {
	var rules []Rule
	for i := range n.Hosts {
		r := &n.Hosts[i]
		rules = append(rules, Rule{r.ID, r.Source, string(r.Action) + " " + r.String()})
	}
	for _, r := range n.Ports {
		rules = append(rules, Rule{r.ID, r.Source, fmt.Sprintf("%s %d", r.Action, r.Port)})
	}
	if u := n.Upstream; u != nil {
		rules = append(rules, Rule{u.ID, u.Source, "upstream " + Printable(u.URL)})
	}
	return rules
}
