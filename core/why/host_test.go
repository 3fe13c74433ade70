package why_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/why"
	"github.com/nono-run/nono/sdk/hostname"
	"github.com/nono-run/nono/sdk/policy"
)

// reaching is a plan of a network; a rule is "action host" with a port or :*, or "action port".
func reaching(t *testing.T, rules ...string) *plan.Plan {
	t.Helper()
	p := &plan.Plan{}
	for i, rule := range rules {
		action, of, _ := strings.Cut(rule, " ")
		id := policy.RuleID(fmt.Sprintf("network.%s.%d", action, i))
		at := policy.Source{Origin: policy.OriginFile, File: "agent.hcl", Line: i + 1, Column: 1}
		if action == "loopback" || action == "listen" {
			port, err := hostname.Port(of)
			if err != nil {
				t.Fatal(err)
			}
			p.Network.Ports = append(p.Network.Ports, policy.PortRule{
				ID: id, Source: at, Action: policy.PortAction(action), Port: port,
			})
			continue
		}
		pattern, err := hostname.ParsePattern(of)
		if err != nil {
			t.Fatal(err)
		}
		ports := pattern.Ports
		if len(ports) == 0 && !pattern.Every {
			ports = hostname.UsualPorts()
		}
		p.Network.Hosts = append(p.Network.Hosts, policy.HostRule{
			ID: id, Source: at, Action: policy.HostAction(action), Host: pattern.Host, Ports: ports,
		})
	}
	return p
}

// inWords is an answer in a line: the verdict, the reason, the rule, the note, what changes it.
func inWords(a why.HostAnswer) string {
	s := fmt.Sprintf("%v: %s", a.Allowed, a.Why)
	if a.Rule != nil {
		s += fmt.Sprintf(" (%s by %s)", a.Rule.Says, a.Rule.Source)
	}
	if a.Note != "" {
		s += " [" + a.Note + "]"
	}
	for _, c := range a.Changes {
		s += " " + string(c.Do)
		if c.Rule != nil {
			s += " " + string(c.Rule.ID)
		} else {
			s += " " + c.Attribute + " " + c.Host
		}
	}
	return s
}

func TestAskHost(t *testing.T) {
	p := reaching(t, "allow a.example", "allow *.b.example:8443", "deny x.b.example:*",
		"allow ssh.example:22", "opaque ssh.example:22", "allow 10.0.0.0/8", "loopback 5432", "listen 3000",
		"deny *.c.example:*", "deny *.d.c.example:*")
	for question, want := range map[string]string{
		"a.example 443": "true: allowed (allow a.example:443,80 by agent.hcl:1:1)",
		"A.Example. 80": "true: allowed (allow a.example:443,80 by agent.hcl:1:1)",
		"a.example 22":  "false: allowed at other ports only (allow a.example:443,80 by agent.hcl:1:1) add allow a.example:22",
		"y.b.example 8443": "true: allowed (allow *.b.example:8443 by agent.hcl:2:1) " +
			"[TLS that names it, or HTTP; for anything else: --opaque-host y.b.example:8443]",
		"x.b.example 8443":    "false: denied (deny x.b.example:* by agent.hcl:3:1) remove network.deny.2",
		"x.b.example 443":     "false: denied (deny x.b.example:* by agent.hcl:3:1) remove network.deny.2 add allow x.b.example",
		"e.d.c.example 443":   "false: denied (deny *.d.c.example:* by agent.hcl:10:1) remove network.deny.9 remove network.deny.8 add allow e.d.c.example",
		"ssh.example 22":      "true: allowed (allow ssh.example:22 by agent.hcl:4:1) [it is opaque: nobody looks at what is spoken]",
		"unknown.example 443": "false: no rule allows it add allow unknown.example",
		"10.1.2.3 443":        "true: allowed (allow 10.0.0.0/8:443,80 by agent.hcl:6:1)",
		"localhost 5432":      "true: a service of the host's loopback (loopback 5432 by agent.hcl:7:1)",
		"127.0.0.1 3000":      "true: the agent's own, which the host's loopback reaches too (listen 3000 by agent.hcl:8:1)",
		"::1 6379":            "false: the loopback inside is the sandbox's own, and no rule leads to the host's add loopback 6379",
	} {
		host, port, _ := strings.Cut(question, " ")
		n, err := hostname.Port(port)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := why.AskHost(p, host, n)
		if err != nil {
			t.Errorf("%s: %v", question, err)
		}
		if got := inWords(answer); got != want {
			t.Errorf("%s\n got %s\nwant %s", question, got, want)
		}
	}
	if _, err := why.AskHost(p, "0x7f.1", 80); err == nil {
		t.Error("what is no host is answered for")
	}
}

// A metadata service is offered by its own address alone.
func TestAskSpecialAddress(t *testing.T) {
	answer, err := why.AskHost(reaching(t, "allow 0.0.0.0/0:*"), "169.254.169.254", 80)
	if err != nil || answer.Allowed || !strings.Contains(answer.Why, "metadata") {
		t.Errorf("%+v, %v", answer, err)
	}
	if len(answer.Changes) != 1 || answer.Changes[0].Host != "169.254.169.254" {
		t.Errorf("the changes are %+v", answer.Changes)
	}
}

func TestAskClosedAndOpen(t *testing.T) {
	answer, err := why.AskHost(&plan.Plan{}, "a.example", 443)
	const closed = "false: no rule allows it [nothing is reachable: the network is closed] add allow a.example"
	if got := inWords(answer); err != nil || got != closed {
		t.Errorf("%s, %v", got, err)
	}
	open := reaching(t, "deny a.example:*")
	flag := policy.Source{Origin: policy.OriginFlag, Flag: "--allow-net"}
	open.Disabled = []policy.Disabled{{Kind: policy.KindNetwork, Source: flag}}
	for _, host := range []string{"a.example", "127.0.0.1", "169.254.169.254"} {
		answer, err := why.AskHost(open, host, 443)
		if err != nil || !answer.Allowed || answer.Why != "no host is restricted: --allow-net" {
			t.Errorf("%s: %+v, %v", host, answer, err)
		}
	}
}
