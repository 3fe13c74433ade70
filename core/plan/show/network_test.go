package show_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/core/plan/show"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// networked is a run with a network, held by a layer of this name.
func networked(layer string, builtIn bool, n policy.Network) plan.Input {
	in := plantest.Input(plantest.Machine())
	in.Policy.Network = n
	filter := plan.Share{
		Layer: plan.Layer{
			Kind: policy.KindNetwork, Name: layer, Version: "1.0.0", BuiltIn: builtIn, Why: "needed",
		},
		Response: &sdk.PlanResponse{},
	}
	for _, r := range in.Policy.Rules() {
		if r.ID.Kind() == policy.KindNetwork {
			filter.Response.Coverage = append(filter.Response.Coverage,
				sdk.Coverage{Rule: r.ID, Held: sdk.Enforced, By: "a proxy inside"})
		}
	}
	in.Layers = append(in.Layers, filter)
	return in
}

func host(id string, action policy.HostAction, name, group string, ports ...uint16) policy.HostRule {
	return policy.HostRule{
		ID: policy.RuleID("network." + id), Source: plantest.At(20), Action: action, Host: name,
		Ports: ports, Group: group,
	}
}

// rich is a network with something of everything.
func rich() policy.Network {
	n := policy.Network{
		Hosts: []policy.HostRule{
			host("allow.0", policy.HostAllow, "api.example.com", "", 443, 80),
			host("allow.1", policy.HostAllow, "10.0.0.1/32", "", 22),
			host("deny.0", policy.HostDeny, "*.bad.example", ""),
			host("opaque.0", policy.HostOpaque, "10.0.0.1/32", "", 22),
			host("deny.1", policy.HostDeny, "x.example", "profile mine"),
		},
		Ports: []policy.PortRule{
			{ID: "network.loopback.0", Source: plantest.At(21), Action: policy.PortLoopback, Port: 5432},
			{ID: "network.listen.0", Source: plantest.At(22), Action: policy.PortListen, Port: 3000},
		},
		Upstream: &policy.Upstream{
			ID: "network.upstream.0", Source: plantest.At(23), URL: "http://proxy.example:3128",
			Bypass: []string{"*.corp.example"},
		},
	}
	for i := range 16 {
		n.Hosts = append(n.Hosts, host(fmt.Sprint("allow.", i+2), policy.HostAllow,
			fmt.Sprintf("m%d.example", i), "profile minimal", 443, 80))
	}
	return n
}

func TestNetworkInTheStartLine(t *testing.T) {
	one := func(hosts ...policy.HostRule) policy.Network { return policy.Network{Hosts: hosts} }
	many := one()
	for i := range 5 {
		many.Hosts = append(many.Hosts,
			host(fmt.Sprint("allow.", i), policy.HostAllow, fmt.Sprintf("h%d.example", i), "", 443, 80))
	}
	for want, in := range map[string]plan.Input{
		"network closed;": plantest.Input(plantest.Machine()),
		"network: 16 hosts by profile minimal, api.example.com, 10.0.0.1:22, loopback 5432, " +
			"listens at 3000, by way of http://proxy.example:3128;": networked("netfilter", true, rich()),
		"network: 1 host by group one;": networked("netfilter", true,
			one(host("allow.0", policy.HostAllow, "a.example", "group one", 443, 80))),
		"network: h0.example, h1.example, h2.example, 2 more hosts;": networked("netfilter", true, many),
		"network: a.example:* through acme/egress;": networked("acme/egress", false,
			one(host("allow.0", policy.HostAllow, "a.example", ""))),
	} {
		if line := show.Summary(plantest.Make(t, in)); !strings.Contains(line, want) {
			t.Errorf("%q is not in\n%s", want, line)
		}
	}
}

// Rules that were written are listed with their lines, and what a list brings is counted.
func TestPrintNetwork(t *testing.T) {
	p := plantest.Make(t, networked("netfilter", true, rich()))
	var short, long strings.Builder
	if err := show.Print(&short, p, false, false); err != nil {
		t.Fatal(err)
	}
	if err := show.Print(&long, p, true, false); err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(short.String(), "\nnetwork\n")
	section, _, _ = strings.Cut(section, "\n\n")
	const want = `  what is named here, and nothing else
  allow             api.example.com              agent.hcl:20:3
  allow             10.0.0.1:22                  agent.hcl:20:3
  deny              *.bad.example:*              agent.hcl:20:3
  opaque            10.0.0.1:22                  agent.hcl:20:3
  allow             16 hosts by profile minimal  (-v lists them)
  deny              1 host by profile mine       (-v lists them)
  loopback          5432                         agent.hcl:21:3
  listen            3000                         agent.hcl:22:3
  upstream          http://proxy.example:3128    agent.hcl:23:3
                    but not for *.corp.example
  udp 127.0.0.1:53  names                        served by nono`
	if section != want {
		t.Errorf("got\n%s\nwant\n%s", section, want)
	}
	if !strings.Contains(long.String(), "m15.example") || !strings.Contains(long.String(), "a proxy inside") {
		t.Errorf("with -v it is\n%s", long.String())
	}
}

// What is said of a network in which nothing is reachable is held by there being none.
func TestClosedNetworkHoldsDenials(t *testing.T) {
	in := plantest.Input(plantest.Machine())
	in.Policy.Network = rich()
	in.Policy.Network.Ports = nil
	closed := in.Policy.Network.Hosts[2:4]
	in.Policy.Network.Hosts = closed
	for _, r := range plantest.Make(t, in).Rules {
		if r.ID.Kind() == policy.KindNetwork && (r.Held != sdk.Enforced || !r.Required) {
			t.Errorf("%+v", r)
		}
	}
	// The control: what would be reached is held by nobody.
	in.Policy.Network.Hosts = rich().Hosts[:3]
	if got := plantest.Refused(t, in); !strings.Contains(got, "no network layer runs") {
		t.Error(got)
	}
}
