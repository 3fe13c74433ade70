package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

const (
	key     = "sk-real-key+/=0123456789"
	token   = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	foreign = "sk-foreign-0123456789"
	// limit is how long anything here may take.
	limit = 30 * time.Second
)

var bearer = policy.KeyPlace{Type: policy.HeaderPlace, Name: "Authorization", Format: "Bearer {}"}

// seen is a request as the service got it.
type seen struct {
	line   string
	header http.Header
	body   string
}

// arena is a service, a proxy before it, and what was told of both.
type arena struct {
	t       *testing.T
	service *httptest.Server
	proxy   *Proxy
	address string

	mu       sync.Mutex
	requests []seen
	told     []Request
	telling  chan struct{}
}

// start serves a handler over TLS, and a proxy for it; nil answers each request with "ok".
func start(t *testing.T, s Service, handler http.HandlerFunc) *arena {
	t.Helper()
	return startVersion(t, s, handler, 2)
}

// startVersion has the service speak up to this version of HTTP.
func startVersion(t *testing.T, s Service, handler http.HandlerFunc, version int) *arena {
	t.Helper()
	a := &arena{t: t, telling: make(chan struct{}, 1000)}
	a.service = httptest.NewUnstartedServer(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			see := seen{r.Method + " " + r.RequestURI, r.Header.Clone(), ""}
			if handler == nil {
				body, _ := io.ReadAll(r.Body)
				see.body = string(body)
			}
			a.mu.Lock()
			a.requests = append(a.requests, see)
			a.mu.Unlock()
			if handler != nil {
				handler(w, r)
				return
			}
			_, _ = io.WriteString(w, "ok")
		}))
	a.service.EnableHTTP2 = version == 2
	a.service.Config.ErrorLog = hclog.NewNullLogger().StandardLogger(nil)
	a.service.StartTLS()
	t.Cleanup(a.service.Close)
	s.Name, s.Token = "test", sdk.NewSecret([]byte(token))
	if s.Key.Reveal() == nil {
		s.Key = sdk.NewSecret([]byte(key))
	}
	if s.Upstream == "" {
		s.Upstream = "https://example.com/v1"
	}
	if s.Place == (policy.KeyPlace{}) {
		s.Place = bearer
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.service.Certificate())
	p, err := New(s, Options{Roots: roots, Dial: a.dial, Tell: a.tell})
	if err != nil {
		t.Fatal(err)
	}
	a.proxy = p
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a.address = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- p.Serve(l) }()
	t.Cleanup(func() {
		_ = p.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return a
}

// dial leads to the service, whoever is asked for.
func (a *arena) dial(ctx context.Context, host, port string) (net.Conn, error) {
	if host != a.proxy.host || port == "" {
		return nil, fmt.Errorf("asked for %s:%s", host, port)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", a.service.Listener.Addr().String())
}

func (a *arena) tell(r Request) {
	a.mu.Lock()
	a.told = append(a.told, r)
	a.mu.Unlock()
	a.telling <- struct{}{}
}

func (a *arena) seen() []seen {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.requests)
}

// events waits until so many requests are over.
func (a *arena) events(n int) []Request {
	a.t.Helper()
	for range n {
		select {
		case <-a.telling:
		case <-time.After(limit):
			a.t.Fatal("nothing is told")
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.told)
}

// raw sends bytes and reads an answer.
func (a *arena) raw(text string) (reply, string) {
	a.t.Helper()
	return exchange(a.t, a.address, text)
}

func exchange(t *testing.T, address, text string) (reply, string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(limit))
	text = strings.ReplaceAll(text, "HOST", address)
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	return reply{res.Status, res.StatusCode, res.Header}, string(body)
}

// reply is the head of an answer.
type reply struct {
	Status     string
	StatusCode int
	Header     http.Header
}

// get sends a request with these headers.
func (a *arena) get(path string, headers ...string) (reply, string) {
	a.t.Helper()
	text := "GET " + path + " HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n"
	for _, h := range headers {
		text += h + "\r\n"
	}
	return a.raw(text + "\r\n")
}

const auth = "Authorization: Bearer " + token

// The key stands where the service wants it, and the token nowhere.
func TestPlaces(t *testing.T) {
	for name, test := range map[string]struct {
		place    policy.KeyPlace
		path     string
		headers  []string
		line     string
		has, not string // a header that is there, with its value, and one that is not
	}{
		"bearer": {bearer, "/v1/x?a=b", []string{auth}, "GET /v1/x?a=b", "Authorization: Bearer " + key, ""},
		"another scheme": {
			policy.KeyPlace{Type: policy.HeaderPlace, Name: "Authorization", Format: "token {}"},
			"/v1/x",
			[]string{auth},
			"GET /v1/x", "Authorization: token " + key, "",
		},
		"its own header": {
			policy.KeyPlace{Type: policy.HeaderPlace, Name: "x-api-key", Format: "{}"},
			"/v1/x",
			[]string{"x-api-key: " + token},
			"GET /v1/x", "X-Api-Key: " + key, "Authorization",
		},
		"bearer for its own header": {
			policy.KeyPlace{Type: policy.HeaderPlace, Name: "x-api-key", Format: "{}"},
			"/v1/x",
			[]string{auth},
			"GET /v1/x", "X-Api-Key: " + key, "Authorization",
		},
		"query": {
			policy.KeyPlace{Type: policy.QueryPlace, Name: "key"},
			"/v1/x?a=1&key=" + token + "&b=%2F", nil,
			"GET /v1/x?a=1&b=%2F&key=" + url.QueryEscape(key), "", "Authorization",
		},
		"google's two places": {
			policy.KeyPlace{Type: policy.HeaderPlace, Name: "x-goog-api-key", Format: "{}"},
			"/v1/x?key=" + token, nil, "GET /v1/x", "X-Goog-Api-Key: " + key, "Authorization",
		},
		"basic": {
			policy.KeyPlace{Type: policy.BasicPlace, Name: "git"},
			"/v1/x",
			[]string{"Authorization: Basic eDow" + "MTIzNDU2Nzg5YWJjZGVm"},
			"", "", "",
		},
		"path": {
			policy.KeyPlace{Type: policy.PathPlace, Format: "/bot{}/"},
			"/v1/bot" + token + "/send?a=b", nil, "GET /v1/bot" + url.PathEscape(key) + "/send?a=b", "", "Authorization",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "basic" {
				r := &http.Request{Header: http.Header{}}
				r.SetBasicAuth("anyone", token)
				test.headers = []string{"Authorization: " + r.Header.Get("Authorization")}
				r.SetBasicAuth("git", key)
				test.line, test.has = "GET /v1/x", "Authorization: "+r.Header.Get("Authorization")
			}
			a := start(t, Service{Place: test.place}, nil)
			res, body := a.get(test.path, test.headers...)
			if res.StatusCode != http.StatusOK || body != "ok" {
				t.Fatalf("%s: %s", res.Status, body)
			}
			got := a.seen()[0]
			if got.line != test.line {
				t.Errorf("got %s, want %s", got.line, test.line)
			}
			if header, value, ok := strings.Cut(test.has, ": "); ok &&
				!slices.Equal(got.header.Values(header), []string{value}) {
				t.Errorf("%s: %q", header, got.header.Values(header))
			}
			if _, ok := got.header[test.not]; ok {
				t.Errorf("there is %s", test.not)
			}
			if all := fmt.Sprint(got); strings.Contains(all, token) {
				t.Errorf("the token went to the service: %s", all)
			}
			event := a.events(1)[0]
			if all := fmt.Sprint(event); strings.Contains(all, token) || strings.Contains(all, key) ||
				strings.Contains(all, url.PathEscape(key)) || event.Status != 200 || event.Received != 2 {
				t.Errorf("told: %+v", event)
			}
		})
	}
}

// A key that has the user in it is sent as that user's password, and neither comes back.
func TestUserInTheKey(t *testing.T) {
	whole := policy.KeyPlace{Type: policy.BasicPlace, Format: policy.UserAndPassword}
	a := start(t, Service{Place: whole, Key: sdk.NewSecret([]byte("ada:" + key + ":x"))},
		func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Header.Get("Authorization")) })
	_, body := a.get("/v1/x", "Authorization: Bearer "+token)
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth("ada", key+":x")
	if got, want := a.seen()[0].header.Get("Authorization"), r.Header.Get("Authorization"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if strings.Trim(body, "*") != "Basic " {
		t.Errorf("the key came back: %s", body)
	}
	_, err := New(Service{
		Name: "x", Upstream: "https://x.example", Place: whole, Key: sdk.NewSecret([]byte(key)),
	}, Options{})
	if err == nil || !strings.Contains(err.Error(), "there is no colon in it") || strings.Contains(err.Error(), key) {
		t.Errorf("a key without a user: %v", err)
	}
}

// Without the token nothing is sent on, whatever else there is.
func TestOnlyTheToken(t *testing.T) {
	a := start(t, Service{}, nil)
	for name, headers := range map[string][]string{
		"nothing":              nil,
		"another":              {"Authorization: Bearer " + strings.Repeat("f", 64)},
		"a foreign key":        {"Authorization: Bearer " + foreign},
		"the beginning":        {"Authorization: Bearer " + token[:63]},
		"and more":             {"Authorization: Bearer " + token + "0"},
		"in upper case":        {"Authorization: Bearer " + strings.ToUpper(token)},
		"elsewhere":            {"X-Other: " + token},
		"in the user's agent":  {"User-Agent: " + token},
		"the real key":         {"Authorization: Bearer " + key},
		"two halves":           {"Authorization: Bearer " + token[:32], "Authorization: Bearer " + token[32:]},
		"in a protocol's name": {"Upgrade: websocket", "Connection: upgrade", "Sec-WebSocket-Protocol: " + token},
	} {
		t.Run(name, func(t *testing.T) {
			res, body := a.get("/v1/x", headers...)
			if res.StatusCode != http.StatusUnauthorized || !strings.Contains(body, "stand-in") {
				t.Errorf("%s: %s", res.Status, body)
			}
		})
	}
	if got := a.seen(); len(got) > 0 {
		t.Errorf("the service saw %+v", got)
	}
	if res, _ := a.get("/v1/x", auth); res.StatusCode != http.StatusOK || len(a.seen()) != 1 {
		t.Error("the token does not work either, so this shows nothing")
	}
}

// A key of the client's own goes no further, however it is written, though the token is there too.
func TestForeignCredentials(t *testing.T) {
	for name, test := range map[string]struct {
		place   policy.KeyPlace
		query   string
		headers []string
	}{
		"twice":        {headers: []string{"Authorization: Bearer " + foreign, "AUTHORIZATION: Bearer " + foreign}},
		"other names":  {headers: []string{"x-api-key: " + foreign, "Api-Key: " + foreign, "X-Goog-Api-Key: " + foreign, "PRIVATE-TOKEN: " + foreign}},
		"underscores":  {headers: []string{"X_Api_Key: " + foreign, "X-Api_Key: " + foreign}},
		"a proxy's":    {headers: []string{"Proxy-Authorization: Basic " + foreign}},
		"a cookie":     {headers: []string{"Cookie: session=" + foreign}},
		"in the query": {query: "?access_token=" + foreign + "&API_KEY=" + foreign + "&%61pi-key=" + foreign},
		"google's": {
			place: policy.KeyPlace{Type: policy.HeaderPlace, Name: "x-goog-api-key", Format: "{}"},
			query: "?key=" + foreign,
		},
		"a socket's":              {headers: []string{"Sec-WebSocket-Protocol: realtime, openai-insecure-api-key." + foreign}},
		"kept through Connection": {headers: []string{"X-Api-Key: " + foreign, "Connection: Authorization"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := start(t, Service{Place: test.place}, nil)
			res, body := a.get("/v1/x"+test.query, append(test.headers, auth)...)
			if res.StatusCode != http.StatusOK {
				t.Fatalf("%s: %s", res.Status, body)
			}
			all := fmt.Sprint(a.seen())
			if strings.Contains(all, foreign) || strings.Count(all, key) != 1 {
				t.Errorf("the service saw %s", all)
			}
			plain := control(t, a)
			exchange(t, plain, "GET /v1/x"+test.query+" HTTP/1.1\r\nHost: HOST\r\n"+
				strings.Join(test.headers, "\r\n")+"\r\nA: b\r\n\r\n")
			if all := fmt.Sprint(a.seen()[1:]); name != "a proxy's" && !strings.Contains(all, foreign) {
				t.Errorf("without the proxy's care it does not arrive either: %s", all)
			}
		})
	}
}

// control is the library's proxy as it comes, in the same place: what is closed here is open there.
func control(t *testing.T, a *arena) string {
	t.Helper()
	to := &url.URL{Scheme: "https", Host: "example.com"}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, Transport: a.proxy.newTransport(),
		ErrorLog: hclog.NewNullLogger().StandardLogger(nil),
	})
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// What means something else to somebody is not sent on.
func TestForm(t *testing.T) {
	a := start(t, Service{}, nil)
	plain := control(t, a)
	const tail = "\r\nHost: HOST\r\n" + auth + "\r\nConnection: close\r\n\r\n"
	for name, test := range map[string]struct {
		text   string
		status int
		open   bool // the library's proxy answers it, or sends it on
	}{
		"OPTIONS *":             {"OPTIONS * HTTP/1.1" + tail, 400, true},
		"CONNECT":               {"CONNECT evil.test:443 HTTP/1.1\r\nHost: HOST\r\n" + auth + "\r\n\r\n", 405, true},
		"TRACE":                 {"TRACE /v1/x HTTP/1.1" + tail, 405, true},
		"PRI":                   {"PRI /v1/x HTTP/1.1" + tail, 405, true},
		"absolute form":         {"GET http://evil.test/v1/x HTTP/1.1" + tail, 400, true},
		"absolute form, itself": {"GET http://HOST/v1/x HTTP/1.1" + tail, 400, true},
		"//host":                {"GET //evil.test/v1/x HTTP/1.1" + tail, 400, true},
		"another host":          {"GET /v1/x HTTP/1.1\r\nHost: evil.test\r\n" + auth + "\r\n\r\n", 400, true},
		"no host":               {"GET /v1/x HTTP/1.0\r\n" + auth + "\r\n\r\n", 400, true},
		"two hosts":             {"GET /v1/x HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n" + auth + "\r\n\r\n", 400, false},
		"dots":                  {"GET /v1/../admin HTTP/1.1" + tail, 400, true},
		"encoded dots":          {"GET /v1/%2e%2e/admin HTTP/1.1" + tail, 400, true},
		"encoded slash":         {"GET /v1/x%2f..%2f..%2fadmin HTTP/1.1" + tail, 400, true},
		"backslash":             {"GET /v1/x\\..\\admin HTTP/1.1" + tail, 400, true},
		"dots with a parameter": {"GET /v1/..;a=b/admin HTTP/1.1" + tail, 400, true},
		"an empty part":         {"GET /v1//x HTTP/1.1" + tail, 400, true},
		"NUL in the path":       {"GET /v1/%00 HTTP/1.1" + tail, 400, true},
		"outside of its path":   {"GET /admin HTTP/1.1" + tail, 403, true},
		"beside its path":       {"GET /v1x HTTP/1.1" + tail, 403, true},
		"h2c":                   {"GET /v1/x HTTP/1.1\r\nHost: HOST\r\n" + auth + "\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", 400, true},
		"two upgrades":          {"GET /v1/x HTTP/1.1\r\nHost: HOST\r\n" + auth + "\r\nUpgrade: websocket\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", 400, true},
		"an upgrading POST":     {"POST /v1/x HTTP/1.1\r\nHost: HOST\r\n" + auth + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n", 400, true},
		"a hidden parameter":    {"GET /v1/x?a=1;access_token=" + foreign + " HTTP/1.1" + tail, 400, true},
		"two lengths":           {"POST /v1/x HTTP/1.1\r\nHost: HOST\r\n" + auth + "\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400, false},
		"a space in a name":     {"GET /v1/x HTTP/1.1\r\nHost: HOST\r\nX-Api-Key : x\r\n" + auth + "\r\n\r\n", 400, false},
		"another encoding":      {"POST /v1/x HTTP/1.1\r\nHost: HOST\r\n" + auth + "\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, false},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(a.seen())
			res, body := a.raw(test.text)
			if res.StatusCode != test.status {
				t.Errorf("%s: %s", res.Status, body)
			}
			if got := a.seen(); len(got) > before {
				t.Errorf("the service saw %+v", got[before:])
			}
			res, _ = exchange(t, plain, test.text)
			if open := res.StatusCode != http.StatusBadRequest &&
				res.StatusCode != http.StatusNotImplemented; open != test.open {
				t.Errorf("the library's proxy: %s", res.Status)
			}
		})
	}
	if res, _ := a.raw("GET /v1/x HTTP/1.1" + tail); res.StatusCode != http.StatusOK {
		t.Error("a plain request does not pass either")
	}
}

// One request that hides in another is a request of its own, with nothing to let it in.
func TestSmuggling(t *testing.T) {
	a := start(t, Service{}, nil)
	const hidden = "GET /v1/hidden HTTP/1.1\r\nHost: HOST\r\n\r\n"
	for name, text := range map[string]string{
		"length and chunks": "POST /v1/x HTTP/1.1\r\nHost: HOST\r\n" + auth +
			"\r\nContent-Length: 200\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"a body on GET": "GET /v1/x HTTP/1.1\r\nHost: HOST\r\n" + auth + "\r\nContent-Length: 3\r\n\r\nabc" + hidden,
		"a folded line": "GET /v1/x HTTP/1.1\r\nHost: HOST\r\nX-A: b\r\n Authorization: Bearer " + foreign +
			"\r\n" + auth + "\r\n\r\n" + hidden,
	} {
		t.Run(name, func(t *testing.T) {
			a.raw(text)
			for _, got := range a.seen() {
				if strings.Contains(got.line, "hidden") || got.header.Get("Authorization") != "Bearer "+key {
					t.Errorf("the service saw %+v", got)
				}
			}
		})
	}
}

// A body that cannot be read is the client's fault, and is told so: in the answer, and in what is
// told of the request.
func TestBrokenBody(t *testing.T) {
	for _, version := range []int{1, 2} {
		a := startVersion(t, Service{}, nil, version)
		const head = "POST /v1/x HTTP/1.1\r\nHost: HOST\r\n" + auth + "\r\nTransfer-Encoding: chunked\r\n\r\n"
		for name, text := range map[string]string{
			"no size":          head + "zz\r\nab\r\n0\r\n\r\n",
			"no end of chunk":  head + "2\r\nabcd\r\n0\r\n\r\n",
			"after some of it": head + "3\r\nabc\r\n-1\r\n\r\n",
		} {
			res, body := a.raw(text)
			told := a.events(1)
			last := told[len(told)-1]
			if res.StatusCode != http.StatusBadRequest || !strings.Contains(body, "the body of the request cannot be read") {
				t.Errorf("%s: %s: %s", name, res.Status, body)
			}
			if last.Status != http.StatusBadRequest || !strings.Contains(last.Refused, "the body of the request cannot be read") {
				t.Errorf("%s: told is %+v", name, last)
			}
		}
		if res, _ := a.raw(head + "2\r\nab\r\n0\r\n\r\n"); res.StatusCode != http.StatusOK { // the control
			t.Errorf("a whole body: %s", res.Status)
		}
	}
}

// What is no credential arrives as it was sent, and what was not sent is not added.
func TestUnchanged(t *testing.T) {
	a := start(t, Service{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		w.Header()["Date"] = nil
		_, _ = io.WriteString(w, "<html>")
	})
	res, _ := a.get("/v1/a%2Fb/%7Ex/?x=1;y=2&z&%zz=1&key=cache", auth, "X-Mine: 1", "Accept-Encoding: gzip",
		"Forwarded: for=1.2.3.4")
	got := a.seen()[0]
	if want := "GET /v1/a%2Fb/%7Ex/?x=1;y=2&z&%zz=1&key=cache"; got.line != want {
		t.Errorf("got %s, want %s", got.line, want)
	}
	for _, name := range []string{"User-Agent", "Accept-Encoding", "X-Forwarded-For", "Via"} {
		if v, ok := got.header[name]; ok {
			t.Errorf("%s: %q was added", name, v)
		}
	}
	for _, name := range []string{"Content-Type", "Date"} {
		if v, ok := res.Header[name]; ok {
			t.Errorf("%s: %q was added to the answer", name, v)
		}
	}
}

func TestNarrow(t *testing.T) {
	a := start(t, Service{
		Methods: []string{"GET", "POST"}, Paths: []string{"/v1/chat/*", "/v1/files/**"},
	}, nil)
	for request, want := range map[string]int{
		"GET /v1/chat/completions": 200, "POST /v1/chat/x?y": 200, "GET /v1/files/a/b": 200,
		"GET /v1/files": 200, "GET /v1/files/": 200,
		"PUT /v1/chat/x": 403, "HEAD /v1/chat/x": 403, "get /v1/chat/x": 403,
		"GET /v1/chat": 403, "GET /v1/chat/x/y": 403, "GET /v1/chat/x%2Fy": 403, "GET /v1/models": 403,
		"GET /v1/chat/%2e%2e%2ffiles": 400, "GET /v1/%63hat/x": 200,
	} {
		res, body := a.raw(request + " HTTP/1.1\r\nHost: HOST\r\n" + auth + "\r\nConnection: close\r\n\r\n")
		if res.StatusCode != want {
			t.Errorf("%s: %s %s, want %d", request, res.Status, body, want)
		}
	}
	for _, header := range []string{
		"X-HTTP-Method-Override: DELETE", "X_HTTP_Method_Override: DELETE", "X_Http-Method: DELETE",
		"X-Original-URL: /v1/models", "X-Rewrite-URL: /v1/models", "x_original_url: /v1/models",
	} {
		before := len(a.seen())
		if res, _ := a.get("/v1/chat/x", auth, header); res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", header, res.Status)
		}
		if got := a.seen()[before:]; len(got) > 0 {
			t.Errorf("the service saw %+v", got)
		}
	}
	// The control: nothing but the path is narrowed, and nothing at all.
	a = start(t, Service{Paths: []string{"/v1/chat/*"}}, nil)
	if res, _ := a.get("/v1/chat/x", auth, "X_Original_Url: /v1/models"); res.StatusCode != http.StatusBadRequest {
		t.Errorf("another path in a header: %s", res.Status)
	}
	a = start(t, Service{Upstream: "https://example.com"}, nil)
	if res, _ := a.get("/v1/chat/x", auth, "X-Original-Url: /v1/models"); res.StatusCode != http.StatusOK ||
		a.seen()[0].header.Get("X-Original-Url") == "" {
		t.Errorf("a header that changes nothing which is held: %s", res.Status)
	}
}

// An answer that leads elsewhere is not followed: the key goes to the service's host alone.
func TestRedirect(t *testing.T) {
	to := ""
	a := start(t, Service{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	for location, want := range map[string]string{
		"https://evil.test/v1/x": "https://evil.test/v1/x", "/v1/y": "/v1/y",
		"https://example.com/v1/y": "http://" + a.address + "/v1/y",
		"https://EXAMPLE.com/v1/y": "http://" + a.address + "/v1/y",
		"http://example.com/v1/y":  "http://example.com/v1/y",
	} {
		to = location
		before := len(a.seen())
		res, _ := a.get("/v1/x", auth)
		if got := res.Header.Get("Location"); res.StatusCode != http.StatusTemporaryRedirect || got != want {
			t.Errorf("%s: %s to %s, want %s", location, res.Status, got, want)
		}
		if n := len(a.seen()) - before; n != 1 {
			t.Errorf("%s: %d requests", location, n)
		}
	}
}

// An answer without a status that can be handed on is none. By HTTP/2 the library takes it.
func TestNoStatus(t *testing.T) {
	for _, status := range []int{-1, 0, 99, 1000} {
		a := start(t, Service{}, nil)
		a.proxy.reverse.Transport = answers{StatusCode: status, Header: http.Header{}, Body: http.NoBody}
		if res, body := a.get("/v1/x", auth); res.StatusCode != http.StatusBadGateway {
			t.Errorf("%d: %s: %s", status, res.Status, body)
		}
	}
}

// answers has one answer to everything.
type answers http.Response

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	res := http.Response(a)
	res.Request = r
	return &res, nil
}

// A service that has another certificate gets nothing.
func TestAnotherHost(t *testing.T) {
	a := start(t, Service{Upstream: "https://api.test/v1"}, nil)
	res, body := a.get("/v1/x", auth)
	if res.StatusCode != http.StatusBadGateway || !strings.Contains(body, "certificate") {
		t.Errorf("%s: %s", res.Status, body)
	}
	if got := a.seen(); len(got) > 0 {
		t.Errorf("the service saw %+v", got)
	}
	for _, upstream := range []string{"http://example.com", "https://", "ftp://x", "://"} {
		if _, err := New(Service{Upstream: upstream}, Options{}); err == nil {
			t.Errorf("%s is taken", upstream)
		}
	}
}

// A key that the service repeats does not come through: in headers of any answer, in bodies of any
// kind however they are split, in trailers.
func TestReflected(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"header": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Echo", r.Header.Get("Authorization"))
		},
		"error": func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "bad key "+r.Header.Get("Authorization"), http.StatusUnauthorized)
		},
		"encoded": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "x="+url.QueryEscape(key)+"&y="+url.PathEscape(key))
		},
		"cookie": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Set-Cookie", "session="+key) },
		"early hints": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "<"+key+">")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Link")
		},
		"trailer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Echo")
			_, _ = io.WriteString(w, "body")
			_ = http.NewResponseController(w).Flush()
			w.Header().Set("X-Echo", key)
		},
		"many": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("- "+key+key+"\n", 5000))
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := start(t, Service{}, handler)
			conn, err := net.Dial("tcp", a.address)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(limit))
			_, _ = fmt.Fprintf(conn, "GET /v1/x HTTP/1.1\r\nHost: %s\r\n%s\r\nTE: trailers\r\nConnection: close\r\n\r\n", a.address, auth)
			all, err := io.ReadAll(conn)
			if err != nil || !bytes.Contains(all, []byte("HTTP/1.1 ")) {
				t.Fatalf("got %q, %v", all, err)
			}
			for _, form := range []string{key, url.QueryEscape(key), url.PathEscape(key)} {
				if bytes.Contains(all, []byte(form)) {
					t.Errorf("the key came through: %q", all)
				}
			}
			if name != "cookie" && !bytes.Contains(all, []byte(strings.Repeat("*", len(key)))) {
				t.Errorf("there was no key, so this shows nothing: %q", all)
			}
		})
	}
}

// The key is cut in two at every place.
func TestReflectedInPieces(t *testing.T) {
	for cut := range len(key) + 1 {
		body := &pieces{[]string{"before ", key[:cut], key[cut:], " after"}}
		b := &blotted{body: io.NopCloser(body), blots: newBlots(bearer, []byte(key)), end: func() {}}
		got, err := io.ReadAll(b)
		blotted := strings.Repeat("*", len(key))
		if cut < atOnce { // so much may have been let through
			blotted = key[:cut] + strings.Repeat("*", len(key)-cut)
		}
		if want := "before " + blotted + " after"; err != nil || string(got) != want {
			t.Errorf("cut at %d: got %q, %v, want %q", cut, got, err, want)
		}
	}
	// Byte by byte, and with a body that only begins as the key does.
	for text, want := range map[string]string{
		"x" + key + "y": "x" + key[:atOnce-1] + strings.Repeat("*", len(key)-atOnce+1) + "y",
		"sk-real":       "sk-real", "sk-sk-real-": "sk-sk-real-", "": "",
	} {
		b := &blotted{
			body: io.NopCloser(&pieces{strings.Split(text, "")}), blots: newBlots(bearer, []byte(key)),
			end: func() {},
		}
		if got, err := io.ReadAll(b); err != nil || string(got) != want {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}

// pieces are read one by one.
type pieces struct{ left []string }

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.left[0])
	p.left = p.left[1:]
	return n, nil
}
