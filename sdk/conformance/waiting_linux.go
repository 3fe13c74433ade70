package conformance

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk/fragment"
)

// waiting reports whether something came in at a socket and nobody took it yet.
func waiting(socket *os.File, n fragment.Network) (bool, error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return false, err
	}
	var count int
	controlErr := raw.Control(func(fd uintptr) {
		if n == fragment.UDP {
			count, err = unix.IoctlGetInt(int(fd), unix.SIOCINQ)
			return
		}
		var info *unix.TCPInfo
		if info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			count = int(info.Unacked) // of a socket that listens: the connections nobody accepted
		}
	})
	if err == nil {
		err = controlErr
	}
	return count > 0, err
}
