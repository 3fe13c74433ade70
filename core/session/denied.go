package session

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/why"
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

// lines are what is told of them: each with what would allow it, by the plan of the session.
func (d *denied) lines(p *plan.Plan) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var lines []string
	for _, one := range d.hosts[:min(len(d.hosts), mostShown)] {
		lines = append(lines, policy.Printable(one.line(p)))
	}
	if more := len(d.hosts) - len(lines); more > 0 {
		count := strconv.Itoa(more)
		if d.more {
			count = "over " + count
		}
		lines = append(lines, fmt.Sprintf("denied: %s more; `nono logs %s` has all", count, p.Session))
	}
	return lines
}

func (d *denial) line(p *plan.Plan) string {
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
	if changes := d.changes(p); len(changes) > 0 {
		line += "; to allow it: " + strings.Join(changes, ", and ")
	}
	return line
}

// changes are what would allow the host: what the layer says, or what the policy lacks. There are
// none where nothing would, or where the policy allows the host and the layer found something else.
func (d *denial) changes(p *plan.Plan) []string {
	if d.change != "" {
		return []string{fmt.Sprintf("`network { %s }`", d.change)}
	}
	port := hostname.UsualPorts()[0]
	if d.port != "" {
		asked, err := hostname.Port(d.port)
		if err != nil {
			return nil
		}
		port = asked
	}
	answer, err := why.AskHost(p, d.host, port)
	if err != nil {
		return nil
	}
	var all []string
	for _, c := range answer.Changes {
		switch {
		case c.Rule != nil:
			all = append(all, "take it out of "+c.Rule.Source.String())
		case c.Attribute == string(policy.PortLoopback):
			all = append(all, fmt.Sprintf("`--open-port %s`", c.Host))
		default:
			all = append(all, fmt.Sprintf("`--allow-host %s`", c.Host))
		}
	}
	return all
}
