package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// pass writes all that can be read. What went wrong is told of each side; where nothing did, the
// sender has ended its half. Each piece is looked at first, where there is somebody who looks.
func pass(source source, to net.Conn, look Look) (written int64, readErr, writeErr error) {
	for writeErr == nil {
		var b *buffer
		if b, readErr = source.next(); b == nil {
			break
		}
		if look != nil {
			if readErr = look(b.filled); readErr != nil {
				b.free()
				break
			}
		}
		var n int
		n, writeErr = to.Write(b.filled)
		written += int64(n)
		b.free()
	}
	return written, readErr, writeErr
}

// discard reads to the end, whatever it is.
func discard(source source) {
	for {
		b, _ := source.next()
		if b == nil {
			return
		}
		b.free()
	}
}

// source reads a connection, piece by piece.
type source interface {
	// next waits for something to read. There is no buffer at the end, and none with an error.
	next() (*buffer, error)
}

func sourceOf(conn net.Conn) source {
	if raw, err := rawOf(conn); err == nil {
		return newSocket(raw)
	}
	return &stream{conn: conn}
}

// begun is a source of which the first piece, or the end, was read already.
type begun struct {
	source
	first *buffer
	err   error
	given bool
}

func (b *begun) next() (*buffer, error) {
	if b.given {
		return b.source.next()
	}
	b.given = true
	return b.first, b.err
}

// after is what is read of a connection after these bytes.
func after(head []byte, conn net.Conn) source {
	rest := sourceOf(conn)
	if len(head) == 0 {
		return rest
	}
	return &begun{source: rest, first: &buffer{filled: head}}
}

// rawOf is the socket of a connection that is one and nothing more.
func rawOf(conn net.Conn) (syscall.RawConn, error) {
	if socket, ok := conn.(syscall.Conn); ok {
		return socket.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// socket reads without a buffer of its own: it takes one to try, and gives it back where nothing
// was there.
type socket struct {
	raw syscall.RawConn
	try func(fd uintptr) (done bool)
	got *buffer
	err error
}

func newSocket(raw syscall.RawConn) *socket {
	s := &socket{raw: raw}
	s.try = s.read // made once, not for each read
	return s
}

func (s *socket) next() (*buffer, error) {
	// Go's poller tells only what is new, so one has to try before one may wait. RawConn.Read does
	// it in this order.
	if err := s.raw.Read(s.try); err != nil {
		return nil, err
	}
	b := s.got
	s.got = nil
	return b, s.err
}

// read reads once, and reports whether there is nothing to wait for.
func (s *socket) read(fd uintptr) bool {
	b := take()
	var n int
	for {
		n, s.err = unix.Read(int(fd), b.space)
		if !errors.Is(s.err, unix.EINTR) {
			break
		}
	}
	if n > 0 {
		b.filled = b.space[:n]
		s.got = b
		return true
	}
	b.free()
	return !errors.Is(s.err, unix.EAGAIN)
}

// stream reads what can only be waited for with a buffer.
type stream struct {
	conn net.Conn
	own  buffer
}

// recordLength is the most that TLS gives at once.
const recordLength = 16 << 10

func (s *stream) next() (*buffer, error) {
	if s.own.space == nil {
		s.own.space = make([]byte, recordLength)
	}
	n, err := s.conn.Read(s.own.space)
	switch {
	case n > 0: // an error comes again
		s.own.filled = s.own.space[:n]
		return &s.own, nil
	case errors.Is(err, io.EOF):
		return nil, nil
	default:
		return nil, err
	}
}

// closeWrite ends a half; the whole, where there are no halves.
func closeWrite(conn net.Conn) error {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return conn.Close()
}

// gone waits until a connection whose other half has been read to its end is lost, and returns the
// reason; nil, if the deadline for reading passes before. The kernel probes it, for package net has
// that done with each one. Of TLS nobody can tell.
func gone(conn net.Conn) error {
	raw, err := rawOf(conn)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return err
	}
	var lost int
	var asking error
	waiting := raw.Read(func(fd uintptr) bool {
		lost, asking = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		return lost != 0 || asking != nil
	})
	switch {
	case lost != 0:
		return syscall.Errno(lost)
	case errors.Is(waiting, os.ErrDeadlineExceeded):
		return nil
	default:
		return errors.Join(waiting, asking)
	}
}
