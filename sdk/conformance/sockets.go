package conformance

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/host"
)

// Sockets are the sockets of listener steps, by name.
type Sockets map[string]*os.File

// Open opens the sockets of a fragment's listener steps, on a port of the loopback that is free, as
// nono-init would inside.
func Open(f fragment.Fragment) (Sockets, error) {
	sockets := Sockets{}
	for _, step := range f.Steps {
		l, ok := step.(fragment.Listener)
		if !ok {
			continue
		}
		socket, err := listen(l.Network)
		if err != nil {
			sockets.Close()
			return nil, err
		}
		sockets[l.Name] = socket
	}
	return sockets, nil
}

// handed is the sockets as a layer is given them: nobody else can reach them.
func (s Sockets) handed() map[string]host.Listener {
	all := map[string]host.Listener{}
	for name, f := range s {
		all[name] = host.Listener{File: f}
	}
	return all
}

// Close closes what is still open.
func (s Sockets) Close() {
	for _, f := range s {
		_ = f.Close()
	}
}

// listen opens the socket of a listener step on the loopback.
func listen(n fragment.Network) (*os.File, error) {
	var socket interface {
		File() (*os.File, error)
		Close() error
	}
	var err error
	switch n {
	case fragment.TCP:
		socket, err = net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	case fragment.UDP:
		socket, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	default:
		err = fmt.Errorf("a listener of the network %q", n)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = socket.Close() }()
	return socket.File()
}

// served holds that somebody takes what comes in at each listener once Start has returned.
func served(t *trial) error {
	l, req, planned, err := t.planStarter()
	if err != nil {
		return err
	}
	sockets, err := Open(planned.Fragment)
	if err != nil {
		return &Nothing{Why: err.Error(), Untried: true}
	}
	defer sockets.Close()
	if len(sockets) == 0 {
		return &Nothing{Why: "it has no listener"}
	}
	if _, err := t.startWith(l, req, planned, sockets); err != nil {
		return err
	}
	for _, step := range planned.Fragment.Steps {
		listener, ok := step.(fragment.Listener)
		if !ok {
			continue
		}
		if err := t.knock(sockets[listener.Name], listener.Network); err != nil {
			return fmt.Errorf("the listener %q: %w", listener.Name, err)
		}
	}
	return nil
}

// knock sends something to a listener and waits until it is taken. The socket here and the layer's
// are one, so what nobody took can be seen waiting in it.
func (t *trial) knock(socket *os.File, n fragment.Network) error {
	address, err := addressOf(socket)
	if err != nil {
		return &Nothing{Why: err.Error(), Untried: true}
	}
	caller, err := net.Dial(string(n), address)
	if err != nil {
		return fmt.Errorf("nobody can connect to it: %w", err)
	}
	defer func() { _ = caller.Close() }()
	if n == fragment.UDP {
		if _, err := caller.Write([]byte{0}); err != nil {
			return err
		}
	}
	var failed error
	taken := t.until(func() bool {
		waiting, err := waiting(socket, n)
		failed = err
		return err != nil || !waiting
	})
	switch {
	case failed != nil:
		return &Nothing{Why: failed.Error(), Untried: true}
	case !taken:
		return fmt.Errorf("nobody takes what comes in: it was waited for %s", patience)
	}
	return nil
}

// addressOf is where a socket can be reached. It leaves the socket as it is: a layer in another
// language may want it to block.
func addressOf(socket *os.File) (string, error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return "", err
	}
	var name unix.Sockaddr
	controlErr := raw.Control(func(fd uintptr) { name, err = unix.Getsockname(int(fd)) })
	if controlErr != nil {
		return "", controlErr
	}
	at, ok := name.(*unix.SockaddrInet4)
	if err != nil || !ok {
		return "", fmt.Errorf("asking for the address of a socket: %T, %w", name, err)
	}
	return netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port)).String(), nil
}
