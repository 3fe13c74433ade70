//go:build linux

package load

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// The server, as it is known to clients. Its address is one of the internet.
const (
	ServerName    = "load.example"
	ServerAddress = "6.6.6.6"
	resolver      = "127.0.0.53"
)

// Straight is the way to the server, without a proxy.
var Straight = Way{Name: ServerName, Tunnels: "443", Requests: "80"}

const stageVariable = "NONO_LOAD"

// Alone does something in a network of its own: a loopback with a resolver at it, a cable to
// another network, in which there is the server, and nothing else. Its process may look into the
// others that it starts, which nono's layers do not allow the user. The program is run again for
// it, with the same arguments.
func Alone(do func() error) error {
	if os.Getenv(stageVariable) != "" {
		if err := serve(); err != nil {
			return fmt.Errorf("making a network: %w", err)
		}
		if err := setUp(); err != nil {
			return fmt.Errorf("making a network: %w", err)
		}
		return do()
	}
	runtime.LockOSThread() // the child dies with the thread that started it
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), stageVariable+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	uid, gid := os.Getuid(), os.Getgid()
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}},
		AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_SYS_PTRACE},
		Pdeathsig:   unix.SIGKILL,
	}
	return cmd.Run()
}

// lowPorts is the setting that says from which port on one needs no capability to listen.
const lowPorts = "/proc/sys/net/ipv4/ip_unprivileged_port_start"

// setUp says whom to ask for names, and takes all capabilities from whoever is started here.
func setUp() error {
	file, err := os.CreateTemp("", "resolv.conf-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString("nameserver " + resolver + "\n")
	if err := errors.Join(err, file.Chmod(0o644), file.Close()); err != nil {
		return err
	}
	for _, step := range []struct {
		from, to string
		flags    uintptr
	}{
		{"", "/", unix.MS_REC | unix.MS_PRIVATE},
		{file.Name(), "/etc/resolv.conf", unix.MS_BIND},
	} {
		if err := unix.Mount(step.from, step.to, "", step.flags, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", step.to, err)
		}
	}
	// What is started from here on has no capability.
	const clearAll = unix.PR_CAP_AMBIENT_CLEAR_ALL
	_, _, errno := syscall.AllThreadsSyscall6(
		unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, clearAll, 0, 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("giving capabilities up, for which this is to be built without cgo: %w", errno)
	}
	return nil
}

// The two ends of the cable.
const (
	here = `
link set lo up
link add out0 type veth peer name net0 netns %d
address add 6.6.6.1/24 dev out0
link set out0 up
`
	there = `
link set lo up
address add ` + ServerAddress + `/24 dev net0
link set net0 up
`
)

// ip has the program of that name do each line.
func ip(lines string) error {
	for line := range strings.Lines(strings.TrimSpace(lines)) {
		out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("ip %s: %w: %s", strings.TrimSpace(line), err, out)
		}
	}
	return nil
}

// elsewhere does something in another network, to which a cable leads from this one. Sockets that
// are opened there stay there.
func elsewhere(do func() error) error {
	moved, connected, done := make(chan error), make(chan error), make(chan error)
	thread := 0
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this function
		thread = unix.Gettid()
		moved <- unix.Unshare(unix.CLONE_NEWNET)
		if err := <-connected; err != nil {
			done <- err
			return
		}
		if err := ip(there); err != nil {
			done <- err
			return
		}
		done <- do()
	}()
	err := <-moved
	if err == nil {
		err = ip(fmt.Sprintf(here, thread))
	}
	connected <- err
	return <-done
}

// serve serves tunnels, requests and names until the process ends. The server is in a network of
// its own, for to an address that is the machine's own no name may lead.
func serve() error {
	openLowPorts := func() error { return os.WriteFile(lowPorts, []byte("0"), 0) }
	var tunnels, requests net.Listener
	err := elsewhere(func() (err error) {
		if err = openLowPorts(); err == nil {
			tunnels, err = net.Listen("tcp", ServerAddress+":443")
		}
		if err == nil {
			requests, err = net.Listen("tcp", ServerAddress+":80")
		}
		if err == nil {
			keyed, err = net.Listen("tcp", net.JoinHostPort(ServerAddress, servicePort))
		}
		return err
	})
	if err := errors.Join(err, openLowPorts()); err != nil {
		return err
	}
	names, err := net.ListenPacket("udp", resolver+":53")
	if err != nil {
		return err
	}
	failed := func(err error) {
		fmt.Fprintln(os.Stderr, "load: the server:", err)
		os.Exit(1)
	}
	go func() { failed(Serve(tunnels)) }()
	server := &http.Server{Handler: http.HandlerFunc(Handler)}
	go func() { failed(server.Serve(requests)) }()
	go func() { failed(resolve(names)) }()
	return nil
}

// resolve answers every question for an IPv4 address with the server's, and others with nothing.
func resolve(names net.PacketConn) error {
	question := make([]byte, 1500)
	for {
		n, from, err := names.ReadFrom(question)
		if err != nil {
			return err
		}
		var m dnsmessage.Message
		if m.Unpack(question[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		m.Header = dnsmessage.Header{
			ID: m.ID, Response: true, Authoritative: true, RecursionAvailable: true,
		}
		m.Additionals = nil
		if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60},
				Body:   &dnsmessage.AResource{A: [4]byte(net.ParseIP(ServerAddress).To4())},
			}}
		}
		answer, err := m.Pack()
		if err != nil {
			return err
		}
		if _, err := names.WriteTo(answer, from); err != nil {
			return err
		}
	}
}
