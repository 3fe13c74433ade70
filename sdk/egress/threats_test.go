package egress_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/egress"
)

// authority is a name server on the loopback that belongs to an attacker: it writes down what it is
// asked for, and gives each question for an address the next of its answers, for no time at all.
type authority struct {
	socket  net.PacketConn
	answers []string

	mu    sync.Mutex
	asked []string
}

func newAuthority(t *testing.T, answers ...string) *authority {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{socket: socket, answers: answers}
	var serving sync.WaitGroup
	serving.Go(a.serve)
	t.Cleanup(func() {
		socket.Close()
		serving.Wait()
	})
	return a
}

// resolver is one that asks this name server.
func (a *authority) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", a.socket.LocalAddr().String())
	}}
}

func (a *authority) names() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.asked)
}

func (a *authority) serve() {
	packet := make([]byte, 512)
	for {
		n, from, err := a.socket.ReadFrom(packet)
		if err != nil {
			return
		}
		var message dnsmessage.Message
		if message.Unpack(packet[:n]) != nil {
			continue
		}
		question := message.Questions[0]
		message.Response, message.Authoritative, message.Additionals = true, true, nil
		a.mu.Lock()
		a.asked = append(a.asked, question.Name.String())
		if question.Type == dnsmessage.TypeA && len(a.answers) > 0 {
			message.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET},
				Body:   &dnsmessage.AResource{A: netip.MustParseAddr(a.answers[0]).As4()},
			}}
			if len(a.answers) > 1 {
				a.answers = a.answers[1:]
			}
		}
		a.mu.Unlock()
		reply, err := message.Pack()
		if err == nil {
			_, err = a.socket.WriteTo(reply, from)
		}
		if err != nil {
			return
		}
	}
}

// says serves a sentence at an address of the loopback.
func says(t *testing.T, address, sentence string) netip.AddrPort {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(conn, sentence)
			conn.Close()
		}
	}()
	return listener.Addr().(*net.TCPAddr).AddrPort()
}

func hears(t *testing.T, conn net.Conn, err error) string {
	t.Helper()
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(conn)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

// only lets pass one address of the loopback, which stands for the public internet here.
func only(good netip.Addr) func(netip.Addr, uint16) error {
	return func(addr netip.Addr, _ uint16) error {
		if addr != good {
			return fmt.Errorf("%s is a private address", addr)
		}
		return nil
	}
}

// TestE58Rebinding is a name that leads to a public host when it is checked and to a private one
// when it is used. The control checks and then connects by the name, as most programs do.
func TestE58Rebinding(t *testing.T) {
	harmless := says(t, "127.0.0.1:0", "harmless")
	says(t, fmt.Sprintf("127.0.0.2:%d", harmless.Port()), "secret")
	permit := only(harmless.Addr())

	attacker := newAuthority(t, "127.0.0.1", "127.0.0.2")
	d := &egress.Dialer{Permit: permit, Resolver: attacker.resolver()}
	conn, err := d.Dial(t.Context(), "rebind.test", harmless.Port())
	if got := hears(t, conn, err); got != "harmless" {
		t.Errorf("it reached %q", got)
	}
	if asked := attacker.names(); len(asked) != 2 { // one question for each family
		t.Errorf("it was looked up more than once: %v", asked)
	}
	conn, err = d.Dial(t.Context(), "rebind.test", harmless.Port())
	if got := hears(t, conn, err); reason(err) != egress.Forbidden || !strings.Contains(got, "127.0.0.2") {
		t.Errorf("the second time it reached %q", got)
	}

	attacker = newAuthority(t, "127.0.0.1", "127.0.0.2")
	addrs, err := attacker.resolver().LookupNetIP(t.Context(), "ip4", "rebind.test.")
	if err != nil || permit(addrs[0].Unmap(), 0) != nil {
		t.Fatal("the control's check does not pass:", addrs, err)
	}
	naive := net.Dialer{Resolver: attacker.resolver()}
	conn, err = naive.DialContext(t.Context(), "tcp4", fmt.Sprintf("rebind.test.:%d", harmless.Port()))
	if got := hears(t, conn, err); got != "secret" {
		t.Errorf("the control reached %q: the attack does not work any more", got)
	}
}

// odd are names that two programs read differently, or that are none (E54).
var odd = []string{
	"", ".", "evil.test\x00.allowed.test", "evil.test%00.allowed.test", "evil.test\\.allowed.test", "evil.test/.allowed.test",
	"evil.test#.allowed.test", "evil.test?.allowed.test", "evil.test\r\n.allowed.test", "evil.test .allowed.test", "evil.test\t.allowed.test",
	"user@allowed.test", "allowed.test@evil.test", "allowed.test:443", "api.allowed.test.", "api..allowed.test", ".allowed.test",
	"API.allowed.test", "api。allowed.test", "api．allowed.test", "аpi.allowed.test", "api\u200b.allowed.test", "\xff.allowed.test",
	"-api.allowed.test", "api-.allowed.test", strings.Repeat("a", 64) + ".allowed.test", strings.Repeat("a.", 130) + "allowed.test",
	"127.0.0.1", "2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "127.1", "evil.0x7f", "[::1]", "::1", "::1%eth0", "fe80::1%25eth0",
}

// TestE54OddNames holds that no name is looked up but one in the plain form that was decided about.
// The control decides by the end of the name, and resolves as a C library does, up to the first
// NUL: the attacker's server is asked.
func TestE54OddNames(t *testing.T) {
	attacker := newAuthority(t, "127.0.0.1")
	d := &egress.Dialer{Permit: everything, Resolver: attacker.resolver()}
	for _, name := range odd {
		if _, err := d.Dial(t.Context(), name, 443); reason(err) != egress.NoSuchName {
			t.Errorf("%q: %v", name, err)
		}
	}
	if asked := attacker.names(); len(asked) != 0 {
		t.Errorf("the attacker's server was asked for %q", asked)
	}

	const name = "evil.test\x00.allowed.test"
	if !strings.HasSuffix(name, ".allowed.test") {
		t.Fatal("the control's check does not pass")
	}
	asText, _, _ := strings.Cut(name, "\x00")
	if _, err := attacker.resolver().LookupNetIP(t.Context(), "ip4", asText+"."); err != nil {
		t.Error(err)
	}
	if asked := attacker.names(); len(asked) != 1 || asked[0] != "evil.test." {
		t.Errorf("the control: the attacker's server was asked for %q", asked)
	}
}

// TestE57Upstream holds that behind an upstream proxy no name of the agent's is looked up here, not
// even an allowed one. The control is the same host bypassed.
func TestE57Upstream(t *testing.T) {
	proxy := newProxy(t, nil)
	local := newAuthority(t, "127.0.0.1")
	for _, bypass := range [][]string{nil, {"canary.test"}} {
		upstream, err := egress.ParseUpstream(proxy.url(), sdk.Secret{}, bypass)
		if err != nil {
			t.Fatal(err)
		}
		d := &egress.Dialer{Permit: only(netip.MustParseAddr("192.0.43.8")), Resolver: local.resolver(), Upstream: upstream}
		conn, err := d.Dial(t.Context(), "canary.test", 443)
		if conn != nil {
			conn.Close()
		}
		asked := local.names()
		if bypass == nil && (err != nil || len(asked) != 0) {
			t.Errorf("through the proxy: %v, asked for %v", err, asked)
		}
		if bypass != nil && (reason(err) != egress.Forbidden || len(asked) == 0) {
			t.Errorf("the control, past it: %v, asked for %v", err, asked)
		}
	}
}

// FuzzNames holds that parser and dialler agree: what is looked up is what was asked for, to the
// letter and, if it has a dot, in no other domain, or nothing is.
func FuzzNames(f *testing.F) {
	for _, name := range odd {
		f.Add(name)
	}
	f.Add("api.example.com")
	f.Add("localhost")
	f.Fuzz(func(t *testing.T, name string) {
		var mu sync.Mutex
		var asked []string
		d := &egress.Dialer{Permit: everything, Resolver: resolverFunc(func(_ context.Context, host string) ([]netip.Addr, error) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, host)
			return nil, &net.DNSError{IsNotFound: true}
		})}
		if _, err := d.Dial(t.Context(), name, 443); reason(err) != egress.NoSuchName {
			t.Fatal(err)
		}
		for _, host := range asked {
			if host != name+"." && (host != name || strings.Contains(name, ".")) {
				t.Errorf("%q was asked for, and %q looked up", name, host)
			}
			odd := func(r rune) bool {
				return r <= ' ' || r >= 0x7f || 'A' <= r && r <= 'Z' || strings.ContainsRune("@%:/\\[]#?", r)
			}
			if strings.ContainsFunc(host, odd) {
				t.Errorf("%q was looked up", host)
			}
		}
	})
}
