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

// Alone does something in a network of its own: a loopback with the server and a resolver at it,
// and nothing else. Its process may look into the others that it starts, which nono's layers do not
// allow the user. The program is run again for it, with the same arguments.
func Alone(do func() error) error {
	if os.Getenv(stageVariable) != "" {
		if err := setUp(); err != nil {
			return fmt.Errorf("making a network: %w", err)
		}
		if err := serve(); err != nil {
			return err
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

// setUp gives the network its addresses and its resolver.
func setUp() error {
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		// Connections to it come from another address: to the machine's own no name may lead.
		{"route", "add", "local", ServerAddress, "dev", "lo", "src", "127.0.0.1"},
	} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %v: %w: %s", args, err, out)
		}
	}
	const lowPorts = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
	if err := os.WriteFile(lowPorts, []byte("0"), 0); err != nil {
		return err
	}
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

// serve serves tunnels, requests and names until the process ends.
func serve() error {
	tunnels, err := net.Listen("tcp", ServerAddress+":443")
	if err != nil {
		return err
	}
	requests, err := net.Listen("tcp", ServerAddress+":80")
	if err != nil {
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
