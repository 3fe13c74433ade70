package peer_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/nono-run/nono/sdk/peer"
)

// TestMain makes this binary a process that connects to a socket and waits.
func TestMain(m *testing.M) {
	if at := os.Getenv("PEER_TEST_CONNECT"); at != "" {
		c, err := net.Dial("unix", at)
		if err != nil {
			panic(err)
		}
		_, _ = c.Read(make([]byte, 1))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestWhoConnected tells this process from another one of the same user.
func TestWhoConnected(t *testing.T) {
	dir, err := os.MkdirTemp("", "peer")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()

	mine, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	check(t, l, os.Getpid())
	_ = mine.Close()

	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	other := exec.Command(exe)
	other.Env = append(os.Environ(), fmt.Sprintf("PEER_TEST_CONNECT=%s", l.Addr()))
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	check(t, l, other.Process.Pid)
	if err := other.Wait(); err != nil {
		t.Error(err)
	}
}

// check accepts one connection, which must be refused to all but one process.
func check(t *testing.T, l net.Listener, pid int) {
	t.Helper()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	p, err := peer.Of(c.(*net.UnixConn))
	if err != nil {
		t.Fatal(err)
	}
	if want := (peer.Process{PID: pid, UID: os.Geteuid()}); p != want {
		t.Errorf("got %+v, want %+v", p, want)
	}
	if err := peer.Is(pid)(p); err != nil {
		t.Error(err)
	}
	if err := peer.Is(pid + 1)(p); err == nil {
		t.Error("another process was accepted")
	}
	if err := peer.Is(pid)(peer.Process{PID: pid, UID: os.Geteuid() + 1}); err == nil {
		t.Error("another user was accepted")
	}
	refusing := peer.Credentials(peer.Is(pid + 1))
	if _, _, err := refusing.ServerHandshake(c); err == nil || refusing.Refused() == nil {
		t.Errorf("the handshake: %v, %v", err, refusing.Refused())
	}
}

func TestOnlyUnixSockets(t *testing.T) {
	a, b := net.Pipe()
	defer func() { _, _ = a.Close(), b.Close() }()
	if _, _, err := peer.Credentials(func(peer.Process) error { return nil }).ServerHandshake(a); err == nil {
		t.Error("a connection that has no peer was accepted")
	}
}
