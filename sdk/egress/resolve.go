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

// resolve asks for both families at the same time, once. The channel is closed after both.
func (d *Dialer) resolve(ctx context.Context, host string) <-chan lookup {
	answers := make(chan lookup, 2)
	var asked sync.WaitGroup
	for _, network := range []string{"ip6", "ip4"} {
		asked.Go(func() { answers <- d.lookup(ctx, network, host) })
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
	addrs, err := resolver.LookupNetIP(ctx, network, host)
	var answer lookup
	for _, addr := range addrs {
		if addr = addr.Unmap(); !slices.Contains(answer.addrs, addr) {
			answer.addrs = append(answer.addrs, addr)
		}
		if len(answer.addrs) == mostAddresses {
			break
		}
	}
	if len(answer.addrs) == 0 {
		answer.err = err
	}
	return answer
}

// absent reports whether a name server has answered, if only that there is no address.
func absent(err error) bool {
	var dns *net.DNSError
	var family *net.AddrError // there are addresses, and none of this family
	return err == nil || errors.As(err, &dns) && dns.IsNotFound || errors.As(err, &family)
}
