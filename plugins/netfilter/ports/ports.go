// Package ports carries connections between two loopbacks, the host's and the agent's, which are
// different networks: a port of one is nothing to the other unless the policy says so.
//
// For `loopback = [5432]` a socket inside is served, and each connection to it is carried to the
// port of the host's loopback. For `listen = [3000]` it is the other way round: a socket of the
// host's loopback is served, and each connection carried to the agent's server.
//
// In both a connection is accepted before it is known whether anybody serves the port on the other
// side. If nobody does, it is reset.
package ports

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/nono-run/nono/plugins/netfilter/relay"
)

// Dial connects to the other side.
type Dial func(ctx context.Context) (net.Conn, error)

// Forward carries each connection that a listener accepts to one that is dialled.
type Forward struct {
	Listener net.Listener
	Dial     Dial
	// Failed is told why a connection could not be carried. It may be called by many at once.
	Failed func(err error)
}

// most is how many connections a Forward carries at once. More wait to be accepted.
const most = 512

// again is how long to wait where the process has no descriptors left.
const again = 50 * time.Millisecond

// Serve serves until the context is done, and then until its connections have ended. It closes the
// listener. An error is one of the listener's.
func (f *Forward) Serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = f.Listener.Close() })
	defer stop()
	defer func() { _ = f.Listener.Close() }()
	var open sync.WaitGroup
	defer open.Wait()
	free := make(chan struct{}, most)
	for {
		free <- struct{}{}
		conn, err := f.Listener.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close()
			}
			return nil
		case passing(err):
			<-free
			select {
			case <-time.After(again):
			case <-ctx.Done():
			}
			continue
		case err != nil:
			return fmt.Errorf("accepting at %s: %w", f.Listener.Addr(), err)
		}
		open.Go(func() {
			f.carry(ctx, conn)
			<-free
		})
	}
}

// passing reports whether a failure to accept is one of the moment.
func passing(err error) bool {
	return slices.ContainsFunc([]error{
		syscall.ECONNABORTED, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
	}, func(one error) bool { return errors.Is(err, one) })
}

func (f *Forward) carry(ctx context.Context, conn net.Conn) {
	other, err := f.Dial(ctx)
	if err != nil {
		f.Failed(err)
		relay.Reset(conn)
		return
	}
	// How it ends is between its two sides.
	_, _, _ = relay.Between(ctx, conn, other)
}

// The loopback's addresses.
var (
	loopback4 = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	loopback6 = netip.IPv6Loopback()
)

// Host dials a port of the host's loopback: at the address that the agent asked for, or at that of
// the other family, for many a service has only one of them.
func Host(first netip.Addr, port uint16) Dial {
	addresses := []netip.Addr{loopback4, loopback6}
	if first.Is6() {
		slices.Reverse(addresses)
	}
	return func(ctx context.Context) (net.Conn, error) {
		var dialer net.Dialer
		var failures []error
		for _, address := range addresses {
			conn, err := dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(address, port).String())
			if err == nil {
				return conn, nil
			}
			failures = append(failures, err)
		}
		return nil, errors.Join(failures...)
	}
}

// Listen takes a port of the host's loopback, at its addresses of both families. Where the host has
// no IPv6 it is one listener.
func Listen(ctx context.Context, port uint16) ([]net.Listener, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	var all []net.Listener
	for _, address := range []netip.Addr{loopback4, loopback6} {
		l, err := config.Listen(ctx, "tcp", netip.AddrPortFrom(address, port).String())
		if address == loopback6 && noFamily(err) {
			continue
		}
		if err != nil {
			for _, l := range all {
				_ = l.Close()
			}
			return nil, fmt.Errorf(
				"taking port %d of the host's loopback, for the agent to serve: %w%s",
				port, err, advice(err),
			)
		}
		all = append(all, l)
	}
	return all, nil
}

// noFamily reports that the host has no such addresses.
func noFamily(err error) bool {
	return errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL)
}

// advice says what to do.
func advice(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return ": another program has it: end that one, or let the agent serve another port"
	case errors.Is(err, syscall.EACCES):
		return ": ports below 1024 are the system's own on this host: let the agent serve a higher one"
	default:
		return ""
	}
}
