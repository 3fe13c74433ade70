package session

import (
	"strconv"
	"sync"

	"github.com/nono-run/nono/core/store"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// EventTotal is what a credential layer calls the event by which it tells, in its Finish, all that
// it has counted of one credential. Its rule is the credential's, and its fields are numbers:
// requests; refused, those of them that it did not send on, or that did not reach the service; and
// the bytes of the bodies, sent and received. The log is folded and bounded, so a sum of its events
// is less.
const EventTotal = "credential.total"

// totals are what a credential layer has counted.
type totals struct {
	mu sync.Mutex
	of map[policy.RuleID]store.Requests
}

// add takes an event of a credential layer that was sent a policy. What does not say all is not a
// total.
func (t *totals) add(e sdk.Event, sent *policy.Policy) {
	if e.Name != EventTotal || sent == nil {
		return
	}
	for i := range sent.Credentials {
		c := &sent.Credentials[i]
		if c.ID != e.Rule {
			continue
		}
		told := store.Requests{Service: c.Service}
		for name, n := range map[string]*uint64{
			"requests": &told.Requests, "refused": &told.Refused,
			"sent": &told.Sent, "received": &told.Received,
		} {
			var err error
			if *n, err = strconv.ParseUint(e.Fields[name], 10, 64); err != nil {
				return
			}
		}
		t.mu.Lock()
		if t.of == nil {
			t.of = map[policy.RuleID]store.Requests{}
		}
		t.of[e.Rule] = told
		t.mu.Unlock()
	}
}

// list is what was told, in the policy's order.
func (t *totals) list(p *policy.Policy) []store.Requests {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []store.Requests
	for i := range p.Credentials {
		if told, ok := t.of[p.Credentials[i].ID]; ok {
			list = append(list, told)
		}
	}
	return list
}
