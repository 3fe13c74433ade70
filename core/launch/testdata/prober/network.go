package main

import (
	"fmt"
	"io"
	"net"

	"golang.org/x/sys/unix"
)

// trySocket opens FAMILY,TYPE,PROTOCOL.
func trySocket(v string) string {
	var family, kind, protocol int
	if _, err := fmt.Sscanf(v, "%d,%d,%d", &family, &kind, &protocol); err != nil {
		return err.Error()
	}
	fd, err := unix.Socket(family, kind, protocol)
	if err == nil {
		unix.Close(fd)
	}
	return outcome(err)
}

// fastOpen connects to a listener of its own by sending.
func fastOpen() string {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "listen: " + outcome(err)
	}
	defer l.Close()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return "socket: " + outcome(err)
	}
	defer unix.Close(fd)
	to := &unix.SockaddrInet4{Port: l.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}
	return outcome(unix.Sendto(fd, []byte("x"), unix.MSG_FASTOPEN, to))
}

// udp sends a datagram to an address; it may well be sent and arrive nowhere.
func udp(address string) string {
	c, err := net.Dial("udp", address)
	if err != nil {
		return outcome(err)
	}
	defer c.Close()
	_, err = c.Write([]byte("from inside"))
	return outcome(err)
}

// serve answers one connection on a port of the loopback with a greeting.
func serve(port string) string {
	l, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		return outcome(err)
	}
	fmt.Println("serving")
	c, err := l.Accept()
	if err != nil {
		return outcome(err)
	}
	defer c.Close()
	if _, err = c.Write([]byte("hello from inside")); err == nil {
		err = c.(*net.TCPConn).CloseWrite()
	}
	// With the end of this program nono-init's comes, which may not have handed the connection on.
	_, _ = io.Copy(io.Discard, c)
	return outcome(err)
}

// answerOf reads what a server says.
func answerOf(c net.Conn, err error) string {
	if err != nil {
		return outcome(err)
	}
	defer c.Close()
	b, err := io.ReadAll(c)
	return text(string(b), err)
}

// resolve asks over UDP.
func resolve(address string) string {
	c, err := net.Dial("udp", address)
	if err != nil {
		return outcome(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("a question")); err != nil {
		return outcome(err)
	}
	b := make([]byte, 100)
	n, err := c.Read(b)
	return text(string(b[:n]), err)
}
