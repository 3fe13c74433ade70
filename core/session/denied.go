package session

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/hostname"
	"github.com/nono-run/nono/sdk/policy"
)

// EventDenied is what a network layer calls the event of a host that it did not let the agent
// reach. Its fields are the host; the port, if one was asked for; why; and, where it knows better
// than the policy's decision, the change: the attribute of the network block that would allow it.
const EventDenied = "network.denied"

// denied are the hosts that a network layer did not let the agent reach. They are what a command
// that failed may have failed for.
type denied struct {
	mu    sync.Mutex
	hosts []*denial // in the order in which they were first asked for
	more  bool
}

// denial is one host, and how often it was asked for at this port.
type denial struct {
	host, port, why, change string
	count                   uint64
}

const (
	// mostDenied is how many hosts are remembered, and mostShown how many are told.
	mostDenied = 64
	mostShown  = 5
	// longestWord bounds what of a layer's words is told: the agent may have chosen some of them.
	longestWord = 256
)

// add takes an event of a network layer.
func (d *denied) add(e sdk.Event) {
	if e.Name != EventDenied || e.Fields["host"] == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	word := func(field string) string {
		w := e.Fields[field]
		return w[:min(len(w), longestWord)]
	}
	found := &denial{word("host"), word("port"), word("why"), word("change"), max(e.Count, 1)}
	for _, known := range d.hosts {
		if known.merge(found) {
			return
		}
	}
	if len(d.hosts) == mostDenied {
		d.more = true
		return
	}
	d.hosts = append(d.hosts, found)
}

// merge takes a denial of the same host. Who looks a name up asks for no port, twice mostly, and is
// the same who then asks for one: that is told, and not counted.
func (d *denial) merge(other *denial) bool {
	if d.host != other.host || d.port != other.port && d.port != "" && other.port != "" {
		return false
	}
	switch {
	case other.port == "":
	case d.port == "":
		*d = *other
	default:
		d.count += other.count
	}
	return true
}

// lines are what is told of them: each with what would allow it.
func (d *denied) lines(pol *policy.Policy, session string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	decide := policy.NewDecider(pol)
	var lines []string
	for _, one := range d.hosts[:min(len(d.hosts), mostShown)] {
		lines = append(lines, policy.Printable(one.line(decide)))
	}
	if more := len(d.hosts) - len(lines); more > 0 {
		count := strconv.Itoa(more)
		if d.more {
			count += " and more"
		}
		lines = append(lines, fmt.Sprintf("%s others were denied: `nono logs %s`", count, session))
	}
	return lines
}

func (d *denial) line(decide *policy.Decider) string {
	line := "denied: " + d.host
	if d.port != "" {
		line = "denied: " + net.JoinHostPort(d.host, d.port)
	}
	if d.why != "" {
		line += ": " + d.why
	}
	if d.count > 1 && d.port != "" {
		line += fmt.Sprintf(", %d times", d.count)
	}
	if change := d.wouldAllow(decide); change != "" {
		line += "; " + change
	}
	return line
}

// wouldAllow is what would allow the host: what the layer says, or what the policy lacks. It is ""
// where nothing would, or where the policy allows the host and the layer found something else.
func (d *denial) wouldAllow(decide *policy.Decider) string {
	if d.change != "" {
		return fmt.Sprintf("`network { %s }` would allow it", d.change)
	}
	name, addr, err := hostname.Host(d.host)
	if err != nil {
		return ""
	}
	port := uint16(443)
	if d.port != "" {
		n, err := strconv.ParseUint(d.port, 10, 16)
		if err != nil {
			return ""
		}
		port = uint16(n)
	}
	decision := decide.Host(name, port)
	if name == "" {
		decision = decide.Literal(addr, port)
	}
	switch rule := decision.Rule; {
	case decision.Allowed:
		return ""
	case rule != nil && rule.Action == policy.HostDeny:
		return "the rule that denies it: " + rule.Source.String()
	case name == "localhost" || addr.IsLoopback():
		return fmt.Sprintf("`--open-port %d` would allow it", port)
	}
	return fmt.Sprintf("`--allow-host %s` would allow it", entry(name, addr, port))
}

// entry is a host as the policy writes it: a port of the web's goes without saying.
func entry(name string, addr netip.Addr, port uint16) string {
	host := name
	if name == "" {
		host = addr.String()
	}
	if slices.Contains([]uint16{80, 443}, port) {
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
