package door_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nono-run/nono/plugins/netfilter/door"
	"github.com/nono-run/nono/plugins/netfilter/gate"
	"github.com/nono-run/nono/plugins/netfilter/hello"
	"github.com/nono-run/nono/plugins/netfilter/synthetic"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/egress"
	"github.com/nono-run/nono/sdk/policy"
)

// patience bounds what a test waits for; nothing waits that long but a test that fails.
const patience = 20 * time.Second

// All that is outside lies at outside, where names that are known lead. What stands for names
// inside lies in stands. Both are of the loopback, on which every address answers.
var (
	outside       = netip.MustParseAddr("127.0.0.2")
	firstLoopback = netip.MustParseAddr("127.0.0.1")
	stands        = netip.MustParsePrefix("127.18.0.0/16")
)

// world is an outside with servers, and doors before it.
type world struct {
	t     *testing.T
	names *synthetic.Names

	web, tls, greets, loopback uint16       // ports of servers: of plain HTTP, of TLS, of one that speaks first
	first                      net.Listener // at the port of TLS, and the first loopback address
	roots                      *x509.CertPool

	doors *door.Doors
	proxy net.Listener

	mu     sync.Mutex
	asked  []string // names that were resolved
	events []sdk.Event
}

// newWorld has rules for the names that tests use, and doors for so many connections.
func newWorld(t *testing.T, most int) *world {
	w := &world{t: t, names: synthetic.New(stands), roots: x509.NewCertPool()}
	handler := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(rw, "%s got %s", r.Host, body)
	})
	plain := httptest.NewUnstartedServer(handler)
	plain.Listener = w.listen(outside)
	plain.Start()
	secure := httptest.NewUnstartedServer(handler)
	secure.Listener, w.first = w.listenTwice(outside)
	secure.StartTLS()
	w.roots.AddCert(secure.Certificate())
	greets := w.listen(outside)
	go answerAll(greets, func(c net.Conn) {
		fmt.Fprint(c, "220 welcome\r\n")
		_, _ = io.Copy(c, c)
	})
	local := w.listen(netip.MustParseAddr("127.0.0.1"))
	go answerAll(local, func(c net.Conn) { _, _ = io.Copy(c, c) })
	t.Cleanup(func() { plain.Close(); secure.Close() })
	w.web, w.tls, w.greets, w.loopback = port(plain.Listener), port(secure.Listener), port(greets), port(local)

	p := policy.Policy{Network: policy.Network{
		Hosts: []policy.HostRule{
			{ID: "network.allow.0", Action: policy.HostAllow, Host: "example.com"},
			{ID: "network.allow.1", Action: policy.HostAllow, Host: "*.example.com"},
			{ID: "network.allow.2", Action: policy.HostAllow, Host: "leads.away"},
			{ID: "network.allow.3", Action: policy.HostAllow, Host: "opaque.example"},
			{ID: "network.opaque.4", Action: policy.HostOpaque, Host: "opaque.example"},
			{ID: "network.allow.5", Action: policy.HostAllow, Host: "127.0.0.2/32"},
			{ID: "network.allow.6", Action: policy.HostAllow, Host: "one.port", Ports: []uint16{1}},
		},
		Ports: []policy.PortRule{{ID: "network.loopback.7", Action: policy.PortLoopback, Port: w.loopback}},
	}}
	g := gate.New(&p, nil, &egress.Dialer{Resolver: w}, func(e sdk.Event) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.events = append(w.events, e)
	})
	w.doors = door.New(g, w.names, most)
	w.proxy = w.listen(netip.MustParseAddr("127.0.0.1"))
	go func() { _ = w.doors.Proxy(t.Context(), w.proxy) }()
	return w
}

func (w *world) listen(at netip.Addr) net.Listener {
	l, err := net.Listen("tcp", netip.AddrPortFrom(at, 0).String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { l.Close() })
	return l
}

// listenTwice takes a port at an address and at the loopback's first one, where other tests, which
// run beside this one, take ports too.
func (w *world) listenTwice(at netip.Addr) (net.Listener, net.Listener) {
	for range 100 {
		l := w.listen(at)
		first, err := net.Listen("tcp", netip.AddrPortFrom(firstLoopback, port(l)).String())
		if err == nil {
			w.t.Cleanup(func() { first.Close() })
			return l, first
		}
	}
	w.t.Fatal("no port is free at both addresses")
	return nil, nil
}

func port(l net.Listener) uint16 { return l.Addr().(*net.TCPAddr).AddrPort().Port() }

func answerAll(l net.Listener, answer func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			answer(c)
		}()
	}
}

// LookupNetIP implements egress.Resolver.
func (w *world) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, host)
	switch {
	case network != "ip4":
		return nil, errors.New("no such name")
	case host == "leads.away.":
		return []netip.Addr{netip.MustParseAddr("127.0.0.3")}, nil
	}
	return []netip.Addr{outside}, nil
}

// resolved is which names were asked for.
func (w *world) resolved() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked
}

// told reports whether there was an event, in the form "network.denied HOST".
func (w *world) told(want string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Name+" "+e.Fields["host"] == want {
			return true
		}
	}
	return false
}

func (w *world) dial(address string) *net.TCPConn {
	c, err := net.Dial("tcp", address)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// A front is a way for a client to a host. The error is the front's own refusal.
type front struct {
	name string
	open func(w *world, host string, port uint16) (net.Conn, error)
}

var connect = front{"CONNECT", func(w *world, host string, port uint16) (net.Conn, error) {
	c := w.dial(w.proxy.Addr().String())
	fmt.Fprintf(c, "CONNECT %s:%d HTTP/1.1\r\nHost: %s:%d\r\n\r\n", host, port, host, port)
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return nil, fmt.Errorf("%s: %s", resp.Status, text)
	}
	return buffered{c, in}, resp.Body.Close()
}}

var socks = front{"SOCKS5", func(w *world, host string, port uint16) (net.Conn, error) {
	c := w.dial(w.proxy.Addr().String())
	// The whole handshake in one piece, as a client may that knows what will be answered.
	fmt.Fprintf(c, "\x05\x01\x00\x05\x01\x00\x03%s%s%s", []byte{byte(len(host))}, host, []byte{byte(port >> 8), byte(port)})
	answer := make([]byte, 12)
	if _, err := io.ReadFull(c, answer); err != nil {
		return nil, err
	}
	if answer[3] != 0 {
		return nil, fmt.Errorf("reply %d", answer[3])
	}
	return c, nil
}}

// buffered is a connection of which something has been read ahead.
type buffered struct {
	*net.TCPConn
	in *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.in.Read(p) }

// arrive connects to an address inside, at which somebody listens as nono-init lets it.
func (w *world) arrive(at netip.Addr, to uint16) *net.TCPConn {
	l := w.first
	if at != firstLoopback || to != port(l) {
		var err error
		if l, err = net.Listen("tcp", netip.AddrPortFrom(at, to).String()); err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { l.Close() })
	}
	go func() { _ = w.doors.Arrivals(w.t.Context(), l) }()
	return w.dial(l.Addr().String())
}

// speakTLS makes a handshake for a name, and one request for a host.
func (w *world) speakTLS(c net.Conn, name, host string) (string, error) {
	secure := tls.Client(c, &tls.Config{ServerName: name, RootCAs: w.roots, InsecureSkipVerify: name != "example.com"})
	return ask(secure, host)
}

// ask makes a request of plain HTTP.
func ask(c net.Conn, host string) (string, error) {
	if _, err := fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: 5\r\n\r\nhello", host); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", resp.Status, body)
	}
	return string(body), err
}

// Behind each front there is the same decision.
func TestFrontsAgree(t *testing.T) {
	w := newWorld(t, 100)
	for _, f := range []front{connect, socks} {
		t.Run(f.name, func(t *testing.T) {
			c, err := f.open(w, "example.com", w.tls)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := w.speakTLS(c, "example.com", "example.com"); err != nil || body != "example.com got hello" {
				t.Errorf("over TLS: %q, %v", body, err)
			}
			c, err = f.open(w, "EXAMPLE.com.", w.web)
			if err != nil {
				t.Fatal(err)
			}
			host := fmt.Sprintf("example.com:%d", w.web)
			if body, err := ask(c, host); err != nil || body != host+" got hello" {
				t.Errorf("in the clear: %q, %v", body, err)
			}
			c, err = f.open(w, "127.0.0.2", w.tls)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := w.speakTLS(c, "", "x"); err != nil || body != "x got hello" {
				t.Errorf("to an address: %q, %v", body, err)
			}
			c, err = f.open(w, "localhost", w.loopback)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(c, "whatever it is")
			echo := make([]byte, 14)
			if _, err := io.ReadFull(c, echo); err != nil || string(echo) != "whatever it is" {
				t.Errorf("to the host's loopback: %q, %v", echo, err)
			}
			before := len(w.resolved())
			for _, host := range []string{
				"evil.com", "example.com.evil.com", "127.0.0.1", "127.0.0.3", "169.254.169.254",
				"evil.com\x00.example.com", "evil.com%00.example.com", "user@example.com", "example.com@evil.com",
				"example.com\\evil.com", "2130706434", "0x7f.2", "127.2", "0177.0.0.2", "one.port",
				"example.com..", ".example.com", "", "example..com", "[::1]", "fe80::1%eth0", "[::ffff:127.0.0.1]",
			} {
				if c, err := f.open(w, host, w.web); err == nil {
					t.Errorf("%q: opened", host)
					c.Close()
				}
			}
			if after := w.resolved(); len(after) != before {
				t.Errorf("denied names were resolved: %q", after[before:])
			}
			if !w.told("network.denied evil.com") || !w.told("network.denied 169.254.169.254") {
				t.Errorf("told were %v", w.events)
			}
		})
	}
}

// A name that was allowed and leads to where nothing was, leads nowhere, however often it is asked.
func TestWhereANameLeads(t *testing.T) {
	w := newWorld(t, 100)
	for _, f := range []front{connect, socks} {
		if _, err := f.open(w, "leads.away", w.web); err == nil {
			t.Errorf("%s: opened", f.name)
		}
	}
	if !w.told("network.denied leads.away") {
		t.Errorf("told were %v", w.events)
	}
}

// What is said first has to be meant for the host that was asked for.
func TestBeginnings(t *testing.T) {
	w := newWorld(t, 100)
	for _, f := range []front{connect, socks} {
		for name, say := range map[string]func(net.Conn) error{
			"another server": func(c net.Conn) error { return tls.Client(c, &tls.Config{ServerName: "a.example.com"}).Handshake() },
			"no server":      func(c net.Conn) error { return tls.Client(c, &tls.Config{InsecureSkipVerify: true}).Handshake() },
			"neither":        func(c net.Conn) error { return hears(c, "SSH-2.0-client\r\n") },
			"HTTP/2":         func(c net.Conn) error { return hears(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") },
			"another Host": func(c net.Conn) error {
				_, err := ask(c, "evil.com")
				return err
			},
			"no Host": func(c net.Conn) error { return hears(c, "GET / HTTP/1.0\r\n\r\n") },
			"CONNECT within": func(c net.Conn) error {
				return hears(c, "CONNECT evil.com:443 HTTP/1.1\r\nHost: evil.com:443\r\n\r\n")
			},
		} {
			c, err := f.open(w, "example.com", w.web)
			if err != nil {
				t.Fatal(err)
			}
			if err := say(c); err == nil {
				t.Errorf("%s: %s reaches the server", f.name, name)
			} else if name == "another server" && !strings.Contains(err.Error(), "access denied") {
				t.Errorf("%s: the client is told %v", f.name, err)
			}
		}
		c, err := f.open(w, "example.com", w.greets)
		if err != nil {
			t.Fatal(err)
		}
		if words, err := io.ReadAll(c); err == nil || len(words) > 0 {
			t.Errorf("%s: a server that speaks first is heard: %q, %v", f.name, words, err)
		}
	}
}

// hears says something, and returns an error if what comes back is none of a server's.
func hears(c net.Conn, words string) error {
	fmt.Fprint(c, words)
	_ = c.(interface{ CloseWrite() error }).CloseWrite()
	all, err := io.ReadAll(c)
	if err != nil || len(all) == 0 {
		return errors.Join(errors.New("the end"), err)
	}
	if strings.Contains(string(all), "nono") {
		return fmt.Errorf("refused: %s", all)
	}
	return nil
}

// Nobody looks at what is spoken with a host that is opaque.
func TestOpaque(t *testing.T) {
	w := newWorld(t, 100)
	for _, f := range []front{connect, socks} {
		c, err := f.open(w, "opaque.example", w.greets)
		if err != nil {
			t.Fatal(err)
		}
		greeting := make([]byte, 13)
		if _, err := io.ReadFull(c, greeting); err != nil || string(greeting) != "220 welcome\r\n" {
			t.Errorf("%s: %q, %v", f.name, greeting, err)
		}
		fmt.Fprint(c, "EHLO me\r\n")
		if _, err := io.ReadFull(c, greeting[:9]); err != nil || string(greeting[:9]) != "EHLO me\r\n" {
			t.Errorf("%s: %q, %v", f.name, greeting, err)
		}
	}
}

func TestPlainProxy(t *testing.T) {
	w := newWorld(t, 100)
	c := w.dial(w.proxy.Addr().String())
	in := bufio.NewReader(c)
	for _, test := range []struct {
		target, host string
		status       int
		holds        string
	}{
		{fmt.Sprintf("http://example.com:%d/", w.web), fmt.Sprintf("example.com:%d", w.web), 200, "example.com:"},
		{fmt.Sprintf("http://a.EXAMPLE.com.:%d/", w.web), fmt.Sprintf("a.example.com:%d", w.web), 200, "a.example.com:"},
		{"http://evil.com/", "evil.com", 403, "allow = [\"evil.com\"]"},
		{fmt.Sprintf("http://example.com:%d/", w.web), "evil.com", 403, "evil.com"},
		{fmt.Sprintf("http://a.example.com:%d/", w.web), "not.asked.for", 403, "not.asked.for"},
		{"http://user@example.com/", "example.com", 403, "denied"},
		{fmt.Sprintf("http://leads.away:%d/", w.web), fmt.Sprintf("leads.away:%d", w.web), 403, "leads to 127.0.0.3"},
		{"http://example.com:1/", "example.com:1", 502, "refuses the connection"},
		{"/", "example.com", 400, "this is a proxy"},
		{fmt.Sprintf("http://example.com:%d/", w.web), fmt.Sprintf("example.com:%d", w.web), 200, "example.com:"},
	} {
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", test.target, test.host)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("%s: %v", test.target, err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != test.status || !strings.Contains(string(body), test.holds) {
			t.Errorf("%s, Host %s: %s: %s", test.target, test.host, resp.Status, body)
		}
	}
	if !w.told("network.denied a.example.com") || w.told("network.denied not.asked.for") {
		t.Errorf("of a request for one host with another in its header is told: %v", w.events)
	}
}

// A program that knows no proxy gets to a host at the address that stands for it, to one that was
// allowed by its address, and to a port of the host's loopback.
func TestArrivals(t *testing.T) {
	w := newWorld(t, 100)
	at, err := w.names.Address("example.com")
	if err != nil {
		t.Fatal(err)
	}
	if body, err := w.speakTLS(w.arrive(at, w.tls), "example.com", "example.com"); err != nil || body != "example.com got hello" {
		t.Errorf("over TLS: %q, %v", body, err)
	}
	host := fmt.Sprintf("example.com:%d", w.web)
	c := w.arrive(at, w.web)
	if body, err := ask(c, host); err != nil || body != host+" got hello" {
		t.Errorf("in the clear: %q, %v", body, err)
	}
	if _, err := ask(c, "evil.com"); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("a request for another host hears %v", err)
	}
	if !w.told("network.allowed example.com") {
		t.Errorf("told were %v", w.events)
	}
	local := w.arrive(netip.MustParseAddr("127.0.0.9"), w.loopback)
	if err := hears(local, "whatever it is"); err == nil {
		t.Error("the whole loopback is that of the host")
	}
	evil, err := w.names.Address("evil.com") // which the resolver would not do
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ask(w.arrive(evil, w.web), "evil.com"); err == nil || !strings.Contains(err.Error(), "allow = [\"evil.com") {
		t.Errorf("a denied name hears %v", err)
	}
	for _, addr := range []string{"127.0.0.1", "127.18.99.99", "127.0.0.3"} {
		c := w.arrive(netip.MustParseAddr(addr), w.tls)
		err := tls.Client(c, &tls.Config{ServerName: "example.com"}).Handshake()
		if err == nil || !strings.Contains(err.Error(), "access denied") {
			t.Errorf("%s hears %v", addr, err)
		}
		if !w.told("network.denied " + addr) {
			t.Errorf("%s: told were %v", addr, w.events)
		}
	}
}

// TestLookedUpByTheClient: a client that looks a name up inside and asks the proxy for the address
// means the name. An address that stands for nothing means nothing.
func TestLookedUpByTheClient(t *testing.T) {
	w := newWorld(t, 100)
	at, err := w.names.Address("example.com")
	if err != nil {
		t.Fatal(err)
	}
	evil, err := w.names.Address("evil.com") // which the resolver would not do
	if err != nil {
		t.Fatal(err)
	}
	bySocks := front{"SOCKS5", func(w *world, host string, port uint16) (net.Conn, error) {
		c := w.dial(w.proxy.Addr().String())
		fmt.Fprintf(c, "\x05\x01\x00\x05\x01\x00\x01%s%s", netip.MustParseAddr(host).AsSlice(), []byte{byte(port >> 8), byte(port)})
		answer := make([]byte, 12)
		if _, err := io.ReadFull(c, answer); err != nil {
			return nil, err
		}
		if answer[3] != 0 {
			return nil, fmt.Errorf("reply %d", answer[3])
		}
		return c, nil
	}}
	for _, front := range []front{connect, bySocks} {
		c, err := front.open(w, at.String(), w.tls)
		if err != nil {
			t.Fatalf("%s: %v", front.name, err)
		}
		if body, err := w.speakTLS(c, "example.com", "example.com"); err != nil || body != "example.com got hello" {
			t.Errorf("%s: %q, %v", front.name, body, err)
		}
		c, err = front.open(w, at.String(), w.tls)
		if err != nil {
			t.Fatalf("%s: %v", front.name, err)
		}
		if body, err := w.speakTLS(c, "other.example.com", "example.com"); err == nil {
			t.Errorf("%s: TLS for another name is carried: %q", front.name, body)
		}
		for _, addr := range []netip.Addr{evil, netip.MustParseAddr("127.18.99.99")} {
			if c, err := front.open(w, addr.String(), w.tls); err == nil {
				c.Close()
				t.Errorf("%s: %s is reached", front.name, addr)
			}
		}
	}
	proxy := w.dial(w.proxy.Addr().String())
	fmt.Fprintf(proxy, "GET http://%s:%d/ HTTP/1.1\r\nHost: example.com:%d\r\n\r\n", at, w.web, w.web)
	resp, err := http.ReadResponse(bufio.NewReader(proxy), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != fmt.Sprintf("example.com:%d got ", w.web) {
		t.Errorf("a request: %s, %q, %v", resp.Status, body, err)
	}
}

// TestSocksReplies: the code says what happened.
func TestSocksReplies(t *testing.T) {
	w := newWorld(t, 100)
	for said, want := range map[string]string{
		"\x05\x01\x02": "\x05\xff", // user and password only
		"\x05\x01\x00\x05\x02\x00\x03\x01a\x00\x50":            "\x05\x00\x05\x07", // BIND
		"\x05\x01\x00\x05\x03\x00\x03\x01a\x00\x50":            "\x05\x00\x05\x07", // UDP
		"\x05\x01\x00\x05\x09\x00\x03\x01a\x00\x50":            "\x05\x00\x05\x07", // no command
		"\x05\x01\x00\x05\x01\x00\x09\x01a\x00\x50":            "\x05\x00\x05\x08", // no kind of address
		"\x05\x01\x00\x05\x01\x00\x03\x08evil.com\x01\xbb":     "\x05\x00\x05\x02", // denied
		"\x05\x01\x00\x05\x01\x00\x01\x01\x02\x03\x04\x01\xbb": "\x05\x00\x05\x02",
		"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x02\x00\x01": "\x05\x00\x05\x05", // refused by the host
		"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x02\x00\x00": "\x05\x00\x05\x02", // port 0
	} {
		c := w.dial(w.proxy.Addr().String())
		fmt.Fprint(c, said)
		_ = c.CloseWrite()
		heard, _ := io.ReadAll(c)
		if !strings.HasPrefix(string(heard), want) {
			t.Errorf("%q is answered %q, want %q", said, heard, want)
		}
	}
}

// Beyond the bound a connection waits, and is served when another one has ended.
func TestBound(t *testing.T) {
	w := newWorld(t, 1)
	first, err := connect.open(w, "localhost", w.loopback)
	if err != nil {
		t.Fatal(err)
	}
	second := w.dial(w.proxy.Addr().String())
	fmt.Fprint(second, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	_ = second.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := second.Read(make([]byte, 1)); n > 0 {
		t.Errorf("a second connection is served: %v", err)
	}
	first.Close()
	_ = second.SetReadDeadline(time.Now().Add(patience))
	if _, err := second.Read(make([]byte, 1)); err != nil {
		t.Errorf("when the first is over, the second hears %v", err)
	}
}

// What the parser understood is what is dialled: whatever is sent, no name is resolved but an
// allowed one, and it is the one that net/http reads there.
func FuzzProxy(f *testing.F) {
	for _, seed := range []string{
		"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
		"GET http://a.example.com/ HTTP/1.1\r\nHost: a.example.com\r\n\r\n",
		"GET http://example.com\x00.evil/ HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"POST http://example.com@evil.com/ HTTP/1.1\r\nHost: example.com\r\nContent-Length: 3\r\n\r\nabc",
		"\x05\x01\x00\x05\x01\x00\x03\x0bexample.com\x01\xbb",
		"\x05\x01\x00\x05\x01\x00\x03\x14evil.com\x00.example.com\x01\xbb",
	} {
		f.Add([]byte(seed))
	}
	p := policy.Policy{Network: policy.Network{Hosts: []policy.HostRule{
		{Action: policy.HostAllow, Host: "example.com"}, {Action: policy.HostAllow, Host: "*.example.com"},
	}}}
	f.Fuzz(func(t *testing.T, sent []byte) {
		var mu sync.Mutex
		var dialled []string
		dialer := &egress.Dialer{Resolver: resolverFunc(func(host string) {
			mu.Lock()
			defer mu.Unlock()
			dialled = append(dialled, strings.TrimSuffix(host, "."))
		})}
		doors := door.New(gate.New(&p, nil, dialer, func(sdk.Event) {}), synthetic.New(stands), 10)
		client, served := net.Pipe()
		l := &once{conn: served, over: make(chan struct{})}
		go func() { _ = doors.Proxy(t.Context(), l) }()
		go func() {
			_, _ = client.Write(sent)
			_ = client.Close()
		}()
		_, _ = io.Copy(io.Discard, client)
		<-l.over
		for _, name := range dialled {
			if name != "example.com" && !strings.HasSuffix(name, ".example.com") {
				t.Fatalf("%q was resolved", name)
			}
			if sent[0] == 5 {
				if !strings.Contains(strings.ToLower(string(sent)), name) {
					t.Fatalf("%q was resolved, and was not asked for", name)
				}
				continue
			}
			if !requested(sent, name) {
				t.Fatalf("%q was resolved, and net/http reads another host", name)
			}
		}
	})
}

// requested reports whether net/http reads a request for a host.
func requested(sent []byte, name string) bool {
	in := bufio.NewReader(strings.NewReader(string(sent)))
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return false
		}
		host, _, _ := strings.Cut(req.Host, ":")
		if strings.EqualFold(strings.TrimSuffix(host, "."), name) {
			return true
		}
		_, _ = io.Copy(io.Discard, req.Body)
	}
}

type resolverFunc func(host string)

// LookupNetIP implements egress.Resolver.
func (f resolverFunc) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	f(host)
	return nil, errors.New("no such name")
}

// once is a listener with one connection. It is over when that has been closed by whoever serves.
type once struct {
	conn net.Conn
	over chan struct{}
}

func (l *once) Accept() (net.Conn, error) {
	if l.conn == nil {
		return nil, net.ErrClosed
	}
	c := l.conn
	l.conn = nil
	return &closing{Conn: c, closed: sync.OnceFunc(func() { close(l.over) })}, nil
}

func (*once) Close() error   { return nil }
func (*once) Addr() net.Addr { return &net.TCPAddr{} }

type closing struct {
	net.Conn
	closed func()
}

func (c *closing) Close() error {
	defer c.closed()
	return c.Conn.Close()
}

// TestSecondHello: a server may ask for a second ClientHello, which must not name another host. The
// control is a host that nobody looks at.
func TestSecondHello(t *testing.T) {
	const retryRandom = "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91" +
		"\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c"
	retry := []byte("\x16\x03\x03\x00\x2c\x02\x00\x00\x28\x03\x03" + retryRandom + "\x00\x13\x01\x00\x00\x00")
	w := newWorld(t, 100)
	heard := make(chan string, 1)
	asks := w.listen(outside)
	go answerAll(asks, func(c net.Conn) {
		name := ""
		first, _, err := hello.Sniff(c, 0)
		if _, isTLS := first.(hello.TLS); isTLS && err == nil {
			_, _ = c.Write(retry)
			second, _, _ := hello.Sniff(c, 0)
			if second, isTLS := second.(hello.TLS); isTLS {
				name = second.ServerName
			}
		}
		heard <- name
	})
	for _, f := range []front{connect, socks, synthetics} {
		for _, test := range []struct{ host, second, hears string }{
			{"example.com", "example.com", "example.com"},
			{"a.example.com", "evil.com", ""},
			{"opaque.example", "evil.com", "evil.com"},
		} {
			c, err := f.open(w, test.host, port(asks))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = c.Write(clientHello(test.host))
			if _, err := io.ReadFull(c, make([]byte, len(retry))); err != nil {
				t.Fatalf("%s, %s: the server asks for no second hello: %v", f.name, test.host, err)
			}
			_, _ = c.Write(clientHello(test.second))
			if hears := <-heard; hears != test.hears {
				t.Errorf("%s: the server of %s hears %q after %q", f.name, test.host, hears, test.second)
			}
			c.Close()
		}
	}
	if !w.told("network.denied a.example.com") || w.told("network.denied example.com") {
		t.Errorf("told were %v", w.events)
	}
}

var synthetics = front{"an address that stands for it", func(w *world, host string, port uint16) (net.Conn, error) {
	at, err := w.names.Address(host)
	if err != nil {
		return nil, err
	}
	return w.arrive(at, port), nil
}}

// clientHello is what a client of TLS sends first.
func clientHello(name string) []byte {
	near, far := net.Pipe()
	defer far.Close()
	go func() { _ = tls.Client(near, &tls.Config{ServerName: name}).Handshake() }()
	sent := make([]byte, 16<<10)
	n, _ := far.Read(sent)
	return sent[:n]
}
