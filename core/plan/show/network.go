package show

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/hostname"
	"github.com/nono-run/nono/sdk/policy"
)

// summaryHosts is how many hosts the start line names.
const summaryHosts = 3

// networkText says in a few words what may be reached.
func (p *page) networkText() string {
	switch {
	case p.disabled(policy.KindNetwork):
		return "network open"
	case p.Network.Reaches():
		text := "network: " + strings.Join(p.reached(), ", ")
		if names := p.carriers(); len(names) > 0 {
			text += " through " + strings.Join(names, ", ")
		}
		return policy.Printable(text)
	case len(p.Through) > 0:
		return "network through " + policy.Printable(strings.Join(p.Through, ", "))
	}
	return "network closed"
}

// carriers are the layers that carry traffic and are not nono's own.
func (p *page) carriers() []string {
	return slices.DeleteFunc(slices.Clone(p.Through), func(name string) bool {
		return slices.ContainsFunc(p.Layers,
			func(l plan.Layer) bool { return l.Name == name && l.BuiltIn })
	})
}

// reached are the allowed hosts and ports: how many a list brings, and the first of the others by
// their names.
func (p *page) reached() []string {
	var own, groups, parts []string
	of := map[string][]string{}
	for _, h := range p.Network.Hosts {
		name := hostname.Write(h.Host, h.Ports)
		switch {
		case h.Action != policy.HostAllow || slices.Contains(of[h.Group], name):
			continue
		case h.Group == "":
			own = append(own, name)
		case of[h.Group] == nil:
			groups = append(groups, h.Group)
		}
		of[h.Group] = append(of[h.Group], name)
	}
	for _, group := range groups {
		parts = append(parts, fmt.Sprintf("%s by %s", counted(len(of[group]), "host"), group))
	}
	if more := len(own) - summaryHosts; more > 0 {
		own = append(own[:summaryHosts], counted(more, "more host"))
	}
	parts = append(parts, own...)
	for _, way := range []struct {
		action policy.PortAction
		says   string
	}{{policy.PortLoopback, "loopback"}, {policy.PortListen, "listens at"}} {
		if ports := p.ports(way.action); ports != "" {
			parts = append(parts, way.says+" "+ports)
		}
	}
	if u := p.Network.Upstream; u != nil {
		parts = append(parts, "by way of "+u.URL)
	}
	return parts
}

// ports are those of one action.
func (p *page) ports(action policy.PortAction) string {
	var ports []string
	for _, r := range p.Network.Ports {
		if port := fmt.Sprint(r.Port); r.Action == action && !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	return strings.Join(ports, " ")
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// network prints what may be reached, rule by rule; of a list only how much it brings, unless all
// is to be shown.
func (pr *printer) network() {
	p := pr.plan
	rules := map[policy.RuleID]plan.Rule{}
	for _, r := range p.Rules {
		rules[r.ID] = r
	}
	text := strings.TrimPrefix(p.networkText(), "network ")
	if strings.HasPrefix(text, "network: ") {
		text = "what is named here, and nothing else"
	}
	rows := [][]string{{text}}
	row := func(id policy.RuleID, action, what string) {
		r := rules[id]
		rows = append(rows, []string{action, what, pr.source(r), pr.networkHeld(r)})
	}
	counts := map[string]int{}
	for _, h := range p.Network.Hosts {
		held := rules[h.ID].Held == sdk.Enforced || p.disabled(policy.KindNetwork)
		if h.Group != "" && held && !pr.verbose {
			counts[string(h.Action)+" "+h.Group]++
			continue
		}
		row(h.ID, string(h.Action), hostname.Write(h.Host, h.Ports))
	}
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		action, group, _ := strings.Cut(key, " ")
		what := counted(counts[key], "host") + " by " + group
		rows = append(rows, []string{action, what, "(-v lists them)"})
	}
	for _, r := range p.Network.Ports {
		row(r.ID, string(r.Action), fmt.Sprint(r.Port))
	}
	if u := p.Network.Upstream; u != nil {
		row(u.ID, "upstream", u.URL)
		if len(u.Bypass) > 0 {
			rows = append(rows, []string{"", "but not for " + strings.Join(u.Bypass, " ")})
		}
	}
	for _, l := range p.Listeners {
		rows = append(rows, []string{
			string(l.Network) + " " + l.Dialled(), l.Name, "served by " + l.Layer,
		})
	}
	for _, d := range p.Dialers {
		ports := strings.Trim(fmt.Sprint(d.Ports), "[]")
		rows = append(rows, []string{"ports " + ports, "", "dialled by " + d.Layer})
	}
	pr.section("network", rows)
}

// networkHeld says how a rule is held, with -v; and always where it is not.
func (pr *printer) networkHeld(r plan.Rule) string {
	switch {
	case pr.plan.disabled(policy.KindNetwork):
		return ""
	case r.Held != sdk.Enforced:
		return strings.ToUpper(string(r.Held)) + ": " + r.Why
	case pr.verbose:
		return r.By
	}
	return ""
}
