//go:build linux

package attacker

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// network are tries to reach somebody.
var network = tries{
	"socket":   socket,
	"connect":  connectTCP,
	"mptcp":    connectMPTCP,
	"listen":   listenMPTCP,
	"served":   served,
	"fastopen": fastOpen,
	"udp":      func(address string) string { return ask("udp", address) },
	"unix":     func(p string) string { return ask("unix", p) },
	"unixgram": unixgram,
	"unixpacket": func(p string) string {
		return ask("unixpacket", p)
	},
	"families": func(string) string { return families() },
	"netlinks": func(string) string { return netlinks() },
}

// patience is how long an answer is waited for that does not come.
const patience = 300 * time.Millisecond

// socket opens FAMILY,TYPE,PROTOCOL, each with all of its 64 bits.
func socket(v string) string {
	var family, kind, protocol uint64
	if _, err := fmt.Sscanf(v, "%v,%v,%v", &family, &kind, &protocol); err != nil {
		return err.Error()
	}
	return call(unix.SYS_SOCKET, uintptr(family), uintptr(kind), uintptr(protocol))
}

// connectTCP connects and reads the greeting.
func connectTCP(address string) string { return ask("tcp", address) }

// ask connects, says something, and waits for what comes back.
func ask(network, address string) string {
	c, err := net.DialTimeout(network, address, 5*time.Second)
	if err != nil {
		return outcome(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte("from the agent")); err != nil {
		return "write: " + outcome(err)
	}
	_, err = c.Read(make([]byte, 100))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "no answer"
	}
	if err != nil {
		return "read: " + outcome(err)
	}
	return "ok"
}

// inet4 splits ADDRESS:PORT.
func inet4(address string) (*unix.SockaddrInet4, error) {
	a, err := net.ResolveTCPAddr("tcp4", address)
	if err != nil {
		return nil, err
	}
	return &unix.SockaddrInet4{Port: a.Port, Addr: [4]byte(a.IP.To4())}, nil
}

const mptcp = 262

func connectMPTCP(address string) string {
	to, err := inet4(address)
	if err != nil {
		return err.Error()
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, mptcp)
	if err != nil {
		return "socket: " + outcome(err)
	}
	defer unix.Close(fd)
	return outcome(unix.Connect(fd, to))
}

func listenMPTCP(string) string {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, mptcp)
	if err != nil {
		return "socket: " + outcome(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return "bind: " + outcome(err)
	}
	return outcome(unix.Listen(fd, 1))
}

// served listens without having bound a port, writes down which one the kernel chose, and waits for
// somebody to come.
func served(file string) string {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return "socket: " + outcome(err)
	}
	defer unix.Close(fd)
	if err := unix.Listen(fd, 1); err != nil {
		return "listen: " + outcome(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return "getsockname: " + outcome(err)
	}
	port := fmt.Sprint(name.(*unix.SockaddrInet4).Port)
	if err := os.WriteFile(file+".new", []byte(port), 0o644); err != nil {
		return "writing down the port: " + outcome(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return "writing down the port: " + outcome(err)
	}
	wait := unix.NsecToTimeval((2 * patience).Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		return "waiting: " + outcome(err)
	}
	c, _, err := unix.Accept(fd)
	if err == unix.EAGAIN {
		return "nobody came"
	}
	if err == nil {
		_ = unix.Close(c)
	}
	return outcome(err)
}

// fastOpen connects by sending.
func fastOpen(address string) string {
	to, err := inet4(address)
	if err != nil {
		return err.Error()
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return "socket: " + outcome(err)
	}
	defer unix.Close(fd)
	return outcome(unix.Sendto(fd, []byte("x"), unix.MSG_FASTOPEN, to))
}

// unixgram sends to a socket without having connected to it.
func unixgram(p string) string {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		return "socket: " + outcome(err)
	}
	defer unix.Close(fd)
	return outcome(unix.Sendto(fd, []byte("from the agent"), 0, &unix.SockaddrUnix{Name: p}))
}

// families are the families of which any socket can be had.
func families() string {
	var had []string
	for family := range 46 {
		for _, kind := range []int{
			unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_RAW, unix.SOCK_SEQPACKET,
		} {
			if fd, err := unix.Socket(family, kind, 0); err == nil {
				_ = unix.Close(fd)
				had = append(had, fmt.Sprint(family))
				break
			}
		}
	}
	return strings.Join(had, " ")
}

// netlinks are the protocols of netlink of which a socket can be had.
func netlinks() string {
	var had []string
	for protocol := range 32 {
		if fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, protocol); err == nil {
			_ = unix.Close(fd)
			had = append(had, fmt.Sprint(protocol))
		}
	}
	return strings.Join(had, " ")
}
