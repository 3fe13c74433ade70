// Package ticket tells the agent's own connections from everybody else's, at a socket on the host's
// loopback.
//
// Where the agent has a network of its own (tier A), nobody else can reach the socket that a layer
// serves. Without one (tier B) the socket lies on the host's loopback, where any program of any
// user may connect. There core makes the agent's connections for it, and says a ticket first on
// each: the address that the agent dialled, and a code for it that only they can make who have the
// secret that core and the layer share. No program of the agent's needs to know of it. One that
// looks can see its own tickets (the kernel shows a sender what was sent, where it is asked for the
// time of that), and learns by them no other.
//
//	secret := ticket.New()                          // core, when it opens the sockets
//	conn.Write(secret.For(dialled))                 // core, on each connection of the agent's
//	served := secret.Listen(listener, address)      // the layer; sdk.Socket does it
//	conn, err := served.Accept()                    // the agent's own, after the ticket
package ticket

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// SecretSize is how long a secret is.
	SecretSize = 32
	// Size is how long a ticket is: the code, sixteen bytes of address and two of port. An IPv4
	// address is written as IPv6 maps it.
	Size = sha256.Size + 16 + 2
)

const (
	// patience is how long a ticket may take. Core says it before anybody else can say anything.
	patience = 5 * time.Second
	// mostUnknown is how many connections may be waited for at a time that have shown no ticket.
	mostUnknown = 256
)

// Secret is what core and a layer share.
type Secret [SecretSize]byte

// New is a new secret.
func New() Secret {
	var s Secret
	_, _ = rand.Read(s[:]) // it never fails, and ends the process if there is no randomness
	return s
}

// Parse is a secret as it was sent.
func Parse(b []byte) (Secret, error) {
	var s Secret
	if len(b) != len(s) {
		return s, fmt.Errorf("a secret of %d bytes, and it must have %d", len(b), len(s))
	}
	copy(s[:], b)
	return s, nil
}

// String implements fmt.Stringer: a secret is not printed.
func (Secret) String() string { return "[redacted]" }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return "[redacted]" }

// For is the ticket of a connection to an address.
func (s Secret) For(dialled netip.AddrPort) []byte {
	address := dialled.Addr().As16()
	said := append(address[:], byte(dialled.Port()>>8), byte(dialled.Port()))
	return append(s.code(said), said...)
}

// code is what shows that whoever said an address has the secret: its HMAC.
func (s Secret) code(said []byte) []byte {
	h := hmac.New(sha256.New, s[:])
	_, _ = h.Write(said) // a hash takes everything
	return h.Sum(make([]byte, 0, Size))
}

// admits reads the address in a ticket, if it is one of this secret's.
func (s Secret) admits(b []byte) (netip.AddrPort, bool) {
	given, said := b[:sha256.Size], b[sha256.Size:]
	if !hmac.Equal(given, s.code(said)) {
		return netip.AddrPort{}, false
	}
	address := netip.AddrFrom16([16]byte(said[:16])).Unmap()
	return netip.AddrPortFrom(address, uint16(said[16])<<8|uint16(said[17])), true
}

// Conn is a connection of the agent's. Its local address is the one that the agent dialled.
type Conn struct {
	*net.TCPConn
	dialled net.Addr
}

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return c.dialled }

// Listen is a listener of which only the agent's connections are accepted. Others are closed
// without a word. Its address is at, the one that the agent knows.
func (s Secret) Listen(l net.Listener, at netip.AddrPort) net.Listener {
	door := &listener{
		Listener: l, secret: s, at: net.TCPAddrFromAddrPort(at), closed: make(chan struct{}),
		came: make(chan arrival), unknown: make(chan struct{}, mostUnknown),
	}
	go door.watch()
	return door
}

// listener accepts connections and holds each until it has shown its ticket: beside the others, so
// that a stranger who says nothing is in nobody's way.
type listener struct {
	net.Listener
	secret  Secret
	at      net.Addr
	came    chan arrival
	unknown chan struct{}
	close   sync.Once
	closed  chan struct{}
}

type arrival struct {
	conn net.Conn
	err  error
}

// watch accepts until the listener is closed.
func (l *listener) watch() {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			l.deliver(arrival{err: err})
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		l.unknown <- struct{}{}
		go func() {
			defer func() { <-l.unknown }()
			own, ok := l.admit(conn)
			if !ok || !l.deliver(arrival{conn: own}) {
				_ = conn.Close()
			}
		}()
	}
}

// deliver hands something to whoever accepts; false if nobody will.
func (l *listener) deliver(a arrival) bool {
	select {
	case l.came <- a:
		return true
	case <-l.closed:
		return false
	}
}

// admit reads a connection's ticket.
func (l *listener) admit(conn net.Conn) (net.Conn, bool) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok || tcp.SetReadDeadline(time.Now().Add(patience)) != nil {
		return nil, false
	}
	shown := make([]byte, Size)
	if _, err := io.ReadFull(tcp, shown); err != nil {
		return nil, false
	}
	dialled, ok := l.secret.admits(shown)
	if !ok || tcp.SetReadDeadline(time.Time{}) != nil {
		return nil, false
	}
	return &Conn{tcp, net.TCPAddrFromAddrPort(dialled)}, true
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case a := <-l.came:
		return a.conn, a.err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.close.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return l.at }

// Interface guards.
var (
	_ net.Conn     = (*Conn)(nil)
	_ net.Listener = (*listener)(nil)
)
