package http1

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// limit is how long anything here may take.
const limit = 30 * time.Second

type pool struct{}

func (pool) Get() []byte { return make([]byte, 1<<10) }
func (pool) Put([]byte)  {}

// server answers each connection as a test says.
type server struct {
	t       *testing.T
	address string
	conns   atomic.Int32
	serves  sync.WaitGroup
}

// serve has a function talk to whoever connects; n is which connection it is, from 1 on.
func serve(t *testing.T, talk func(n int, conn net.Conn, in *bufio.Reader)) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, talk)
}

func serveOn(t *testing.T, l net.Listener, talk func(n int, conn net.Conn, in *bufio.Reader)) *server {
	t.Helper()
	s := &server{t: t, address: l.Addr().String()}
	s.serves.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			n := int(s.conns.Add(1))
			_ = conn.SetDeadline(time.Now().Add(limit))
			s.serves.Go(func() {
				defer func() { _ = conn.Close() }()
				talk(n, conn, bufio.NewReader(conn))
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		s.serves.Wait()
	})
	return s
}

// says has the server answer each request with these bytes, and end then.
func says(t *testing.T, answer string) *server {
	t.Helper()
	return serve(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		if asked(in) {
			_, _ = io.WriteString(conn, answer)
		}
	})
}

// asked reads a request.
func asked(in *bufio.Reader) bool {
	r, err := http.ReadRequest(in)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, r.Body)
	return err == nil
}

func (s *server) transport() *Transport {
	t := &Transport{
		MostHead: 16 << 10, IdleTime: limit, Buffers: pool{},
		Dial: func(ctx context.Context) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
		},
	}
	s.t.Cleanup(t.CloseIdleConnections)
	return t
}

// library is what is compared with.
func (s *server) library() http.RoundTripper {
	t := &http.Transport{DisableCompression: true}
	s.t.Cleanup(t.CloseIdleConnections)
	return t
}

func (s *server) request(method string, body io.Reader) *http.Request {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), limit)
	s.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, "http://"+s.address+"/x?y", body)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// answer is one that came, all of it.
type answer struct {
	status          string
	header, trailer http.Header
	length          int64
	body            string
	before          []string // those that came before
}

// ask sends a request and reads all of the answer.
func ask(to http.RoundTripper, r *http.Request) (a answer, err error) {
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		a.before = append(a.before, fmt.Sprint(code, h))
		return nil
	}}
	res, err := to.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err != nil {
		return a, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	a.status, a.header, a.length, a.body = res.Status, res.Header, res.ContentLength, string(body)
	a.trailer = res.Trailer
	return a, err
}

const ok = "HTTP/1.1 200 OK\r\n"

// An answer that somebody may understand in another way is none. Where the library takes it, that
// shows that it is the form which is refused.
func TestHostile(t *testing.T) {
	big := strings.Repeat("x", 17<<10)
	for name, test := range map[string]struct {
		answer string
		taken  bool // by the library
	}{
		"length and chunks":       {ok + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true},
		"chunks and length":       {ok + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", true},
		"two lengths":             {ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", false},
		"one length twice":        {ok + "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", true},
		"lengths in a list":       {ok + "Content-Length: 1, 1\r\n\r\na", false},
		"a signed length":         {ok + "Content-Length: +1\r\n\r\na", false},
		"a negative length":       {ok + "Content-Length: -1\r\n\r\na", false},
		"a length in hex":         {ok + "Content-Length: 0x1\r\n\r\na", false},
		"an empty length":         {ok + "Content-Length:\r\n\r\na", false},
		"a huge length":           {ok + "Content-Length: 99999999999999999999\r\n\r\na", false},
		"a short body":            {ok + "Content-Length: 3\r\n\r\nab", false},
		"two encodings":           {ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false},
		"a list of encodings":     {ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", false},
		"another encoding":        {ok + "Transfer-Encoding: identity\r\n\r\n", false},
		"chunks in an old answer": {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true},
		"a folded line":           {ok + "A: b\r\n Content-Length: 3\r\nContent-Length: 0\r\n\r\n", true},
		"a folded first line":     {ok + " Content-Length: 3\r\nContent-Length: 0\r\n\r\n", false},
		"a space before the colon": {
			ok + "Content-Length : 0\r\n\r\n", true,
		},
		"a line without a colon":    {ok + "Content-Length\r\n\r\n", false},
		"an empty name":             {ok + ": b\r\nContent-Length: 0\r\n\r\n", false},
		"a name with a slash":       {ok + "A/b: c\r\nContent-Length: 0\r\n\r\n", false},
		"a lone line feed":          {ok + "A: b\nContent-Length: 0\r\n\r\n", true},
		"lone line feeds":           {"HTTP/1.1 200 OK\nContent-Length: 0\n\n", true},
		"a lone carriage return":    {ok + "A: b\rContent-Length: 3\r\nContent-Length: 0\r\n\r\n", false},
		"NUL":                       {ok + "A: b\x00\r\nContent-Length: 0\r\n\r\n", false},
		"another version":           {"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n", true},
		"the second version":        {"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", true},
		"no version":                {"ICY 200 OK\r\nContent-Length: 0\r\n\r\n", false},
		"a short status":            {"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", false},
		"a small status":            {"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n", true},
		"a signed status":           {"HTTP/1.1 +20 OK\r\nContent-Length: 0\r\n\r\n", true},
		"a status after two spaces": {"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n", true},
		"a bell in the reason":      {"HTTP/1.1 200 \a\r\nContent-Length: 0\r\n\r\n", true},
		"an early answer with length": {
			"HTTP/1.1 103 Early\r\nContent-Length: 3\r\n\r\n" + ok + "Content-Length: 0\r\n\r\n", true,
		},
		"another protocol":         {"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n", true},
		"a large head":             {ok + "A: " + big + "\r\nContent-Length: 0\r\n\r\n", true},
		"large early heads":        {strings.Repeat("HTTP/1.1 103 Early\r\nA: "+big[:8<<10]+"\r\n\r\n", 2) + ok + "\r\n", true},
		"large trailers":           {ok + "Transfer-Encoding: chunked\r\n\r\n0\r\nA: " + big + "\r\n\r\n", false},
		"a head without end":       {ok + "Content-Length: 0\r\n", false},
		"nothing":                  {"", false},
		"chunks without end":       {ok + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n", false},
		"no end behind the last":   {ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n", false},
		"a chunk that is longer":   {ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", false},
		"a line feed in a size":    {ok + "Transfer-Encoding: chunked\r\n\r\n1;a\nb\r\na\r\n0\r\n\r\n", false},
		"a line feed behind chunk": {ok + "Transfer-Encoding: chunked\r\n\r\n1\r\na\n0\r\n\r\n", false},
		"a size in another base":   {ok + "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n", false},
		"a trailer with a length":  {ok + "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 3\r\n\r\n", true},
		"a trailer announced": {
			ok + "Trailer: Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false,
		},
		"a folded trailer": {ok + "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n c\r\n\r\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := says(t, test.answer)
			if a, err := ask(s.transport(), s.request("GET", nil)); err == nil {
				t.Errorf("it is taken: %+v", a)
			}
			if a, err := ask(s.library(), s.request("GET", nil)); (err == nil) != test.taken {
				t.Errorf("the library: %+v, %v", a, err)
			}
		})
	}
}

// made is an answer as a server may write it, chosen by chance.
func made(random *rand.Rand, method string) string {
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	var b strings.Builder
	for random.IntN(4) == 0 {
		b.WriteString("HTTP/1.1 " + pick("100 Continue", "102 Processing", "103 Early Hints", "199 x") +
			"\r\n" + pick("", "Link: <a>\r\n") + "\r\n")
	}
	status := pick("200 OK", "200", "200 ", "201 Created", "204 No Content", "304 Not Modified",
		"404 Nicht gefunden", "500 \xc3\xa4", "999 x")
	version := pick("HTTP/1.1 ", "HTTP/1.1 ", "HTTP/1.0 ")
	b.WriteString(version + status + "\r\n")
	for range random.IntN(6) {
		b.WriteString(pick("Content-Type", "x-a", "X-A", "X_b", "dAtE", "Set-Cookie", "!#$%&'*+-.^_`|~1") +
			":" + pick("", " ", "\t", "  ") + pick("", "a", "a b", "\xff", "\"q\"", strings.Repeat("v", 5000)) +
			pick("", " ", "\t") + "\r\n")
	}
	b.WriteString(pick("", "", "Connection: close\r\n", "Connection: keep-alive\r\n"))
	body := strings.Repeat("b", random.IntN(3)*random.IntN(5000))
	without := method == "HEAD" || strings.HasPrefix(status, "204") || strings.HasPrefix(status, "304")
	switch how := random.IntN(3); {
	case without:
		b.WriteString(pick("", "Content-Length: 5\r\n") + "\r\n")
	case how == 0 && version == "HTTP/1.1 ":
		trailers := pick("", "T: u\r\n", "T: u\r\nV: w\r\n")
		b.WriteString(pick("", "Trailer: T\r\n", "Trailer: t, V\r\n") +
			pick("Transfer-Encoding: chunked\r\n\r\n", "transfer-encoding:Chunked\r\n\r\n"))
		for len(body) > 0 {
			n := 1 + random.IntN(len(body))
			fmt.Fprintf(&b, pick("%x\r\n%s\r\n", "%X;a=b\r\n%s\r\n", "0%x \r\n%s\r\n"), n, body[:n])
			body = body[n:]
		}
		b.WriteString("0\r\n" + trailers + "\r\n")
	case how == 1:
		b.WriteString("\r\n" + body)
	default:
		b.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
	}
	return b.String()
}

// An answer that is well-formed is understood as the library understands it, in whichever pieces it
// comes.
func TestAsTheLibrary(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var text atomic.Pointer[string]
	s := serve(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		if !asked(in) {
			return
		}
		for rest := *text.Load(); rest != ""; {
			n := 1 + len(rest)*rand.IntN(100)/100
			if _, err := io.WriteString(conn, rest[:n]); err != nil {
				return
			}
			rest = rest[n:]
		}
	})
	for range 500 {
		method := []string{"GET", "HEAD", "POST"}[random.IntN(3)]
		one := made(random, method)
		text.Store(&one)
		got, err := ask(s.transport(), s.request(method, nil))
		want, wrong := ask(s.library(), s.request(method, nil))
		if err != nil || wrong != nil {
			t.Fatalf("%s, %q: %v, the library: %v", method, one, err, wrong)
		}
		// What is about framing is not told apart by all, and a proxy does not send it on.
		for _, a := range []*answer{&got, &want} {
			a.length = 0
			for _, name := range []string{"Transfer-Encoding", "Trailer", "Connection"} {
				delete(a.header, name)
			}
			maps.DeleteFunc(a.trailer, func(_ string, values []string) bool { return len(values) == 0 })
			if len(a.trailer) == 0 {
				a.trailer = nil
			}
		}
		got.status, want.status = strings.TrimSpace(got.status), strings.TrimSpace(want.status)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s, %q:\ngot  %+v\nwant %+v", method, one, got, want)
		}
	}
}

// FuzzAnswer finds answers that are taken here and mean something else to the library.
func FuzzAnswer(f *testing.F) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		f.Add([]byte(made(random, "GET")))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r := httptest.NewRequest(http.MethodGet, "http://a/", nil)
		c := &conn{
			Conn: nowhere{}, plain: nowhere{}, of: &Transport{MostHead: 1 << 20},
			in: bufio.NewReader(bytes.NewReader(text)), out: bufio.NewWriter(io.Discard),
		}
		res, err := c.exchange(r) //nolint:bodyclose // there is no connection
		if err != nil {
			return
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return
		}
		in := bufio.NewReader(bytes.NewReader(text))
		for {
			want, err := http.ReadResponse(in, r) //nolint:bodyclose // there is no connection
			if err != nil {
				t.Fatalf("the library refuses it: %v", err)
			}
			if want.StatusCode < http.StatusOK {
				continue
			}
			wanted, err := io.ReadAll(want.Body)
			if err != nil || want.StatusCode != res.StatusCode || !bytes.Equal(body, wanted) {
				t.Fatalf("got %s %q, want %s %q, %v", res.Status, body, want.Status, wanted, err)
			}
			return
		}
	})
}

// nowhere is a connection that is never used.
type nowhere struct{ net.Conn }

func (nowhere) Close() error { return nil }

// What a server reads of a request is what it reads of the library's.
func TestRequests(t *testing.T) {
	var got string
	s := serve(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		r, err := http.ReadRequest(in)
		if err != nil {
			got = err.Error()
			return
		}
		body, err := io.ReadAll(r.Body)
		got = fmt.Sprint(r.Method, r.RequestURI, r.Host, r.Header, r.ContentLength, r.TransferEncoding, len(body), err)
		_, _ = io.WriteString(conn, ok+"Connection: close\r\nContent-Length: 0\r\n\r\n")
	})
	long := strings.Repeat("body", 10_000)
	for name, of := range map[string]func() *http.Request{
		"GET":             func() *http.Request { return s.request("GET", nil) },
		"HEAD":            func() *http.Request { return s.request("HEAD", nil) },
		"an empty POST":   func() *http.Request { return s.request("POST", nil) },
		"an empty DELETE": func() *http.Request { return s.request("DELETE", nil) },
		"a short body":    func() *http.Request { return s.request("POST", strings.NewReader("{}")) },
		"a long body":     func() *http.Request { return s.request("PUT", strings.NewReader(long)) },
		"chunks":          func() *http.Request { return s.request("POST", io.MultiReader(strings.NewReader(long))) },
		"empty chunks":    func() *http.Request { return s.request("POST", io.MultiReader()) },
		"a body on GET":   func() *http.Request { return s.request("GET", strings.NewReader("abc")) },
		"headers": func() *http.Request {
			r := s.request("GET", nil)
			r.Header = http.Header{"B": {"1", "2"}, "A": {""}, "User-Agent": nil, "X-Long": {long[:9000]}}
			r.Host = "another.test"
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			var all []string
			for _, to := range []http.RoundTripper{s.transport(), s.library()} {
				r := of()
				if r.Header["User-Agent"] == nil {
					r.Header["User-Agent"] = nil
				}
				if _, err := ask(to, r); err != nil {
					t.Fatal(err)
				}
				all = append(all, got)
			}
			if all[0] != all[1] {
				t.Errorf("got  %s\nwant %s", all[0], all[1])
			}
		})
	}
	// Nothing is sent of what would be read as two.
	for _, change := range []func(*http.Request){
		func(r *http.Request) { r.Method = "GET /y HTTP/1.1\r\nA: b\r\n\r\nGET" },
		func(r *http.Request) { r.URL.Opaque = "/y HTTP/1.1\r\n\r\n" },
		func(r *http.Request) { r.URL.RawQuery = "a b" },
		func(r *http.Request) { r.Host = "a\r\nB: c" },
	} {
		r := s.request("GET", nil)
		change(r)
		if _, err := ask(s.transport(), r); !errors.Is(err, errRequest) {
			t.Errorf("two requests in one: %v", err)
		}
	}
}

// A connection serves one request after another, and each body of an answer ends it where it is not
// read to its end.
func TestKept(t *testing.T) {
	s := serve(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		for asked(in) {
			_, _ = io.WriteString(conn, ok+"Content-Length: 5\r\n\r\nhello")
		}
	})
	to := s.transport()
	for _, method := range []string{"GET", "POST", "PUT"} {
		if a, err := ask(to, s.request(method, strings.NewReader("body"))); err != nil || a.body != "hello" {
			t.Fatalf("%+v, %v", a, err)
		}
		kept(t, to, 1)
	}
	if n := s.conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
	res, err := to.RoundTrip(s.request("GET", nil))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if _, err := res.Body.Read(make([]byte, 1)); !errors.Is(err, errClosed) {
		t.Errorf("a closed body is read: %v", err)
	}
	if _, err := ask(to, s.request("GET", nil)); err != nil || s.conns.Load() != 2 {
		t.Errorf("%d connections, %v", s.conns.Load(), err)
	}
}

// What comes unasked on a connection is not taken for the next answer: together with the last one,
// behind it in TLS, or later; and so it is with the connection's end.
func TestUnasked(t *testing.T) {
	const poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
	const fine = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	t.Cleanup(certified.Close)
	for name, talk := range map[string]func(conn net.Conn){
		"together": func(conn net.Conn) { _, _ = io.WriteString(conn, fine+poison) },
		"behind": func(conn net.Conn) {
			_, _ = io.WriteString(conn, fine)
			_, _ = io.WriteString(conn, poison)
		},
		"end": func(conn net.Conn) { _, _ = io.WriteString(conn, fine) },
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			// Of the records of TLS all but the last come in one piece, with the first answer.
			said := make(chan struct{}, 10)
			s := serveOn(t, l, func(_ int, plain net.Conn, _ *bufio.Reader) {
				corked := &corked{Conn: plain}
				conn := tls.Server(corked, certified.TLS)
				in := bufio.NewReader(conn)
				if !asked(in) {
					return
				}
				corked.hold = true
				talk(conn)
				corked.release()
				if name == "end" {
					_ = conn.Close()
					said <- struct{}{}
					return
				}
				said <- struct{}{}
				if asked(in) {
					_, _ = io.WriteString(conn, fine)
				}
			})
			to := s.transport()
			to.Dial = func(ctx context.Context) (net.Conn, error) {
				d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
				return d.DialContext(ctx, "tcp", s.address)
			}
			for i := range 3 {
				if a, err := ask(to, s.request("GET", nil)); err != nil || a.body != "fine" {
					t.Fatalf("request %d: %q, %v", i, a.body, err)
				}
				<-said
			}
			// The control: the connection that was kept has it.
			c := to.idle[0]
			res, err := c.exchange(s.request("GET", nil)) //nolint:bodyclose // the test is over
			if name == "end" {
				if err == nil {
					t.Error("the connection is there, so this shows nothing")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if body, _ := io.ReadAll(res.Body); string(body) != "poison" {
				t.Errorf("there is %q, so this shows nothing", body)
			}
		})
	}
}

// corked is a connection that sends what is written all at once.
type corked struct {
	net.Conn
	hold bool
	held []byte
}

func (c *corked) Write(p []byte) (int, error) {
	if c.hold {
		c.held = append(c.held, p...)
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (c *corked) release() {
	c.hold = false
	_, _ = c.Conn.Write(c.held)
	c.held = nil
}

// A request is sent again where the server closed the kept connection in the same moment, and
// only if that harms nobody. The library repeats more.
func TestRepeated(t *testing.T) {
	for name, test := range map[string]struct {
		method, body  string
		key, said     string // an idempotency key, and what came before the end
		want, library int32  // how often it is sent
	}{
		"GET":                  {"GET", "", "", "", 2, 2},
		"HEAD":                 {"HEAD", "", "", "", 2, 2},
		"POST":                 {"POST", "", "", "", 1, 1},
		"DELETE":               {"DELETE", "", "", "", 1, 1},
		"an idempotent POST":   {"POST", "", "1", "", 1, 2},
		"a body on GET":        {"GET", "x", "", "", 1, 1},
		"the answer had begun": {"GET", "", "", "HTTP/1.1 2", 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var times atomic.Int32
			s := serve(t, func(_ int, conn net.Conn, in *bufio.Reader) {
				for {
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					if _, err := io.Copy(io.Discard, r.Body); err != nil {
						return
					}
					if r.Header.Get("Dies") != "" && times.Add(1) == 1 {
						_, _ = io.WriteString(conn, test.said)
						return
					}
					_, _ = io.WriteString(conn, ok+"Content-Length: 0\r\n\r\n")
				}
			})
			for _, to := range []http.RoundTripper{s.transport(), s.library()} {
				times.Store(0)
				if _, err := ask(to, s.request("GET", nil)); err != nil {
					t.Fatal(err)
				}
				var body io.Reader
				if test.body != "" {
					body = io.MultiReader(strings.NewReader(test.body))
				}
				r := s.request(test.method, body)
				r.Header.Set("Dies", "1")
				if test.key != "" {
					r.Header.Set("Idempotency-Key", test.key)
				}
				_, err := ask(to, r)
				want := test.want
				if _, ours := to.(*Transport); !ours {
					want = test.library
				}
				if n := times.Load(); n != want || (err == nil) != (want == 2) {
					t.Errorf("%T: sent %d times, want %d: %v", to, n, want, err)
				}
			}
		})
	}
}

// kept waits until so many connections are kept: the end of a request's body is not waited for.
func kept(t *testing.T, to *Transport, n int) {
	t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(time.Millisecond) {
		to.mu.Lock()
		now := len(to.idle)
		to.mu.Unlock()
		if now == n {
			return
		}
	}
	t.Errorf("never are %d connections kept", n)
}

// A server that answers before it has all of the body is heard. What is sent arrives as it is sent,
// and the connection is used again when the body is over, too.
func TestEarly(t *testing.T) {
	ended := make(chan error, 2)
	s := serve(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			piece := make([]byte, 5)
			_, _ = io.ReadFull(r.Body, piece)
			_, _ = io.WriteString(conn, ok+"Content-Length: 5\r\n\r\n"+string(piece))
			_, err = io.Copy(io.Discard, r.Body)
			ended <- err
		}
	})
	to := s.transport()
	early := func(ctx context.Context) *io.PipeWriter {
		body, send := io.Pipe()
		go func() { _, _ = io.WriteString(send, "piece") }()
		if a, err := ask(to, s.request("POST", body).WithContext(ctx)); err != nil || a.body != "piece" {
			t.Errorf("%+v, %v", a, err)
		}
		kept(t, to, 0)
		return send
	}
	send := early(t.Context())
	_ = send.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	kept(t, to, 1)
	ctx, cancel := context.WithCancel(t.Context())
	send = early(ctx)
	cancel()
	if err := <-ended; !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a body that was given up: %v", err)
	}
	_ = send.Close()
	kept(t, to, 0)
	if n := s.conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// A body that breaks off is not sent as if it were whole, and the error says what happened.
func TestBrokenBody(t *testing.T) {
	broken := errors.New("broken")
	read := make(chan error, 10)
	s := serve(t, func(_ int, _ net.Conn, in *bufio.Reader) {
		r, err := http.ReadRequest(in)
		if err == nil {
			_, err = io.ReadAll(r.Body)
		}
		read <- err
	})
	for _, length := range []int64{-1, 10} {
		r := s.request("POST", io.MultiReader(strings.NewReader("abc"), &failing{broken}))
		r.ContentLength = length
		if _, err := ask(s.transport(), r); !errors.Is(err, broken) {
			t.Errorf("length %d: %v", length, err)
		}
		if err := <-read; !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("length %d: the server reads it to %v", length, err)
		}
	}
	for _, text := range []string{"abc", "abcdefghijklmn"} {
		r := s.request("POST", io.MultiReader(strings.NewReader(text)))
		r.ContentLength = 10
		if _, err := ask(s.transport(), r); !errors.Is(err, errBody) {
			t.Errorf("%q: %v", text, err)
		}
		if err := <-read; !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: the server reads it to %v", text, err)
		}
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// A server is asked whether it wants a body, where the client asks; one that says nothing gets it.
func TestExpect(t *testing.T) {
	for name, test := range map[string]struct {
		first, body string
	}{
		"wanted":   {"HTTP/1.1 100 Continue\r\n\r\n", "body"},
		"unwanted": {"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n", ""},
		"silence":  {"", "body"},
	} {
		t.Run(name, func(t *testing.T) {
			got := make(chan string, 1)
			s := serve(t, func(_ int, conn net.Conn, in *bufio.Reader) {
				r, err := http.ReadRequest(in)
				if err != nil {
					return
				}
				_, _ = io.WriteString(conn, test.first)
				body, _ := io.ReadAll(r.Body)
				got <- string(body)
				_, _ = io.WriteString(conn, ok+"Content-Length: 0\r\n\r\n")
			})
			r := s.request("POST", strings.NewReader("body"))
			r.Header.Set("Expect", "100-continue")
			to := s.transport()
			if _, err := ask(to, r); err != nil {
				t.Fatal(err)
			}
			if body := <-got; body != test.body {
				t.Errorf("the server got %q", body)
			}
			if test.body == "" {
				kept(t, to, 0)
			} else {
				kept(t, to, 1)
			}
		})
	}
}

// A request that its caller gives up ends at once, whatever it waits for, and so does its
// connection.
func TestCancelled(t *testing.T) {
	for name, said := range map[string]string{
		"before the answer": "", "in the head": ok, "in the body": ok + "Content-Length: 5\r\n\r\nab",
		"in a chunk": ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nab",
		"at the end": ok + "\r\nab",
	} {
		t.Run(name, func(t *testing.T) {
			saying, ended := make(chan struct{}), make(chan struct{})
			s := serve(t, func(_ int, conn net.Conn, in *bufio.Reader) {
				if asked(in) {
					_, _ = io.WriteString(conn, said)
					close(saying)
					_, _ = in.ReadByte()
					close(ended)
				}
			})
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				<-saying
				cancel()
			}()
			_, err := ask(s.transport(), s.request("GET", nil).WithContext(ctx))
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			select {
			case <-ended:
			case <-time.After(limit):
				t.Error("the connection is still there")
			}
		})
	}
}

// After a 101 the connection is the caller's, with what came together with it.
func TestSwitched(t *testing.T) {
	s := serve(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		if !asked(in) {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nhello ")
		_, _ = io.Copy(conn, in)
	})
	r := s.request("GET", nil)
	r.Header.Set("Upgrade", "echo")
	res, err := s.transport().RoundTrip(r) //nolint:bodyclose // it is the connection
	if err != nil {
		t.Fatal(err)
	}
	conn := res.Body.(io.ReadWriteCloser)
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "world")
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || string(got) != "hello world" {
		t.Errorf("got %q, %v", got, err)
	}
	r = s.request("GET", strings.NewReader("body"))
	r.Header.Set("Upgrade", "echo")
	if _, err := s.transport().RoundTrip(r); !errors.Is(err, errSwitched) { //nolint:bodyclose // there is none
		t.Errorf("while a body is on its way: %v", err)
	}
}

// What nobody uses is closed when its time is over, and what was used since then later.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &Transport{IdleTime: time.Minute}
		var closed []int
		keep := func(n int) { to.keep(&conn{plain: &ending{end: func() { closed = append(closed, n) }}}) }
		after := func(wait time.Duration, want ...int) {
			time.Sleep(wait)
			synctest.Wait()
			to.mu.Lock() // under which they are closed
			defer to.mu.Unlock()
			if !slices.Equal(closed, want) {
				t.Errorf("closed: %v, want %v", closed, want)
			}
		}
		keep(0)
		after(30 * time.Second)
		keep(1)
		after(31*time.Second, 0)
		after(time.Minute, 0, 1)
		for n := range mostIdle + 1 {
			keep(n + 2)
		}
		if !slices.Equal(closed, []int{0, 1, mostIdle + 2}) {
			t.Errorf("closed: %v", closed)
		}
		to.CloseIdleConnections()
		if len(closed) != mostIdle+3 {
			t.Errorf("closed: %v", closed)
		}
	})
}

type ending struct {
	net.Conn
	end func()
}

func (e *ending) Close() error { e.end(); return nil }

// Where nobody answers, the request's body is left for another try.
func TestDialFails(t *testing.T) {
	wrong := errors.New("wrong")
	to := &Transport{Dial: func(context.Context) (net.Conn, error) { return nil, wrong }}
	body := io.NopCloser(strings.NewReader("body"))
	r := httptest.NewRequest(http.MethodPost, "http://a/", body)
	if _, err := ask(to, r); !errors.Is(err, wrong) {
		t.Error(err)
	}
	if left, err := io.ReadAll(r.Body); err != nil || string(left) != "body" {
		t.Errorf("left is %q, %v", left, err)
	}
}
