//go:build !linux

package egress

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// isLocal asks a socket, where the kernel cannot be asked itself.
func isLocal(addr netip.Addr) (bool, error) {
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
		return false, err
	}
	defer func() { _ = socket.Close() }()
	from, ok := socket.LocalAddr().(*net.UDPAddr)
	if !ok {
		return false, errors.New("the socket has no address")
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
		return false, err
	}
	_ = socket.Close()
	// Where the machine lets any address be taken (net.ipv4.ip_nonlocal_bind) that said nothing.
	all, err := net.InterfaceAddrs()
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(all, func(one net.Addr) bool {
		prefix, err := netip.ParsePrefix(one.String())
		return err == nil && prefix.Addr().Unmap() == addr
	}), nil
}
