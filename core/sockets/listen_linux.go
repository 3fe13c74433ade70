package sockets

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/supervise"
	"github.com/nono-run/nono/sdk/hostfile"
)

// listen makes the agent's listen.
func (s *Sockets) listen(c *supervise.Call) supervise.Answer {
	return supervise.Result(s.listenFor(c))
}

func (s *Sockets) listenFor(c *supervise.Call) error {
	if !s.duplicates {
		return unix.EACCES
	}
	socket, err := take(c, c.Int(0))
	if err != nil {
		return err
	}
	defer socket.close()
	if !c.Waiting() {
		return unix.EINTR
	}
	switch {
	case socket.isTCP():
		return s.listenTCP(socket, c.Int(1))
	case socket.isUnix():
		return listenUnix(socket, c.Int(1))
	}
	return unix.EOPNOTSUPP
}

// listenUnix serves a Unix socket that has a file: who may make one where, Landlock says.
func listenUnix(socket *socket, backlog int) error {
	name, err := unix.Getsockname(socket.fd)
	if err != nil {
		return err
	}
	u, ok := name.(*unix.SockaddrUnix)
	switch {
	case !ok || u.Name == "":
		return unix.EINVAL // as the kernel says; by now another thread may have given it a name
	case strings.HasPrefix(u.Name, "@"):
		return unix.EACCES
	}
	return unix.Listen(socket.fd, backlog)
}

// serves reports whether the agent may serve a port.
func (s *Sockets) serves(port uint16) bool { return slices.Contains(s.options.Serves, port) }

func (s *Sockets) listenTCP(socket *socket, backlog int) error {
	at, err := boundTo(socket.fd)
	if err != nil {
		return err
	}
	// One that is bound to no port would be given any by the kernel, and one that is bound to every
	// address would serve the network.
	if !s.serves(at.Port()) || !at.Addr().IsLoopback() {
		return unix.EACCES
	}
	if err := unix.Listen(socket.fd, backlog); err != nil {
		return err
	}
	s.served.add(socket.inode)
	return nil
}

// served are the agent's sockets of TCP that listen.
type served struct{ numbers }

// tables are the kernel's lists of sockets of TCP. The second is missing on a host without IPv6.
var tables = []string{"/proc/net/tcp", "/proc/net/tcp6"}

// answers reports whether it is the agent that answers at an address, and nobody else of this host.
func (s *served) answers(dialled netip.AddrPort) (bool, error) {
	own := false
	for _, table := range tables {
		file, err := hostfile.Open(table)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		foreign := false
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			if at, inode, listens := row(lines.Text()); listens && takes(at, dialled) {
				own = true
				foreign = foreign || !s.has(inode)
			}
		}
		if err := errors.Join(lines.Err(), file.Close()); err != nil || foreign {
			return false, err
		}
	}
	return own, nil
}

// takes reports whether a socket that is bound to an address gets what is sent to another: one for
// every address does, and that of IPv6 may have those of IPv4 as well.
func takes(bound, dialled netip.AddrPort) bool {
	if bound.Port() != dialled.Port() {
		return false
	}
	addr := bound.Addr()
	return addr.Unmap() == dialled.Addr() ||
		addr.IsUnspecified() && (addr.Is6() || dialled.Addr().Is4())
}

// row reads a line of the kernel's table of sockets: where each is bound, whether it listens, and
// its number.
func row(line string) (at netip.AddrPort, inode uint64, listens bool) {
	const listening = "0A"
	fields := strings.Fields(line)
	if len(fields) < 10 || fields[3] != listening {
		return at, 0, false
	}
	address, port, _ := strings.Cut(fields[1], ":")
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return at, 0, false
	}
	written, err := hex.DecodeString(address)
	if err != nil {
		return at, 0, false
	}
	// Words of four bytes, each a number as this machine has it in memory.
	var bytes []byte
	for word := range slices.Chunk(written, 4) {
		if len(word) < 4 {
			return at, 0, false
		}
		bytes = binary.NativeEndian.AppendUint32(bytes, binary.BigEndian.Uint32(word))
	}
	addr, ok := netip.AddrFromSlice(bytes)
	inode, err = strconv.ParseUint(fields[9], 10, 64)
	return netip.AddrPortFrom(addr, uint16(number)), inode, ok && err == nil
}
