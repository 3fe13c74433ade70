package sockets

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/supervise"
	"github.com/nono-run/nono/sdk/hostfile"
)

// Containers run beneath a filter of their own, and the usual one lets nobody take a duplicate of
// another's descriptor. There core makes a socket, connects that, and puts it in the place of the
// agent's. What the agent had set for its own before is lost with it, and there is no listen: that
// would need the agent's own.

// canDuplicate reports whether this process may take descriptors, by taking one of its own.
func canDuplicate() bool {
	self, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(self) }()
	fd, err := unix.PidfdGetfd(self, self, 0)
	if err != nil {
		return false
	}
	_ = unix.Close(fd)
	return true
}

// connectInstead connects a socket of core's own, and gives it to the agent.
func (s *Sockets) connectInstead(c *supervise.Call, address []byte) error {
	if len(address) < 2 {
		return unix.EINVAL
	}
	number := c.Int(0)
	flags, err := s.lookAt(c, number)
	if err != nil {
		return err
	}
	made, err := makeSocket(int(binary.NativeEndian.Uint16(address)))
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(made.fd), "the agent's socket")
	defer func() { _ = file.Close() }()
	// It blocks while core connects it: the agent finds it connected.
	if err := s.connectSocket(c, made, address); err != nil {
		return err
	}
	if flags&unix.O_NONBLOCK != 0 {
		if err := unix.SetNonblock(made.fd, true); err != nil {
			return err
		}
	}
	s.given.add(made.inode)
	return c.Replace(number, file, flags&unix.O_CLOEXEC != 0)
}

// lookAt is how one of the agent's descriptors is open. It has to be a socket, and not one that
// core has connected already.
func (s *Sockets) lookAt(c *supervise.Call, number int) (flags int, err error) {
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", c.Thread(), number))
	if errors.Is(err, unix.ENOENT) {
		return 0, unix.EBADF
	}
	if err != nil {
		return 0, err
	}
	inode, ok := strings.CutPrefix(link, "socket:[")
	if !ok {
		return 0, unix.ENOTSOCK
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(inode, "]"), 10, 64)
	if err != nil || s.given.has(n) {
		return 0, unix.EISCONN
	}
	const mostInfo = 4096
	info, err := hostfile.Read(fmt.Sprintf("/proc/%d/fdinfo/%d", c.Thread(), number), mostInfo)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(info)) {
		if octal, ok := strings.CutPrefix(line, "flags:"); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(octal), 8, 32)
			return int(n), err
		}
	}
	return 0, unix.EBADF
}

// makeSocket makes a stream of a family that an agent may have.
func makeSocket(family int) (*socket, error) {
	switch family {
	case unix.AF_INET, unix.AF_INET6, unix.AF_UNIX:
	default:
		return nil, unix.EAFNOSUPPORT
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return look(fd)
}

// numbers are numbers of sockets in the kernel. None is given twice while a run lives, so one that
// is closed is in nobody's way.
type numbers struct {
	mu  sync.Mutex
	all map[uint64]bool
}

func (n *numbers) add(inode uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.all == nil {
		n.all = map[uint64]bool{}
	}
	n.all[inode] = true
}

func (n *numbers) has(inode uint64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.all[inode]
}
