package sdk

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/nono-run/nono/sdk/fragment"
)

// Socket is the socket of a listener step: nono-init opened it inside, the layer serves it from
// outside. Listener, PacketConn and Close each use it up.
type Socket struct {
	Network fragment.Network
	file    *os.File
}

// Listener is the socket of a tcp listener, listening.
func (s Socket) Listener() (net.Listener, error) {
	return using(s, fragment.TCP, net.FileListener)
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
