package egress

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/hostname"
)

const (
	// longestReply bounds what an upstream proxy says before a tunnel begins.
	longestReply = 16 << 10
	// mostInterim is how many provisional answers may come before the real one.
	mostInterim = 4
)

// Upstream is a proxy through which everything goes but what is bypassed: "http://proxy:3128", or
// "https://" where the way to the proxy itself is encrypted. It is asked for a tunnel (CONNECT) to
// each host, and sent requests of plain HTTP as they are.
//
// The user named it, so where it lies is not asked of Permit: it may well be in a private network
// or on this machine. The hosts' names are handed to it as they are and resolved there; the
// addresses that it finds are seen by nobody here. A host that is bypassed is resolved and checked
// here as if there were no proxy.
type Upstream struct {
	// Roots says whom an https proxy's certificate may be from; nil is what this machine trusts.
	Roots *x509.CertPool

	proxy  target
	secure bool
	auth   sdk.Secret
	bypass []hostname.Pattern
}

// ParseUpstream reads where a proxy is, what it is given ("user:password", or nothing), and which
// hosts are reached without it: names, "*.suffix", addresses and ranges of addresses. A range is
// compared with what was asked for, and never with what a name leads to.
func ParseUpstream(text string, auth sdk.Secret, bypass []string) (*Upstream, error) {
	at, err := url.Parse(text)
	if err != nil {
		// What the URL's error quotes may hold a password.
		return nil, errors.New("an upstream proxy is written as http://HOST:PORT or https://HOST:PORT")
	}
	u := &Upstream{auth: auth}
	switch at.Scheme {
	case "http":
		u.proxy.port = 80
	case "https":
		u.proxy.port, u.secure = 443, true
	default:
		return nil, errors.New("an upstream proxy speaks http:// or https://")
	}
	switch {
	case at.User != nil:
		return nil, errors.New("an upstream proxy's user and password do not stand in its URL")
	case at.Opaque != "", at.Path != "" && at.Path != "/", at.RawQuery != "", at.ForceQuery,
		at.Fragment != "":
		return nil, errors.New("after the host and port of an upstream proxy stands nothing")
	}
	u.proxy.name, u.proxy.addr, err = hostname.Host(at.Hostname())
	if err != nil {
		return nil, fmt.Errorf("the upstream proxy's host: %w", err)
	}
	if port := at.Port(); port != "" {
		if u.proxy.port, err = hostname.Port(port); err != nil {
			return nil, fmt.Errorf("the upstream proxy's port: %w", err)
		}
	}
	if given := auth.Reveal(); len(given) > 0 && !slices.Contains(given, ':') {
		return nil, errors.New("what the upstream proxy is given has the form user:password")
	}
	for _, entry := range bypass {
		pattern, err := hostname.ParsePattern(entry)
		if err != nil {
			return nil, fmt.Errorf("what bypasses the upstream proxy: %q: %w", entry, err)
		}
		u.bypass = append(u.bypass, pattern)
	}
	return u, nil
}

// carries reports whether the way to a host leads through the proxy. Without a proxy none does.
func (u *Upstream) carries(to target) bool {
	if u == nil {
		return false
	}
	return !slices.ContainsFunc(u.bypass, func(p hostname.Pattern) bool { return matches(p, to) })
}

func matches(p hostname.Pattern, to target) bool {
	if len(p.Ports) > 0 && !slices.Contains(p.Ports, to.port) {
		return false
	}
	if to.name != "" {
		suffix, below := strings.CutPrefix(p.Host, "*")
		return p.Host == to.name || below && strings.HasSuffix(to.name, suffix)
	}
	prefix, err := netip.ParsePrefix(p.Host)
	return err == nil && prefix.Contains(to.addr)
}

// Via is what a request of plain HTTP says to an upstream proxy, and not to a server. It is zero
// where there is none in between.
type Via struct {
	// Origin stands before the path in the request's first line: "http://api.example.com:8080".
	Origin string
	// Authorization is the value of the header Proxy-Authorization, if there is to be one.
	Authorization sdk.Secret
}

// dialHTTP connects to the proxy for requests that it is to pass on to a host.
func (u *Upstream) dialHTTP(ctx context.Context, d *Dialer, to target) (net.Conn, Via, error) {
	conn, err := u.reach(ctx, d)
	if err != nil {
		return nil, Via{}, to.failed(UpstreamFailed, err)
	}
	via := Via{Origin: "http://" + to.hostPort()}
	if authorization := u.authorization(); authorization != "" {
		via.Authorization = sdk.NewSecret([]byte(authorization))
	}
	return conn, via, nil
}

// authorization is what the proxy is given, in the form of HTTP.
func (u *Upstream) authorization() string {
	auth := u.auth.Reveal()
	if len(auth) == 0 {
		return ""
	}
	return "Basic " + string(encoded(auth))
}

func encoded(auth []byte) []byte { return base64.StdEncoding.AppendEncode(nil, auth) }

// dial connects to a host through the proxy.
func (u *Upstream) dial(ctx context.Context, d *Dialer, to target) (net.Conn, error) {
	conn, err := u.reach(ctx, d)
	if err != nil {
		return nil, to.failed(UpstreamFailed, err)
	}
	// Closing is what ends a read that waits for a proxy that says nothing.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	tunnel, err := u.tunnel(conn, to)
	if !stop() {
		_ = conn.Close()
		return nil, to.failed(UpstreamFailed, ctx.Err())
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return tunnel, nil
}

// reach connects to the proxy itself. Its name is looked up as every program here does it, with the
// host's search list.
func (u *Upstream) reach(ctx context.Context, d *Dialer) (net.Conn, error) {
	lookups := found(u.proxy.addr)
	if u.proxy.name != "" {
		lookups = d.resolve(ctx, u.proxy.name)
	}
	conn, err := d.race(ctx, u.proxy, lookups, func(netip.AddrPort) error { return nil })
	if err != nil || !u.secure {
		return conn, err
	}
	secure := tls.Client(conn, &tls.Config{
		ServerName: u.proxy.host(), RootCAs: u.Roots, MinVersion: tls.VersionTLS12,
	})
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("speaking TLS with %s: %w", u.proxy.host(), err)
	}
	return secure, nil
}

// tunnel asks for a tunnel to a host.
func (u *Upstream) tunnel(conn net.Conn, to target) (net.Conn, error) {
	request := "CONNECT " + to.hostPort() + " HTTP/1.1\r\nHost: " + to.hostPort() + "\r\n"
	if authorization := u.authorization(); authorization != "" {
		request += "Proxy-Authorization: " + authorization + "\r\n"
	}
	if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
		return nil, to.failed(UpstreamFailed, err)
	}
	limited := &io.LimitedReader{R: conn, N: longestReply}
	reader := bufio.NewReader(limited)
	answer, err := readAnswer(reader) //nolint:bodyclose // what follows is no body but the tunnel
	switch {
	case err != nil:
		return nil, to.failed(UpstreamFailed, fmt.Errorf("asking it for a tunnel: %w", err))
	case answer.StatusCode == http.StatusProxyAuthRequired:
		err := fmt.Errorf("it wants another user and password (%q)", u.masked(answer.Status))
		return nil, to.failed(UpstreamRefused, err)
	case answer.StatusCode/100 != 2:
		return nil, to.failed(UpstreamRefused, fmt.Errorf("it answers %q", u.masked(answer.Status)))
	case reader.Buffered() == 0:
		return conn, nil
	}
	// The host spoke first, and its bytes came along with the proxy's.
	first := make([]byte, reader.Buffered())
	if _, err := io.ReadFull(reader, first); err != nil {
		return nil, to.failed(UpstreamFailed, err)
	}
	return &begun{Conn: conn, first: first}, nil
}

// readAnswer reads the answer to a request for a tunnel, past the provisional ones.
func readAnswer(reader *bufio.Reader) (*http.Response, error) {
	for range mostInterim + 1 {
		answer, err := http.ReadResponse(reader, &http.Request{Method: http.MethodConnect})
		if err != nil {
			return nil, err
		}
		if answer.StatusCode/100 != 1 {
			return answer, nil
		}
	}
	return nil, errors.New("it gives provisional answers only")
}

// begun is a connection of which the first bytes were read already.
type begun struct {
	net.Conn
	first []byte
}

func (b *begun) Read(p []byte) (int, error) {
	if len(b.first) == 0 {
		return b.Conn.Read(p)
	}
	n := copy(p, b.first)
	b.first = b.first[n:]
	return n, nil
}

// NetConn is the connection beneath, for whoever has to reset it.
func (b *begun) NetConn() net.Conn { return b.Conn }

// CloseWrite says that nothing more is sent.
func (b *begun) CloseWrite() error {
	half, ok := b.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.New("this connection ends in both directions only")
	}
	return half.CloseWrite()
}
