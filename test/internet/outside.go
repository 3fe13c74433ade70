//go:build linux

package internet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// outsideSocket is the descriptor by which inside and outside know each other.
const outsideSocket = 3

// An errand is what inside asks of outside: to raise its interfaces, to prove that it is alone, or
// to open a socket, which comes with the answer.
type errand struct {
	Do      string // "raise", "alone", "tap", or a network as package net knows it
	Address string
}

// startOutside starts the process that lives in the other namespace and connects the two.
func startOutside() (socket int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	theirs := os.NewFile(uintptr(pair[1]), "outside")
	defer theirs.Close()
	cmd := exec.Command("/proc/self/exe")
	mine, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return -1, err
	}
	cmd.Env = []string{stageVariable + "=" + stageOutside, beforeVariable + "=" + mine}
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET, AmbientCaps: capabilities,
	}
	if err := cmd.Start(); err != nil {
		return -1, err
	}
	if err := configure(fmt.Sprintf(machine, cmd.Process.Pid)); err != nil {
		return -1, err
	}
	_, err = ask(pair[0], errand{Do: "raise"})
	return pair[0], err
}

// serveOutside does errands until inside has ended.
func serveOutside() error {
	for buffer := make([]byte, 4096); ; {
		n, err := unix.Read(outsideSocket, buffer)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return err
		}
		var want errand
		if err := json.Unmarshal(buffer[:n], &want); err != nil {
			return err
		}
		file, err := want.do()
		var said string
		var rights []byte
		if err != nil {
			said = err.Error()
		}
		if file != nil {
			rights = unix.UnixRights(int(file.Fd()))
		}
		err = unix.Sendmsg(outsideSocket, []byte("."+said), rights, nil, 0)
		if file != nil {
			file.Close()
		}
		if err != nil {
			return err
		}
	}
}

// sharing lets one address have a server of its own at a port that another serves for all.
var sharing = net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	return errors.Join(err, failed)
}}

func (e errand) do() (*os.File, error) {
	switch e.Do {
	case "raise":
		if err := configure(internet); err != nil {
			return nil, err
		}
		return nil, os.WriteFile(lowPorts, []byte("0"), 0)
	case "alone":
		return nil, alone("net0")
	case "tap":
		return openTap()
	case "tcp", "tcp4", "tcp6":
		l, err := sharing.Listen(context.Background(), e.Do, e.Address)
		if err != nil {
			return nil, err
		}
		defer l.Close()
		return l.(*net.TCPListener).File()
	case "udp", "udp4", "udp6":
		c, err := net.ListenPacket(e.Do, e.Address)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		return c.(*net.UDPConn).File()
	}
	return nil, fmt.Errorf("there is no errand %q", e.Do)
}

// ask sends an errand and waits for the answer.
func ask(socket int, want errand) (*os.File, error) {
	m, err := json.Marshal(want)
	if err != nil {
		return nil, err
	}
	if err := unix.Sendmsg(socket, m, nil, nil, 0); err != nil {
		return nil, err
	}
	answer, rights := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	n, rightsLen, _, _, err := unix.Recvmsg(socket, answer, rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, errors.New("the process outside is gone")
	}
	if n > 1 {
		return nil, errors.New(string(answer[1:n]))
	}
	messages, err := unix.ParseSocketControlMessage(rights[:rightsLen])
	if err != nil || len(messages) == 0 {
		return nil, err
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fds[0]), want.Do), nil
}

// outside opens sockets in the other namespace.
type outside struct {
	mu     sync.Mutex // one errand at a time
	socket int
}

func meetOutside() (*outside, error) {
	unix.CloseOnExec(outsideSocket)
	var st unix.Stat_t
	if err := unix.Fstat(outsideSocket, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return nil, errors.New("there is nobody outside")
	}
	return &outside{socket: outsideSocket}, nil
}

func (o *outside) alone() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, err := ask(o.socket, errand{Do: "alone"})
	return err
}

// open has a socket opened.
func (o *outside) open(want errand) (*os.File, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	file, err := ask(o.socket, want)
	if err == nil && file == nil {
		err = errors.New("no socket came with the answer")
	}
	if err != nil {
		return nil, fmt.Errorf("outside, %s %s: %w", want.Do, want.Address, err)
	}
	return file, nil
}

func (o *outside) listen(network, address string) (net.Listener, error) {
	file, err := o.open(errand{network, address})
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return net.FileListener(file)
}

func (o *outside) listenPacket(network, address string) (*net.UDPConn, error) {
	file, err := o.open(errand{network, address})
	if err != nil {
		return nil, err
	}
	defer file.Close()
	c, err := net.FilePacketConn(file)
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}
