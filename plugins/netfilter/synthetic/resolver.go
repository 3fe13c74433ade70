package synthetic

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// longestQuestion is more than any program sends: a name has at most 255 bytes.
	longestQuestion = 4096
	// mostConnections is how many programs may ask over TCP at the same time.
	mostConnections = 32
	// idle is how long such a connection is kept for the next question.
	idle = 10 * time.Second
	// pause is how long nothing is accepted where the system has no room for more.
	pause = 50 * time.Millisecond
)

// Resolver answers questions for names, over UDP and TCP. Its functions are called by many at the
// same time.
type Resolver struct {
	// Names gives the addresses.
	Names *Names
	// Allowed decides about a name, and tells of what it denies. It is given names in the plain form
	// of hostname.Parse; a name that has none is denied whatever it says, and it is given that as
	// well, so that it can be told.
	Allowed func(name string) bool
	// Full is told of an allowed name for which there was no address left.
	Full func(name string)
}

// ServePacket answers what arrives in packets, until the socket is closed.
func (r *Resolver) ServePacket(socket net.PacketConn) error {
	packet := make([]byte, longestQuestion)
	for {
		n, from, err := socket.ReadFrom(packet)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if answer := r.answer(packet[:n]); answer != nil {
			// Who got no answer asks again; a socket that no longer works is noticed above.
			_, _ = socket.WriteTo(answer, from)
		}
	}
}

// Serve answers what arrives on connections, until the listener is closed; then it ends those that
// are left. One connection too many is closed at once.
func (r *Resolver) Serve(listener net.Listener) error {
	var serving sync.WaitGroup
	open := connections{all: map[net.Conn]bool{}}
	defer serving.Wait()
	defer open.close()
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if passing, ok := errors.AsType[interface {
			error
			Temporary() bool
		}](err); ok && passing.Temporary() {
			<-time.After(pause) // too many open files, as a rule
			continue
		}
		if err != nil {
			return err
		}
		if !open.add(conn) {
			_ = conn.Close()
			continue
		}
		serving.Go(func() {
			defer open.remove(conn)
			r.serve(conn)
		})
	}
}

// serve answers one question after another. Each message has its length before it.
func (r *Resolver) serve(conn net.Conn) {
	var length [2]byte
	message := make([]byte, longestQuestion)
	for {
		if conn.SetDeadline(time.Now().Add(idle)) != nil {
			return
		}
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint16(length[:]))
		if n > len(message) {
			return
		}
		if _, err := io.ReadFull(conn, message[:n]); err != nil {
			return
		}
		answer := r.answer(message[:n])
		if answer == nil {
			return
		}
		framed := binary.BigEndian.AppendUint16(nil, uint16(len(answer)))
		if _, err := conn.Write(append(framed, answer...)); err != nil {
			return
		}
	}
}

// connections are those that are open.
type connections struct {
	mu  sync.Mutex
	all map[net.Conn]bool
}

func (c *connections) add(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.all) == mostConnections {
		return false
	}
	c.all[conn] = true
	return true
}

func (c *connections) remove(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.all, conn)
	_ = conn.Close()
}

func (c *connections) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.all {
		_ = conn.Close()
	}
}
