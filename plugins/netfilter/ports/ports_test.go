package ports_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nono-run/nono/plugins/netfilter/ports"
)

// limit is how long a test waits for what must come.
const limit = 20 * time.Second

var (
	four = netip.MustParseAddr("127.0.0.1")
	six  = netip.MustParseAddr("::1")
)

// listen takes a port, any for 0.
func listen(t *testing.T, address netip.Addr, port uint16) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", netip.AddrPortFrom(address, port).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func portOf(l net.Listener) uint16 { return l.Addr().(*net.TCPAddr).AddrPort().Port() }

// free is a port that nobody has, in either family.
func free(t *testing.T) uint16 {
	t.Helper()
	l := listen(t, four, 0)
	defer l.Close()
	return portOf(l)
}

// echo answers each connection with its name and what was sent.
func echo(t *testing.T, l net.Listener, name string) {
	t.Helper()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				all, _ := io.ReadAll(conn)
				_, _ = io.WriteString(conn, name+": "+string(all))
			}()
		}
	}()
}

// asked sends a word, ends its half and returns the answer.
func asked(t *testing.T, address string) (string, error) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, limit)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "hello"); err != nil {
		return "", err
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(conn)
	return string(answer), err
}

// serve serves a forward until the test's end, and returns where.
func serve(t *testing.T, dial ports.Dial, failed func(error)) (address string) {
	t.Helper()
	f := &ports.Forward{Listener: listen(t, four, 0), Dial: dial, Failed: failed}
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		if err := f.Serve(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); done.Wait() })
	return f.Listener.Addr().String()
}

func noFailure(t *testing.T) func(error) {
	return func(err error) { t.Error(err) }
}

func TestServiceOfTheHost(t *testing.T) {
	service := listen(t, four, 0)
	echo(t, service, "service")
	// Asked for by either address: it has the one.
	for _, address := range []netip.Addr{four, six} {
		at := serve(t, ports.Host(address, portOf(service)), noFailure(t))
		for range 3 {
			if got, err := asked(t, at); got != "service: hello" || err != nil {
				t.Errorf("asked at %s: %q, %v", address, got, err)
			}
		}
	}
}

// Where two services share a port, each has its own address inside too.
func TestTwoServices(t *testing.T) {
	port := free(t)
	if l, err := net.Listen("tcp", netip.AddrPortFrom(six, port).String()); err == nil {
		t.Cleanup(func() { l.Close() })
		echo(t, l, "six")
		if got, err := asked(t, serve(t, ports.Host(four, port), noFailure(t))); got != "six: hello" || err != nil {
			t.Errorf("asked at 127.0.0.1 for what is at ::1: %q, %v", got, err)
		}
	} else if !errors.Is(err, syscall.EADDRNOTAVAIL) && !errors.Is(err, syscall.EAFNOSUPPORT) {
		t.Fatal(err)
	} else {
		t.Log("this host has no ::1")
		return
	}
	echo(t, listen(t, four, port), "four")
	for address, want := range map[netip.Addr]string{four: "four: hello", six: "six: hello"} {
		if got, err := asked(t, serve(t, ports.Host(address, port), noFailure(t))); got != want || err != nil {
			t.Errorf("asked at %s: %q, %v", address, got, err)
		}
	}
}

// What nobody serves does not look like an empty answer.
func TestNobodyServes(t *testing.T) {
	failures := make(chan error, 1)
	at := serve(t, ports.Host(four, free(t)), func(err error) { failures <- err })
	if got, err := asked(t, at); err == nil {
		t.Errorf("nobody answered %q", got)
	}
	select {
	case err := <-failures:
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Error(err)
		}
	case <-time.After(limit):
		t.Error("nobody was told")
	}
}

func TestContextEndsAll(t *testing.T) {
	accepted := make(chan net.Conn, 1)
	service := listen(t, four, 0)
	go func() {
		if conn, err := service.Accept(); err == nil {
			accepted <- conn
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	f := &ports.Forward{
		Listener: listen(t, four, 0), Dial: ports.Host(four, portOf(service)), Failed: noFailure(t),
	}
	done := make(chan error, 1)
	go func() { done <- f.Serve(ctx) }()
	conn, err := net.Dial("tcp", f.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	select {
	case other := <-accepted:
		defer other.Close()
		// What comes through shows that it is carried, and not just accepted.
		_, writeErr := conn.Write([]byte("x"))
		_, readErr := other.Read(make([]byte, 1))
		if err := errors.Join(writeErr, readErr); err != nil {
			t.Fatal(err)
		}
	case <-time.After(limit):
		t.Fatal("the connection is not carried")
	}
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(limit):
		t.Fatal("it goes on")
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection's end: %v", err)
	}
}

func TestListenerLost(t *testing.T) {
	f := &ports.Forward{Listener: listen(t, four, 0), Dial: ports.Host(four, 1), Failed: noFailure(t)}
	f.Listener.Close()
	if err := f.Serve(t.Context()); err == nil {
		t.Error("it is not told that nothing is served any more")
	}
}

// A listener that fails for want of descriptors is tried again.
func TestAcceptingGoesOn(t *testing.T) {
	service := listen(t, four, 0)
	echo(t, service, "service")
	l := &failing{Listener: listen(t, four, 0), with: []error{syscall.EMFILE, syscall.ECONNABORTED}}
	f := &ports.Forward{Listener: l, Dial: ports.Host(four, portOf(service)), Failed: noFailure(t)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Serve(ctx) }()
	if got, err := asked(t, l.Addr().String()); got != "service: hello" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

type failing struct {
	net.Listener
	with []error
}

func (l *failing) Accept() (net.Conn, error) {
	if len(l.with) > 0 {
		err := l.with[0]
		l.with = l.with[1:]
		return nil, &net.OpError{Op: "accept", Err: err}
	}
	return l.Listener.Accept()
}

// The agent's server is reached at both addresses of the host's loopback, and at no other.
func TestServerOfTheAgent(t *testing.T) {
	server := listen(t, four, 0) // stands for one inside
	echo(t, server, "agent")
	listeners, err := ports.Listen(t.Context(), free(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range listeners {
		if addr := l.Addr().(*net.TCPAddr); !addr.IP.IsLoopback() {
			t.Errorf("it is served at %s", addr)
		}
		f := &ports.Forward{Listener: l, Dial: ports.Host(four, portOf(server)), Failed: noFailure(t)}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- f.Serve(ctx) }()
		if got, err := asked(t, l.Addr().String()); got != "agent: hello" || err != nil {
			t.Errorf("asked at %s: %q, %v", l.Addr(), got, err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// A port that is taken at either address is refused, and none is kept of it.
func TestTaken(t *testing.T) {
	taken := listen(t, four, 0)
	check := func(port uint16) {
		t.Helper()
		all, err := ports.Listen(t.Context(), port)
		if !errors.Is(err, syscall.EADDRINUSE) || len(all) > 0 {
			t.Fatalf("%d listeners, %v", len(all), err)
		}
		for _, word := range []string{"host's loopback", "another program has it", "another port"} {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%q does not say %q", err, word)
			}
		}
	}
	check(portOf(taken))

	port := free(t)
	l, err := net.Listen("tcp", netip.AddrPortFrom(six, port).String())
	if err != nil {
		t.Log("this host has no ::1")
		return
	}
	check(port)
	l.Close()
	all, err := ports.Listen(t.Context(), port) // the control, and that 127.0.0.1 was given back
	if err != nil || len(all) != 2 {
		t.Errorf("%d listeners, %v", len(all), err)
	}
	for _, l := range all {
		l.Close()
	}
}
