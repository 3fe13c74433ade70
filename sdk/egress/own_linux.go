package egress

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Where an answer of the kernel's has what is looked at, and how long one is at most.
const (
	longestRoute = 1 << 10
	atMessage    = unix.SizeofNlMsghdr
	atRouteType  = atMessage + 7 // in struct rtmsg
)

// isLocal asks the kernel for the route to an address. The route to one of its own is of a type
// that no other has, whether an interface has that address or the machine takes it as its own
// (ip route add local).
func isLocal(addr netip.Addr) (bool, error) {
	answer, err := routes.ask(routeTo(addr))
	if err != nil {
		return false, err
	}
	local, err := isLocalRoute(answer)
	if errors.Is(err, unix.EOPNOTSUPP) && addr.Is6() && !hasIPv6() {
		return false, nil
	}
	return local, err
}

// routes is the socket by which the kernel is asked. To make one for each question takes longer
// than the answer.
var routes kernel

type kernel struct {
	mu     sync.Mutex
	socket *os.File // nil where there is none, as after an error
}

// ask puts a question and returns the answer to it.
func (k *kernel) ask(question []byte) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.socket == nil {
		const kind = unix.SOCK_RAW | unix.SOCK_CLOEXEC
		fd, err := unix.Socket(unix.AF_NETLINK, kind, unix.NETLINK_ROUTE)
		if err != nil {
			return nil, os.NewSyscallError("socket", err)
		}
		k.socket = os.NewFile(uintptr(fd), "netlink")
	}
	answer, err := exchange(int(k.socket.Fd()), question)
	if err != nil {
		// An answer that comes after all must not be taken for that to the next question.
		_ = k.socket.Close()
		k.socket = nil
	}
	return answer, err
}

func exchange(socket int, question []byte) ([]byte, error) {
	to := &unix.SockaddrNetlink{Family: unix.AF_NETLINK}
	if err := unix.Sendto(socket, question, 0, to); err != nil {
		return nil, os.NewSyscallError("sendto", err)
	}
	answer := make([]byte, longestRoute)
	// The kernel has answered before it returned, so there is nothing to wait for.
	n, from, err := unix.Recvfrom(socket, answer, unix.MSG_DONTWAIT)
	if err != nil {
		return nil, os.NewSyscallError("recvfrom", err)
	}
	if at, ok := from.(*unix.SockaddrNetlink); !ok || at.Pid != 0 {
		return nil, errors.New("another process answers for the kernel")
	}
	return answer[:n], nil
}

// routeTo is the question for the route to an address.
func routeTo(addr netip.Addr) []byte {
	family := byte(unix.AF_INET)
	if addr.Is6() {
		family = unix.AF_INET6
	}
	raw := addr.AsSlice()
	const length = unix.SizeofNlMsghdr + unix.SizeofRtMsg + unix.SizeofRtAttr
	native := binary.NativeEndian
	b := make([]byte, 0, length+len(raw))
	// struct nlmsghdr: length, type, flags, number, sender
	b = native.AppendUint32(b, uint32(length+len(raw)))
	b = native.AppendUint16(b, unix.RTM_GETROUTE)
	b = native.AppendUint16(b, unix.NLM_F_REQUEST)
	b = native.AppendUint32(b, 1)
	b = native.AppendUint32(b, 0)
	// struct rtmsg: family, bits of the destination, and ten bytes that say nothing
	b = append(b, family, byte(addr.BitLen()), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	// struct rtattr: length, type, and the address
	b = native.AppendUint16(b, uint16(unix.SizeofRtAttr+len(raw)))
	b = native.AppendUint16(b, unix.RTA_DST)
	return append(b, raw...)
}

// isLocalRoute reads the answer to it. Where no way leads, the address is elsewhere.
func isLocalRoute(answer []byte) (bool, error) {
	if len(answer) < atMessage+unix.SizeofRtMsg {
		return false, errors.New("the kernel's answer is too short")
	}
	switch binary.NativeEndian.Uint16(answer[4:]) {
	case unix.RTM_NEWROUTE:
		kind := answer[atRouteType]
		return kind == unix.RTN_LOCAL || kind == unix.RTN_ANYCAST, nil
	case unix.NLMSG_ERROR:
		errno := unix.Errno(-int32(binary.NativeEndian.Uint32(answer[atMessage:])))
		if errno == unix.ENETUNREACH || errno == unix.EHOSTUNREACH {
			return false, nil
		}
		return false, os.NewSyscallError("RTM_GETROUTE", errno)
	}
	return false, errors.New("the kernel's answer is about something else")
}

// hasIPv6 reports whether the kernel knows IPv6 at all. It has no routes of a family that it does
// not know.
func hasIPv6() bool {
	socket, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return !errors.Is(err, unix.EAFNOSUPPORT)
	}
	_ = unix.Close(socket)
	return true
}
