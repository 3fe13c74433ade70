package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
)

// lookup is what the resolver said about one family of addresses.
type lookup struct {
	addrs []netip.Addr
	err   error
}

// found is what a lookup says where nothing has to be looked up.
func found(addr netip.Addr) <-chan lookup {
	answers := make(chan lookup, 1)
	answers <- lookup{addrs: []netip.Addr{addr}}
	close(answers)
	return answers
}

// remembering is a resolver that may know an answer without asking anybody.
type remembering interface {
	Remembered(network, host string) (addrs []netip.Addr, err error, ok bool)
}

// resolve asks for both families at the same time, once. The channel is closed after both. What the
// resolver remembers is there at once: to wait for others costs more than to connect.
func (d *Dialer) resolve(ctx context.Context, host string) <-chan lookup {
	answers := make(chan lookup, 2)
	memory, _ := d.Resolver.(remembering)
	var asked sync.WaitGroup
	waits := false
	for _, network := range []string{"ip6", "ip4"} {
		if memory != nil {
			if addrs, err, ok := memory.Remembered(network, host); ok {
				answers <- answer(addrs, err)
				continue
			}
		}
		waits = true
		asked.Go(func() { answers <- d.lookup(ctx, network, host) })
	}
	if !waits {
		close(answers)
		return answers
	}
	go func() {
		asked.Wait()
		close(answers)
	}()
	return answers
}

func (d *Dialer) lookup(ctx context.Context, network, host string) lookup {
	d.once.Do(func() { d.lookups = make(chan struct{}, mostLookups) })
	select {
	case d.lookups <- struct{}{}:
		defer func() { <-d.lookups }()
	case <-ctx.Done():
		return lookup{err: ctx.Err()}
	}
	var resolver Resolver = &net.Resolver{PreferGo: true}
	if d.Resolver != nil {
		resolver = d.Resolver
	}
	return answer(resolver.LookupNetIP(ctx, network, host))
}

// answer is what a resolver said, each address once and in its plain form, and not too many.
func answer(addrs []netip.Addr, err error) lookup {
	var l lookup
	for _, addr := range addrs {
		if addr = addr.Unmap(); !slices.Contains(l.addrs, addr) {
			l.addrs = append(l.addrs, addr)
		}
		if len(l.addrs) == mostAddresses {
			break
		}
	}
	if len(l.addrs) == 0 {
		l.err = err
	}
	return l
}

// absent reports whether a name server has answered, if only that there is no address.
func absent(err error) bool {
	var dns *net.DNSError
	var family *net.AddrError // there are addresses, and none of this family
	return err == nil || errors.As(err, &dns) && dns.IsNotFound || errors.As(err, &family)
}
