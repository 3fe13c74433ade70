package sdk

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/ticket"
)

// Socket is the socket of a listener step: nono-init opened it inside, the layer serves it from
// outside. Listener, PacketConn and Close each use it up.
//
// In tier B there is no inside: core opened it on the host's loopback, and leads the agent's
// connections there. The layer sees no difference: it accepts the agent's connections and no
// others, each with the address that the agent dialled as its own.
type Socket struct {
	Network fragment.Network
	file    *os.File
	// shared says that others can connect; then the agent's connections show a ticket of this secret,
	// and address is how the agent knows the socket.
	shared  bool
	secret  ticket.Secret
	address netip.AddrPort
}

// Listener is the socket of a tcp listener, listening.
func (s Socket) Listener() (net.Listener, error) {
	l, err := using(s, fragment.TCP, net.FileListener)
	if err != nil || !s.shared {
		return l, err
	}
	return s.secret.Listen(l, s.address), nil
}

// PacketConn is the socket of a udp listener.
func (s Socket) PacketConn() (net.PacketConn, error) {
	return using(s, fragment.UDP, net.FilePacketConn)
}

// Close gives the socket up unused.
func (s Socket) Close() error { return s.file.Close() }

// using hands the socket to the net package, which works on a duplicate.
func using[C any](s Socket, n fragment.Network, take func(*os.File) (C, error)) (c C, err error) {
	if s.file == nil {
		return c, errors.New("core sent no listener of that name")
	}
	if s.Network != n {
		return c, fmt.Errorf("the listener is %s and not %s", s.Network, n)
	}
	defer func() { _ = s.file.Close() }()
	return take(s.file)
}
