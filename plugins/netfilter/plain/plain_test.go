package plain_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nono-run/nono/plugins/netfilter/plain"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/egress"
)

// patience bounds what a test waits for; nothing waits that long but a test that fails.
const patience = 20 * time.Second

// guide leads requests for ok.example to one server, and no others anywhere.
type guide struct {
	server string
	dials  chan string // what was dialled
	via    egress.Via
	tunnel string // where an Upgrade leads, if not to the server
}

func (g *guide) Way(_ context.Context, asked plain.Asked) (plain.Way, error) {
	host := asked.Authority
	if host == "" {
		host = asked.Host
	}
	if host != "ok.example" && host != "also.example" {
		return plain.Way{}, &plain.Refusal{Status: http.StatusForbidden, Reason: "denied", Text: "not allowed: " + host}
	}
	return plain.Way{Host: host, To: host, Dial: func(ctx context.Context) (net.Conn, egress.Via, error) {
		g.dials <- host
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", g.server)
		return conn, g.via, err
	}, Tunnel: func(ctx context.Context) (net.Conn, error) {
		g.dials <- host
		var d net.Dialer
		return d.DialContext(ctx, "tcp", cmp.Or(g.tunnel, g.server))
	}}, nil
}

func (g *guide) Tunnel(_ context.Context, asked plain.Asked) (func(net.Conn), error) {
	if asked.Authority != "ok.example:443" {
		return nil, &plain.Refusal{Status: http.StatusForbidden, Reason: "denied", Text: "not allowed"}
	}
	return func(client net.Conn) {
		words, _ := io.ReadAll(client)
		fmt.Fprintf(client, "%s, tunnelled", words)
	}, nil
}

// between is a client's end of a connection that is served, before a server of one's own.
type between struct {
	*net.TCPConn
	in    *bufio.Reader
	dials chan string
}

func serve(t *testing.T, server string) *between {
	t.Helper()
	return serveVia(t, server, egress.Via{})
}

func serveVia(t *testing.T, server string, via egress.Via) *between {
	t.Helper()
	return serveGuide(t, &guide{server: server, dials: make(chan string, 100), via: via})
}

func serveGuide(t *testing.T, g *guide) *between {
	t.Helper()
	l := listen(t)
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	_ = client.SetDeadline(time.Now().Add(patience))
	served, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer served.Close()
		plain.Serve(t.Context(), served, g)
	}()
	t.Cleanup(func() {
		client.Close()
		select {
		case <-done:
		case <-time.After(patience):
			t.Error("the connection is still served when the client is gone")
		}
	})
	return &between{client.(*net.TCPConn), bufio.NewReader(client), g.dials}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// web is a server of net/http's.
func web(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	l := listen(t)
	s := &http.Server{Handler: handler, ReadHeaderTimeout: patience}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
	return l.Addr().String()
}

// raw is a server that takes one connection after the other as it comes.
func raw(t *testing.T, handle func(net.Conn, *bufio.Reader)) string {
	t.Helper()
	l := listen(t)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(patience))
			handle(c, bufio.NewReader(c))
			c.Close()
		}
	}()
	return l.Addr().String()
}

func (b *between) say(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(b, text); err != nil {
		t.Fatal(err)
	}
}

// answer is what is heard of one, without its body.
type answer struct {
	Status          string
	StatusCode      int
	Header, Trailer http.Header
	ContentLength   int64
	Close           bool
}

// hear reads an answer with its body.
func (b *between) hear(t *testing.T, method string) (answer, string) {
	t.Helper()
	head, body, trailer := b.begin(t, method)
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatalf("%s, then %v", head.Status, err)
	}
	head.Trailer = *trailer
	return head, string(text)
}

// begin reads an answer's head. The trailer is there when the body has been read.
func (b *between) begin(t *testing.T, method string) (_ answer, body io.Reader, trailer *http.Header) {
	t.Helper()
	resp, err := http.ReadResponse(b.in, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return answer{
		Status: resp.Status, StatusCode: resp.StatusCode, Header: resp.Header,
		ContentLength: resp.ContentLength, Close: resp.Close,
	}, resp.Body, &resp.Trailer
}

// over holds that the connection has ended.
func (b *between) over(t *testing.T) {
	t.Helper()
	if rest, err := io.ReadAll(b.in); err != nil || len(rest) > 0 {
		t.Errorf("the connection goes on with %q, %v", rest, err)
	}
}

func TestPassesOn(t *testing.T) {
	server := web(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", r.Method+" "+r.Host+" "+r.RequestURI)
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		fmt.Fprintf(w, "%s %v", body, r.Header)
	})
	b := serve(t, server)
	b.say(t, "GET http://ok.example?x=1;y=2&z HTTP/1.1\r\nHost: ok.example\r\nProxy-Authorization: Basic x\r\n"+
		"Connection: x-mine\r\nX-Mine: 1\r\nX-Kept: 2\r\nTE: trailers\r\n\r\n")
	resp, body := b.hear(t, "GET")
	if seen := resp.Header.Get("X-Seen"); seen != "GET ok.example /?x=1;y=2&z" {
		t.Errorf("the server saw %q", seen)
	}
	if body != " map[Connection:[TE] Te:[trailers] X-Kept:[2]]" {
		t.Errorf("the server was sent %q", body)
	}
	if len(resp.Header["Set-Cookie"]) != 2 {
		t.Errorf("the answer's headers are %v", resp.Header)
	}
	b.say(t, "POST http://ok.example/b HTTP/1.1\r\nHost: ok.example\r\nContent-Length: 5\r\n\r\nhello")
	if _, body := b.hear(t, "POST"); !strings.HasPrefix(body, "hello map") {
		t.Errorf("the answer is %q", body)
	}
	b.say(t, "POST http://ok.example/c HTTP/1.1\r\nHost: ok.example\r\nContent-Length: 0\r\n\r\n")
	if _, body := b.hear(t, "POST"); !strings.Contains(body, "Content-Length:[0]") {
		t.Errorf("the answer is %q", body)
	}
	b.say(t, "HEAD http://ok.example/ HTTP/1.1\r\nHost: ok.example\r\n\r\n")
	if resp, _ := b.hear(t, "HEAD"); resp.ContentLength <= 0 {
		t.Errorf("the answer to HEAD has the length %d", resp.ContentLength)
	}
	if n := len(b.dials); n != 1 {
		t.Errorf("%d connections were made for four requests", n)
	}
	b.say(t, "GET http://also.example/ HTTP/1.1\r\nHost: also.example\r\nConnection: close\r\n\r\n")
	if resp, _ := b.hear(t, "GET"); resp.Header.Get("X-Seen") != "GET also.example /" || !resp.Close {
		t.Errorf("the answer is %v", resp)
	}
	b.over(t)
	if n := len(b.dials); n != 2 {
		t.Errorf("%d connections were made for two hosts", n)
	}
}

// A proxy outside is sent requests as proxies are, with what it is given and not what the client
// had for us.
func TestUpstreamProxy(t *testing.T) {
	got := make(chan string, 3)
	upstream := web(t, func(_ http.ResponseWriter, r *http.Request) {
		got <- r.Method + " " + r.RequestURI + " " + r.Host + " " + r.Header.Get("Proxy-Authorization")
	})
	b := serveVia(t, upstream, egress.Via{
		Origin: "http://ok.example", Authorization: sdk.NewSecret([]byte("Basic theirs")),
	})
	for request, want := range map[string]string{
		"GET http://ok.example/a?b HTTP/1.1\r\nProxy-Authorization: Basic ours\r\n": "GET http://ok.example/a?b ok.example Basic theirs",
		"GET /a HTTP/1.1\r\n":                    "GET http://ok.example/a ok.example Basic theirs",
		"OPTIONS http://ok.example HTTP/1.1\r\n": "OPTIONS http://ok.example ok.example Basic theirs",
	} {
		b.say(t, request+"Host: ok.example\r\n\r\n")
		b.hear(t, "GET")
		if seen := <-got; seen != want {
			t.Errorf("the proxy saw %q, want %q", seen, want)
		}
	}
}

// Headers without number are a head that is short and takes much memory, of a request as of an
// answer; what programs send has some dozens. What follows a head is none of it.
func TestManyHeaders(t *testing.T) {
	lines := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "%x:\r\n", i)
		}
		return b.String()
	}
	body := strings.Repeat("\n", 2<<10)
	for _, try := range []struct{ asked, answered, want int }{
		{400, 400, http.StatusOK},
		{600, 1, http.StatusBadRequest},
		{1, 600, http.StatusBadGateway},
		{1, 40_000, http.StatusBadGateway},
	} {
		b := serve(t, raw(t, func(c net.Conn, in *bufio.Reader) {
			for {
				if _, err := http.ReadRequest(in); err != nil {
					return
				}
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s", lines(try.answered), len(body), body)
			}
		}))
		for range 2 {
			b.say(t, "GET / HTTP/1.1\r\nHost: ok.example\r\n"+lines(try.asked)+"\r\n")
			resp, got := b.hear(t, "GET")
			if resp.StatusCode != try.want || resp.StatusCode == http.StatusOK && got != body {
				t.Errorf("%d and %d: %s: %.80s", try.asked, try.answered, resp.Status, got)
			}
			if resp.Close {
				break
			}
		}
	}
}

// An Upgrade goes past a proxy outside, in a tunnel. One that passed it on and went on to read
// requests would take for such what the client and the server then say to each other, and carry them
// anywhere. Other requests go on as before, on either side of it.
func TestUpgradeGoesPastUpstream(t *testing.T) {
	name := func(as string) string {
		return web(t, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, as, " ", r.RequestURI, " ", r.Header.Get("Upgrade"), " ", r.Header.Get("Proxy-Authorization"))
		})
	}
	b := serveGuide(t, &guide{
		server: name("proxy"), tunnel: name("server"), dials: make(chan string, 100),
		via: egress.Via{Origin: "http://ok.example", Authorization: sdk.NewSecret([]byte("theirs"))},
	})
	for _, try := range [][2]string{
		{"", "proxy http://ok.example/  theirs"},
		{"Connection: Upgrade\r\nUpgrade: websocket\r\n", "server / websocket "},
		{"", "server /  "}, // the connection is there
		{"Connection: close\r\n", "server /  "},
	} {
		b.say(t, "GET / HTTP/1.1\r\nHost: ok.example\r\n"+try[0]+"\r\n")
		if _, body := b.hear(t, "GET"); body != try[1] {
			t.Errorf("%q is answered with %q, want %q", try[0], body, try[1])
		}
	}
	b.over(t)
}

// A TRACE is answered with the request as it arrived: a proxy outside would show the client what it
// is given. Nor does anything else that is called so leave here.
func TestTrace(t *testing.T) {
	upstream := web(t, func(w http.ResponseWriter, r *http.Request) { _ = r.Write(w) })
	for method, refused := range map[string]bool{"TRACE": true, "trace": true, "TRACK": true, "GET": false} {
		b := serveVia(t, upstream, egress.Via{
			Origin: "http://ok.example", Authorization: sdk.NewSecret([]byte("Basic theirs")),
		})
		b.say(t, method+" http://ok.example/ HTTP/1.1\r\nHost: ok.example\r\nMax-Forwards: 0\r\n\r\n")
		resp, body := b.hear(t, method)
		if shown := strings.Contains(body, "theirs"); shown == refused {
			t.Errorf("%s: %s: %s", method, resp.Status, body)
		}
		if refused && resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %s", method, resp.Status)
		}
	}
}

// A proxy that shows the request on its page of errors does not show the agent what it was given. The
// control is what the proxy gets.
func TestUpstreamShowsPassword(t *testing.T) {
	const given = "YWRhOmh1bnRlcjI="
	got := make(chan string, 1)
	upstream := web(t, func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("Proxy-Authorization")
		w.Header().Set("X-Asked", r.Header.Get("Proxy-Authorization"))
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = r.WriteProxy(w)
	})
	b := serveVia(t, upstream, egress.Via{
		Origin: "http://ok.example", Authorization: sdk.NewSecret([]byte("Basic " + given)),
	})
	for range 2 { // the second one on a connection that is kept
		b.say(t, "GET / HTTP/1.1\r\nHost: ok.example\r\n\r\n")
		resp, body := b.hear(t, "GET")
		if had := <-got; had != "Basic "+given {
			t.Errorf("the control: the proxy gets %q", had)
		}
		if strings.Contains(body+resp.Header.Get("X-Asked"), given) || !strings.Contains(body, "Basic ****************") {
			t.Errorf("%s, %v: %s", resp.Status, resp.Header, body)
		}
	}
}

// An upstream proxy's question for a password is no question to the client.
func TestUpstreamWantsPassword(t *testing.T) {
	upstream := web(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Proxy-Authenticate", "Basic")
		w.WriteHeader(http.StatusProxyAuthRequired)
	})
	b := serveVia(t, upstream, egress.Via{Origin: "http://ok.example"})
	b.say(t, "GET / HTTP/1.1\r\nHost: ok.example\r\n\r\n")
	resp, body := b.hear(t, "GET")
	if resp.StatusCode != http.StatusBadGateway || !strings.Contains(body, "password") || resp.Header.Get("Proxy-Authenticate") != "" {
		t.Errorf("%s, %v: %s", resp.Status, resp.Header, body)
	}
}

// Each of several requests in one piece is asked for by itself.
func TestEachRequestIsDecided(t *testing.T) {
	b := serve(t, web(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Host) }))
	b.say(t, "GET / HTTP/1.1\r\nHost: ok.example\r\n\r\n"+
		"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"+
		"GET http://evil.example/ HTTP/1.1\r\nHost: ok.example\r\n\r\n"+
		"GET / HTTP/1.1\r\nHost: also.example\r\n\r\n")
	for _, want := range []string{"ok.example", "not allowed: evil.example\n", "not allowed: evil.example\n", "also.example"} {
		if _, body := b.hear(t, "GET"); body != want {
			t.Errorf("the answer is %q, want %q", body, want)
		}
	}
}

// smuggled are requests that two programs could read in two ways, or that are none.
var smuggled = map[string]string{
	"two lengths":               "POST / HTTP/1.1\r\nHost: ok.example\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
	"one length twice":          "POST / HTTP/1.1\r\nHost: ok.example\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
	"lengths in a list":         "POST / HTTP/1.1\r\nHost: ok.example\r\nContent-Length: 1, 1\r\n\r\na",
	"a length with a sign":      "POST / HTTP/1.1\r\nHost: ok.example\r\nContent-Length: +1\r\n\r\na",
	"length and chunks":         "POST / HTTP/1.1\r\nHost: ok.example\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"chunks and length":         "POST / HTTP/1.1\r\nHost: ok.example\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
	"another coding":            "POST / HTTP/1.1\r\nHost: ok.example\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
	"a coding that is none":     "POST / HTTP/1.1\r\nHost: ok.example\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
	"two codings":               "POST / HTTP/1.1\r\nHost: ok.example\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"chunks in HTTP/1.0":        "POST / HTTP/1.0\r\nHost: ok.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"space before a colon":      "POST / HTTP/1.1\r\nHost: ok.example\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
	"a header over two lines":   "GET / HTTP/1.1\r\nHost: ok.example\r\nX: a\r\n b\r\n\r\n",
	"a Host over two lines":     "GET / HTTP/1.1\r\nHost: \r\n ok.example\r\n\r\n",
	"a line without CR":         "GET / HTTP/1.1\r\nHost: ok.example\nX: a\r\n\r\n",
	"an end without CR":         "GET / HTTP/1.1\r\nHost: ok.example\n\n",
	"a CR within":               "GET / HTTP/1.1\r\nHost: ok.example\r\nX: a\rb\r\n\r\n",
	"a NUL":                     "GET / HTTP/1.1\r\nHost: ok.example\x00.evil.example\r\n\r\n",
	"two Hosts":                 "GET / HTTP/1.1\r\nHost: ok.example\r\nHost: evil.example\r\n\r\n",
	"no Host":                   "GET / HTTP/1.1\r\n\r\n",
	"no version":                "GET /\r\nHost: ok.example\r\n\r\n",
	"HTTP/2":                    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"two spaces":                "GET  / HTTP/1.1\r\nHost: ok.example\r\n\r\n",
	"a space in the target":     "GET /a b HTTP/1.1\r\nHost: ok.example\r\n\r\n",
	"a tab for a space":         "GET\t/ HTTP/1.1\r\nHost: ok.example\r\n\r\n",
	"https in the clear":        "GET https://ok.example/ HTTP/1.1\r\nHost: ok.example\r\n\r\n",
	"another scheme":            "GET ftp://ok.example/ HTTP/1.1\r\nHost: ok.example\r\n\r\n",
	"no host in the target":     "GET http:///a HTTP/1.1\r\nHost: ok.example\r\n\r\n",
	"an empty line first":       "\r\nGET / HTTP/1.1\r\nHost: ok.example\r\n\r\n",
	"a CONNECT with a body":     "CONNECT ok.example:443 HTTP/1.1\r\nHost: ok.example\r\nContent-Length: 1\r\n\r\na",
	"a header without a name":   "GET / HTTP/1.1\r\nHost: ok.example\r\n: x\r\n\r\n",
	"a header without a colon":  "GET / HTTP/1.1\r\nHost: ok.example\r\nX\r\n\r\n",
	"a chunk that is none":      "POST / HTTP/1.1\r\nHost: ok.example\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
	"an LF in a chunk's header": "POST / HTTP/1.1\r\nHost: ok.example\r\nTransfer-Encoding: chunked\r\n\r\n1;\n\r\na\r\n0\r\n\r\n",
}

// Nothing of them, and nothing that follows them, reaches a server.
func TestNoSmuggling(t *testing.T) {
	const evil = "GET /smuggled HTTP/1.1\r\nHost: ok.example\r\n\r\n"
	for name, request := range smuggled {
		t.Run(name, func(t *testing.T) {
			seen := make(chan string, 10)
			b := serve(t, web(t, func(_ http.ResponseWriter, r *http.Request) {
				if _, err := io.ReadAll(r.Body); err == nil {
					seen <- r.RequestURI
				}
			}))
			b.say(t, request+evil)
			if resp, body := b.hear(t, "GET"); resp.StatusCode != http.StatusBadRequest || !resp.Close {
				t.Errorf("the answer is %s: %s", resp.Status, body)
			}
			b.over(t)
			if len(seen) > 0 {
				t.Errorf("the server saw %q", <-seen)
			}
		})
	}
	t.Run("control", func(t *testing.T) {
		b := serve(t, web(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RequestURI) }))
		b.say(t, evil)
		if _, body := b.hear(t, "GET"); body != "/smuggled" {
			t.Errorf("a good request is answered %q", body)
		}
	})
}

// The server gets one clean form of what was sent in another.
func TestChunksAreMadeAnew(t *testing.T) {
	got := make(chan string, 1)
	b := serve(t, raw(t, func(c net.Conn, in *bufio.Reader) {
		var all strings.Builder
		for !strings.HasSuffix(all.String(), "X-Sum: 1\r\n\r\n") {
			line, err := in.ReadString('\n')
			if all.WriteString(line); err != nil {
				break
			}
		}
		got <- all.String()
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	}))
	b.say(t, "POST /p HTTP/1.1\r\nhost: ok.example\r\nTransfer-Encoding: Chunked\r\nTrailer: X-Sum\r\n\r\n"+
		"000003;ext=\"a\"\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n")
	want := "POST /p HTTP/1.1\r\nHost: ok.example\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n" +
		"3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"
	if sent := <-got; sent != want {
		t.Errorf("the server got %q, want %q", sent, want)
	}
	b.hear(t, "POST")
}

// Each event of a stream arrives before the next one exists, and the head before the first.
func TestStreams(t *testing.T) {
	for name, head := range map[string]string{
		"chunks":         "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
		"a length":       "HTTP/1.1 200 OK\r\nContent-Length: 45\r\n\r\n",
		"until it ends":  "HTTP/1.1 200 OK\r\n\r\n",
		"of HTTP/1.0":    "HTTP/1.0 200 OK\r\n\r\n",
		"chunks, closed": "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			next := make(chan struct{})
			chunked := strings.Contains(head, "chunked")
			b := serve(t, raw(t, func(c net.Conn, in *bufio.Reader) {
				_, _ = http.ReadRequest(in)
				fmt.Fprint(c, head)
				for i := range 5 {
					<-next
					event := fmt.Sprintf("data: %d\n\n", i)
					if chunked {
						event = fmt.Sprintf("%x\r\n%s\r\n", len(event), event)
					}
					fmt.Fprint(c, event)
				}
				<-next
				if chunked {
					fmt.Fprint(c, "0\r\n\r\n")
				}
			}))
			b.say(t, "GET / HTTP/1.1\r\nHost: ok.example\r\n\r\n")
			_, stream, _ := b.begin(t, "GET")
			event := make([]byte, 9)
			for i := range 5 {
				next <- struct{}{}
				if _, err := io.ReadFull(stream, event); err != nil || string(event) != fmt.Sprintf("data: %d\n\n", i) {
					t.Fatalf("event %d is %q, %v", i, event, err)
				}
			}
			next <- struct{}{}
			if rest, err := io.ReadAll(stream); err != nil || len(rest) > 0 {
				t.Errorf("after the last event: %q, %v", rest, err)
			}
		})
	}
}

func TestAnswersBeforeTheAnswer(t *testing.T) {
	b := serve(t, raw(t, func(c net.Conn, in *bufio.Reader) {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		fmt.Fprint(c, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
		body, _ := io.ReadAll(req.Body)
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n%x\r\n%s\r\n0\r\nX-Sum: 9\r\n\r\n", len(body), body)
	}))
	b.say(t, "PUT / HTTP/1.1\r\nHost: ok.example\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
	for _, want := range []string{"103 Early Hints", "100 Continue"} {
		if resp, _ := b.hear(t, "PUT"); resp.Status != want {
			t.Fatalf("heard %s, want %s", resp.Status, want)
		}
	}
	b.say(t, "body")
	resp, body := b.hear(t, "PUT")
	if body != "body" || resp.Trailer.Get("X-Sum") != "9" {
		t.Errorf("heard %q, trailers %v", body, resp.Trailer)
	}
}

// A server may answer without having read the request, and the client hears it.
func TestEarlyAnswer(t *testing.T) {
	b := serve(t, raw(t, func(c net.Conn, in *bufio.Reader) {
		_, _ = http.ReadRequest(in)
		fmt.Fprint(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n")
	}))
	b.say(t, "PUT / HTTP/1.1\r\nHost: ok.example\r\nExpect: 100-continue\r\nContent-Length: 1000000000\r\n\r\n")
	resp, body := b.hear(t, "PUT")
	if resp.StatusCode != http.StatusRequestEntityTooLarge || body != "no\n" || !resp.Close {
		t.Errorf("heard %s %q, the end announced: %t", resp.Status, body, resp.Close)
	}
	b.over(t)
}

// Both directions at once, as gRPC over HTTP/1 and some tools have it.
func TestBothDirectionsAtOnce(t *testing.T) {
	b := serve(t, raw(t, func(c net.Conn, in *bufio.Reader) {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		one := make([]byte, 1)
		for {
			if _, err := io.ReadFull(req.Body, one); err != nil {
				break
			}
			fmt.Fprintf(c, "1\r\n%s\r\n", one)
		}
		fmt.Fprint(c, "0\r\n\r\n")
	}))
	b.say(t, "POST / HTTP/1.1\r\nHost: ok.example\r\nTransfer-Encoding: chunked\r\n\r\n")
	_, stream, _ := b.begin(t, "POST")
	echo := make([]byte, 1)
	for _, letter := range "abc" {
		b.say(t, fmt.Sprintf("1\r\n%c\r\n", letter))
		if _, err := io.ReadFull(stream, echo); err != nil || string(echo) != string(letter) {
			t.Fatalf("%c came back as %q, %v", letter, echo, err)
		}
	}
	b.say(t, "0\r\n\r\n")
	if rest, err := io.ReadAll(stream); err != nil || len(rest) > 0 {
		t.Errorf("at the end: %q, %v", rest, err)
	}
}

// A client that has no more to send is not one that is gone.
func TestHalfClosed(t *testing.T) {
	read := make(chan struct{})
	b := serve(t, web(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		<-read
		_, _ = w.Write(body)
	}))
	b.say(t, "POST / HTTP/1.1\r\nHost: ok.example\r\nContent-Length: 5\r\n\r\nhello")
	if err := b.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	close(read)
	if resp, body := b.hear(t, "POST"); body != "hello" {
		t.Errorf("heard %s %q", resp.Status, body)
	}
	b.over(t)
}

// A body that is cut off is no whole body: not for the server, and not for the client.
func TestBrokenOff(t *testing.T) {
	t.Run("by the client", func(t *testing.T) {
		got := make(chan error, 1)
		b := serve(t, raw(t, func(_ net.Conn, in *bufio.Reader) {
			req, err := http.ReadRequest(in)
			if err == nil {
				_, err = io.ReadAll(req.Body)
			}
			got <- err
		}))
		b.say(t, "POST / HTTP/1.1\r\nHost: ok.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
		b.CloseWrite()
		if err := <-got; err == nil {
			t.Error("the server took a part for the whole")
		}
	})
	for name, answer := range map[string]string{
		"chunks":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"a length": "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
	} {
		t.Run("by the server, "+name, func(t *testing.T) {
			b := serve(t, raw(t, func(c net.Conn, in *bufio.Reader) {
				_, _ = http.ReadRequest(in)
				fmt.Fprint(c, answer)
			}))
			b.say(t, "GET / HTTP/1.1\r\nHost: ok.example\r\n\r\n")
			_, part, _ := b.begin(t, "GET")
			if body, err := io.ReadAll(part); err == nil {
				t.Errorf("%q was taken for the whole", body)
			}
		})
	}
}

// A connection that the server closed while it was at rest is no reason to fail.
func TestServerClosesAtRest(t *testing.T) {
	closed := make(chan struct{}, 2)
	b := serve(t, raw(t, func(c net.Conn, in *bufio.Reader) {
		_, _ = http.ReadRequest(in)
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		c.Close()
		closed <- struct{}{}
	}))
	for range 2 {
		b.say(t, "POST / HTTP/1.1\r\nHost: ok.example\r\nContent-Length: 1\r\n\r\na")
		if resp, body := b.hear(t, "POST"); body != "ok" {
			t.Errorf("heard %s %q", resp.Status, body)
		}
		<-closed
	}
}

// A server that says nothing sensible, or nothing at all, is one that cannot be reached.
func TestNoAnswer(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing":                 "",
		"no HTTP":                 "220 mail.example ESMTP\r\n",
		"an upgrade":              "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
		"a head that has no end":  "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", 2<<20) + "\r\n\r\n",
		"a head with other codes": "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			b := serve(t, raw(t, func(c net.Conn, in *bufio.Reader) {
				_, _ = http.ReadRequest(in)
				fmt.Fprint(c, answer)
			}))
			b.say(t, "GET / HTTP/1.1\r\nHost: ok.example\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n")
			if resp, body := b.hear(t, "GET"); resp.StatusCode != http.StatusBadGateway {
				t.Errorf("heard %s %q", resp.Status, body)
			}
		})
	}
}

func TestWebSocket(t *testing.T) {
	b := serve(t, raw(t, func(c net.Conn, in *bufio.Reader) {
		req, err := http.ReadRequest(in)
		if err != nil || req.Header.Get("Upgrade") != "websocket" || req.Header.Get("Connection") != "Upgrade" {
			fmt.Fprintf(c, "HTTP/1.1 400 no\r\nContent-Length: 0\r\n\r\n")
			return
		}
		fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nat once")
		_, _ = io.Copy(c, in)
	}))
	// Some clients send their first frame in one piece with the request.
	b.say(t, "GET / HTTP/1.1\r\nHost: ok.example\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: x\r\n\r\n frame 1")
	resp, _, _ := b.begin(t, "GET")
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Accept") != "x" {
		t.Fatalf("heard %v", resp)
	}
	b.say(t, " frame 2")
	b.CloseWrite()
	if all, err := io.ReadAll(b.in); err != nil || string(all) != "at once frame 1 frame 2" {
		t.Errorf("heard %q, %v", all, err)
	}
}

// No other protocol is changed to: the server does not hear that the client would like to.
func TestNoOtherUpgrade(t *testing.T) {
	server := web(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header) })
	for _, headers := range []string{
		"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n",
		"Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n",
		"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n",
	} {
		b := serve(t, server)
		b.say(t, "GET / HTTP/1.1\r\nHost: ok.example\r\n"+headers+"\r\na")
		if _, body := b.hear(t, "GET"); strings.Contains(body, "Upgrade") || strings.Contains(body, "Settings") {
			t.Errorf("after %q the server saw %s", headers, body)
		}
	}
}

func TestConnect(t *testing.T) {
	b := serve(t, "")
	b.say(t, "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n")
	if resp, _ := b.hear(t, http.MethodConnect); resp.StatusCode != http.StatusForbidden {
		t.Errorf("heard %s", resp.Status)
	}
	b.over(t)
	b = serve(t, "")
	b.say(t, "CONNECT ok.example:443 HTTP/1.1\r\nHost: ok.example:443\r\n\r\nat once")
	if resp, _, _ := b.begin(t, http.MethodConnect); resp.StatusCode != http.StatusOK {
		t.Fatalf("heard %v", resp)
	}
	b.say(t, " and later")
	b.CloseWrite()
	if all, err := io.ReadAll(b.in); err != nil || string(all) != "at once and later, tunnelled" {
		t.Errorf("heard %q, %v", all, err)
	}
}

func TestLargeBodies(t *testing.T) {
	for _, chunked := range []bool{false, true} {
		t.Run(fmt.Sprintf("chunked %t", chunked), func(t *testing.T) {
			b := serve(t, web(t, func(w http.ResponseWriter, r *http.Request) {
				if !chunked {
					w.Header().Set("Content-Length", fmt.Sprint(r.ContentLength))
				}
				all, _ := io.ReadAll(r.Body) // net/http stops reading once it has begun to answer
				_, _ = w.Write(all)
			}))
			body := make([]byte, 8<<20)
			rand.Read(body)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://ok.example/", io.LimitReader(bytes.NewReader(body), int64(len(body))))
			if err != nil {
				t.Fatal(err)
			}
			if !chunked {
				req.ContentLength = int64(len(body))
			}
			go func() { _ = req.WriteProxy(b) }()
			if _, got := b.hear(t, "POST"); sha256.Sum256([]byte(got)) != sha256.Sum256(body) {
				t.Errorf("%d bytes came back as %d others", len(body), len(got))
			}
		})
	}
}

// A head is bounded in length, and in time once it has begun; before it there is all the time.
func TestHeads(t *testing.T) {
	plain.SetHeadTime(t, 50*time.Millisecond)
	b := serve(t, "")
	b.say(t, "GET / HTTP/1.1\r\nHost: ok.example\r\nX: "+strings.Repeat("a", 32<<10)+"\r\n\r\n")
	if resp, _ := b.hear(t, "GET"); resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("heard %s", resp.Status)
	}
	b = serve(t, web(t, func(http.ResponseWriter, *http.Request) {}))
	_ = b.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err := b.in.ReadByte(); !isTimeout(err) {
		t.Errorf("a client that says nothing hears %v", err)
	}
	_ = b.SetReadDeadline(time.Now().Add(patience))
	b.say(t, "GET / HTTP/1.1\r\nHost: ok.example\r\n\r\nGET / HT")
	if resp, _ := b.hear(t, "GET"); resp.StatusCode != http.StatusOK {
		t.Errorf("heard %s", resp.Status)
	}
	if resp, _ := b.hear(t, "GET"); resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("heard %s", resp.Status)
	}
	b.over(t)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// TestHTTP10: an old client is answered to its end.
func TestHTTP10(t *testing.T) {
	b := serve(t, web(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "a")
		w.(http.Flusher).Flush()
		fmt.Fprint(w, "b")
	}))
	b.say(t, "GET http://ok.example/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	all, err := io.ReadAll(b.in)
	if _, body, _ := strings.Cut(string(all), "\r\n\r\n"); err != nil || body != "ab" {
		t.Errorf("heard %q, %v", all, err)
	}
}
