package session

import (
	"maps"
	"slices"
	"testing"

	"github.com/nono-run/nono/core/store"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// What a layer tells is a total where it says all of it, of a credential that it was sent.
func TestTotals(t *testing.T) {
	p := &policy.Policy{Credentials: []policy.Credential{
		{ID: "credentials.a", Service: "a"},
		{ID: "credentials.b", Service: "b"},
		{ID: "credentials.c", Service: "c"},
	}}
	whole := map[string]string{"requests": "5", "refused": "2", "sent": "7", "received": "9"}
	with := func(name, value string) map[string]string {
		fields := maps.Clone(whole)
		fields[name] = value
		return fields
	}
	var all totals
	for _, e := range []sdk.Event{
		{Name: EventTotal, Rule: "credentials.b", Fields: whole},
		{Name: EventTotal, Rule: "credentials.a", Fields: with("requests", "6")},
		{Name: EventTotal, Rule: "credentials.c", Fields: with("sent", "-1")},
		{Name: EventTotal, Rule: "credentials.c", Fields: with("received", "")},
		{Name: "credential.used", Rule: "credentials.c", Fields: whole},
		{Name: EventTotal, Rule: "credentials.d", Fields: whole},
		{Name: EventTotal, Fields: whole},
	} {
		all.add(e, p)
	}
	all.add(sdk.Event{Name: EventTotal, Rule: "credentials.c", Fields: whole}, nil)
	want := []store.Requests{
		{Service: "a", Requests: 6, Refused: 2, Sent: 7, Received: 9},
		{Service: "b", Requests: 5, Refused: 2, Sent: 7, Received: 9},
	}
	if got := all.list(p); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
