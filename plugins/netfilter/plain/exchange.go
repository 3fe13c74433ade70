package plain

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nono-run/nono/plugins/netfilter/relay"
	"github.com/nono-run/nono/sdk/egress"
)

// server is a connection to a server.
type server struct {
	to    string
	conn  net.Conn
	via   egress.Via
	meter meter
	in    *bufio.Reader // nil at rest
	out   *bufio.Writer
	used  bool // for a request before
	sent  *sending
}

// meter bounds the head of an answer: how long it is, and how many lines it has, each of which
// takes more memory than bytes.
type meter struct {
	from   io.Reader
	inHead bool
	left   int // bytes that may still come of a head
	lines  int // and lines
	over   bool
	text   bool // since the line began
}

var (
	errLongAnswer  = fmt.Errorf("the answer's head is longer than %d KiB", longestAnswer>>10)
	errManyHeaders = fmt.Errorf("the answer has more than %d headers", mostHeaders)
)

// begin says that a head comes next, of which some may have been read already.
func (m *meter) begin() {
	m.inHead, m.left, m.lines, m.over = true, longestAnswer, mostHeaders+1, false
}

// end says that a body comes next, or nothing.
func (m *meter) end() { m.inHead = false }

// Read implements io.Reader.
func (m *meter) Read(p []byte) (int, error) {
	if !m.inHead {
		m.text = false
		return m.from.Read(p)
	}
	if m.left <= 0 {
		return 0, errLongAnswer
	}
	n, err := m.from.Read(p[:min(len(p), m.left)])
	m.left -= n
	for _, c := range p[:n] {
		switch {
		case c == '\n':
			m.over = m.over || !m.text
			m.text = false
			if !m.over {
				m.lines--
			}
		case c != '\r':
			m.text = true
		}
	}
	if m.lines < 0 {
		return 0, errManyHeaders
	}
	return n, err
}

func (s *server) wake() {
	if s.in == nil {
		s.meter = meter{from: s.via.Masked(s.conn)}
		s.in, s.out = answers.get(&s.meter), writers.get(s.conn)
	}
}

// close ends the connection. Buffers that a request is still being sent with are left alone.
func (s *server) close() {
	_ = s.conn.Close()
	if s.sent.ended() {
		s.rest()
	}
}

// rest gives the buffers back.
func (s *server) rest() {
	if s.in != nil {
		answers.put(s.in)
		writers.put(s.out)
		s.in, s.out = nil, nil
	}
}

// connect is a connection for the way: the one that is there, if it leads there and still stands.
// That of an upgrade leads to the server itself.
func (c *conversation) connect(ctx context.Context, way Way, upgrade bool) error {
	if s := c.server; s != nil {
		direct := s.via.Origin == ""
		if s.to == way.To && (direct || !upgrade) && quiet(s.conn) {
			s.used = true
			s.wake()
			return nil
		}
		c.drop()
	}
	var conn net.Conn
	var via egress.Via
	var err error
	if upgrade {
		conn, err = way.Tunnel(ctx)
	} else {
		conn, via, err = way.Dial(ctx)
	}
	if err != nil {
		return err
	}
	c.server = &server{to: way.To, conn: conn, via: via}
	c.server.wake()
	return nil
}

// exchange passes a request on and its answer back. It reports whether there may be another one.
func (c *conversation) exchange(
	ctx context.Context, form form, req *http.Request, way Way,
) (again bool) {
	var sent *sending
	var resp *http.Response
	for {
		if err := c.connect(ctx, way, form.upgrade); err != nil {
			return c.refuse(err, req)
		}
		sent = c.server.send(form, req, way)
		c.server.sent = sent
		var err error
		if resp, err = c.answer(ctx, form, req); err == nil {
			break
		}
		stale := c.server.used && req.Body == http.NoBody && repeatable(req.Method)
		c.drop()
		if sent.stop(c.client) != nil {
			return c.refuse(badRequest(sent.err.Error()), nil)
		}
		if errors.Is(err, errPassword) {
			return c.refuse(err, req)
		}
		// A server may close a connection at rest in the moment in which it is used again.
		if !stale {
			return c.refuse(&Refusal{http.StatusBadGateway, "no answer of HTTP/1", err.Error()}, req)
		}
	}
	if resp == nil { // it was an upgrade, and is over
		return false
	}
	// When this is called the body was read, or the connection that it came from is closed.
	defer func() { _ = resp.Body.Close() }()
	return c.finish(req, resp, sent)
}

// errPassword is an answer that is not for the client: it has no password for that proxy, and must
// not take it for this one's question.
var errPassword = errors.New("nono: the upstream proxy wants another user and password")

// repeatable reports whether a request may be sent once more, whatever became of the first.
func repeatable(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// answer reads until the final answer, and passes on those before it. There is none after an
// upgrade.
func (c *conversation) answer(
	ctx context.Context, form form, req *http.Request,
) (*http.Response, error) {
	for {
		c.server.meter.begin()
		resp, err := http.ReadResponse(c.server.in, req)
		c.server.meter.end()
		switch {
		case err != nil:
			return nil, err
		case resp.StatusCode == http.StatusProxyAuthRequired && c.server.via.Origin != "":
			return nil, errPassword
		case resp.StatusCode == http.StatusSwitchingProtocols:
			if !form.upgrade || !strings.EqualFold(resp.Header.Get("Upgrade"), "websocket") {
				return nil, errors.New("the server changed to a protocol that nobody asked for")
			}
			c.writeHead(resp, "Connection: Upgrade\r\nUpgrade: websocket\r\n")
			if c.out.Flush() == nil {
				c.upgrade(ctx)
			}
			return nil, nil
		case resp.StatusCode >= http.StatusOK:
			return resp, nil
		case req.ProtoAtLeast(1, 1):
			c.writeHead(resp, "")
			if err := c.out.Flush(); err != nil {
				return nil, err
			}
		}
	}
}

// finish passes the final answer on.
func (c *conversation) finish(req *http.Request, resp *http.Response, sent *sending) (again bool) {
	again = lasts(req)
	if !sent.over() && resp.Close {
		again = false // nobody is going to read the rest of what the client is sending
	}
	var framing string
	bodiless := req.Method == http.MethodHead || resp.StatusCode == http.StatusNoContent ||
		resp.StatusCode == http.StatusNotModified
	chunked := false
	switch {
	case bodiless:
		if length := resp.Header.Get("Content-Length"); length != "" {
			framing = "Content-Length: " + oneLine(length) + "\r\n"
		}
	case resp.ContentLength >= 0:
		framing = fmt.Sprintf("Content-Length: %d\r\n", resp.ContentLength)
	case slices.Contains(resp.TransferEncoding, "chunked") && req.ProtoAtLeast(1, 1):
		chunked = true
		framing = "Transfer-Encoding: chunked\r\n" + announce(resp.Trailer)
	default:
		again = false // the body's end is the connection's
	}
	if !again {
		framing += "Connection: close\r\n"
	}
	c.writeHead(resp, framing)
	err := c.pass(resp, bodiless, chunked)
	if err != nil || resp.Close || resp.ContentLength < 0 && !chunked && !bodiless {
		c.drop()
	}
	if err != nil {
		// The client must not take what it got for all.
		_ = sent.stop(c.client)
		relay.Reset(c.client)
		return false
	}
	if !again {
		c.drop()
		_ = sent.stop(c.client)
		c.part()
		return false
	}
	if sent.wait() != nil {
		c.drop()
		return false
	}
	return true
}

// pass sends the head that was written and the body after it.
func (c *conversation) pass(resp *http.Response, bodiless, chunked bool) error {
	if bodiless || resp.ContentLength == 0 {
		return c.out.Flush()
	}
	// The head goes with the first piece of the body where that is there already.
	if c.server.in.Buffered() == 0 {
		if err := c.out.Flush(); err != nil {
			return err
		}
	}
	return pass(c.out, resp.Body, chunked, &resp.Trailer)
}

// sending is a request on its way to the server.
type sending struct {
	done chan struct{} // nil where there was no body
	err  error         // once it is done
}

// send writes a request. What becomes of that is seen in the answer, or in there being none.
func (s *server) send(form form, req *http.Request, way Way) *sending {
	out := s.out
	target := form.target
	if s.via.Origin != "" {
		target = s.via.Origin + strings.TrimPrefix(target, "*")
	}
	fmt.Fprintf(out, "%s %s HTTP/1.1\r\nHost: %s\r\n", req.Method, target, way.Host)
	if authorization := s.via.Authorization.Reveal(); len(authorization) > 0 {
		fmt.Fprintf(out, "Proxy-Authorization: %s\r\n", authorization)
	}
	te := strings.Contains(strings.ToLower(req.Header.Get("Te")), "trailers")
	_ = endToEnd(req.Header).Write(out)
	switch {
	case form.chunked:
		fmt.Fprint(out, "Transfer-Encoding: chunked\r\n", announce(req.Trailer))
	case form.length:
		fmt.Fprintf(out, "Content-Length: %d\r\n", req.ContentLength)
	}
	switch {
	case form.upgrade:
		fmt.Fprint(out, "Connection: Upgrade\r\nUpgrade: websocket\r\n")
	case te:
		fmt.Fprint(out, "Connection: TE\r\nTE: trailers\r\n")
	}
	fmt.Fprint(out, "\r\n")
	_ = out.Flush()
	if req.Body == http.NoBody {
		return &sending{}
	}
	sent := &sending{done: make(chan struct{})}
	go func() {
		defer close(sent.done)
		sent.err = pass(out, req.Body, form.chunked, &req.Trailer)
		if isFromReader(sent.err) {
			// The client broke off, so there will be no answer.
			_ = s.conn.Close()
		}
	}()
	return sent
}

// ended reports whether nothing more is being sent.
func (s *sending) ended() bool {
	if s == nil || s.done == nil {
		return true
	}
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// over reports whether all of the request was sent.
func (s *sending) over() bool { return s.ended() && s.err == nil }

// wait waits until all of the request was sent.
func (s *sending) wait() error {
	if s.done != nil {
		<-s.done
	}
	return s.err
}

// stop waits no longer for the rest of the request. The error is what was wrong with the part that
// the client sent.
func (s *sending) stop(client net.Conn) error {
	if !s.ended() {
		_ = client.SetReadDeadline(time.Unix(1, 0))
		<-s.done
		_ = client.SetReadDeadline(time.Time{})
	}
	if isFromReader(s.err) && !errors.Is(s.err, os.ErrDeadlineExceeded) {
		return s.err
	}
	return nil
}

// hops are headers between two neighbours, which are not passed on; lengths are written anew.
var hops = []string{
	"Connection", "Content-Length", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// endToEnd takes out of headers what is between two neighbours, and what they name so.
func endToEnd(h http.Header) http.Header {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range hops {
		delete(h, name)
	}
	return h
}

// writeHead writes an answer's head, with these headers of our own.
func (c *conversation) writeHead(resp *http.Response, own string) {
	_, reason, _ := strings.Cut(resp.Status, " ")
	fmt.Fprintf(c.out, "HTTP/1.1 %03d %s\r\n", resp.StatusCode, oneLine(reason))
	_ = endToEnd(resp.Header).Write(c.out)
	fmt.Fprint(c.out, own, "\r\n")
}

// announce is the header that says which trailers there will be.
func announce(trailer http.Header) string {
	if len(trailer) == 0 {
		return ""
	}
	var names []string
	for name := range trailer {
		names = append(names, name)
	}
	slices.Sort(names)
	return "Trailer: " + strings.Join(names, ", ") + "\r\n"
}
