//go:build linux

package attacker

import (
	"errors"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// streams are tries on what standard input and error are.
var streams = tries{
	// reconnect takes a connected socket off its peer and connects it to another address.
	"reconnect": func(address string) string {
		to, err := inet(address)
		if err != nil {
			return err.Error()
		}
		var unspecified [16]byte
		_, _, errno := syscall.Syscall(unix.SYS_CONNECT, 0, uintptr(unsafe.Pointer(&unspecified)), unsafe.Sizeof(unspecified))
		if errno != 0 {
			return "disconnecting: " + outcome(errno)
		}
		if err := unix.Connect(0, to); err != nil {
			return outcome(err)
		}
		_, err = unix.Write(0, []byte("from inside"))
		return outcome(err)
	},
	"send-to": func(address string) string {
		to, err := inet(address)
		if err != nil {
			return err.Error()
		}
		return outcome(unix.Sendto(0, []byte("from inside"), 0, to))
	},
	"fd-chmod":    func(string) string { return outcome(unix.Fchmod(0, 0o777)) },
	"fd-utimes":   func(string) string { return outcome(unix.Futimes(0, []unix.Timeval{{Sec: 1}, {Sec: 1}})) },
	"fd-setxattr": func(string) string { return outcome(unix.Fsetxattr(0, "user.nono", []byte("x"), 0)) },
	// fd-chmod-same changes nothing, so that it can be tried on what the whole machine uses.
	"fd-chmod-same": func(string) string {
		var st unix.Stat_t
		if err := unix.Fstat(0, &st); err != nil {
			return outcome(err)
		}
		return outcome(unix.Fchmod(0, st.Mode&0o7777))
	},
	// type writes into standard input, for whoever reads there next.
	"type": func(text string) string {
		f, err := os.OpenFile("/proc/self/fd/0", os.O_WRONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			return outcome(err)
		}
		defer f.Close()
		_, err = f.WriteString(text + "\n")
		return outcome(err)
	},
	// read-back reads what somebody else wrote to where standard error goes.
	"read-back": func(string) string {
		fd, err := unix.Open("/proc/self/fd/2", unix.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			return outcome(err)
		}
		defer unix.Close(fd)
		b := make([]byte, 100)
		n, err := unix.Read(fd, b)
		if err != nil || n == 0 {
			return "nothing: " + outcome(err)
		}
		return strconv.Quote(string(b[:n]))
	},
	"fd-nonblock": func(string) string { return outcome(unix.SetNonblock(0, true)) },
	// take-descriptor takes a descriptor that was sent over the socket that standard input is.
	"take-descriptor": func(string) string {
		control := make([]byte, unix.CmsgSpace(4))
		_, n, _, _, err := unix.Recvmsg(0, make([]byte, 1), control, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.ENOTSOCK):
			return "ENOTSOCK"
		case err != nil:
			return outcome(err)
		case n == 0:
			return "none came"
		}
		return "ok"
	},
	"walk": func(name string) string {
		_, err := unix.Openat(0, name, unix.O_RDONLY, 0)
		return outcome(err)
	},
	"enter-namespace": func(string) string { return outcome(unix.Setns(0, 0)) },
	"accept": func(string) string {
		_ = unix.SetNonblock(0, true) // what fails then is nothing that accept could wait for
		_, _, err := unix.Accept(0)
		return outcome(err)
	},
	"watch-more": func(dir string) string {
		_, err := unix.InotifyAddWatch(0, dir, unix.IN_CREATE)
		return outcome(err)
	},
	"signal-process": func(string) string { return outcome(unix.PidfdSendSignal(0, 0, nil, 0)) },
}

func inet(address string) (unix.Sockaddr, error) {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}, nil
}
