// Package proxy is a reverse proxy for one service, which takes a token and sends on a key.
//
//	p, err := proxy.New(proxy.Service{
//		Name: "openai", Upstream: "https://api.openai.com/v1", Key: key, Token: token,
//		Place: policy.KeyPlace{Type: policy.HeaderPlace, Name: "Authorization", Format: "Bearer {}"},
//	}, proxy.Options{Dial: dial, Roots: roots, Tell: tell})
//	err = p.Serve(listener)
//
// Inside, a client sends to the listener what it would send to the service: the same method, path
// and query, with the token where the key would be. A request that has no token, or that is none of
// the forms that are understood here, is answered by the proxy itself (admit.go). In what is sent
// on the key stands where the service wants it, and no other credential does (credential.go):
// whoever brings a key of his own would use the service in his own name, and carry out what he
// likes. The connection is TLS with that service's host and nobody else; an answer that leads
// elsewhere is handed to the client and not followed.
//
// Nothing is held back on the way, in either direction, but for a millisecond of an answer whose
// length is known; and silence has no limit: a model may think for minutes. What the service
// repeats of the key is blotted out (answer.go).
//
// It is the library's reverse proxy (net/http/httputil) with what that leaves open made strict, and
// by HTTP/1.1 with a way to the service of its own (package http1). A connection that was upgraded
// to WebSocket, and a body that the service compressed though nobody asked it to, are not looked
// into.
package proxy

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

const (
	// headTime is how long a client inside has for the head of a request. It is beside us.
	headTime = 30 * time.Second
	// idleTime is how long a connection may be kept that nobody uses.
	idleTime = 5 * time.Minute
	// mostHead is how large the head of a request or of an answer may be.
	mostHead = 256 << 10
	// holdTime is how long an answer may be held whose length is known, so that its head and its body
	// are written at once. Of one whose length is not known, and of events, nothing is held.
	holdTime = time.Millisecond
	// lastTime is how long requests have to be over when the proxy is closed. All they wait for is
	// closed by then.
	lastTime = 2 * time.Second
)

// ErrStuck is of a proxy that was closed and has a request that does not end, which Tell is not
// told of.
var ErrStuck = errors.New("a request does not end")

// Service is what the proxy stands for.
type Service struct {
	Name string
	// Upstream is an https URL, as [policy.Credential] has it.
	Upstream   string
	Place      policy.KeyPlace
	Key, Token sdk.Secret
	// Methods and Paths are what requests may be; empty: anything.
	Methods, Paths []string
	// Git says that the upstream is a host of repositories, and requests are git's alone (git.go).
	Git bool
	// Index says that the service has an index of packages, whose links to itself are to lead to the
	// proxy (pages.go).
	Index bool
}

// Options are what the proxy is connected with.
type Options struct {
	// Dial connects to the service's host.
	Dial func(ctx context.Context, host string, port string) (net.Conn, error)
	// Roots says whom the service's certificate may be from; nil is what this machine trusts.
	Roots *x509.CertPool
	// Tell is told of each request, when it is over. It may be called from many goroutines.
	Tell func(Request)
}

// Request is what became of one request. Nothing in it is secret.
type Request struct {
	Service, Method string
	// Path has "{}" where a key would stand, and no query.
	Path string
	// Refused is why the proxy answered itself, or could not reach the service; empty otherwise.
	Refused string
	Status  int
	// Sent and Received are the bytes of the bodies, and of what a WebSocket carried.
	Sent, Received int64
	Took           time.Duration
}

// Proxy serves one service.
type Proxy struct {
	service  Service
	upstream *url.URL
	host     string // of the upstream, with its port
	paths    []glob
	blots    blots
	options  Options
	to       *upstream
	reverse  *httputil.ReverseProxy
	server   *http.Server
	passages *passages
	cut      context.CancelFunc // ends all requests
	address  string             // the listener's
}

// New makes a proxy.
func New(s Service, o Options) (*Proxy, error) {
	u, err := url.Parse(s.Upstream)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%s is not reached by https", s.Name)
	}
	if err := splitUser(&s); err != nil {
		return nil, fmt.Errorf("the key of %s: %w", s.Name, err)
	}
	p := &Proxy{service: s, upstream: u, options: o, host: u.Hostname()}
	for _, text := range s.Paths {
		if s.Git {
			text = strings.TrimSuffix(text, ".git") // a repository is one with it and without
		}
		p.paths = append(p.paths, newGlob(text))
	}
	if err := checkKey(s.Place, s.Key.Reveal()); err != nil {
		return nil, fmt.Errorf("the key of %s: %w", s.Name, err)
	}
	p.blots = newBlots(s.Place, s.Key.Reveal())
	p.to = p.newUpstream()
	quiet := hclog.NewNullLogger().StandardLogger(nil) // what went wrong is in the event
	p.reverse = &httputil.ReverseProxy{
		Rewrite: p.rewrite, Transport: p.to, FlushInterval: holdTime, BufferPool: buffers,
		ModifyResponse: p.modify, ErrorHandler: p.failed, ErrorLog: quiet,
	}
	ctx, cut := context.WithCancel(context.Background())
	p.passages, p.cut = newPassages(), cut
	p.server = &http.Server{
		BaseContext: func(net.Listener) context.Context { return ctx },
		Handler:     http.HandlerFunc(p.serve), DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout: headTime, IdleTimeout: idleTime, MaxHeaderBytes: mostHead,
		ErrorLog: quiet, Protocols: protocols(),
	}
	return p, nil
}

// protocols are those of a listener inside: HTTP/2 without TLS too, which gRPC needs.
func protocols() *http.Protocols {
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	return &p
}

// Name is the service's.
func (p *Proxy) Name() string { return p.service.Name }

// Serve serves a listener until the proxy is closed.
func (p *Proxy) Serve(l net.Listener) error {
	p.address = l.Addr().String()
	if err := p.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close ends all connections, and returns when Tell was told of every request. Where one does not
// end the error is [ErrStuck].
func (p *Proxy) Close() error {
	p.passages.close()
	p.cut()
	err := p.server.Close()
	p.to.CloseIdleConnections()
	select {
	case <-p.passages.over:
		return err
	case <-time.After(lastTime):
		return errors.Join(err, ErrStuck)
	}
}

// passage is one request on its way.
type passage struct {
	Request
	sent, received atomic.Int64
	broken         atomic.Pointer[error] // why the client's body could not be read to its end
	// path and query are what is sent on.
	path, rawPath, query string
	protocols            []string // of a WebSocket
}

type passageKey struct{}

// passing is the passage that a request belongs to.
func passing(ctx context.Context) *passage {
	return ctx.Value(passageKey{}).(*passage)
}

// serve takes one request.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	defer endOnPanic()
	if !p.passages.begin() {
		panic(http.ErrAbortHandler) // the proxy is closed, and so is the connection
	}
	defer p.passages.end()
	began := time.Now()
	pass := &passage{Request: Request{Service: p.service.Name, Method: r.Method, Path: "?"}}
	defer func() {
		pass.Sent, pass.Received = pass.sent.Load(), pass.received.Load()
		pass.Took = time.Since(began)
		p.options.Tell(pass.Request)
	}()
	if refused := p.admit(pass, r); refused != nil {
		p.answer(w, pass, *refused)
		return
	}
	// Of HTTP/1 the library would read the whole request before it writes an answer. It cannot be told
	// not to only where something else is spoken, which does not need it.
	_ = http.NewResponseController(w).EnableFullDuplex()
	// r stays as the library knows it.
	in := r.WithContext(context.WithValue(r.Context(), passageKey{}, pass))
	if r.Body != nil && r.Body != http.NoBody {
		in.Body = &incoming{r.Body, pass}
	}
	p.reverse.ServeHTTP(&answer{ResponseWriter: w, ctx: r.Context(), blots: p.blots}, in)
}

// endOnPanic ends the process where a handler panics, which the library would go on from: a layer
// in an unknown state is not to go on. The library itself panics in one way to cut a connection
// off.
func endOnPanic() {
	//nolint:forbidigo // it recovers nothing: the same panic goes on, in a way that nobody catches
	v := recover()
	if v == nil {
		return
	}
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(v)
	}
	go panic(v)
	select {}
}

// rewrite turns what came in into what is sent on.
func (p *Proxy) rewrite(r *httputil.ProxyRequest) {
	pass := passing(r.In.Context())
	out := r.Out
	out.URL.Scheme, out.URL.Host, out.Host = "https", p.upstream.Host, p.upstream.Host
	// The library has dropped the parameters that it does not understand.
	out.URL.Path, out.URL.RawPath, out.URL.RawQuery = pass.path, pass.rawPath, pass.query
	out.URL.ForceQuery = r.In.URL.ForceQuery
	stripHeaders(out.Header, p.service.Place)
	if pass.protocols != nil {
		out.Header.Del("Sec-Websocket-Protocol")
	}
	if len(pass.protocols) > 0 {
		out.Header.Set("Sec-Websocket-Protocol", strings.Join(pass.protocols, ", "))
	}
	// What comes back is to be looked at for the key.
	out.Header.Del("Accept-Encoding")
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header["User-Agent"] = nil // else the library adds its own
	}
	p.put(out)
}

// failed answers where the service did not.
func (p *Proxy) failed(w http.ResponseWriter, r *http.Request, err error) {
	pass := passing(r.Context())
	why := p.blots.text(err.Error())
	broken := pass.broken.Load()
	switch {
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		why = "the client went away"
	case broken != nil:
		p.answer(w, pass, refusal{
			http.StatusBadRequest, "the body of the request cannot be read: " + (*broken).Error(),
		})
		return
	}
	p.answer(w, pass,
		refusal{http.StatusBadGateway, "the service " + p.service.Name + " was not reached: " + why})
}

// incoming is the body of a request. It is counted, and known to be broken where it is.
type incoming struct {
	io.ReadCloser
	pass *passage
}

// Read implements io.Reader.
func (i *incoming) Read(p []byte) (int, error) {
	n, err := i.ReadCloser.Read(p)
	i.pass.sent.Add(int64(n))
	// It is closed where nobody wants the rest, which is no fault of the client's.
	if err != nil && err != io.EOF && !errors.Is(err, http.ErrBodyReadAfterClose) {
		i.pass.broken.CompareAndSwap(nil, &err)
	}
	return n, err
}

// counted counts what is read.
type counted struct {
	io.ReadCloser
	n *atomic.Int64
}

// Read implements io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	return n, err
}
