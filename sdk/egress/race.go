package egress

import (
	"context"
	"net"
	"net/netip"
	"time"
)

const (
	// headStart is how long an address is tried alone before the next one is tried beside it.
	headStart = 250 * time.Millisecond
	// patience is how long IPv4 addresses wait for the IPv6 ones to be found.
	patience = 50 * time.Millisecond
)

// race connects to the first address that answers (RFC 8305). They are tried one after another,
// IPv6 and IPv4 in turns: the next one when the last has failed, or has not answered for a moment.
// So neither a family that does not work nor a host that is gone holds up the rest.
//
// Only what permit lets pass is tried.
func (d *Dialer) race(
	ctx context.Context, to target, lookups <-chan lookup, permit func(netip.AddrPort) error,
) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the attempts that are still under way

	var (
		waiting  queue
		hold     <-chan time.Time // while it is there, no further address is tried
		running  int
		attempts = make(chan attempt)
		result   = outcome{target: to}
	)
	for {
		if next, ok := waiting.next(hold != nil); ok {
			if lookups == nil && running == 0 && waiting.empty() {
				return d.last(ctx, next, &result)
			}
			go d.try(ctx, next, attempts)
			running++
			hold = time.After(headStart)
			continue
		}
		if lookups == nil && running == 0 && waiting.empty() {
			return nil, result.err()
		}
		select {
		case found, more := <-lookups:
			if more {
				result.looked(found)
				for _, addr := range found.addrs {
					next := netip.AddrPortFrom(addr, to.port)
					if err := permit(next); err != nil {
						result.forbidden(addr, err)
						continue
					}
					waiting.add(next)
				}
			} else {
				lookups = nil
			}
			if running > 0 {
				break
			}
			hold = nil
			if more && len(waiting.six) == 0 {
				hold = time.After(patience)
			}
		case a := <-attempts:
			if a.err == nil {
				return a.conn, nil
			}
			result.failed(a)
			running--
			hold = nil
		case <-hold:
			hold = nil
		case <-ctx.Done():
			result.ended(ctx.Err(), running > 0)
			return nil, result.err()
		}
	}
}

// last connects to an address that nothing races against, the usual host's only one.
func (d *Dialer) last(ctx context.Context, to netip.AddrPort, result *outcome) (net.Conn, error) {
	conn, err := d.tcp(ctx, to)
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		result.ended(ctx.Err(), true)
	default:
		result.failed(attempt{to: to, err: err})
	}
	return nil, result.err()
}

// attempt is what came of one address.
type attempt struct {
	to   netip.AddrPort
	conn net.Conn
	err  error
}

// try connects to one address. A connection that nobody waits for any more is closed.
func (d *Dialer) try(ctx context.Context, to netip.AddrPort, attempts chan<- attempt) {
	conn, err := d.tcp(ctx, to)
	select {
	case attempts <- attempt{to, conn, err}:
	case <-ctx.Done():
		if err == nil {
			_ = conn.Close()
		}
	}
}

// queue holds the addresses that were not tried yet.
type queue struct {
	six, four []netip.AddrPort
	lastSix   bool // whether the last one taken was of IPv6
}

func (q *queue) add(to netip.AddrPort) {
	if to.Addr().Is4() {
		q.four = append(q.four, to)
	} else {
		q.six = append(q.six, to)
	}
}

func (q *queue) empty() bool { return len(q.six)+len(q.four) == 0 }

// next takes the next address, unless they are held.
func (q *queue) next(held bool) (netip.AddrPort, bool) {
	if held || q.empty() {
		return netip.AddrPort{}, false
	}
	from := &q.six
	if len(q.six) == 0 || q.lastSix && len(q.four) > 0 {
		from = &q.four
	}
	q.lastSix = from == &q.six
	to := (*from)[0]
	*from = (*from)[1:]
	return to, true
}
