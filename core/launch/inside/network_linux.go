package inside

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/sdk/fragment"
)

// raiseLoopback switches on the one interface that the network namespace has. In the host's there
// is nothing to do.
func raiseLoopback(l *launcher) error {
	if l.hostNetwork {
		return nil
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fail("raising the loopback", err)
	}
	defer closeFD(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return fail("raising the loopback", err)
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return fail("raising the loopback", unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo))
}

// lowPorts is the setting that says from which port on one needs no capability to listen.
const lowPorts = "net/ipv4/ip_unprivileged_port_start"

// openListeners opens the layers' sockets, which layers outside will serve.
func openListeners(l *launcher) error {
	if len(l.recipe.Listeners) == 0 {
		return nil
	}
	if l.hostNetwork {
		return listenerFailure(
			l.recipe.Listeners[0], errors.New("there is no network namespace of the agent's to listen in"),
		)
	}
	// The capability to take a low port is not among the few that we have; the one to change the
	// setting is. It is put back, so that the agent finds it as anywhere else.
	before, err := l.readSetting(lowPorts)
	if err == nil {
		err = l.writeSetting(lowPorts, "0")
	}
	if err != nil {
		return fail("opening low ports", err)
	}
	for _, s := range l.recipe.Listeners {
		fd, err := openListener(s)
		if err != nil {
			return listenerFailure(s, err)
		}
		l.hand = append(
			l.hand, handed{fd, recipe.Descriptor{Kind: recipe.ListenerDescriptor, Name: s.Name}},
		)
	}
	return fail("closing low ports again", l.writeSetting(lowPorts, before))
}

func listenerFailure(s fragment.Listener, err error) error {
	return &failure{
		rule: s.For, step: fragment.Kind(s), path: s.Name,
		doing: fmt.Sprintf("opening the listener %q", s.Name), err: err,
	}
}

func openListener(s fragment.Listener) (int, error) {
	if s.LocalPrefix != "" {
		prefix, err := netip.ParsePrefix(s.LocalPrefix)
		if err != nil {
			return -1, err
		}
		if err := routeToLoopback(prefix.Masked()); err != nil {
			return -1, fmt.Errorf("routing %s to the loopback: %w", prefix, err)
		}
	}
	text := s.Address
	if text == "" {
		text = "127.0.0.1"
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return -1, err
	}
	var kind int
	switch s.Network {
	case fragment.TCP:
		kind = unix.SOCK_STREAM
	case fragment.UDP:
		kind = unix.SOCK_DGRAM
	default:
		return -1, fmt.Errorf("there is no network called %q", s.Network)
	}
	if s.Port == 0 {
		return -1, errors.New("core picked no port for it")
	}
	return listen(netip.AddrPortFrom(address, s.Port), kind)
}

func listen(address netip.AddrPort, kind int) (int, error) {
	family, to := socketAddress(address)
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Bind(fd, to); err != nil {
		closeFD(fd)
		return -1, fmt.Errorf("binding to %s: %w", address, err)
	}
	if kind == unix.SOCK_STREAM {
		if err := unix.Listen(fd, unix.SOMAXCONN); err != nil {
			closeFD(fd)
			return -1, fmt.Errorf("listening on %s: %w", address, err)
		}
	}
	return fd, nil
}

func socketAddress(a netip.AddrPort) (family int, sa unix.Sockaddr) {
	if a.Addr().Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// routeToLoopback makes the kernel take every address of a range for its own, as `ip route add
// local PREFIX dev lo` does: a connection to any of them arrives at a listener here, which can tell
// by the address what was meant.
func routeToLoopback(prefix netip.Prefix) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer closeFD(fd)
	kernel := &unix.SockaddrNetlink{Family: unix.AF_NETLINK}
	if err := unix.Sendto(fd, routeMessage(prefix), 0, kernel); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return err
	}
	return parseAck(answer[:n])
}

// loopbackIndex is what every network namespace calls its loopback.
const loopbackIndex = 1

func routeMessage(prefix netip.Prefix) []byte {
	family := byte(unix.AF_INET)
	if prefix.Addr().Is6() {
		family = unix.AF_INET6
	}
	order := binary.NativeEndian
	m := make([]byte, 4, 64) // the length comes last
	m = order.AppendUint16(m, unix.RTM_NEWROUTE)
	// REPLACE: two listeners may name the same range.
	m = order.AppendUint16(m, unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_REPLACE)
	m = append(m, make([]byte, 8)...) // sequence and sender
	// struct rtmsg: family, lengths of destination and source, type of service, table, protocol,
	// scope, type, flags.
	m = append(
		m, family, byte(prefix.Bits()), 0, 0, unix.RT_TABLE_LOCAL, unix.RTPROT_BOOT, unix.RT_SCOPE_HOST,
		unix.RTN_LOCAL, 0, 0, 0, 0,
	)
	address := prefix.Addr().AsSlice()
	m = order.AppendUint16(m, uint16(4+len(address)))
	m = order.AppendUint16(m, unix.RTA_DST)
	m = append(m, address...)
	m = order.AppendUint16(m, 8)
	m = order.AppendUint16(m, unix.RTA_OIF)
	m = order.AppendUint32(m, loopbackIndex)
	order.PutUint32(m, uint32(len(m)))
	return m
}

// parseAck reads the kernel's answer: a header, and an error number that is 0 or negative.
func parseAck(m []byte) error {
	order := binary.NativeEndian
	if len(m) < unix.NLMSG_HDRLEN+4 || order.Uint16(m[4:]) != unix.NLMSG_ERROR {
		return errors.New("the kernel answered something that is no acknowledgement")
	}
	if errno := int32(order.Uint32(m[unix.NLMSG_HDRLEN:])); errno != 0 {
		return unix.Errno(-errno)
	}
	return nil
}

// dialTimeout bounds a connection to a listener inside that does not accept.
var dialTimeout = unix.Timeval{Sec: 10}

// dial connects to a port of the loopback, first over IPv4, then over IPv6.
func dial(port uint16) (int, error) {
	fd, err := connect(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port))
	if errors.Is(err, unix.ECONNREFUSED) {
		if six, err6 := connect(netip.AddrPortFrom(netip.IPv6Loopback(), port)); err6 == nil {
			return six, nil
		}
	}
	return fd, err
}

func connect(address netip.AddrPort) (int, error) {
	family, to := socketAddress(address)
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &dialTimeout); err == nil {
		if err = unix.Connect(fd, to); err == nil {
			// The timeout was for the connect; the layer sets its own.
			err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{})
		}
	}
	if err != nil {
		closeFD(fd)
		return -1, err
	}
	return fd, nil
}
