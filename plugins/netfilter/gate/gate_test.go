package gate_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/nono-run/nono/plugins/netfilter/gate"
	"github.com/nono-run/nono/plugins/netfilter/hello"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/egress"
	"github.com/nono-run/nono/sdk/fact"
	"github.com/nono-run/nono/sdk/policy"
)

// rules are those of most tests. What a rule is called, its events are told with.
var rules = policy.Policy{Network: policy.Network{
	Hosts: []policy.HostRule{
		{ID: "network.allow.0", Action: policy.HostAllow, Host: "ok.example", Ports: []uint16{443, 80}},
		{ID: "network.allow.1", Action: policy.HostAllow, Host: "*.ok.example", Ports: []uint16{443, 80}},
		{ID: "network.allow.2", Action: policy.HostAllow, Host: "10.1.0.0/16", Ports: []uint16{443, 80, 5432}},
		{ID: "network.deny.3", Action: policy.HostDeny, Host: "not.ok.example", Source: policy.Source{File: "agent.hcl", Line: 4, Column: 9}},
		{ID: "network.opaque.4", Action: policy.HostOpaque, Host: "db.ok.example"},
		{ID: "network.allow.5", Action: policy.HostAllow, Host: "bound.example", Ports: []uint16{443, 8443}},
	},
	Ports: []policy.PortRule{{ID: "network.loopback.6", Action: policy.PortLoopback, Port: 5432}},
}}

// opened is a gate whose names lead where leads says, and what it has told.
type opened struct {
	*gate.Gate
	told  []sdk.Event
	leads map[string]string

	mu    sync.Mutex // both families of addresses are asked for at once
	asked []string
}

func open(p *policy.Policy) *opened {
	o := &opened{leads: map[string]string{}}
	facts := []fact.Fact{fact.BoundHost{Service: "acme", Host: "bound.example", Port: 443}}
	o.Gate = gate.New(p, facts, &egress.Dialer{Resolver: o}, func(e sdk.Event) { o.told = append(o.told, e) })
	return o
}

// LookupNetIP implements egress.Resolver.
func (o *opened) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	o.mu.Lock()
	o.asked = append(o.asked, host)
	o.mu.Unlock()
	at, ok := o.leads[strings.TrimSuffix(host, ".")]
	if !ok || network != "ip4" {
		return nil, errors.New("no such name")
	}
	return []netip.Addr{netip.MustParseAddr(at)}, nil
}

// last is the event that was told last, in a line.
func (o *opened) last() string {
	if len(o.told) == 0 {
		return ""
	}
	e := o.told[len(o.told)-1]
	return strings.TrimSpace(strings.Join([]string{e.Name, e.Fields["host"], e.Fields["port"], string(e.Rule)}, " "))
}

func TestAdmit(t *testing.T) {
	for target, want := range map[string]string{
		"ok.example:443":        "network.allowed ok.example 443 network.allow.0",
		"OK.example.:80":        "network.allowed ok.example 80 network.allow.0",
		"a.b.ok.example:443":    "network.allowed a.b.ok.example 443 network.allow.1",
		"10.1.2.3:5432":         "network.allowed 10.1.2.3 5432 network.allow.2",
		"[::ffff:10.1.2.3]:80":  "network.allowed 10.1.2.3 80 network.allow.2",
		"localhost:5432":        "network.allowed localhost 5432 network.loopback.6",
		"127.0.0.1:5432":        "network.allowed 127.0.0.1 5432 network.loopback.6",
		"[::1]:5432":            "network.allowed ::1 5432 network.loopback.6",
		"bound.example:8443":    "network.allowed bound.example 8443 network.allow.5",
		"bound.example:443":     "network.denied bound.example 443",
		"not.ok.example:443":    "network.denied not.ok.example 443 network.deny.3",
		"ok.example:22":         "network.denied ok.example 22 network.allow.0",
		"evil.example:443":      "network.denied evil.example 443",
		"ok.example.evil:443":   "network.denied ok.example.evil 443",
		"10.2.0.1:443":          "network.denied 10.2.0.1 443",
		"169.254.169.254:80":    "network.denied 169.254.169.254 80",
		"127.0.0.1:6379":        "network.denied 127.0.0.1 6379",
		"127.0.0.2:5432":        "network.denied 127.0.0.2 5432",
		"0.0.0.0:5432":          "network.denied 0.0.0.0 5432",
		"[::ffff:7f00:1]:6379":  "network.denied 127.0.0.1 6379",
		"[fd00:ec2::254]:80":    "network.denied fd00:ec2::254 80",
		"localhost.example:443": "network.denied localhost.example 443",
	} {
		g := open(&rules)
		parsed, err := gate.ParseTarget(target)
		if err != nil {
			t.Errorf("%s: %v", target, err)
			continue
		}
		_, err = g.Admit(parsed)
		if g.last() != want || len(g.told) != 1 {
			t.Errorf("%s: told %q, want %q", target, g.last(), want)
		}
		if allowed := strings.HasPrefix(want, "network.allowed"); (err == nil) != allowed {
			t.Errorf("%s: %v", target, err)
		}
		if len(g.asked) > 0 {
			t.Errorf("%s: %q was resolved before it was decided", target, g.asked)
		}
	}
}

// A denial of an address beats the port of the loopback as it beats an allow.
func TestDenialBeatsLoopback(t *testing.T) {
	p := rules
	p.Network.Hosts = []policy.HostRule{{ID: "network.deny.0", Action: policy.HostDeny, Host: "127.0.0.1/32"}}
	g := open(&p)
	if _, err := g.Admit(gate.Target{Addr: netip.MustParseAddr("127.0.0.1"), Port: 5432}); err == nil {
		t.Errorf("admitted: %s", g.last())
	}
}

// Where an allowed name leads is decided too, once it is known.
func TestDial(t *testing.T) {
	for at, want := range map[string]string{
		"127.0.0.1":       "network.denied ok.example 443",
		"169.254.169.254": "network.denied ok.example 443",
		"192.168.1.1":     "network.denied ok.example 443",
		"10.2.0.1":        "network.denied ok.example 443",
	} {
		g := open(&rules)
		g.leads["ok.example"] = at
		pass, err := g.Admit(gate.Target{Name: "ok.example", Port: 443})
		if err != nil {
			t.Fatal(err)
		}
		_, err = pass.Dial(t.Context())
		var denied *gate.Denial
		if !errors.As(err, &denied) || g.last() != want || len(g.told) != 2 {
			t.Errorf("%s: %v, told %v", at, err, g.told)
		} else if !strings.Contains(denied.Text(), at) {
			t.Errorf("%s: the agent is told %s", at, denied.Text())
		}
		change := `allow = ["` + at + `"]`
		if at == "127.0.0.1" {
			change = "" // a port of the loopback is no host
		}
		if told := g.told[len(g.told)-1].Fields["change"]; told != change {
			t.Errorf("%s: what would allow it is %q", at, told)
		}
	}
}

// An address of this machine's own is no more the internet than its loopback is, and in a private
// network no neighbour, unless a rule names it.
func TestOwnAddress(t *testing.T) {
	for _, tt := range []struct {
		rule, addr string
		own, want  bool
	}{
		{"", "93.184.216.34", true, false},
		{"", "93.184.216.34", false, true},
		{"93.184.216.34/32", "93.184.216.34", true, true},
		{"0.0.0.0/0", "93.184.216.34", true, false},
		{"192.168.0.0/16", "192.168.1.7", true, false},
		{"192.168.0.0/16", "192.168.1.7", false, true},
		{"192.168.1.7/32", "192.168.1.7", true, true},
		{"127.0.0.0/8", "127.0.0.1", true, true}, // which is this machine, whoever asks
	} {
		var p policy.Policy
		if tt.rule != "" {
			p.Network.Hosts = []policy.HostRule{
				{ID: "network.allow.0", Action: policy.HostAllow, Host: tt.rule, Ports: []uint16{443}},
			}
		}
		g := open(&p)
		gate.SetOwn(g.Gate, map[bool]string{true: tt.addr}[tt.own])
		if err := gate.Permit(g.Gate, netip.MustParseAddr(tt.addr), 443); (err == nil) != tt.want {
			t.Errorf("%s, allowed by %q, own: %t: %v", tt.addr, tt.rule, tt.own, err)
		}
	}
}

func TestKnown(t *testing.T) {
	g := open(&rules)
	for name, want := range map[string]bool{
		"ok.example": true, "a.ok.example": true, "bound.example": true, "not.ok.example": false,
		"evil.example": false, "localhost": false, "OK.example": false, "": false,
	} {
		if got := g.Known(name); got != want {
			t.Errorf("%q is known: %t", name, got)
		}
		if told := strings.HasPrefix(g.last(), strings.TrimSpace("network.denied "+name)); told == want {
			t.Errorf("%q: told %q", name, g.last())
		}
		g.told = nil
	}
	every := policy.Policy{Network: policy.Network{Hosts: []policy.HostRule{{Action: policy.HostAllow, Host: "any.example"}}}}
	if !open(&every).Known("any.example") {
		t.Error("a name that is allowed at every port is not known")
	}
}

func TestBegins(t *testing.T) {
	name, address := gate.Target{Name: "ok.example", Port: 443}, gate.Target{Addr: netip.MustParseAddr("10.1.2.3"), Port: 443}
	for _, test := range []struct {
		target gate.Target
		first  hello.First
		denied string // what the reason holds; empty: it is not
	}{
		{name, hello.HTTP{}, ""},
		{name, hello.TLS{ServerName: "ok.example"}, ""},
		{name, hello.TLS{ServerName: "OK.Example."}, ""},
		{name, hello.TLS{ServerName: "a.ok.example"}, "another server"},
		{name, hello.TLS{ServerName: "evil.example"}, "another server"},
		{name, hello.TLS{ServerName: "10.1.2.3"}, "another server"},
		{name, hello.TLS{ServerName: "ok.example\x00.evil"}, "no such name"},
		{name, hello.TLS{}, "names no server"},
		{name, hello.TLS{ServerName: "ok.example", ECH: true}, "encrypted"},
		{name, hello.HTTP2{}, "HTTP/2"},
		{name, hello.Other{What: "neither TLS nor HTTP"}, "neither"},
		{name, hello.Silence{}, "speaks first"},
		{address, hello.TLS{}, ""},
		{address, hello.TLS{ServerName: "10.1.2.3"}, ""},
		{address, hello.TLS{ServerName: "ok.example"}, ""},
		{address, hello.TLS{ServerName: "evil.example"}, "another server"},
		{address, hello.TLS{ServerName: "bound.example"}, "another server"},
		{address, hello.TLS{ECH: true}, "encrypted"},
		{address, hello.HTTP{}, ""},
	} {
		g := open(&rules)
		pass, err := g.Admit(test.target)
		if err != nil {
			t.Fatal(err)
		}
		err = pass.Begins(test.first)
		var denied *gate.Denial
		switch {
		case test.denied == "" && err != nil:
			t.Errorf("%s, %#v: %v", test.target, test.first, err)
		case test.denied != "" && (!errors.As(err, &denied) || !strings.Contains(denied.Why, test.denied) || len(g.told) != 2):
			t.Errorf("%s, %#v: %v, told %v", test.target, test.first, err, g.told)
		case err != nil && g.told[1].Fields["change"] != `opaque = ["`+test.target.Host()+`"]`:
			t.Errorf("%s, %#v: what would allow it: %v", test.target, test.first, g.told[1].Fields)
		}
	}
}

func TestMeans(t *testing.T) {
	g := open(&rules)
	pass, err := g.Admit(gate.Target{Name: "ok.example", Port: 80})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"ok.example": true, "OK.example.:80": true, "ok.example:443": false, "a.ok.example": false,
		"evil.example": false, "ok.example@evil.example": false, "": false, "ok.example:80:80": false,
		"10.1.2.3": false, "[::1]": false, "ok.example:": false, "ok.example:080": false,
	} {
		if err := pass.Means(host); (err == nil) != want {
			t.Errorf("%q: %v", host, err)
		}
	}
	// The host in the header was not asked for: to allow it would change nothing.
	for _, e := range g.told {
		if e.Fields["host"] != "ok.example" || e.Fields["port"] != "80" || e.Fields["change"] != "" {
			t.Errorf("told is %s of %v", e.Name, e.Fields)
		}
	}
	_ = pass.Means("evil.example\x1b" + strings.Repeat("a", 10000))
	why := g.told[len(g.told)-1].Fields["why"]
	if !strings.Contains(why, "evil.example") || strings.Contains(why, "\x1b") || len(why) > 500 {
		t.Errorf("told is %q", why)
	}
}

// What the agent is told says what was denied, by which line, what would allow it, and that it is
// no use to try again.
func TestWords(t *testing.T) {
	g := open(&rules)
	for target, want := range map[string]string{
		"evil.example:443":   `network { allow = ["evil.example"] }, or --allow-host evil.example`,
		"evil.example:8443":  `network { allow = ["evil.example:8443"] }, or --allow-host evil.example:8443`,
		"ok.example:22":      `allow = ["ok.example:22"]`,
		"[2001:db8::1]:22":   `allow = ["[2001:db8::1]:22"]`,
		"localhost:6379":     `network { loopback = [6379] }, or --open-port 6379`,
		"not.ok.example:443": "The rule: deny not.ok.example:* (agent.hcl:4:9)",
		"bound.example:443":  "the credential acme only",
	} {
		parsed, err := gate.ParseTarget(target)
		if err != nil {
			t.Fatal(err)
		}
		_, err = g.Admit(parsed)
		var denied *gate.Denial
		if !errors.As(err, &denied) {
			t.Errorf("%s: %v", target, err)
			continue
		}
		text := denied.Text()
		for _, part := range []string{target, want, "Retrying will not help"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s: %q is missing in:\n%s", target, part, text)
			}
		}
	}
	if text := g.Refuse("evil\x1b[2J\x00.example", "it is none").Text(); strings.ContainsAny(text, "\x1b\x00") ||
		strings.ContainsAny(g.told[len(g.told)-1].Fields["host"], "\x1b\x00") {
		t.Errorf("control characters pass: %q", text)
	}
	if text := g.Refuse("", "it is empty").Text(); !strings.HasPrefix(text, "nono: a request without a host is denied") {
		t.Errorf("nothing that was asked for: %s", text)
	}
	if long := g.Refuse(strings.Repeat("a", 10000), "it is none"); len(long.Text()) > 1000 || len(g.told[len(g.told)-1].Fields["host"]) > 255 {
		t.Errorf("what the agent says is told at its whole length: %s", long.Text())
	}
}
