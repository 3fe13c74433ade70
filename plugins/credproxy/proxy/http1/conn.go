package http1

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/sys/unix"
)

// conn is a connection, used for one request at a time.
type conn struct {
	net.Conn
	plain net.Conn // without TLS
	of    *Transport
	raw   syscall.RawConn // nil where the system has none
	in    *bufio.Reader
	out   *bufio.Writer
	since time.Time // it is not used

	// Of the request that is on its way:
	heard   bool         // something came back
	halves  atomic.Int32 // how many are not over: the answer, and the body of the request
	spoilt  atomic.Bool  // nothing can follow it
	unwatch func() bool  // stop watching whether the caller gives it up
}

func (t *Transport) connect(ctx context.Context) (*conn, error) {
	secured, err := t.Dial(ctx)
	if err != nil {
		return nil, err
	}
	c := &conn{
		Conn: secured, plain: secured, of: t,
		in: bufio.NewReader(secured), out: bufio.NewWriter(secured),
	}
	for {
		over, ok := c.plain.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		c.plain = over.NetConn()
	}
	if s, ok := c.plain.(syscall.Conn); ok {
		c.raw, _ = s.SyscallConn()
	}
	return c, nil
}

// close ends the connection at once, and with an error for who reads it. With the farewell of TLS
// it could take seconds, and the server's own would look like an answer's end.
func (c *conn) close() { _ = c.plain.Close() }

// silent reports whether nothing came on a connection that nobody uses: neither its end, nor bytes,
// which would be taken for the answer to the next request.
func (c *conn) silent() bool {
	if c.raw == nil || c.in.Buffered() > 0 {
		return false
	}
	// What came together with the last answer, and is behind TLS.
	_ = c.SetReadDeadline(time.Unix(1, 0))
	_, err := c.in.Peek(1)
	if !errors.Is(err, os.ErrDeadlineExceeded) || c.SetReadDeadline(time.Time{}) != nil {
		return false
	}
	// What came since then.
	var ready int
	failed := c.raw.Control(func(fd uintptr) {
		ready, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	})
	return failed == nil && err == nil && ready == 0
}

// exchange sends a request and reads the head of the answer.
func (c *conn) exchange(r *http.Request) (*http.Response, error) {
	c.heard = false
	c.halves.Store(1)
	c.unwatch = context.AfterFunc(r.Context(), c.close)
	up, unsent := c.send(r)
	res, err := c.answer(r, up)
	if err != nil {
		c.over(false)
		return nil, failure(r.Context(), cmp.Or(unsent, up.failed(), err))
	}
	return res, nil
}

// over is called when the answer is over; where nothing can follow it, all is.
func (c *conn) over(again bool) {
	if !again {
		c.spoilt.Store(true)
		c.close()
	}
	c.halfOver()
}

// halfOver is called when the answer is over, or the body of the request. The connection is free
// after both, so that a server that answered early still gets the rest of a body, until the caller
// gives that up.
func (c *conn) halfOver() {
	switch {
	case c.halves.Add(-1) > 0:
	case c.unwatch() && !c.spoilt.Load():
		c.of.keep(c)
	default:
		c.close()
	}
}

// send sends a request. Where the error is not nil the server may have answered all the same: it
// wants no more of it.
func (c *conn) send(r *http.Request) (*upload, error) {
	err := c.sendHead(r)
	if err != nil {
		c.spoilt.Store(true)
	}
	switch {
	case !hasBody(r):
		return nil, err
	case err != nil:
		_ = r.Body.Close()
		return nil, err
	}
	c.halves.Add(1)
	up := &upload{over: make(chan struct{})}
	if httpguts.HeaderValuesContainsToken(r.Header["Expect"], "100-continue") {
		up.wanted = make(chan bool, 1)
	}
	go up.send(c, r)
	return up, nil
}

// ofFraming are the headers that are not a request's own.
var ofFraming = map[string]bool{
	"Host": true, "Content-Length": true, "Transfer-Encoding": true, "Trailer": true,
}

// withBody are the methods whose requests say how long a body is that is empty.
var withBody = []string{http.MethodPost, http.MethodPut, http.MethodPatch}

func (c *conn) sendHead(r *http.Request) error {
	for _, part := range []string{firstLine(r), "\r\nHost: ", r.Host, "\r\n"} {
		_, _ = c.out.WriteString(part) // Flush has the error
	}
	_ = r.Header.WriteSubset(c.out, ofFraming)
	length := lengthOf(r)
	switch {
	case length < 0:
		_, _ = c.out.WriteString("Transfer-Encoding: chunked\r\n")
	case length > 0, slices.Contains(withBody, r.Method):
		_, _ = c.out.WriteString("Content-Length: " + strconv.FormatInt(length, 10) + "\r\n")
	}
	_, _ = c.out.WriteString("\r\n")
	return c.out.Flush()
}

// answer reads the head of the answer, and tells of those that come before it.
func (c *conn) answer(r *http.Request, up *upload) (*http.Response, error) {
	if _, err := c.in.Peek(1); err != nil {
		return nil, err
	}
	c.heard = true
	for left := c.of.MostHead; ; {
		h, err := readHead(c.in, &left)
		if err != nil {
			return nil, err
		}
		length, err := h.length(r.Method)
		if err != nil {
			return nil, err
		}
		up.tell(h.code)
		switch {
		case h.code == http.StatusSwitchingProtocols:
			return c.switched(r, h, up)
		case h.code >= http.StatusOK:
			return c.response(r, h, length)
		}
		trace := httptrace.ContextClientTrace(r.Context())
		if trace == nil || trace.Got1xxResponse == nil {
			continue
		}
		if err := trace.Got1xxResponse(h.code, textproto.MIMEHeader(h.fields)); err != nil {
			return nil, err
		}
	}
}

// response makes the answer of a head.
func (c *conn) response(r *http.Request, h head, length int64) (res *http.Response, err error) {
	res = h.response(r)
	b := &body{c: c, res: res, lasts: h.lasts()}
	res.Body, res.ContentLength = b, length
	switch length {
	case chunked:
		chunks := httputil.NewChunkedReader(c.in)
		b.from, res.ContentLength = &inChunks{chunks, c.in, res, c.of.MostHead}, -1
		res.Trailer, err = h.announced()
	case untilEnd:
		b.from, b.lasts, res.ContentLength = c.in, false, -1
	default:
		b.from = &exactly{c.in, length}
	}
	return res, err
}

// switched makes the answer of a head after which the connection is another protocol's.
func (c *conn) switched(r *http.Request, h head, up *upload) (*http.Response, error) {
	if r.Header.Get("Upgrade") == "" || up != nil {
		return nil, errSwitched
	}
	res := h.response(r)
	res.Body = &switched{c}
	return res, nil
}

var errSwitched = errors.New("the server changes the protocol, and nobody asked it to")

// switched is a connection that became another protocol's.
type switched struct{ *conn }

// Read implements io.Reader.
func (s *switched) Read(p []byte) (int, error) { return s.in.Read(p) }

// Close implements io.Closer.
func (s *switched) Close() error { return s.plain.Close() }

// CloseWrite says that nothing more is sent.
func (s *switched) CloseWrite() error {
	half, ok := s.Conn.(interface{ CloseWrite() error })
	if !ok {
		return net.ErrClosed
	}
	return half.CloseWrite()
}
