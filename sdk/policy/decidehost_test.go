package policy_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/nono-run/nono/sdk/policy"
)

// hosts makes rules of lines such as "allow *.example.com:443,80"; without ports, for every one.
func hosts(lines ...string) policy.Policy {
	var p policy.Policy
	for i, line := range lines {
		action, host, _ := strings.Cut(line, " ")
		r := policy.HostRule{
			ID:     policy.RuleID(fmt.Sprintf("network.%s.%d", action, i)),
			Source: policy.Source{Origin: policy.OriginFile, File: "agent.hcl", Line: i + 1, Column: 1},
			Action: policy.HostAction(action),
		}
		r.Host, host, _ = strings.Cut(host, " ")
		for port := range strings.SplitSeq(host, ",") {
			var n uint16
			if _, err := fmt.Sscan(port, &n); err == nil {
				r.Ports = append(r.Ports, n)
			}
		}
		p.Network.Hosts = append(p.Network.Hosts, r)
	}
	return p
}

func ExampleDecider_Host() {
	p := policy.Policy{Network: policy.Network{Hosts: []policy.HostRule{
		{
			Source: policy.Source{Origin: policy.OriginFile, File: "agent.hcl", Line: 4, Column: 12},
			Action: policy.HostAllow, Host: "*.example.com", Ports: []uint16{443},
		},
		{
			Source: policy.Source{Origin: policy.OriginFlag, Flag: "--deny-host evil.example.com"},
			Action: policy.HostDeny, Host: "evil.example.com",
		},
	}}}
	decide := policy.NewDecider(&p)
	for _, name := range []string{"api.example.com", "evil.example.com", "example.com"} {
		d := decide.Host(name, 443)
		fmt.Println(d.Allowed, d.Why)
	}
	// Output:
	// true allowed
	// false denied
	// false no rule allows it
}

func TestHost(t *testing.T) {
	t.Parallel()
	p := hosts(
		"allow api.example.com 443,80", "allow *.corp.example 8443", "deny secret.corp.example",
		"deny *.lab.corp.example", "opaque ssh.example.com", "allow ssh.example.com 22",
		"allow x.lab.corp.example 443", "frobnicate odd.example", "allow odd.example",
	)
	decide := policy.NewDecider(&p)
	for ask, want := range map[string]string{
		"api.example.com 443":        "true allowed 0",
		"api.example.com 22":         "false allowed at other ports only 0",
		"example.com 443":            "false no rule allows it -",
		"xapi.example.com 443":       "false no rule allows it -",
		"a.api.example.com 443":      "false no rule allows it -",
		"a.corp.example 8443":        "true allowed 1",
		"a.b.corp.example 8443":      "true allowed 1",
		"corp.example 8443":          "false no rule allows it -",
		"notcorp.example 8443":       "false no rule allows it -",
		"secret.corp.example 8443":   "false denied 2",
		"a.secret.corp.example 8443": "true allowed 1",
		"x.lab.corp.example 443":     "false denied 3",
		"ssh.example.com 22":         "true allowed opaque 5",
		"odd.example 443":            "false denied 7",
		"API.example.com 443":        "false not a name in its plain form -",
		"api.example.com. 443":       "false not a name in its plain form -",
		"10.0.0.1 443":               "false not a name in its plain form -",
	} {
		var port uint16
		name, rest, _ := strings.Cut(ask, " ")
		_, _ = fmt.Sscan(rest, &port)
		if got := said(decide.Host(name, port)); got != want {
			t.Errorf("%s: %s, want %s", ask, got, want)
		}
	}
}

// said is a decision in a line, with the number of its rule.
func said(d policy.HostDecision) string {
	rule := "-"
	if d.Rule != nil {
		rule = fmt.Sprint(d.Rule.Source.Line - 1)
	}
	why := d.Why
	if d.Opaque {
		why += " opaque"
	}
	return fmt.Sprint(d.Allowed, " ", why, " ", rule)
}

func TestAddress(t *testing.T) {
	t.Parallel()
	p := hosts(
		"allow 0.0.0.0/0 443", "allow 10.1.0.0/16 443", "deny 10.1.2.0/24", "deny 93.184.0.0/16",
		"allow 169.254.0.0/16", "allow 192.168.0.0/15 443", "allow 127.0.0.1/32 5432",
	)
	decide := policy.NewDecider(&p)
	metadata := hosts("allow 169.254.169.254/32 80")
	six := hosts("allow ::/0 443", "allow ::/1 443", "allow 4000::/16 443")
	for _, c := range []struct {
		decide            *policy.Decider
		ask               string
		literal, resolved bool
	}{
		{decide, "1.1.1.1 443", true, true},
		{decide, "1.1.1.1 80", false, true}, // where a name's owner put it
		{decide, "10.1.1.1 443", true, true},
		{decide, "10.2.1.1 443", false, false},   // all of the internet is not the private network
		{decide, "10.1.2.1 443", false, false},   // denied
		{decide, "10.1.1.1 22", false, false},    // another port
		{decide, "93.184.1.1 443", false, false}, // denied
		{decide, "169.254.1.1 80", true, true},
		{decide, "169.254.169.254 80", false, false}, // named by no rule of its own
		{decide, "::ffff:169.254.169.254 80", false, false},
		{decide, "168.63.129.16 443", false, false},
		{decide, "192.168.1.1 443", false, false}, // a range larger than the special one
		{decide, "127.0.0.1 5432", true, true},
		{decide, "127.0.0.1 5433", false, false},
		{decide, "::1 5432", false, false},
		{decide, "2606:4700::1 443", false, true},
		{policy.NewDecider(&six), "2606:4700::1 443", true, true},
		{policy.NewDecider(&six), "4000::1 443", true, true},
		{policy.NewDecider(&six), "200::1 443", false, false}, // not given out, as networks that overlay one
		{policy.NewDecider(&six), "::ffff:0:7f00:1 443", false, false},
		{policy.NewDecider(&six), "fd00::1 443", false, false},
		{policy.NewDecider(&metadata), "169.254.169.254 80", true, true},
		{policy.NewDecider(&metadata), "169.254.169.253 80", false, false},
		{policy.NewDecider(&policy.Policy{}), "1.1.1.1 443", false, true},
		{policy.NewDecider(&policy.Policy{}), "127.0.0.1 443", false, false},
	} {
		var port uint16
		text, rest, _ := strings.Cut(c.ask, " ")
		_, _ = fmt.Sscan(rest, &port)
		addr := netip.MustParseAddr(text)
		if got := c.decide.Literal(addr, port); got.Allowed != c.literal {
			t.Errorf("%s as asked for: %s", c.ask, said(got))
		}
		if got := c.decide.Resolved(addr, port); got.Allowed != c.resolved {
			t.Errorf("%s as resolved: %s", c.ask, said(got))
		}
	}
	if d := decide.Resolved(netip.Addr{}, 443); d.Allowed {
		t.Error("no address is allowed")
	}
}

// Nothing that a rule says is lost in the index: a name is allowed exactly if some rule allows it
// and none denies it, whatever their order.
func TestHostAnswersAsOnePassOverAllRules(t *testing.T) {
	t.Parallel()
	labels := rapid.SampledFrom([]string{"a", "b", "c"})
	name := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(labels, 1, 4).Draw(t, "labels"), ".")
	})
	rapid.Check(t, func(t *rapid.T) {
		var p policy.Policy
		for i := range rapid.IntRange(0, 8).Draw(t, "rules") {
			r := policy.HostRule{
				ID: policy.RuleID(fmt.Sprint("network.", i)),
				Action: rapid.SampledFrom([]policy.HostAction{
					policy.HostAllow, policy.HostDeny, policy.HostOpaque, "",
				}).Draw(t, "action"),
				Host:  rapid.SampledFrom([]string{"", "*."}).Draw(t, "below") + name.Draw(t, "host"),
				Ports: rapid.SliceOfN(rapid.Uint16Range(1, 3), 0, 2).Draw(t, "ports"),
			}
			p.Network.Hosts = append(p.Network.Hosts, r)
		}
		ask, port := name.Draw(t, "ask"), rapid.Uint16Range(1, 3).Draw(t, "port")
		var allowed, denied, opaque bool
		for _, r := range p.Network.Hosts {
			suffix, below := strings.CutPrefix(r.Host, "*")
			if below && !strings.HasSuffix(ask, suffix) || !below && ask != r.Host {
				continue
			}
			if len(r.Ports) > 0 && !strings.Contains(fmt.Sprint(r.Ports), fmt.Sprint(port)) {
				continue
			}
			switch r.Action {
			case policy.HostAllow:
				allowed = true
			case policy.HostOpaque:
				opaque = true
			case policy.HostDeny:
				denied = true
			default: // what nobody knows denies
				denied = true
			}
		}
		got := policy.NewDecider(&p).Host(ask, port)
		if got.Allowed != (allowed && !denied) || got.Opaque != (got.Allowed && opaque) {
			t.Fatalf("%s:%d: %+v, and %+v", ask, port, got, p.Network.Hosts)
		}
	})
}
