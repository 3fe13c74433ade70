package egress_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/egress"
)

// proxy is an upstream proxy on the loopback, which remembers the first request of each connection.
type proxy struct {
	listener net.Listener
	secure   bool

	mu       sync.Mutex
	requests []*http.Request
}

// newProxy starts one. What it does after a request is answer; nil takes the tunnel and closes it.
func newProxy(t *testing.T, answer func(net.Conn)) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener}
	p.serve(t, answer)
	return p
}

func (p *proxy) serve(t *testing.T, answer func(net.Conn)) {
	if answer == nil {
		answer = says200("")
	}
	t.Cleanup(func() { p.listener.Close() })
	go func() {
		for {
			conn, err := p.listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				request, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				p.mu.Lock()
				p.requests = append(p.requests, request)
				p.mu.Unlock()
				answer(conn)
			}()
		}
	}()
}

func (p *proxy) url() string {
	if p.secure {
		return "https://" + p.listener.Addr().String()
	}
	return "http://" + p.listener.Addr().String()
}

func (p *proxy) seen() []*http.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests
}

// says200 takes a tunnel, and then says something in it, all in one piece.
func says200(text string) func(net.Conn) {
	return func(conn net.Conn) { fmt.Fprint(conn, "HTTP/1.1 200 Connection established\r\n\r\n"+text) }
}

func through(t *testing.T, url string, auth string, bypass ...string) *egress.Dialer {
	t.Helper()
	var secret sdk.Secret
	if auth != "" {
		secret = sdk.NewSecret([]byte(auth))
	}
	upstream, err := egress.ParseUpstream(url, secret, bypass)
	if err != nil {
		t.Fatal(err)
	}
	return &egress.Dialer{Permit: public, Upstream: upstream, Resolver: answers{}}
}

func TestTunnel(t *testing.T) {
	p := newProxy(t, says200("the host spoke first"))
	for host, dial := range map[string]func(*egress.Dialer) (net.Conn, error){
		"api.example.com:443": func(d *egress.Dialer) (net.Conn, error) { return d.Dial(t.Context(), "api.example.com", 443) },
		"192.0.43.8:8443": func(d *egress.Dialer) (net.Conn, error) {
			return d.DialAddress(t.Context(), netip.MustParseAddrPort("192.0.43.8:8443"))
		},
		"[2600::8]:80": func(d *egress.Dialer) (net.Conn, error) {
			return d.DialAddress(t.Context(), netip.MustParseAddrPort("[2600::8]:80"))
		},
	} {
		conn, err := dial(through(t, p.url(), "alice:pass:word"))
		if got := hears(t, conn, err); got != "the host spoke first" {
			t.Errorf("%s: got %q", host, got)
		}
		seen := p.seen()
		r := seen[len(seen)-1]
		user, password, ok := (&http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}).BasicAuth()
		if r.Method != http.MethodConnect || r.RequestURI != host || r.Host != host || !ok || user != "alice" || password != "pass:word" {
			t.Errorf("%s: the proxy was sent %s %s, Host %s, %v", host, r.Method, r.RequestURI, r.Host, r.Header)
		}
	}
}

// TestHTTP holds how requests of plain HTTP reach a host: past the proxy as a server gets them, and
// through it with all that it needs to know. A host that is refused is refused on this way too.
func TestHTTP(t *testing.T) {
	p := newProxy(t, says200("")) // its answer is one to a request as well
	for host, dial := range map[string]func(*egress.Dialer) (net.Conn, egress.Via, error){
		"http://api.example.com:80": func(d *egress.Dialer) (net.Conn, egress.Via, error) {
			return d.DialHTTP(t.Context(), "api.example.com", 80)
		},
		"http://[2600::8]:8080": func(d *egress.Dialer) (net.Conn, egress.Via, error) {
			return d.DialAddressHTTP(t.Context(), netip.MustParseAddrPort("[2600::8]:8080"))
		},
	} {
		conn, via, err := dial(through(t, p.url(), "alice:password"))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(via.Authorization.Reveal()); via.Origin != host || got != "Basic YWxpY2U6cGFzc3dvcmQ=" {
			t.Errorf("%s: %+v, %s", host, via, got)
		}
		fmt.Fprintf(conn, "GET %s/path HTTP/1.1\r\nHost: x\r\n\r\n", via.Origin)
		hears(t, conn, nil)
		if r := p.seen()[len(p.seen())-1]; r.RequestURI != host+"/path" {
			t.Errorf("the proxy was asked for %s", r.RequestURI)
		}
	}
	direct := &egress.Dialer{Permit: public, Resolver: answers{four: []string{"192.0.43.8"}}}
	egress.SetConnect(direct, func(context.Context, netip.AddrPort) (net.Conn, error) { return &script{}, nil })
	if _, via, err := direct.DialHTTP(t.Context(), "api.example.com", 80); err != nil || via.Origin != "" || via.Authorization.Reveal() != nil {
		t.Errorf("without a proxy: %+v, %v", via, err)
	}
	for _, d := range []*egress.Dialer{direct, through(t, p.url(), "")} {
		if _, _, err := d.DialHTTP(t.Context(), "api.example.com.", 80); reason(err) != egress.NoSuchName {
			t.Errorf("a name that is none: %v", err)
		}
		if _, _, err := d.DialAddressHTTP(t.Context(), netip.MustParseAddrPort("[::ffff:10.0.0.1]:80")); reason(err) != egress.Forbidden {
			t.Errorf("a refused address: %v", err)
		}
	}
	gone := newProxy(t, nil)
	gone.listener.Close()
	if _, _, err := through(t, gone.url(), "").DialHTTP(t.Context(), "api.example.com", 80); reason(err) != egress.UpstreamFailed {
		t.Errorf("a proxy that is not there: %v", err)
	}
}

// TestTunnelHalfCloses holds that an upload can end while the answer is still to come, where bytes
// of the host came along with the proxy's answer too.
func TestTunnelHalfCloses(t *testing.T) {
	for _, first := range []string{"", "hello "} {
		p := newProxy(t, func(conn net.Conn) {
			says200(first)(conn)
			got, _ := io.ReadAll(conn)
			fmt.Fprintf(conn, "got %s", got)
		})
		conn, err := through(t, p.url(), "").Dial(t.Context(), "api.example.com", 443)
		if err != nil {
			t.Fatal(err)
		}
		if over, ok := conn.(interface{ NetConn() net.Conn }); first != "" && (!ok || over.NetConn() == nil) {
			t.Error("who has to reset the connection does not find it")
		}
		fmt.Fprint(conn, "all of it")
		if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Error(err)
		}
		if got := hears(t, conn, nil); got != first+"got all of it" {
			t.Errorf("got %q", got)
		}
	}
}

// TestSecureProxy speaks TLS with the proxy itself, whose certificate counts.
func TestSecureProxy(t *testing.T) {
	certified := httptest.NewTLSServer(nil)
	defer certified.Close()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", certified.TLS)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, secure: true}
	p.serve(t, says200("hello"))

	d := through(t, p.url(), "alice:password")
	d.Upstream.Roots = certified.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	conn, err := d.Dial(t.Context(), "api.example.com", 443)
	if got := hears(t, conn, err); got != "hello" {
		t.Errorf("got %q", got)
	}
	if _, err := through(t, p.url(), "alice:password").Dial(t.Context(), "api.example.com", 443); reason(err) != egress.UpstreamFailed {
		t.Errorf("a certificate that nobody knows: %v", err)
	}
	if got := len(p.seen()); got != 1 {
		t.Errorf("the password was sent %d times", got)
	}
}

// TestProxyRefuses holds what is told of a proxy that does not give a tunnel.
func TestProxyRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		answer string
		want   egress.Reason
		says   string
	}{
		"no":           {"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", egress.UpstreamRefused, `"403 Forbidden"`},
		"password":     {"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", egress.UpstreamRefused, "user and password"},
		"a code":       {"HTTP/1.1 502 \x1b[2J\r\n\r\n", egress.UpstreamRefused, `502 \x1b[2J`},
		"moved":        {"HTTP/1.1 302 Found\r\nLocation: http://evil.test/\r\n\r\n", egress.UpstreamRefused, "302"},
		"no HTTP":      {"SSH-2.0-OpenSSH\r\n\r\n", egress.UpstreamFailed, ""},
		"nothing":      {"", egress.UpstreamFailed, ""},
		"no end":       {"HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 10_000), egress.UpstreamFailed, ""},
		"later, later": {strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100), egress.UpstreamFailed, ""},
	} {
		p := newProxy(t, func(conn net.Conn) { fmt.Fprint(conn, test.answer) })
		_, err := through(t, p.url(), "alice:hunter2").Dial(t.Context(), "api.example.com", 443)
		if reason(err) != test.want || !strings.Contains(fmt.Sprint(err), test.says) || strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := newProxy(t, func(conn net.Conn) {
		fmt.Fprint(conn, "HTTP/1.1 103 Early Hints\r\n\r\n")
		says200("hello")(conn)
	})
	conn, err := through(t, p.url(), "").Dial(t.Context(), "api.example.com", 443)
	if got := hears(t, conn, err); got != "hello" {
		t.Errorf("after a provisional answer: %q", got)
	}
	gone := newProxy(t, nil)
	gone.listener.Close()
	if _, err := through(t, gone.url(), "").Dial(t.Context(), "api.example.com", 443); reason(err) != egress.UpstreamFailed {
		t.Errorf("a proxy that is not there: %v", err)
	}
}

// TestSilentProxy waits for a proxy that says nothing no longer than for a host.
func TestSilentProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := through(t, "http://10.0.0.1:3128", "")
		egress.SetConnect(d, func(context.Context, netip.AddrPort) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				_, _ = io.Copy(io.Discard, theirs)
				theirs.Close()
			}()
			return ours, nil
		})
		began := time.Now()
		_, err := d.Dial(t.Context(), "api.example.com", 443)
		if took := time.Since(began); reason(err) != egress.UpstreamFailed || took != 30*time.Second {
			t.Errorf("after %s: %v", took, err)
		}
	})
}

// TestBypass holds which hosts go past the proxy, and that those are looked up and checked here.
func TestBypass(t *testing.T) {
	p := newProxy(t, nil)
	bypass := []string{"git.corp.example", "*.int.example", "10.0.0.0/8", "192.0.43.8", "odd.example:8443"}
	for host, past := range map[string]bool{
		"git.corp.example:443": true, "git.corp.example:22": true, "x.git.corp.example:443": false, "corp.example:443": false,
		"a.int.example:443": true, "a.b.int.example:443": true, "int.example:443": false, "xint.example:443": false,
		"odd.example:8443": true, "odd.example:443": false,
		"192.0.43.8:443": true, "192.0.43.9:443": false,
	} {
		d := through(t, p.url(), "", bypass...)
		d.Resolver = answers{four: []string{"10.0.0.1"}}
		var tried []string
		egress.SetConnect(d, func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			tried = append(tried, to.String())
			var real net.Dialer
			return real.DialContext(ctx, "tcp", p.listener.Addr().String())
		})
		name, port, _ := strings.Cut(host, ":")
		var conn net.Conn
		var err error
		if to, parsed := netip.ParseAddrPort(host); parsed == nil {
			conn, err = d.DialAddress(t.Context(), to)
			if err != nil || past != (tried[0] == host) {
				t.Errorf("%s: dialled %v, %v", host, tried, err)
			}
		} else {
			conn, err = d.Dial(t.Context(), name, map[string]uint16{"443": 443, "22": 22, "8443": 8443}[port])
			if past != (reason(err) == egress.Forbidden) || !past && err != nil {
				t.Errorf("%s: %v", host, err)
			}
		}
		if conn != nil {
			conn.Close()
		}
	}
	// What a name leads to is not looked at to decide about the way: it would have to be looked up.
	d := through(t, p.url(), "", "10.0.0.0/8")
	d.Resolver = answers{four: []string{"10.0.0.1"}}
	conn, err := d.Dial(t.Context(), "in.example.com", 443)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if got := p.seen()[len(p.seen())-1].RequestURI; got != "in.example.com:443" {
		t.Errorf("the proxy was asked for %s", got)
	}
}

func TestParseUpstream(t *testing.T) {
	for _, good := range []string{"http://proxy", "http://proxy:3128", "http://proxy.corp.example:8080/", "https://10.0.0.1", "http://[fd00::1]:3128", "HTTP://Proxy"} {
		if _, err := egress.ParseUpstream(good, sdk.Secret{}, nil); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "proxy:3128", "proxy", "//proxy", "socks5://proxy:1080", "http://", "http://:3128", "http://alice:hunter2@proxy", "http://alice@proxy",
		"http://proxy/path", "http://proxy?q", "http://proxy?", "http://proxy#f", "http://proxy:0", "http://proxy:99999", "http://proxy:x", "http:proxy",
		"http://pro xy", "http://pro%00xy", "http://0x7f.1", "http://alice:hunter2%zz@proxy",
	} {
		_, err := egress.ParseUpstream(bad, sdk.Secret{}, nil)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := egress.ParseUpstream("http://proxy", sdk.NewSecret([]byte("hunter2")), nil); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a password without a user: %v", err)
	}
	if _, err := egress.ParseUpstream("http://proxy", sdk.Secret{}, []string{"http://x"}); err == nil {
		t.Error("a URL as what is bypassed")
	}
}

// FuzzProxyAnswer is an upstream proxy that says anything: it gives a tunnel or an error, in
// bounded memory, and what it gives as the host's first bytes it did send.
func FuzzProxyAnswer(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\n\r\nhello")
	f.Add("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200\r\n\r\n")
	f.Add("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\n\r\n")
	f.Add("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
	f.Fuzz(func(t *testing.T, answer string) {
		d := through(t, "http://10.0.0.1:3128", "a:b")
		egress.SetConnect(d, func(context.Context, netip.AddrPort) (net.Conn, error) {
			return &script{Reader: strings.NewReader(answer)}, nil
		})
		conn, err := d.Dial(t.Context(), "api.example.com", 443)
		if err != nil {
			if got := reason(err); got != egress.UpstreamFailed && got != egress.UpstreamRefused {
				t.Error(err)
			}
			return
		}
		rest, err := io.ReadAll(conn)
		if err != nil || !strings.HasSuffix(answer, string(rest)) {
			t.Errorf("%q, %v", rest, err)
		}
	})
}

// script is a connection on which everything was said already.
type script struct {
	net.Conn
	io.Reader
}

func (s *script) Read(p []byte) (int, error)  { return s.Reader.Read(p) }
func (s *script) Write(p []byte) (int, error) { return len(p), nil }
func (s *script) Close() error                { return nil }
