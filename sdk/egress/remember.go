package egress

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

// mostRemembered is how many answers are remembered at a time. One more, and all are forgotten.
const mostRemembered = 1024

// Remembering is a resolver that for a moment gives the answer that it was given itself. A program
// that opens ten connections to a host at once is no reason to ask a name server twenty times. That
// a host has no address of a family is an answer; a failure is none.
type Remembering struct {
	// Resolver is asked; nil is the host's own.
	Resolver Resolver
	// For is how long an answer counts. No name server is told of here, so it had better be short.
	For time.Duration

	mu      sync.Mutex
	answers map[question]remembered
}

type question struct{ network, host string }

type remembered struct {
	addrs []netip.Addr
	err   error
	until time.Time
}

// LookupNetIP implements [Resolver].
func (r *Remembering) LookupNetIP(
	ctx context.Context, network, host string,
) ([]netip.Addr, error) {
	if addrs, err, ok := r.Remembered(network, host); ok {
		return addrs, err
	}
	asked, now := question{network, host}, time.Now()
	var resolver Resolver = &net.Resolver{PreferGo: true}
	if r.Resolver != nil {
		resolver = r.Resolver
	}
	addrs, err := resolver.LookupNetIP(ctx, network, host)
	if absent(err) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.answers == nil || len(r.answers) >= mostRemembered {
			r.answers = map[question]remembered{}
		}
		r.answers[asked] = remembered{addrs, err, now.Add(r.For)}
	}
	return addrs, err
}

// Remembered is what LookupNetIP answers without asking anybody, where there is such an answer.
//
//nolint:revive // the error is an answer, and not why there is none
func (r *Remembering) Remembered(network, host string) (addrs []netip.Addr, err error, ok bool) {
	r.mu.Lock()
	known, ok := r.answers[question{network, host}]
	r.mu.Unlock()
	if !ok || !time.Now().Before(known.until) {
		return nil, nil, false
	}
	return known.addrs, known.err, true
}
