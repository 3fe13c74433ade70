package session

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

func TestDenied(t *testing.T) {
	refused := func(host, port, why string) sdk.Event {
		fields := map[string]string{"host": host, "why": why}
		if port != "" {
			fields["port"] = port
		}
		return sdk.Event{Name: EventDenied, Fields: fields}
	}
	const none = "no rule allows it"
	times := func(e sdk.Event, n uint64) sdk.Event {
		e.Count = n
		return e
	}
	changing := func(e sdk.Event, change string) sdk.Event {
		e.Fields["change"] = change
		return e
	}
	many := make([]sdk.Event, 100)
	for i := range many {
		many[i] = refused(fmt.Sprintf("%d.example", i), "443", none)
	}
	p := plan.Plan{Session: "s1", Network: policy.Network{Hosts: []policy.HostRule{
		{
			ID: "network.allow.0", Action: policy.HostAllow, Host: "ok.example", Ports: []uint16{22, 443},
		},
		{
			ID: "network.deny.1", Action: policy.HostDeny, Host: "*.bad.example",
			Source: policy.Source{Origin: policy.OriginFile, File: "agent.hcl", Line: 7, Column: 3},
		},
	}}}
	for _, tt := range []struct {
		name   string
		events []sdk.Event
		want   []string
	}{
		{"nothing", nil, nil},
		{"another event", []sdk.Event{{Name: "network.allowed", Fields: map[string]string{"host": "x"}}}, nil},
		{
			"a host",
			[]sdk.Event{refused("a.example", "443", none)},
			[]string{
				"denied: a.example:443: no rule allows it; to allow it: `--allow-host a.example`",
			},
		},
		{
			"a port",
			[]sdk.Event{refused("ok.example", "8443", "allowed at other ports only")},
			[]string{"denied: ok.example:8443: allowed at other ports only; to allow it: " +
				"`--allow-host ok.example:8443`"},
		},
		{
			"a name that was looked up, and then asked for",
			[]sdk.Event{
				refused("a.example", "", none), refused("a.example", "22", none),
				times(refused("a.example", "", none), 3), times(refused("a.example", "22", none), 3),
			},
			[]string{"denied: a.example:22: no rule allows it, 4 times; to allow it: " +
				"`--allow-host a.example:22`"},
		},
		{
			"two ports",
			[]sdk.Event{refused("a.example", "1", none), refused("a.example", "2", none)},
			[]string{
				"denied: a.example:1: no rule allows it; to allow it: `--allow-host a.example:1`",
				"denied: a.example:2: no rule allows it; to allow it: `--allow-host a.example:2`",
			},
		},
		{
			"what a rule denies",
			[]sdk.Event{refused("x.bad.example", "443", "denied")},
			[]string{"denied: x.bad.example:443: denied; to allow it: take it out of " +
				"agent.hcl:7:3, and `--allow-host x.bad.example`"},
		},
		{
			"an address",
			[]sdk.Event{refused("10.0.0.5", "5432", "special"), refused("::2", "443", "special")},
			[]string{
				"denied: 10.0.0.5:5432: special; to allow it: `--allow-host 10.0.0.5:5432`",
				"denied: [::2]:443: special; to allow it: `--allow-host [::2]`",
			},
		},
		{
			"a service of the loopback",
			[]sdk.Event{refused("127.0.0.1", "5432", "special"), refused("localhost", "80", none)},
			[]string{
				"denied: 127.0.0.1:5432: special; to allow it: `--open-port 5432`",
				"denied: localhost:80: no rule allows it; to allow it: `--open-port 80`",
			},
		},
		{
			"what the layer knows better",
			[]sdk.Event{changing(refused("ok.example", "22", "neither TLS nor HTTP"),
				`opaque = ["ok.example:22"]`)},
			[]string{"denied: ok.example:22: neither TLS nor HTTP; to allow it: " +
				"`network { opaque = [\"ok.example:22\"] }`"},
		},
		{
			"what the policy allows",
			[]sdk.Event{refused("ok.example", "443", "the TLS handshake names another server")},
			[]string{"denied: ok.example:443: the TLS handshake names another server"},
		},
		{
			"what is no host, from the agent's own hands",
			[]sdk.Event{refused("evil\x1b[2J.example\n", "443", "not a name"), refused("a.example", "x", none)},
			[]string{
				`denied: evil\x1b[2J.example\x0a:443: not a name`, "denied: a.example:x: no rule allows it",
			},
		},
		{
			"more than anybody reads",
			many,
			append(func() (first []string) {
				for i := range mostShown {
					first = append(first, fmt.Sprintf(
						"denied: %d.example:443: no rule allows it; to allow it: `--allow-host %[1]d.example`", i))
				}
				return first
			}(), "denied: over 59 more; `nono logs s1` has all"),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var d denied
			for _, e := range tt.events {
				d.add(e)
			}
			if diff := cmp.Diff(tt.want, d.lines(&p)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What a layer says is bounded, whatever the agent made it say.
func TestDeniedIsBounded(t *testing.T) {
	var d denied
	long := strings.Repeat("x", 1<<20)
	d.add(sdk.Event{Name: EventDenied, Fields: map[string]string{"host": long, "why": long, "change": long}})
	for _, line := range d.lines(&plan.Plan{}) {
		if len(line) > 4*longestWord {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
}
