package why

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/sdk/hostname"
	"github.com/nono-run/nono/sdk/policy"
)

// HostAnswer is what there is to say about one host at one port.
type HostAnswer struct {
	// Host is the one that was asked about, in the form in which hosts are compared.
	Host    string `json:"host"`
	Port    uint16 `json:"port"`
	Allowed bool   `json:"allowed"`
	// Opaque says that nobody looks at what is spoken there.
	Opaque bool `json:"opaque,omitempty"`
	// Why is the reason in a few words, and Rule the rule that it follows from, if there is one; List
	// is the network profile or the group that brought it.
	Why  string `json:"why"`
	Rule *Rule  `json:"rule,omitempty"`
	List string `json:"list,omitempty"`
	// Note is what else one should know; empty if nothing.
	Note string `json:"note,omitempty"`
	// Changes would together allow it; none where it is allowed.
	Changes []Change `json:"changes,omitempty"`
}

// AskHost answers about a plan whether a host may be reached at a port. The host is a name or a
// literal address; what is neither is an error.
func AskHost(p *plan.Plan, host string, port uint16) (HostAnswer, error) {
	name, addr, err := hostname.Host(host)
	if err != nil {
		return HostAnswer{}, err
	}
	q := hostQuestion{
		network: p.Network, disabled: p.Disabled, name: name, addr: addr, port: port,
	}
	if addr.IsValid() {
		name = addr.String()
	}
	answer := HostAnswer{Host: name, Port: port}
	d := q.decide(q.network)
	if q.isLoopback() && !d.Allowed {
		q.loopback(&answer)
		return answer, nil
	}
	answer.Allowed, answer.Opaque, answer.Why = d.Allowed, d.Opaque, d.Why
	if d.Rule != nil {
		answer.Rule, answer.List = ruleOfHost(d.Rule), d.Rule.Group
	}
	switch {
	case q.open():
	case d.Allowed:
		answer.Note = q.limits(d)
	default:
		if !p.Network.Reaches() {
			answer.Note = "nothing is reachable: the network is closed"
		}
		answer.Changes = q.nearest()
	}
	return answer, nil
}

// hostQuestion is one question while it is answered.
type hostQuestion struct {
	network  policy.Network
	disabled []policy.Disabled
	name     string // "" for an address
	addr     netip.Addr
	port     uint16
}

func (q *hostQuestion) open() bool {
	return (&policy.Policy{Disabled: q.disabled}).IsDisabled(policy.KindNetwork)
}

// isLoopback reports whether inside the question is about the sandbox itself.
func (q *hostQuestion) isLoopback() bool { return q.name == "localhost" || q.addr.IsLoopback() }

// decide asks the one decision about a network.
func (q *hostQuestion) decide(n policy.Network) policy.HostDecision {
	d := policy.NewDecider(&policy.Policy{Network: n, Disabled: q.disabled})
	if q.addr.IsValid() {
		return d.Literal(q.addr, q.port)
	}
	return d.Host(q.name, q.port)
}

// loopback answers about the loopback, of which only ports are ever allowed.
func (q *hostQuestion) loopback(answer *HostAnswer) {
	for _, p := range q.network.Ports {
		if p.Port != q.port {
			continue
		}
		answer.Allowed, answer.Rule = true, &Rule{
			ID: p.ID, Says: fmt.Sprintf("%s %d", p.Action, p.Port), Source: p.Source,
		}
		answer.Why = "a service of the host's loopback"
		if p.Action == policy.PortListen {
			answer.Why = "the agent's own, which the host's loopback reaches too"
		}
		return
	}
	answer.Why = "the loopback inside is the sandbox's own, and no rule leads to the host's"
	answer.Changes = []Change{{
		Do: Add, Attribute: string(policy.PortLoopback), Host: fmt.Sprint(q.port),
	}}
}

// limits is what is allowed only in part.
func (q *hostQuestion) limits(d policy.HostDecision) string {
	switch {
	case d.Opaque:
		return "it is opaque: nobody looks at what is spoken"
	case !slices.Contains(hostname.UsualPorts(), q.port):
		return fmt.Sprintf("TLS that names it, or HTTP; for anything else: --opaque-host %s",
			hostname.Write(q.pattern(), []uint16{q.port}))
	}
	return ""
}

// pattern is the host as a rule has it.
func (q *hostQuestion) pattern() string {
	if q.addr.IsValid() {
		return netip.PrefixFrom(q.addr, q.addr.BitLen()).String()
	}
	return q.name
}

// nearest finds the changes that together would allow it: it makes one after the other in a copy of
// the rules, and asks the decision again.
func (q *hostQuestion) nearest() []Change {
	n := policy.Network{Hosts: slices.Clone(q.network.Hosts)}
	var all []Change
	for range mostChanges {
		d := q.decide(n)
		switch {
		case d.Allowed:
			return all
		case d.Rule != nil && d.Rule.Action == policy.HostDeny:
			denial := *d.Rule
			all = append(all, Change{Do: Remove, Rule: ruleOfHost(&denial)})
			n.Hosts = slices.DeleteFunc(slices.Clone(n.Hosts),
				func(r policy.HostRule) bool { return r.ID == denial.ID })
			continue
		}
		rule := policy.HostRule{
			ID: "added", Action: policy.HostAllow, Host: q.pattern(), Ports: []uint16{q.port},
		}
		if usual := hostname.UsualPorts(); slices.Contains(usual, q.port) {
			rule.Ports = usual
		}
		all = append(all, Change{
			Do: Add, Attribute: string(policy.HostAllow), Host: hostname.Write(rule.Host, rule.Ports),
		})
		n.Hosts = append(n.Hosts, rule)
	}
	return nil
}

func ruleOfHost(r *policy.HostRule) *Rule {
	return &Rule{ID: r.ID, Says: string(r.Action) + " " + r.String(), Source: r.Source}
}
