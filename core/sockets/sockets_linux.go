package sockets

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/supervise"
	"github.com/nono-run/nono/core/plan/merge"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/host"
	"github.com/nono-run/nono/sdk/ticket"
)

// Sockets are those that the agent of one run reaches and serves.
type Sockets struct {
	options Options
	secret  ticket.Secret
	doors   []*door
	// At an address, and at every address, by the port.
	at   map[netip.AddrPort]*door
	wild map[uint16]*door
	// local are the ranges that lead to the loopback beside its own.
	local []netip.Prefix
	names *door
	// served are the agent's own sockets that listen.
	served served
	// duplicates says that core can take the agent's descriptors; given are the sockets that it gave
	// instead.
	duplicates bool
	given      numbers
	// turns hold back a second connect of a socket while the first is under way.
	turns [64]sync.Mutex
}

// door is a listener of the plan's, and the socket of the host's loopback that stands for it.
type door struct {
	merge.Listener
	address netip.AddrPort // the agent's
	real    netip.AddrPort
	file    *os.File
}

// patience bounds a connect to a socket that does not accept, where its caller would wait for ever.
const patience = 10 * time.Second

// namesPort is where programs ask for names.
const namesPort = 53

// Open opens a socket for each listener of the plan's.
func Open(o Options) (*Sockets, error) {
	s := &Sockets{
		options: o, secret: ticket.New(), duplicates: canDuplicate(),
		at: map[netip.AddrPort]*door{}, wild: map[uint16]*door{},
	}
	for _, l := range o.Listeners {
		if err := s.open(l); err != nil {
			s.Close()
			return nil, fmt.Errorf("opening the listener %q of layer %s: %w", l.Name, l.Layer, err)
		}
	}
	if o.Names != "" && s.names == nil {
		s.Close()
		return nil, fmt.Errorf("there is no listener %q to ask for names", o.Names)
	}
	return s, nil
}

func (s *Sockets) open(l merge.Listener) error {
	// Which listener carries a range means nothing: it leads to all of them.
	if l.LocalPrefix != "" {
		prefix, err := netip.ParsePrefix(l.LocalPrefix)
		if err != nil {
			return err
		}
		s.local = append(s.local, prefix)
	}
	if l.Network != fragment.TCP {
		return nil
	}
	address, err := netip.ParseAddr(l.Address)
	if err != nil {
		return err
	}
	d := &door{Listener: l, address: netip.AddrPortFrom(address, l.Port)}
	if d.file, d.real, err = listen(l.ID()); err != nil {
		return err
	}
	s.doors = append(s.doors, d)
	if address.IsUnspecified() {
		s.wild[l.Port] = d
	} else {
		s.at[d.address] = d
	}
	if l.ID() == s.options.Names {
		s.names = d
	}
	return nil
}

// loopback is the address that core's own sockets have.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// listen opens a socket at a port of the loopback that is free.
func listen(name string) (*os.File, netip.AddrPort, error) {
	const flags = unix.SOCK_STREAM | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
	fd, err := unix.Socket(unix.AF_INET, flags, 0)
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	file := os.NewFile(uintptr(fd), name)
	err = unix.Bind(fd, &unix.SockaddrInet4{Addr: loopback.As4()})
	if err == nil {
		err = unix.Listen(fd, unix.SOMAXCONN)
	}
	var at netip.AddrPort
	if err == nil {
		at, err = boundTo(fd)
	}
	if err != nil {
		return nil, netip.AddrPort{}, errors.Join(err, file.Close())
	}
	return file, at, nil
}

// boundTo is the address of a socket of IP.
func boundTo(fd int) (netip.AddrPort, error) {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, err
	}
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(name.Addr), uint16(name.Port)), nil
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(name.Addr).Unmap(), uint16(name.Port)), nil
	}
	return netip.AddrPort{}, unix.EAFNOSUPPORT
}

// Listeners are the sockets for the layers to serve, by the identity of their listener.
func (s *Sockets) Listeners() map[string]host.Listener {
	all := map[string]host.Listener{}
	for _, d := range s.doors {
		all[d.ID()] = host.Listener{
			File: d.file, Shared: &host.Shared{Secret: s.secret, Address: d.address},
		}
	}
	return all
}

// Handlers answer the agent's calls.
func (s *Sockets) Handlers() supervise.Handlers {
	return supervise.Handlers{"connect": s.connect, "listen": s.listen}
}

// Close closes the sockets that are still core's.
func (s *Sockets) Close() {
	for _, d := range s.doors {
		_ = d.file.Close()
	}
}

// find is what stands for an address that the agent dials, or the kernel's word for that nothing
// does: what it would say on a loopback without that socket, and on a host without a way.
func (s *Sockets) find(dialled netip.AddrPort) (*door, error) {
	addr, port := dialled.Addr(), dialled.Port()
	if port == namesPort && s.names != nil {
		return s.names, nil
	}
	if d := s.at[dialled]; d != nil {
		return d, nil
	}
	lies := func(p netip.Prefix) bool { return p.Contains(addr) }
	if !addr.IsLoopback() && !slices.ContainsFunc(s.local, lies) {
		return nil, unix.ENETUNREACH
	}
	d := s.wild[port]
	if d == nil || addr.Is6() && d.address.Addr().Is4() {
		return nil, unix.ECONNREFUSED
	}
	return d, nil
}

// meant is an address as the kernel understands it: IPv4 in IPv6's clothes is IPv4, and the address
// that stands for all leads to the loopback.
func meant(dialled netip.AddrPort) netip.AddrPort {
	addr := dialled.Addr().Unmap()
	switch {
	case addr.IsUnspecified() && addr.Is4():
		addr = loopback
	case addr.IsUnspecified():
		addr = netip.IPv6Loopback()
	}
	return netip.AddrPortFrom(addr, dialled.Port())
}

// Dial connects to what the agent serves at a port. The file is the caller's.
func (s *Sockets) Dial(ctx context.Context, port uint16) (*os.File, error) {
	for _, addr := range []netip.Addr{loopback, netip.IPv6Loopback()} {
		at := netip.AddrPortFrom(addr, port)
		own, err := s.served.answers(at)
		if err != nil {
			return nil, err
		}
		if own {
			return dial(ctx, at)
		}
	}
	return nil, fmt.Errorf("port %d: %w", port, ErrNotServed)
}
