package show

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/events"
	"github.com/nono-run/nono/core/store"
	"github.com/nono-run/nono/sdk"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

var printer = Printer{Home: "/home/ada", Now: noon.Add(time.Hour), Zone: time.UTC}

func code(n int) *int { return &n }

// hostile is what a terminal would act on.
const hostile = "\x1b[2J\u202e\n"

func whole() store.Entry {
	return store.Entry{
		ID: "k3v9qapzw2", State: store.Finished, Path: "/home/ada/.local/state/nono/sessions/k3v9qapzw2",
		Record: &store.Record{
			Nono: "0.1.0", Name: "nightly", Created: noon, Started: noon, Ended: noon.Add(90 * time.Second),
			Dir: "/home/ada/proj", Command: []string{"sh", "-c", "echo " + hostile},
			Files: []store.File{{Path: "/home/ada/proj/agent.hcl"}}, Trees: []string{"/home/ada/proj"}, Tier: sdk.TierA,
			Layers: []store.Layer{
				{Kind: "filesystem", Name: "landlock", Version: "1.0.0"},
				{Kind: "custom", Name: "acme/egress", Version: "2.1.0", Owed: true},
				{Kind: "credentials", Name: "credproxy", Version: "1.0.0"},
			},
			Services:  []string{"openai" + hostile, "github"},
			Secrets:   []string{"DEPLOY_TOKEN from keyring://deploy" + hostile},
			Processes: []store.Process{{Is: "nono", PID: 42}},
			Events:    &events.Chain{Count: 12},
			End: &store.End{
				Reason: sdk.EndExited, ExitCode: code(143), Agent: &store.Exit{Signal: 15},
				Report: []string{"egress: 3 requests" + hostile},
				Credentials: []store.Requests{
					{Service: "openai" + hostile, Requests: 12, Refused: 2, Sent: 340, Received: 5600},
					{Service: "github"},
				},
			},
		},
	}
}

func TestSession(t *testing.T) {
	const want = `session    k3v9qapzw2
name       nightly
state      finished: exited, by SIGTERM, exit code 143
began      2026-11-26 12:00:00
took       1m30s
directory  ~/proj
command    sh -c $'echo \x1b[2J\xe2\x80\xae\x0a'
policy     ~/proj/agent.hcl
writes     ~/proj
real key   inside, in the variable DEPLOY_TOKEN from keyring://deploy\x1b[2J\u202e\x0a
tier       A
layer      landlock 1.0.0 (filesystem)
layer      acme/egress 2.1.0 (custom), has not cleaned up
layer      credproxy 1.0.0 (credentials)
report     egress: 3 requests\x1b[2J\u202e\x0a
requests   openai\x1b[2J\u202e\x0a: 12, of which 2 refused; 340 bytes sent, 5600 received
requests   github: 0, of which 0 refused; 0 bytes sent, 0 received
log        12 events
nono       0.1.0
stored in  ~/.local/state/nono/sessions/k3v9qapzw2
`
	var got strings.Builder
	if err := printer.Session(&got, whole()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Of a session that is over, and whose keys a layer had, it is said that nobody told the totals.
func TestRequestsNotKnown(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*store.Entry)
		want   bool
	}{
		"the layer was killed": {func(*store.Entry) {}, true},
		"core was killed":      {func(e *store.Entry) { e.Record.End = &store.End{Reason: sdk.EndCoreLost} }, true},
		"live":                 {func(e *store.Entry) { e.State, e.Record.End = store.Live, nil }, false},
		"never began":          {func(e *store.Entry) { e.Record.End.Reason = sdk.EndStartFailed }, false},
		"no key":               {func(e *store.Entry) { e.Record.Services = nil }, false},
	} {
		e := whole()
		e.Record.End.Credentials = nil
		test.change(&e)
		var got strings.Builder
		if err := printer.Session(&got, e); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(got.String(), "requests   not known") != test.want {
			t.Errorf("%s:\n%s", name, &got)
		}
	}
}

func TestList(t *testing.T) {
	with := func(state store.State, change func(*store.Record)) store.Entry {
		e := whole()
		e.State, e.Record.Command = state, []string{"true"}
		change(e.Record)
		return e
	}
	list := []store.Entry{
		with(store.Live, func(r *store.Record) { r.End = nil }),
		with(store.Dead, func(r *store.Record) { r.End, r.Ended = nil, time.Time{} }),
		with(store.Finished, func(*store.Record) {}),
		with(store.Finished, func(r *store.Record) { r.End = &store.End{Reason: sdk.EndCoreLost} }),
		with(store.Finished, func(r *store.Record) {
			r.Started, r.End = time.Time{}, &store.End{Reason: sdk.EndStartFailed, ExitCode: code(125)}
		}),
		with(store.Finished, func(r *store.Record) {
			r.Ended, r.Command = noon.Add(2*time.Millisecond), []string{strings.Repeat("x", 100)}
		}),
		{ID: "broken", State: store.Finished, Err: errors.New("no")},
	}
	const want = `ID          NAME     STATE           BEGAN                TOOK    DIRECTORY  COMMAND
k3v9qapzw2  nightly  live            2026-11-26 12:00:00  1h0m0s  ~/proj     true
k3v9qapzw2  nightly  dead            2026-11-26 12:00:00  -       ~/proj     true
k3v9qapzw2  nightly  ended with 143  2026-11-26 12:00:00  1m30s   ~/proj     true
k3v9qapzw2  nightly  core lost       2026-11-26 12:00:00  1m30s   ~/proj     true
k3v9qapzw2  nightly  start failed    2026-11-26 12:00:00  -       ~/proj     true
k3v9qapzw2  nightly  ended with 143  2026-11-26 12:00:00  2ms     ~/proj     xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...
broken      -        finished        -                    -       -          cannot be read
`
	var got strings.Builder
	if err := printer.List(&got, list); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEvent(t *testing.T) {
	for want, e := range map[string]events.Event{
		"2026-11-26 12:00:00.000 core began": {Count: 1, Layer: "core", Name: "began"},
		`2026-11-26 12:00:00.000 x n a=b c='d e' (network.deny.0), 3 times until 12:00:09.000`: {
			Count: 3, Until: noon.Add(9 * time.Second), Layer: "x", Name: "n", Rule: "network.deny.0",
			Fields: map[string]string{"c": "d e", "a": "b"},
		},
		`2026-11-26 12:00:00.000 x\x1b[2J\u202e\x0a n a=$'\x1b[2J\xe2\x80\xae\x0a' (a.hcl:1:2\x1b[2J\u202e\x0a)`: {
			Count: 1, Layer: "x" + hostile, Name: "n", Rule: "r", Source: "a.hcl:1:2" + hostile,
			Fields: map[string]string{"a": hostile},
		},
	} {
		e.Time = noon
		if got := printer.Event(events.Record{Event: e}); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
