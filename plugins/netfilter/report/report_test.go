package report_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/plugins/netfilter/report"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// began is when the session's first event was.
var began = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func told(second int, name string, count uint64, rule policy.RuleID, host, port, why string) sdk.StoredEvent {
	e := sdk.StoredEvent{
		Time:  began.Add(time.Duration(second) * time.Second),
		Event: sdk.Event{Name: name, Count: count, Rule: rule, Fields: map[string]string{"host": host, "why": why}},
	}
	if port != "" {
		e.Event.Fields["port"] = port
	}
	return e
}

// events are those of a session, and rules its policy.
var (
	events = []sdk.StoredEvent{
		told(0, "network.allowed", 0, "network.allow.0", "api.example.com", "443", "allowed"),
		told(1, "network.denied", 0, "", "evil.example", "443", "no rule allows it"),
		told(2, "network.denied", 4, "", "evil.example", "443", "no rule allows it"),
		told(3, "network.allowed", 1, "network.allow.0", "api.example.com", "443", "allowed"),
		told(4, "network.denied", 0, "", "evil\x1b[2J.example", "", "it is none"),
		told(5, "something.else", 0, "", "x", "", ""),
	}
	rules = policy.Policy{Network: policy.Network{Hosts: []policy.HostRule{{
		ID: "network.allow.0", Action: policy.HostAllow, Host: "api.example.com",
		Source: policy.Source{Origin: policy.OriginFile, File: "agent.hcl", Line: 4, Column: 12},
	}}}}
)

func TestTable(t *testing.T) {
	var out strings.Builder
	if err := report.Table(&out, report.Of(events, &rules)); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		`DECISION  HOST                 PORT  TIMES  LINE            WHY`,
		`allowed   api.example.com      443   2      agent.hcl:4:12  `,
		`denied    evil.example         443   5      -               no rule allows it`,
		`denied    evil\x1b[2J.example  -     1      -               it is none`,
		``,
	}, "\n")
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	out.Reset()
	if err := report.Table(&out, report.Of(nil, &rules)); err != nil || out.String() != "nothing was asked of the network\n" {
		t.Errorf("without events: %q, %v", out.String(), err)
	}
}

func TestJSON(t *testing.T) {
	var out strings.Builder
	if err := report.JSON(&out, report.Of(events, &rules)); err != nil {
		t.Fatal(err)
	}
	var got []report.Entry
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatal(err)
	}
	want := report.Entry{
		Decision: "allowed", Host: "api.example.com", Port: "443", Why: "allowed", Rule: "network.allow.0",
		Source: "agent.hcl:4:12", Count: 2, First: began, Last: began.Add(3 * time.Second),
	}
	if len(got) != 3 || got[0] != want {
		t.Errorf("got %+v, want first %+v", got, want)
	}
	out.Reset()
	if err := report.JSON(&out, report.Of(nil, &rules)); err != nil || out.String() != "[]\n" {
		t.Errorf("without events: %q, %v", out.String(), err)
	}
}
