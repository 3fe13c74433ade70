package gate

import (
	"strconv"
	"sync"
	"time"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

const (
	// quiet is how long a decision has to have been made by nobody to be news again.
	quiet = time.Second
	// mostNews is how many decisions are remembered in that time; the rest are all told.
	mostNews = 1024
)

// ledger tells of each decision when it is made, and counts it for a moment when it is made again:
// to tell of one costs as much as to carry a request.
type ledger struct {
	tell func(sdk.Event)

	mu      sync.Mutex
	again   map[decision]uint64 // how often since it was told
	pending bool                // the ledger is going to be looked through
}

// decision is all that is told of one.
type decision struct {
	name, host, port, why string
	change                string // what in the policy would make it another, if that is no host
	rule                  policy.RuleID
}

// decided is a decision. Host and why may hold what the agent chose, byte for byte.
func decided(name, host string, port uint16, why string, rule policy.RuleID) decision {
	d := decision{
		name: name, host: policy.Printable(host), why: policy.Printable(why), rule: rule,
	}
	if port != 0 {
		d.port = strconv.Itoa(int(port))
	}
	return d
}

func (d decision) event(count uint64) sdk.Event {
	e := sdk.Event{
		Name: d.name, Rule: d.rule, Count: count,
		Fields: map[string]string{"host": d.host, "why": d.why},
	}
	for name, value := range map[string]string{"port": d.port, "change": d.change} {
		if value != "" {
			e.Fields[name] = value
		}
	}
	return e
}

func (l *ledger) add(d decision) {
	if l.isNews(d) {
		l.tell(d.event(1))
	}
}

func (l *ledger) isNews(d decision) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if count, known := l.again[d]; known {
		l.again[d] = count + 1
		return false
	}
	if len(l.again) < mostNews {
		l.again[d] = 0
	}
	if !l.pending {
		l.pending = true
		time.AfterFunc(quiet, l.look)
	}
	return true
}

// look looks through the ledger, and again for as long as there is something in it.
func (l *ledger) look() {
	l.flush()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending = len(l.again) > 0; l.pending {
		time.AfterFunc(quiet, l.look)
	}
}

// flush tells of what was counted, and forgets what was not made again.
func (l *ledger) flush() {
	for _, e := range l.counted() {
		l.tell(e)
	}
}

func (l *ledger) counted() []sdk.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	var news []sdk.Event
	for d, count := range l.again {
		if count == 0 {
			delete(l.again, d)
			continue
		}
		news = append(news, d.event(count))
		l.again[d] = 0
	}
	return news
}
