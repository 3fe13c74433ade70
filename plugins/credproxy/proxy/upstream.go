package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nono-run/nono/plugins/credproxy/proxy/http1"
)

const (
	// upstreamIdleTime is how long a connection to the service is kept that nobody uses: less long
	// than services keep it.
	upstreamIdleTime = 50 * time.Second
	// pingTime is after how much silence a connection of HTTP/2 is asked whether it is still there;
	// else all its streams would wait for a dead one.
	pingTime = 30 * time.Second
)

// upstream is the way to the service. A request is sent on by the version of HTTP that it came by,
// so that nothing of it has to be translated: the second is the library's, and the first costs half
// of that. A service that speaks the second alone is asked by it.
type upstream struct {
	first  *http1.Transport
	second *http.Transport
	// noFirst is set where the service was found to speak the second version alone.
	noFirst atomic.Bool
}

// newUpstream makes the way to the service.
func (p *Proxy) newUpstream() *upstream {
	second := p.newTransport()
	return &upstream{second: second, first: &http1.Transport{
		Dial:     p.dialFirst(second.DialContext, second.TLSClientConfig),
		MostHead: mostHead, IdleTime: upstreamIdleTime, Buffers: buffers,
	}}
}

// newTransport makes the library's way to the service.
func (p *Proxy) newTransport() *http.Transport {
	port := p.upstream.Port()
	if port == "" {
		port = "443"
	}
	return &http.Transport{
		// Whatever address the transport thinks of, there is one host.
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return p.options.Dial(ctx, p.host, port)
		},
		TLSClientConfig:        &tls.Config{RootCAs: p.options.Roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingTime},
		DisableCompression:     true,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        upstreamIdleTime,
		TLSHandshakeTimeout:    headTime,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: mostHead,
	}
}

// dialFirst connects for the first version.
func (p *Proxy) dialFirst(
	dial func(ctx context.Context, network, address string) (net.Conn, error), c *tls.Config,
) func(context.Context) (net.Conn, error) {
	c = c.Clone()
	c.ServerName, c.NextProtos = p.host, []string{"http/1.1"}
	c.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	return func(ctx context.Context) (net.Conn, error) {
		plain, err := dial(ctx, "", "")
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, headTime)
		defer cancel()
		conn := tls.Client(plain, c)
		if err := conn.HandshakeContext(ctx); err != nil {
			_ = plain.Close()
			return nil, fmt.Errorf("%w: %w", errHandshake, err)
		}
		return conn, nil
	}
}

var errHandshake = errors.New("the TLS handshake")

// RoundTrip implements [http.RoundTripper].
func (u *upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.ProtoMajor == 2 || u.noFirst.Load() {
		return u.second.RoundTrip(once(r))
	}
	res, err := u.first.RoundTrip(r)
	var alert *net.OpError
	if !errors.Is(err, errHandshake) || !errors.As(err, &alert) || alert.Op != "remote error" {
		return res, err
	}
	// The service does not want TLS with us for this version, and got nothing of the request.
	if res, err = u.second.RoundTrip(once(r)); err == nil && res.ProtoMajor == 2 {
		u.noFirst.Store(true)
	}
	return res, err
}

// CloseIdleConnections closes what nobody uses.
func (u *upstream) CloseIdleConnections() {
	u.first.CloseIdleConnections()
	u.second.CloseIdleConnections()
}

// once has a request sent once. The library would send one again that has an idempotency key and no
// body; whether that is right is for the client to say. It knows the header by the usual spelling
// of its name alone, and to the service any spelling is the same.
func once(r *http.Request) *http.Request {
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		if values, ok := r.Header[name]; ok {
			delete(r.Header, name)
			r.Header[strings.ToLower(name)] = values
		}
	}
	return r
}
