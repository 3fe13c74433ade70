package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// client is one inside that speaks a version of HTTP to the proxy.
func client(t *testing.T, version int) *http.Client {
	t.Helper()
	var p http.Protocols
	p.SetHTTP1(version == 1)
	p.SetUnencryptedHTTP2(version == 2)
	transport := &http.Transport{Protocols: &p, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: limit}
}

func (a *arena) request(ctx context.Context, method, path string, body io.Reader) *http.Request {
	a.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, "http://"+a.address+path, body)
	if err != nil {
		a.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// versions runs a test with each version of HTTP on the way in, while the service speaks the
// second.
func versions(t *testing.T, f func(t *testing.T, version int)) {
	for version := 1; version <= 2; version++ {
		t.Run(fmt.Sprintf("HTTP/%d", version), func(t *testing.T) { f(t, version) })
	}
}

// Each event arrives before there is another one: the service waits until the client has it.
func TestStreaming(t *testing.T) {
	versions(t, func(t *testing.T, version int) {
		got := make(chan struct{})
		a := start(t, Service{}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			control := http.NewResponseController(w)
			for i := range 20 {
				_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
				_ = control.Flush()
				select {
				case <-got:
				case <-r.Context().Done():
					return
				}
			}
		})
		res, err := client(t, version).Do(a.request(t.Context(), http.MethodPost, "/v1/x", strings.NewReader("{}")))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		lines := bufio.NewScanner(res.Body)
		for i := range 20 {
			if !lines.Scan() || lines.Text() != fmt.Sprintf("data: %d", i) || !lines.Scan() {
				t.Fatalf("got %q, %v", lines.Text(), lines.Err())
			}
			got <- struct{}{}
		}
	})
}

// An answer whose length is known is not held back either.
func TestTrickling(t *testing.T) {
	got := make(chan struct{})
	a := start(t, Service{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "2")
		control := http.NewResponseController(w)
		_ = control.Flush()
		for range 2 {
			select {
			case <-got:
			case <-r.Context().Done():
			}
			_, _ = io.WriteString(w, "x")
			_ = control.Flush()
		}
	})
	res, err := client(t, 1).Do(a.request(t.Context(), http.MethodGet, "/v1/x", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	for range 2 {
		got <- struct{}{}
		if _, err := io.ReadFull(res.Body, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
}

// A client that goes away ends the request at the service.
func TestCancelled(t *testing.T) {
	versions(t, func(t *testing.T, version int) {
		begun, ended := make(chan struct{}), make(chan struct{})
		a := start(t, Service{}, func(_ http.ResponseWriter, r *http.Request) {
			close(begun)
			<-r.Context().Done()
			close(ended)
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-begun
			cancel()
		}()
		res, err := client(t, version).Do(a.request(ctx, http.MethodGet, "/v1/x", nil))
		if err == nil {
			_ = res.Body.Close()
			t.Error("there is an answer")
		}
		select {
		case <-ended:
		case <-time.After(limit):
			t.Fatal("the service still works for nobody")
		}
		if event := a.events(1)[0]; !strings.Contains(event.Refused, "went away") {
			t.Errorf("told: %+v", event)
		}
	})
}

// A service that dies in the middle of an answer leaves the client with a broken one, and not with
// one that looks whole.
func TestCutOff(t *testing.T) {
	a := start(t, Service{}, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "begin")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	res, err := client(t, 1).Do(a.request(t.Context(), http.MethodGet, "/v1/x", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if got, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("got %q, and no error", got)
	}
}

// gRPC needs trailers, HTTP/2 and both directions at once.
func TestBothDirections(t *testing.T) {
	a := start(t, Service{}, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 || r.Header.Get("Te") != "trailers" {
			w.WriteHeader(http.StatusHTTPVersionNotSupported)
			return
		}
		w.Header().Set("Trailer", "Grpc-Status")
		control := http.NewResponseController(w)
		_ = control.Flush()
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			_, _ = fmt.Fprintf(w, "%s, you say\n", lines.Text())
			_ = control.Flush()
		}
		w.Header().Set("Grpc-Status", "0")
	})
	in, out := io.Pipe()
	r := a.request(t.Context(), http.MethodPost, "/v1/service/Method", in)
	r.Header.Set("Te", "trailers")
	res, err := client(t, 2).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	for i := range 3 {
		_, _ = fmt.Fprintf(out, "%d\n", i)
		if want := fmt.Sprintf("%d, you say", i); !lines.Scan() || lines.Text() != want {
			t.Fatalf("got %q, want %q", lines.Text(), want)
		}
	}
	_ = out.Close()
	if lines.Scan() || res.Trailer.Get("Grpc-Status") != "0" || res.ProtoMajor != 2 {
		t.Errorf("got %q, %v, %s", lines.Text(), res.Trailer, res.Proto)
	}
}

// hashed is a body of any size; it is hashed as it is made.
type hashed struct {
	left int64
	sum  hash.Hash
}

func (h *hashed) Read(p []byte) (int, error) {
	if h.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), h.left)
	for i := range p[:n] {
		p[i] = byte(h.left>>8) ^ byte(i)
	}
	h.left -= n
	_, _ = h.sum.Write(p[:n])
	return int(n), nil
}

func TestUpload(t *testing.T) {
	versions(t, func(t *testing.T, version int) {
		sum := sha256.New()
		a := start(t, Service{}, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(sum, r.Body) })
		body := &hashed{left: 64 << 20, sum: sha256.New()}
		res, err := client(t, version).Do(a.request(t.Context(), http.MethodPut, "/v1/x", body))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if !bytes.Equal(sum.Sum(nil), body.sum.Sum(nil)) {
			t.Error("what was sent is not what arrived")
		}
		if event := a.events(1)[0]; event.Sent != 64<<20 || event.Status != http.StatusOK {
			t.Errorf("told: %+v", event)
		}
	})
}

// A service that refuses an upload at once is heard, and the upload is not sent.
func TestExpect(t *testing.T) {
	a := start(t, Service{}, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	})
	r := a.request(t.Context(), http.MethodPut, "/v1/x", &hashed{left: 1 << 30, sum: sha256.New()})
	r.Header.Set("Expect", "100-continue")
	r.ContentLength = 1 << 30
	c := client(t, 1)
	c.Transport.(*http.Transport).ExpectContinueTimeout = limit
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if event := a.events(1)[0]; res.StatusCode != http.StatusRequestEntityTooLarge || event.Sent > 1<<20 {
		t.Errorf("%s, %+v", res.Status, event)
	}
}

// A WebSocket carries bytes both ways, also those that came together with the upgrade.
func TestWebSocket(t *testing.T) {
	a := start(t, Service{}, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+key {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer func() { _ = conn.Close() }()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"X-Echo: " + key + "\r\nSec-WebSocket-Protocol: " + r.Header.Get("Sec-WebSocket-Protocol") + "\r\n\r\nwelcome\n")
		_ = rw.Flush()
		lines := bufio.NewScanner(rw)
		for lines.Scan() {
			_, _ = fmt.Fprintf(conn, "%s, you say\n", lines.Text())
		}
	})
	conn, err := net.Dial("tcp", a.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(limit))
	_, _ = fmt.Fprintf(conn, "GET /v1/realtime HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.%s\r\n\r\nat once\n", a.address, token)
	reader := bufio.NewReader(conn)
	res, err := http.ReadResponse(reader, nil) //nolint:bodyclose // the connection is what follows
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", res, err)
	}
	if got := res.Header.Get("Sec-Websocket-Protocol"); got != "realtime" || strings.Contains(fmt.Sprint(res.Header), key) {
		t.Errorf("got %v", res.Header)
	}
	for i, want := range []string{"welcome\n", "at once, you say\n", "later, you say\n"} {
		if i == 2 {
			_, _ = io.WriteString(conn, "later\n")
		}
		if got, err := reader.ReadString('\n'); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.ReadByte(); err != io.EOF {
		t.Errorf("the service's end is not told: %v", err)
	}
	const sent, received = "at once\nlater\n", "welcome\nat once, you say\nlater, you say\n"
	if told := a.events(1)[0]; told.Sent != int64(len(sent)) || told.Received != int64(len(received)) {
		t.Errorf("told: %+v", told)
	}
}

// When a proxy is closed all is told: of an answer that would go on for ever, of a WebSocket that
// both sides keep open, and of one that the client alone does. Nothing begins after that.
func TestClose(t *testing.T) {
	a := start(t, Service{}, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			_, _ = io.WriteString(w, "one\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer func() { _ = conn.Close() }()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" +
			"Connection: Upgrade\r\n\r\none\n")
		_ = rw.Flush()
		if r.Header.Get("Ends") == "" {
			_, _ = io.Copy(io.Discard, conn)
		}
	})
	const upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	for _, header := range []string{"", upgrade, upgrade + "Ends: 1\r\n"} {
		conn, err := net.Dial("tcp", a.address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(limit))
		_, _ = fmt.Fprintf(conn, "GET /v1/x HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n%s\r\n",
			a.address, token, header)
		lines := bufio.NewScanner(conn)
		for lines.Text() != "one" {
			if !lines.Scan() {
				t.Fatal(lines.Err())
			}
		}
		if strings.Contains(header, "Ends") && (lines.Scan() || lines.Err() != nil) {
			t.Errorf("its end is not told: %q, %v", lines.Text(), lines.Err())
		}
	}
	if err := a.proxy.Close(); err != nil {
		t.Error(err)
	}
	a.mu.Lock()
	told := slices.Clone(a.told)
	a.mu.Unlock()
	if len(told) != 3 ||
		slices.ContainsFunc(told, func(r Request) bool { return r.Received != int64(len("one\n")) }) {
		t.Errorf("told: %+v", told)
	}
	if a.proxy.passages.begin() {
		t.Error("another one begins")
	}
	if err := a.proxy.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

// A request is sent once, though it says that it may be repeated: the library would send it again
// when the connection, which was kept, dies.
func TestOnce(t *testing.T) {
	var requests atomic.Int32
	a := startVersion(t, Service{}, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Idempotency-Key") != "1" || requests.Add(1) > 1 {
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_ = conn.Close()
	}, 1)
	const post = "POST /v1/x HTTP/1.1\r\nHost: HOST\r\n" + auth + "\r\nContent-Length: 0\r\nConnection: close\r\n"
	for address, want := range map[string]int32{a.address: 1, control(t, a): 2} {
		requests.Store(0)
		exchange(t, address, post+"\r\n") // there is a connection now
		res, _ := exchange(t, address, post+"Idempotency-Key: 1\r\n\r\n")
		if got := requests.Load(); got != want {
			t.Errorf("sent %d times, want %d: %s", got, want, res.Status)
		}
	}
}

// A request is sent on by the version of HTTP that it came by, and by the second where the service
// speaks no other.
func TestVersions(t *testing.T) {
	for name, test := range map[string]struct {
		service []string // what the service speaks
		version int      // what the client speaks
		want    string
	}{
		"the first":               {[]string{"h2", "http/1.1"}, 1, "HTTP/1.1"},
		"the second":              {[]string{"h2", "http/1.1"}, 2, "HTTP/2.0"},
		"there is no second":      {[]string{"http/1.1"}, 2, "HTTP/1.1"},
		"there is no first":       {[]string{"h2"}, 1, "HTTP/2.0"},
		"no version is agreed on": {nil, 1, "HTTP/1.1"},
	} {
		t.Run(name, func(t *testing.T) {
			a := startVersion(t, Service{}, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				_, _ = fmt.Fprintf(w, "%s %s", r.Proto, body)
			}, 2)
			a.service.TLS.NextProtos = test.service
			a.service.TLS.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
				// The library's server would talk to a client that wants another version.
				if slices.Equal(test.service, []string{"h2"}) && !slices.Contains(hello.SupportedProtos, "h2") {
					return nil, errors.New("there is no such version")
				}
				return nil, nil
			}
			for range 2 {
				res, err := client(t, test.version).Do(
					a.request(t.Context(), http.MethodPost, "/v1/x", strings.NewReader("body")))
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err != nil || string(body) != test.want+" body" {
					t.Errorf("%s: %q, %v", res.Status, body, err)
				}
			}
			if known := a.proxy.to.noFirst.Load(); known != (name == "there is no first") {
				t.Errorf("it is known that there is no first: %t", known)
			}
		})
	}
}
