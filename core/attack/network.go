//go:build linux

package attack

import (
	"net"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/attack/arena"
)

// networkRows reach for what listens outside. All of it is on the machine's own loopback.
func networkRows() []Row {
	const local, mptcp = "127.0.0.1:0", 262
	// In tier B there is no namespace, so there is no socket, or one that leads to nono's proxies alone.
	closed := by("the filter, which gives no socket; or nono, which connects for the agent", "EACCES", "ECONNREFUSED")
	none := filter("EACCES", "socket: EACCES", "listen: EACCES", "EPROTONOSUPPORT", "socket: EPROTONOSUPPORT", "EAFNOSUPPORT")
	here := by(theNetwork, "ECONNREFUSED")
	abstract := func(network string) func(*arena.Arena) arena.Attempt {
		return func(a *arena.Arena) arena.Attempt { return contact(network, network, "@nono-"+network+"-"+a.Name)(a) }
	}
	rows := []Row{
		{Threat: "E01", Tried: "MPTCP connect", Arrange: contact("mptcp", "tcp4", local), A: filter("socket: EPROTONOSUPPORT"), B: none, NoLayer: true, Lacks: noSocketOf(unix.AF_INET, unix.SOCK_STREAM, mptcp)},
		{Threat: "E02", Tried: "MPTCP listen", Arrange: just("listen"), A: filter("socket: EPROTONOSUPPORT"), B: none, NoLayer: true, Lacks: noSocketOf(unix.AF_INET, unix.SOCK_STREAM, mptcp)},
		{Threat: "E03", Tried: "listen without bind", Arrange: visited, A: by(theNetwork, "nobody came"), B: none, NoLayer: true},
		{Threat: "E04", Tried: "TCP Fast Open", Arrange: contact("fastopen", "tcp4", local), A: filter("ENOTSUP"), B: filter("socket: EACCES", "ENOTSUP"), NoLayer: true},
		{Threat: "E05", Tried: "UDP", Arrange: contact("udp", "udp4", local), A: by(theNetwork, "read: ECONNREFUSED"), B: none, NoLayer: true},
		{Threat: "E06", Tried: "ICMP by a ping socket", Arrange: just("socket=2,2,1"), A: filter("EPROTONOSUPPORT"), B: none, NoLayer: true, Lacks: noSocketOf(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP)},
		{Threat: "E07", Tried: "SCTP", Arrange: just("socket=2,1,132"), A: filter("EPROTONOSUPPORT"), B: none, NoLayer: true, Lacks: noSocketOf(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP)},
		{Threat: "E08", Tried: "vsock", Arrange: just("socket=40,1,0"), A: filter("EAFNOSUPPORT"), B: none, NoLayer: true, Lacks: noSocketOf(unix.AF_VSOCK, unix.SOCK_STREAM, 0)},
		{Threat: "E09", Tried: "other families of sockets", Arrange: just("families"), Works: "*", A: filter("1 2 10 16"), B: filter("1 16", "1 2 10 16"), NoLayer: true},
		{Threat: "E09", Tried: "other protocols of netlink", Arrange: just("netlinks"), Works: "*", A: filter("0"), NoLayer: true},
		{Threat: "E12", Tried: "abstract Unix socket", Arrange: abstract("unix"), A: here, B: closed, NoLayer: true},
		{Threat: "E12", Tried: "abstract Unix socket, datagram", Arrange: abstract("unixgram"), A: here, B: none, NoLayer: true},
		{Threat: "E17", Tried: "family with bits above the lower half", Arrange: just("socket=0x100000028,1,0"), A: filter("EAFNOSUPPORT"), B: none, NoLayer: true, Lacks: noSocketOf(unix.AF_VSOCK, unix.SOCK_STREAM, 0)},
		{Threat: "E57", Tried: "a question to the host's resolver", Arrange: contact("udp", "udp4", "127.0.0.2:0"), A: by(theNetwork, "read: ECONNREFUSED"), B: none, NoLayer: true},
		{Threat: "E57", Tried: "a question to the host's resolver, by TCP", Arrange: contact("connect", "tcp", "127.0.0.2:0"), A: here, B: closed, NoLayer: true},
		{Threat: "E58", Tried: "a service at this machine's own address in its network", A: by(theNetwork, "ENETUNREACH"), B: by(closed.By, "EACCES", "ENETUNREACH"), NoLayer: true, Lacks: noAddress, Arrange: func(a *arena.Arena) arena.Attempt {
			return contact("connect", "tcp", net.JoinHostPort(ownAddress(), "0"))(a)
		}},
	}
	for _, address := range []string{"127.0.0.1", "127.0.0.2", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"} {
		r := Row{Threat: "E47", Tried: "service on " + address, Arrange: contact("connect", "tcp", address+":0"), A: here, B: closed, NoLayer: true}
		if address == "[::1]" {
			r.Lacks = noIPv6
		}
		rows = append(rows, r)
	}
	return rows
}

// ownAddress is one by which others reach this machine. What this machine sends there does not
// leave it. Empty where there is none.
func ownAddress() string {
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	return ""
}

// visited serves without having bound a port, and the user comes to visit.
func visited(a *arena.Arena) arena.Attempt {
	file := a.Path("port")
	return arena.Attempt{Try: "served=" + file, Happened: a.Visit(file)}
}
