// Package http1 sends requests to one server by HTTP/1.1, each in the goroutine that asks.
//
//	t := &http1.Transport{Dial: dial, MostHead: 64 << 10, IdleTime: time.Minute, Buffers: buffers}
//	res, err := t.RoundTrip(request)
//
// The library's transport has two goroutines for a connection and hands each request from one to
// another, which costs more than all else that a proxy does. Here the one that asks writes the
// head and reads the answer, and the answer's body is read from the connection by whoever reads it.
// A request's body alone has a goroutine beside it, so that an answer is heard before all of the
// body is sent.
//
// It is for a proxy, and does what one needs: connections that are kept, bodies of any length in
// both directions at once, answers before the answer (1xx), trailers of answers, and connections
// that become another protocol's. It adds nothing to a request and follows nothing. Trailers of a
// request are not sent.
//
// It takes no answer that two readers could understand in two ways (head.go). A connection on which
// anything comes that nobody asked for is not used again.
package http1

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"
)

// mostIdle is how many connections are kept that nobody uses.
const mostIdle = 64

// Transport is a way to one server, whatever host a request names.
type Transport struct {
	// Dial connects, and has TLS done.
	Dial func(context.Context) (net.Conn, error)
	// MostHead is how large the head of an answer may be, with those that came before it.
	MostHead int
	// IdleTime is how long a connection is kept that nobody uses.
	IdleTime time.Duration
	// Buffers are what bodies of requests are sent with.
	Buffers httputil.BufferPool

	mu      sync.Mutex
	idle    []*conn // the one used last is the last
	sweeper *time.Timer
}

// RoundTrip implements [http.RoundTripper], but that the body of a request is left as it is where
// nothing was sent of it: it may be sent in another way.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	first := firstLine(r)
	if strings.Count(first, " ") != 2 || !httpguts.ValidHeaderFieldValue(first+r.Host) {
		return nil, errRequest
	}
	if c := t.take(); c != nil {
		res, err := c.exchange(r)
		if err == nil || !mayRepeat(c, r) {
			return res, err
		}
	}
	c, err := t.connect(r.Context())
	if err != nil {
		return nil, err
	}
	return c.exchange(r)
}

var errRequest = errors.New("the request's first lines would be more than two")

// firstLine is that of a request.
func firstLine(r *http.Request) string { return r.Method + " " + r.URL.RequestURI() + " HTTP/1.1" }

func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// lengthOf is how long the body of a request is; -1 where that is not known.
func lengthOf(r *http.Request) int64 {
	if r.ContentLength == 0 && hasBody(r) {
		return -1
	}
	return r.ContentLength
}

// mayRepeat reports whether a request that failed on a kept connection may be sent once more, on a
// new one: the server may have closed the old one just then, and not a byte came back. It is only
// for what changes nothing. The library takes a client's idempotency key for a permission, too.
func mayRepeat(c *conn, r *http.Request) bool {
	if c.heard || hasBody(r) || r.Context().Err() != nil {
		return false
	}
	return r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
}

// take takes the kept connection that was used last.
func (t *Transport) take() *conn {
	for {
		t.mu.Lock()
		if len(t.idle) == 0 {
			t.mu.Unlock()
			return nil
		}
		last := len(t.idle) - 1
		c := t.idle[last]
		t.idle[last] = nil
		t.idle = t.idle[:last]
		t.mu.Unlock()
		if c.silent() {
			return c
		}
		c.close()
	}
}

// keep keeps a connection for the next request.
func (t *Transport) keep(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.idle) == mostIdle {
		c.close()
		return
	}
	c.since = time.Now()
	t.idle = append(t.idle, c)
	if t.sweeper == nil {
		t.sweeper = time.AfterFunc(t.IdleTime, t.sweep)
	}
}

// sweep closes the connections that nobody used for the time, and comes again while there are
// others.
func (t *Transport) sweep() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.idle) > 0 && time.Since(t.idle[0].since) >= t.IdleTime {
		t.idle[0].close()
		t.idle = t.idle[1:]
	}
	t.sweeper = nil
	if len(t.idle) > 0 {
		t.sweeper = time.AfterFunc(t.IdleTime-time.Since(t.idle[0].since), t.sweep)
	}
}

// CloseIdleConnections closes the connections that nobody uses.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.idle {
		c.close()
	}
	t.idle = nil
}

// failure is the error of an exchange that failed: the caller's, where it does not want the answer
// any more.
func failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, io.EOF) {
		return errEnded
	}
	return err
}

var errEnded = errors.New("the server ended the connection")
