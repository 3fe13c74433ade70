package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// IsOwn reports whether an address of the public internet is this machine's. What serves there
// takes whoever comes from within for one of its own, and no firewall stands between, so a name
// that leads there leads to the host's services as 127.0.0.1 does.
//
// The loopback itself is in a special range, and no address that others have in common with this
// machine (behind NAT) is found.
func IsOwn(addr netip.Addr) (bool, error) {
	if addr = addr.Unmap(); addr.IsUnspecified() {
		return true, nil // to connect to no address is to connect to oneself
	}
	const anyPort = 9
	to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, anyPort))
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
	if from.AddrPort().Addr().Unmap() == addr {
		return true, nil
	}
	return isListed(addr)
}

// isListed reports whether an interface has an address. Of several in one range of IPv4 the kernel
// connects to each from the first, so it takes the list to know the others. A socket that cannot
// have an address spares it, and nearly none can.
func isListed(addr netip.Addr) (bool, error) {
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("looking whether %s is an address of this machine: %w", addr, err)
	}
	_ = socket.Close()
	// Where the machine lets any address be taken (net.ipv4.ip_nonlocal_bind) that said nothing.
	all, err := net.InterfaceAddrs()
	if err != nil {
		return false, fmt.Errorf("listing the addresses of this machine: %w", err)
	}
	return slices.ContainsFunc(all, func(one net.Addr) bool {
		prefix, err := netip.ParsePrefix(one.String())
		return err == nil && prefix.Addr().Unmap() == addr
	}), nil
}
