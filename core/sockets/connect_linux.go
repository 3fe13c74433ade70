package sockets

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/supervise"
)

// connect makes the agent's connect.
func (s *Sockets) connect(c *supervise.Call) supervise.Answer {
	return supervise.Result(s.connectFor(c))
}

// longestAddress is the kernel's limit, struct sockaddr_storage.
const longestAddress = 128

func (s *Sockets) connectFor(c *supervise.Call) error {
	size := c.Int(2) // the kernel declares it so
	if size < 0 || size > longestAddress {
		return unix.EINVAL
	}
	address, err := c.Read(c.Arg(1), uint64(size))
	if err != nil {
		return err
	}
	if !s.duplicates {
		return s.connectInstead(c, address)
	}
	socket, err := take(c, c.Int(0))
	if err != nil {
		return err
	}
	defer socket.close()
	return s.connectSocket(c, socket, address)
}

func (s *Sockets) connectSocket(c *supervise.Call, socket *socket, address []byte) error {
	switch {
	case socket.isTCP():
		if !c.Waiting() {
			return unix.EINTR
		}
		dialled, err := parse(address, socket.domain)
		if err != nil {
			return err
		}
		return s.connectTCP(socket, meant(dialled))
	case socket.isUnix():
		return s.connectUnix(c, socket, address)
	}
	return unix.EACCES // the filter lets no other be made that could be connected
}

// socket is a duplicate of one of the agent's, or one that is to take the place of it.
type socket struct {
	fd                     int
	domain, kind, protocol int
	inode                  uint64
}

// take duplicates a descriptor of the caller's, and looks what it is.
func take(c *supervise.Call, number int) (*socket, error) {
	fd, err := c.Descriptor(number)
	if err != nil {
		return nil, err
	}
	return look(fd)
}

// look asks what a socket is. One that is none is closed, ENOTSOCK.
func look(fd int) (*socket, error) {
	s := &socket{fd: fd}
	var st unix.Stat_t
	err := unix.Fstat(fd, &st)
	for _, ask := range []struct {
		option int
		to     *int
	}{{unix.SO_DOMAIN, &s.domain}, {unix.SO_TYPE, &s.kind}, {unix.SO_PROTOCOL, &s.protocol}} {
		if err == nil {
			*ask.to, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, ask.option)
		}
	}
	if err != nil {
		s.close()
		return nil, err
	}
	s.inode = st.Ino
	return s, nil
}

func (s *socket) close() { _ = unix.Close(s.fd) }

// isTCP reports whether it is TCP and nothing that passes for it: MPTCP is a stream of IP's too.
func (s *socket) isTCP() bool {
	return (s.domain == unix.AF_INET || s.domain == unix.AF_INET6) &&
		s.kind == unix.SOCK_STREAM && s.protocol == unix.IPPROTO_TCP
}

// isUnix reports whether it is a Unix socket that has to be connected before anything is sent: one
// of datagrams could be sent from to anybody.
func (s *socket) isUnix() bool {
	return s.domain == unix.AF_UNIX && (s.kind == unix.SOCK_STREAM || s.kind == unix.SOCK_SEQPACKET)
}

// state is TCP's.
func (s *socket) state() (uint8, error) {
	info, err := unix.GetsockoptTCPInfo(s.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, err
	}
	return info.State, nil
}

// States of a socket of TCP.
const (
	stateClosed    = 7
	stateListening = 10
)

// The lengths of addresses: an IPv6 one may lack its scope.
const (
	lengthInet4 = 16
	lengthInet6 = 24
)

// parse reads an address of the socket's own family, and no other: to dissolve a connection (the
// family of none) is nothing that a client has to.
func parse(address []byte, domain int) (netip.AddrPort, error) {
	if len(address) < 2 {
		return netip.AddrPort{}, unix.EINVAL
	}
	if int(binary.NativeEndian.Uint16(address)) != domain {
		return netip.AddrPort{}, unix.EAFNOSUPPORT
	}
	switch {
	case domain == unix.AF_INET && len(address) >= lengthInet4:
		port := binary.BigEndian.Uint16(address[2:])
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(address[4:8])), port), nil
	case domain == unix.AF_INET6 && len(address) >= lengthInet6:
		port := binary.BigEndian.Uint16(address[2:])
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(address[8:24])), port), nil
	}
	return netip.AddrPort{}, unix.EINVAL
}

// connectTCP connects the agent's socket to what stands for an address.
func (s *Sockets) connectTCP(socket *socket, dialled netip.AddrPort) error {
	turn := &s.turns[socket.inode%uint64(len(s.turns))]
	turn.Lock()
	defer turn.Unlock()
	state, err := socket.state()
	if err != nil {
		return err
	}
	if state != stateClosed {
		// It is connected, or about to be: a program asks by the same call how far that has come. The
		// address is the one that it was given before, whatever is said now.
		return socket.again()
	}
	if dialled.Addr().IsLoopback() && s.serves(dialled.Port()) {
		own, err := s.served.answers(dialled)
		switch {
		case err != nil:
			return err
		case !own:
			return unix.ECONNREFUSED
		}
		return socket.connectTo(dialled)
	}
	d, err := s.find(dialled)
	if err != nil {
		return err
	}
	connected := socket.connectTo(d.real)
	if connected != nil && !errors.Is(connected, unix.EINPROGRESS) {
		return connected
	}
	if err := socket.say(s.secret.For(dialled)); err != nil {
		_ = unix.Shutdown(socket.fd, unix.SHUT_RDWR)
		return unix.ECONNREFUSED
	}
	return connected
}

// nobody is an address that TCP cannot be connected to, whoever listens: that of a broadcast.
var nobody = netip.AddrPortFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), 1)

// again asks how far a connection has come that was begun before. The kernel does not look at the
// address then; but the agent can call the connection off in the last moment, by shutdown, and the
// socket would be connected to what is named here.
func (s *socket) again() error { return s.connectTo(nobody) }

// connectTo connects, for no longer than is reasonable.
func (s *socket) connectTo(to netip.AddrPort) error {
	var address unix.Sockaddr
	switch s.domain {
	case unix.AF_INET:
		address = &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}
	default:
		address = &unix.SockaddrInet6{Addr: to.Addr().As16(), Port: int(to.Port())}
		if to.Addr().Is4() {
			// A socket for IPv6 alone could not be connected to core's. Where it cannot be changed any
			// more, the kernel will say so.
			_ = unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0)
		}
	}
	return s.bounded(func() error {
		err := unix.Connect(s.fd, address)
		if errors.Is(err, unix.EINTR) {
			return s.await()
		}
		return err
	})
}

// bounded does something that waits for as long as the socket says, and sees to it that this has an
// end: the agent cannot be interrupted while core works for it.
func (s *socket) bounded(do func() error) error {
	flags, err := unix.FcntlInt(uintptr(s.fd), unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	if flags&unix.O_NONBLOCK != 0 {
		return do()
	}
	limit, err := unix.GetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO)
	if err != nil {
		return err
	}
	if *limit == (unix.Timeval{}) {
		ours := unix.NsecToTimeval(patience.Nanoseconds())
		if err := unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &ours); err != nil {
			return err
		}
		defer func() {
			_ = unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{})
		}()
	}
	return do()
}

// await waits for a connection that is under way, and says how it went.
func (s *socket) await() error {
	if err := s.ready(time.Now().Add(patience)); err != nil {
		return err
	}
	errno, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && errno != 0 {
		err = unix.Errno(errno)
	}
	return err
}

// ready waits until something can be sent.
func (s *socket) ready(until time.Time) error {
	for {
		left := time.Until(until)
		if left <= 0 {
			return unix.ETIMEDOUT
		}
		fds := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLOUT}}
		n, err := unix.Poll(fds, int(left.Milliseconds())+1)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case n > 0:
			return nil
		}
	}
}

// say sends what is to be first on a connection. On a loopback that is at once: the connection
// stands when connect returns, whether it waits or not.
func (s *socket) say(what []byte) error {
	until := time.Now().Add(patience)
	for {
		n, err := unix.SendmsgN(s.fd, what, nil, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		switch {
		case err == nil && n == len(what):
			return nil
		case err == nil:
			return unix.EPIPE // half of it is of no use to anybody
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINPROGRESS),
			errors.Is(err, unix.EALREADY):
			if err := s.ready(until); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// connectUnix connects the agent's socket to a service of the host's, by its path.
func (s *Sockets) connectUnix(c *supervise.Call, socket *socket, address []byte) error {
	name, err := unixPath(address)
	if err != nil {
		return err
	}
	file, err := open(c, name)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(file) }()
	if !c.Waiting() {
		return unix.EINTR
	}
	// By this name the kernel finds the file that was looked at, and not what the path means by now.
	held := "/proc/self/fd/" + strconv.Itoa(file)
	at, err := whereIs(held, file)
	if err != nil {
		return err
	}
	if s.options.Connects == nil || !s.options.Connects(at) {
		return unix.EACCES
	}
	return socket.bounded(func() error {
		until := time.Now().Add(patience)
		for {
			err := unix.Connect(socket.fd, &unix.SockaddrUnix{Name: held})
			if !errors.Is(err, unix.EINTR) || time.Now().After(until) {
				return err
			}
		}
	})
}

// unixPath is the path in an address of a Unix socket. A name without a file belongs to the host's
// network, where the agent reaches nobody.
func unixPath(address []byte) (string, error) {
	switch {
	case len(address) < 2:
		return "", unix.EINVAL
	case binary.NativeEndian.Uint16(address) != unix.AF_UNIX:
		return "", unix.EINVAL
	case len(address) == 2:
		return "", unix.EINVAL
	case address[2] == 0:
		return "", unix.ECONNREFUSED
	}
	name, _, _ := bytes.Cut(address[2:], []byte{0})
	return string(name), nil
}

// open opens what a path means to the caller, for nothing but to be looked at.
func open(c *supervise.Call, name string) (int, error) {
	dir := unix.AT_FDCWD
	if !path.IsAbs(name) {
		from, err := unix.Open(fmt.Sprintf("/proc/%d/cwd", c.Thread()),
			unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return -1, err
		}
		defer func() { _ = unix.Close(from) }()
		dir = from
	}
	for {
		fd, err := unix.Openat2(dir, name, &unix.OpenHow{
			Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_MAGICLINKS,
		})
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return fd, err
		}
		if !c.Waiting() {
			return -1, unix.EINTR
		}
	}
}

// whereIs is the path of a Unix socket that is open. One that has lost its name has none.
func whereIs(held string, file int) (string, error) {
	var here, there unix.Stat_t
	if err := unix.Fstat(file, &here); err != nil {
		return "", err
	}
	if here.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return "", unix.ECONNREFUSED
	}
	at, err := os.Readlink(held)
	if err != nil {
		return "", err
	}
	if err := unix.Lstat(at, &there); err != nil || here.Dev != there.Dev || here.Ino != there.Ino {
		return "", unix.ECONNREFUSED
	}
	return at, nil
}

// dial connects for core itself.
func dial(ctx context.Context, at netip.AddrPort) (*os.File, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", at.String())
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	return conn.(*net.TCPConn).File()
}
