// Package replay gives back what was read of a connection too early.
//
// Whoever looks at a connection's first bytes to learn what it is has taken them from the one who
// comes next. A [Conn] gives them once more, and is the connection itself after that.
package replay

import (
	"net"
	"syscall"
)

// Conn is a connection whose first bytes are read again.
type Conn struct {
	net.Conn
	head []byte
}

// New is conn with head before what is still to come. The head belongs to the Conn from now on.
func New(conn net.Conn, head []byte) *Conn {
	rest, inner := Open(conn)
	return &Conn{Conn: inner, head: append(head, rest...)}
}

// Open takes a connection apart into the bytes that are to come first and what is beneath. Of one
// that is no Conn there are no such bytes.
func Open(conn net.Conn) (head []byte, inner net.Conn) {
	if c, ok := conn.(*Conn); ok {
		return c.head, c.Conn
	}
	return nil, conn
}

// Read gives the head first.
func (c *Conn) Read(p []byte) (int, error) {
	if len(c.head) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.head)
	if c.head = c.head[n:]; len(c.head) == 0 {
		c.head = nil // the connection may live long, and its head be large
	}
	return n, nil
}

// CloseWrite ends this side's half, where the connection has halves.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return &net.OpError{Op: "close", Net: c.RemoteAddr().Network(), Err: syscall.EOPNOTSUPP}
}
