package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// IsOwn reports whether an address of the public internet is this machine's. What serves there
// takes whoever comes from within for one of its own, and no firewall stands between, so a name
// that leads there leads to the host's services as 127.0.0.1 does.
//
// The loopback itself is in a special range, and no address that others have in common with this
// machine (behind NAT) is found.
func IsOwn(addr netip.Addr) (bool, error) {
	const anyPort = 9
	to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr.Unmap(), anyPort))
	// A socket that is connected to an address of this machine has got that same address itself. The
	// kernel knows that without a packet being sent.
	socket, err := net.DialUDP("udp", nil, to)
	switch {
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH),
		errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT):
		return false, nil // no way leads there, as where there is no IPv6, and so it is elsewhere
	case err != nil:
		return false, fmt.Errorf("looking whether %s is an address of this machine: %w", addr, err)
	}
	defer func() { _ = socket.Close() }()
	from, ok := socket.LocalAddr().(*net.UDPAddr)
	if !ok {
		return false, fmt.Errorf("looking whether %s is an address of this machine", addr)
	}
	return from.AddrPort().Addr().Unmap() == addr.Unmap(), nil
}
