package credproxy

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nono-run/nono/plugins/credproxy/proxy"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// What is told of requests.
const (
	eventUsed    = "credential.used"
	eventRefused = "credential.refused"
	eventTotal   = "credential.total"
)

const (
	// longestTold is how much of a path or a method is told. The agent chose both.
	longestTold = 200
	// together is how long requests are counted that are like one which was told.
	together = time.Second
	// mostKinds is how many kinds of request are counted at a time. Of more each request is told.
	mostKinds = 1000
)

// teller tells of requests. The first of its kind is told when it is over. Those that are like it
// and follow within a second are told at the second's end in one event, which says how many they
// were: to tell of a request costs more than half of what the request itself does.
type teller struct {
	tell func(sdk.Event) error

	mu    sync.Mutex
	kinds map[kind]*sum

	totals []*total // of each credential
}

// total is all that there was of one credential.
type total struct {
	rule                              policy.RuleID
	service                           string
	requests, refused, sent, received atomic.Int64
}

// kind is in what requests are alike.
type kind struct {
	rule                           policy.RuleID
	service, method, path, refused string
	status                         int
}

// sum is what requests of a kind come to, and when they are told.
type sum struct {
	requests, sent, received int64
	took                     time.Duration // the longest
	timer                    *time.Timer
}

func newTeller(tell func(sdk.Event) error, credentials []policy.Credential) *teller {
	t := &teller{tell: tell, kinds: map[kind]*sum{}}
	for i := range credentials {
		c := &credentials[i]
		t.totals = append(t.totals, &total{rule: c.ID, service: c.Service})
	}
	return t
}

// of tells of the requests of one credential.
func (t *teller) of(rule policy.RuleID) func(proxy.Request) {
	at := slices.IndexFunc(t.totals, func(all *total) bool { return all.rule == rule })
	return func(r proxy.Request) {
		t.totals[at].add(r)
		k := kind{rule, r.Service, short(r.Method), short(r.Path), r.Refused, r.Status}
		one := sum{requests: 1, sent: r.Sent, received: r.Received, took: r.Took}
		if !t.counted(k, one) {
			t.event(k, one)
		}
	}
}

// short is what is told of a text. It keeps nothing of the rest in memory.
func short(text string) string {
	if len(text) <= longestTold {
		return strings.Clone(text)
	}
	return text[:longestTold] + "..."
}

// counted counts a request that is like one which was told; false where this is the first.
func (t *teller) counted(k kind, one sum) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.kinds[k]; s != nil {
		s.requests += one.requests
		s.sent += one.sent
		s.received += one.received
		s.took = max(s.took, one.took)
		return true
	}
	if len(t.kinds) < mostKinds {
		t.kinds[k] = &sum{timer: time.AfterFunc(together, func() { t.due(k) })}
	}
	return false
}

// due tells what was counted of a kind. Where that is nothing, the next one is a first again.
func (t *teller) due(k kind) {
	t.mu.Lock()
	s := t.kinds[k]
	switch {
	case s == nil:
	case s.requests == 0:
		delete(t.kinds, k)
		s = nil
	default:
		t.kinds[k] = &sum{timer: time.AfterFunc(together, func() { t.due(k) })}
	}
	t.mu.Unlock()
	if s != nil {
		t.event(k, *s)
	}
}

// rest tells all that was counted, at the end.
func (t *teller) rest() {
	t.mu.Lock()
	kinds := t.kinds
	t.kinds = map[kind]*sum{}
	t.mu.Unlock()
	for k, s := range kinds {
		s.timer.Stop()
		if s.requests > 0 {
			t.event(k, *s)
		}
	}
}

// all tells the totals. No request may be on its way any more.
func (t *teller) all() {
	for _, all := range t.totals {
		fields := map[string]string{"service": all.service}
		for name, n := range map[string]*atomic.Int64{
			"requests": &all.requests, "refused": &all.refused,
			"sent": &all.sent, "received": &all.received,
		} {
			fields[name] = strconv.FormatInt(n.Load(), 10)
		}
		_ = t.tell(sdk.Event{Name: eventTotal, Rule: all.rule, Fields: fields})
	}
}

func (t *total) add(r proxy.Request) {
	t.requests.Add(1)
	if r.Refused != "" {
		t.refused.Add(1)
	}
	t.sent.Add(r.Sent)
	t.received.Add(r.Received)
}

func (t *teller) event(k kind, s sum) {
	e := sdk.Event{Name: eventUsed, Rule: k.rule, Fields: map[string]string{
		"service": k.service, "method": k.method, "path": k.path, "status": strconv.Itoa(k.status),
	}}
	if s.requests > 1 {
		e.Fields["requests"] = strconv.FormatInt(s.requests, 10)
	}
	if k.refused != "" {
		e.Name, e.Fields["why"] = eventRefused, k.refused
	} else {
		e.Fields["sent"] = strconv.FormatInt(s.sent, 10)
		e.Fields["received"] = strconv.FormatInt(s.received, 10)
		e.Fields["took"] = s.took.Round(time.Millisecond).String()
	}
	_ = t.tell(e) // where nobody hears it any more the run is over
}
