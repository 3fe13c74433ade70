// Package gate is the one decision behind every front door: may the agent reach this host, and is
// what it then says meant for that host. It tells of each decision, and has the words in which the
// agent is told of a denial.
//
//	pass, err := g.Admit(target) // decided by name, before anything is resolved
//	conn, err := pass.Dial(ctx)  // resolved once, each address checked
//	err = pass.Begins(first)     // the name on the wire is the name that was allowed
//
// An error that is a [*Denial] is a decision, and has been told. It is the same for the whole
// session: the policy does not change.
package gate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/nono-run/nono/plugins/netfilter/hello"
	"github.com/nono-run/nono/plugins/netfilter/ports"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/egress"
	"github.com/nono-run/nono/sdk/fact"
	"github.com/nono-run/nono/sdk/hostname"
	"github.com/nono-run/nono/sdk/policy"
)

// Gate decides for one session. It may be used by many at the same time.
type Gate struct {
	decider *policy.Decider
	dialer  *egress.Dialer
	bound   map[Target]string        // the service of each host that goes through the credential layer
	ports   []uint16                 // at which hosts may be allowed, and one for all others
	local   map[uint16]policy.RuleID // ports of the host's loopback
	ledger  *ledger
	isOwn   func(netip.Addr) (bool, error)
}

// New is a gate for a policy. It tells events to tell, from any goroutine.
func New(p *policy.Policy, facts []fact.Fact, dialer *egress.Dialer, tell func(sdk.Event)) *Gate {
	g := &Gate{
		decider: policy.NewDecider(p), dialer: dialer, isOwn: egress.IsOwn,
		bound: map[Target]string{}, local: map[uint16]policy.RuleID{},
		ports:  append(Ports(&p.Network), 0),
		ledger: &ledger{tell: tell, again: map[decision]uint64{}},
	}
	dialer.Permit = g.permit
	for _, r := range p.Network.Ports {
		if r.Action == policy.PortLoopback {
			g.local[r.Port] = r.ID
		}
	}
	for _, f := range facts {
		if f, ok := f.(fact.BoundHost); ok {
			g.bound[Target{Name: f.Host, Port: f.Port}] = f.Service
		}
	}
	return g
}

// Ports are those at which a policy allows anything: the ones it names, and those of the web.
func Ports(n *policy.Network) []uint16 {
	ports := []uint16{80, 443}
	for i := range n.Hosts {
		if r := &n.Hosts[i]; r.Action == policy.HostAllow {
			ports = append(ports, r.Ports...)
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// Target is what an agent asked for: a host by its plain name or by its address, and a port.
type Target struct {
	Name string
	Addr netip.Addr
	Port uint16
}

// Host is the target without its port, as a person writes it.
func (t Target) Host() string {
	if t.Name != "" {
		return t.Name
	}
	return t.Addr.String()
}

// String is the target as clients write it: "name:443", "[::1]:443".
func (t Target) String() string {
	return net.JoinHostPort(t.Host(), strconv.Itoa(int(t.Port)))
}

// ParseTarget reads "host:port" as a client of a proxy writes it.
func ParseTarget(text string) (Target, error) {
	name, addr, port, err := hostname.HostPort(text)
	return Target{name, addr, port}, err
}

// Admit decides about a target. Nothing has been resolved, dialled or sent then.
func (g *Gate) Admit(t Target) (*Pass, error) {
	if service, ok := g.bound[Target{Name: t.Name, Port: t.Port}]; ok && t.Name != "" {
		return nil, g.deny(&Denial{
			Target: t, Why: "it is reached with the credential " + service + " only",
			advice: "This program has variables of the environment for it, a base URL and a key that " +
				"holds there: use these.",
		})
	}
	var d policy.HostDecision
	if t.Name != "" {
		d = g.decider.Host(t.Name, t.Port)
	} else {
		d = g.decider.Literal(t.Addr, t.Port)
	}
	local, ok := g.local[t.Port]
	switch {
	case !d.Allowed && ok && isLocal(t) && !isDenial(d.Rule):
		g.event("network.allowed", t.Host(), t.Port, "a service of the host's loopback", local)
		return &Pass{Target: t, Opaque: true, gate: g, connect: ports.Host(t.Addr, t.Port)}, nil
	case !d.Allowed:
		return nil, g.deny(&Denial{Target: t, Why: d.Why, rule: d.Rule, advice: wouldAllow(t, d.Rule)})
	}
	g.event("network.allowed", t.Host(), t.Port, d.Why, id(d.Rule))
	return &Pass{Target: t, Opaque: d.Opaque, gate: g, rule: d.Rule}, nil
}

// Refuse denies what was asked for in words that are no target, and are not looked at any further.
func (g *Gate) Refuse(asked, why string) *Denial {
	const most = 255 // a name has no more, and it is the agent's own
	if len(asked) > most {
		asked = asked[:most]
	}
	d := &Denial{asked: asked, Why: why}
	g.event("network.denied", asked, 0, why, "")
	return d
}

// Known reports whether a name may be looked up: whether it may be reached at any port.
func (g *Gate) Known(name string) bool {
	var last policy.HostDecision
	for _, port := range g.ports {
		d := g.decider.Host(name, port)
		if _, bound := g.bound[Target{Name: name, Port: port}]; d.Allowed && !bound {
			return true
		}
		last = d
	}
	g.event("network.denied", name, 0, last.Why, id(last.Rule))
	return false
}

// permit decides about an address that an allowed host has, or is.
func (g *Gate) permit(addr netip.Addr, port uint16) error {
	d, err := egress.Decide(g.decider, g.isOwn, addr, port)
	switch {
	case err != nil:
		return err
	case !d.Allowed:
		return &forbidden{d}
	}
	return nil
}

// forbidden is the decision about an address.
type forbidden struct{ policy.HostDecision }

func (f *forbidden) Error() string { return f.Why }

// deny tells of a denial and returns it.
func (g *Gate) deny(d *Denial) error {
	made := decided("network.denied", d.Target.Host(), d.Target.Port, d.Why, id(d.rule))
	made.change = d.change
	g.ledger.add(made)
	return d
}

func (g *Gate) event(name, host string, port uint16, why string, rule policy.RuleID) {
	g.ledger.add(decided(name, host, port, why, rule))
}

// Flush tells of what was only counted so far.
func (g *Gate) Flush() { g.ledger.flush() }

// isDenial reports whether a rule takes away, and is not only none that grants.
func isDenial(r *policy.HostRule) bool { return r != nil && r.Action != policy.HostAllow }

// id is the rule's, if there is one.
func id(rule *policy.HostRule) policy.RuleID {
	if rule == nil {
		return ""
	}
	return rule.ID
}

// Pass is an admission to one target.
type Pass struct {
	Target Target
	// Opaque says that nobody looks at what is spoken with it.
	Opaque bool
	gate   *Gate
	rule   *policy.HostRule
	// connect leads to a service of the host's loopback; nil for any other target.
	connect ports.Dial
}

// Dial connects to the target.
func (p *Pass) Dial(ctx context.Context) (net.Conn, error) {
	if p.connect != nil {
		return p.connect(ctx)
	}
	var conn net.Conn
	var err error
	if p.Target.Name != "" {
		conn, err = p.gate.dialer.Dial(ctx, p.Target.Name, p.Target.Port)
	} else {
		conn, err = p.gate.dialer.DialAddress(ctx, p.address())
	}
	return conn, p.told(err)
}

// DialHTTP connects to the target, or to the proxy on the way there, for requests of plain HTTP.
func (p *Pass) DialHTTP(ctx context.Context) (net.Conn, egress.Via, error) {
	if p.connect != nil {
		conn, err := p.connect(ctx)
		return conn, egress.Via{}, err
	}
	var conn net.Conn
	var via egress.Via
	var err error
	if p.Target.Name != "" {
		conn, via, err = p.gate.dialer.DialHTTP(ctx, p.Target.Name, p.Target.Port)
	} else {
		conn, via, err = p.gate.dialer.DialAddressHTTP(ctx, p.address())
	}
	return conn, via, p.told(err)
}

func (p *Pass) address() netip.AddrPort { return netip.AddrPortFrom(p.Target.Addr, p.Target.Port) }

// told tells of an error of dialling that is a decision, and returns it as one.
func (p *Pass) told(err error) error {
	var no *forbidden
	if errors.As(err, &no) {
		return p.gate.deny(p.forbids(err, no))
	}
	return err
}

// forbids is the denial of where a name leads.
func (p *Pass) forbids(err error, no *forbidden) *Denial {
	d := &Denial{Target: p.Target, Why: no.Why, rule: no.Rule}
	if at := (*egress.Error)(nil); errors.As(err, &at) && at.Addr.IsValid() {
		there := Target{Addr: at.Addr, Port: p.Target.Port}
		d.Why = "its name leads to " + at.Addr.String() + ": " + no.Why
		d.advice = wouldAllow(there, no.Rule)
		if !isDenial(no.Rule) && !isLocal(there) {
			d.change = fmt.Sprintf("allow = [%q]", entry(there))
		}
	}
	return d
}

// Begins decides about what a client says first. What is neither TLS for the target nor plain HTTP
// is denied; requests of plain HTTP name hosts of their own, see [Pass.Means].
func (p *Pass) Begins(first hello.First) error {
	why := ""
	switch first := first.(type) {
	case hello.HTTP:
		return nil
	case hello.TLS:
		if why = p.tls(first); why == "" {
			return nil
		}
	case hello.HTTP2:
		why = "HTTP/2 without TLS, in which each request names a host of its own"
	case hello.Other:
		why = first.What
	case hello.Silence:
		why = "the server speaks first, as in neither TLS nor HTTP"
	}
	return p.gate.deny(&Denial{
		Target: p.Target, Why: why, rule: p.rule, advice: wouldBeOpaque(p.Target),
		change: fmt.Sprintf("opaque = [%q]", entry(p.Target)),
	})
}

// tls says what is wrong with the server name of a TLS handshake.
func (p *Pass) tls(first hello.TLS) string {
	if first.ECH {
		return "the server's name in the TLS handshake is encrypted"
	}
	if first.ServerName == "" {
		if p.Target.Name == "" {
			return "" // TLS has no way to name an address
		}
		return "the TLS handshake names no server"
	}
	name, addr, err := hostname.Host(first.ServerName)
	switch {
	case err != nil:
		return "the TLS handshake names a server that has no such name: " + err.Error()
	case name == p.Target.Name && addr == p.Target.Addr:
		return ""
	case p.Target.Name == "" && name != "" && p.gate.reaches(Target{Name: name, Port: p.Target.Port}):
		return "" // both are allowed, the address and the name
	}
	return "the TLS handshake names another server, " + policy.Printable(first.ServerName)
}

// reaches is Admit without a word.
func (g *Gate) reaches(t Target) bool {
	_, bound := g.bound[t]
	return !bound && g.decider.Host(t.Name, t.Port).Allowed
}

// Means reports whether a Host header means the target, and denies the request otherwise.
func (p *Pass) Means(host string) error {
	if t, err := ParseHost(host, p.Target.Port); err == nil && t == p.Target {
		return nil
	}
	return p.gate.Contradicts(p.Target, host)
}

// Contradicts denies a request for a target whose header names another host. That host was not
// asked for, so the target is what is told of.
func (g *Gate) Contradicts(t Target, host string) *Denial {
	d := &Denial{
		Target: t, Why: "a request for it names another host in its header, " + quoted(host),
		advice: "Each request has its own host in its header.",
	}
	_ = g.deny(d)
	return d
}

// quoted is what an agent wrote in place of a host, and not too much of it.
func quoted(asked string) string {
	const most = 255 // a name has no more
	return policy.Printable(strconv.Quote(asked[:min(len(asked), most)]))
}

// ParseHost reads "host" or "host:port", as it stands in a URL whose scheme has a port of its own.
func ParseHost(text string, port uint16) (Target, error) {
	if strings.LastIndexByte(text, ':') > strings.LastIndexByte(text, ']') {
		return ParseTarget(text)
	}
	return ParseTarget(text + ":" + strconv.Itoa(int(port)))
}
