// Package testllm is a stand-in for providers of language models: OpenAI's chat completions and
// responses, Anthropic's messages, as a stream of events or in one piece, and what OpenAI has on a
// WebSocket, over TLS.
//
//	llm, err := testllm.Start(testllm.Options{})
//	defer llm.Close()
//	client := openai.NewClient(option.WithBaseURL(llm.URL+"/v1"), option.WithAPIKey(llm.Keys.OpenAI))
//
// It has no model. It does what a [Script] says, step by step: it speaks, or calls a tool of the
// agent's, so that a real agent edits a file and runs a command as it would for a real model. It
// keeps no conversation: which step is due it counts in what the agent sends along. Without a
// script it repeats what it was told.
//
// It lets nobody in without the key, and remembers what it was asked, so that a test can see which
// keys arrived. What a provider would not do but an attack needs it does at paths of its own
// (attack.go).
package testllm

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	// mostRemembered is how many requests are remembered: the last ones.
	mostRemembered = 1000
	// longestRequest is how large a request to a model may be.
	longestRequest = 32 << 20
	// headTime is how long a client has for the head of a request.
	headTime = 30 * time.Second
)

// Keys are what lets somebody in. An empty one lets nobody in.
type Keys struct{ OpenAI, Anthropic string }

// NewKeys makes keys in the form that the providers' own have.
func NewKeys() Keys {
	return Keys{OpenAI: "sk-test-" + rand.Text(), Anthropic: "sk-ant-test-" + rand.Text()}
}

// Options are how the stand-in behaves.
type Options struct {
	Keys   Keys // new ones where both are empty
	Script Script
	// Think is the time before the first byte of an answer, Pace that between two of its events.
	Think, Pace time.Duration
	// Listen is an address; empty is any port of the loopback.
	Listen string
}

// Server is the stand-in without its listener, for who has one.
type Server struct {
	Keys    Keys
	options Options

	mu       sync.Mutex
	requests []Request
}

// New makes a server.
func New(o Options) *Server {
	if o.Keys == (Keys{}) {
		o.Keys = NewKeys()
	}
	return &Server{Keys: o.Keys, options: o}
}

// A Request is one that arrived.
type Request struct {
	Method, Path, Query string
	Host, Proto         string
	Header              http.Header
	// Status is what it was answered, and In whether its key was the right one.
	Status int
	In     bool
}

// Requests are the last ones.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func (s *Server) remember(r Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) == mostRemembered {
		s.requests = slices.Delete(s.requests, 0, mostRemembered/10)
	}
	s.requests = append(s.requests, r)
}

// provider is whose form a request and its answer have.
type provider interface {
	// key is what the request has in the place of the key.
	key(r *http.Request) string
	// fail answers with an error.
	fail(w http.ResponseWriter, status int, kind, message string)
	// models are those that there are.
	models() any
}

// providerOf tells the two apart by what only Anthropic's clients send.
func (s *Server) providerOf(r *http.Request) (p provider, key string) {
	_, hasVersion := r.Header["Anthropic-Version"]
	_, hasKey := r.Header["X-Api-Key"]
	if hasVersion || hasKey || strings.HasPrefix(r.URL.Path, "/v1/messages") {
		return anthropic{}, s.Keys.Anthropic
	}
	return openai{}, s.Keys.OpenAI
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, key := s.providerOf(r)
	in := key != "" && subtle.ConstantTimeCompare([]byte(p.key(r)), []byte(key)) == 1
	noted := &noting{ResponseWriter: w}
	defer func() {
		s.remember(Request{
			Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Host: r.Host, Proto: r.Proto,
			Header: r.Header.Clone(), Status: noted.status, In: in,
		})
	}()
	if !in {
		p.fail(noted, http.StatusUnauthorized, "authentication", "the key is not the right one")
		return
	}
	switch path := r.Method + " " + r.URL.Path; path {
	case "POST /v1/chat/completions":
		s.converse(noted, r, p, readChat, writeChat)
	case "POST /v1/responses":
		s.converse(noted, r, p, readResponses, writeResponses)
	case "GET /v1/realtime":
		noted.status = http.StatusSwitchingProtocols
		s.realtime(w, r) // it takes the connection over
	case "POST /v1/messages":
		s.converse(noted, r, p, readMessages, writeMessages)
	case "POST /v1/messages/count_tokens":
		reply(noted, http.StatusOK, map[string]int{"input_tokens": 1})
	case "GET /v1/models":
		reply(noted, http.StatusOK, p.models())
	default:
		if !s.attack(noted, r) {
			p.fail(noted, http.StatusNotFound, "not_found", "there is no "+path)
		}
	}
}

// converse answers a request to a model: by one of the forms it is read and written.
func (s *Server) converse(
	w http.ResponseWriter, r *http.Request, p provider,
	read func([]byte) (conversation, error), write func(*answer, turn),
) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestRequest))
	if err != nil {
		return // the client is gone, or sends too much
	}
	c, err := read(body)
	if err != nil {
		p.fail(w, http.StatusBadRequest, "invalid_request", "reading the request: "+err.Error())
		return
	}
	next, err := s.options.Script.next(c)
	if err != nil {
		p.fail(w, http.StatusBadRequest, "invalid_request", "the script: "+err.Error())
		return
	}
	if !wait(r.Context(), s.options.Think) {
		return
	}
	write(&answer{
		w: w, ctx: r.Context(), model: c.model, stream: c.stream, pace: s.options.Pace,
	}, next)
}

// wait waits, and reports whether there is still somebody to answer.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// noting notes the status.
type noting struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (n *noting) WriteHeader(status int) {
	if n.status == 0 || n.status < http.StatusOK {
		n.status = status
	}
	n.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (n *noting) Write(b []byte) (int, error) {
	if n.status == 0 {
		n.status = http.StatusOK
	}
	return n.ResponseWriter.Write(b)
}

// Unwrap gives the library what else the writer can do.
func (n *noting) Unwrap() http.ResponseWriter { return n.ResponseWriter }

// reply answers with JSON.
func reply(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // it is made of strings and numbers
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone is told nothing
}

// answer is where a turn is written to.
type answer struct {
	w      http.ResponseWriter
	ctx    context.Context
	model  string
	stream bool
	pace   time.Duration
	events int
}

// event sends one event of a stream; a name of "" is none.
func (a *answer) event(name string, v any) {
	if a.events == 0 {
		a.w.Header().Set("Content-Type", "text/event-stream")
		a.w.Header().Set("Cache-Control", "no-cache")
	} else if !wait(a.ctx, a.pace) {
		return
	}
	a.events++
	data, isText := v.(string)
	if !isText {
		encoded, err := json.Marshal(v)
		if err != nil {
			panic(err) // it is made of strings and numbers
		}
		data = string(encoded)
	}
	if name != "" {
		name = "event: " + name + "\n"
	}
	_, _ = io.WriteString(a.w, name+"data: "+data+"\n\n")
	_ = http.NewResponseController(a.w).Flush()
}

// pieces are a text as it comes in a stream: word by word.
func pieces(text string) []string {
	if text == "" {
		return nil
	}
	return strings.SplitAfter(text, " ")
}

// tokens is about how many a text has. Nobody is charged for them.
func tokens(text string) int { return len(strings.Fields(text)) }

// Running is a stand-in that serves.
type Running struct {
	*Server
	URL       string // without a path
	Authority *Authority

	server *http.Server
}

// Start starts one, with an authority of its own.
func Start(o Options) (*Running, error) {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	authority, err := NewAuthority()
	if err != nil {
		return nil, fmt.Errorf("making a certificate authority: %w", err)
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, err
	}
	s := New(o)
	r := &Running{
		Server: s, URL: "https://" + l.Addr().String(), Authority: authority,
		server: &http.Server{
			Handler: s, ReadHeaderTimeout: headTime,
			// A client that ends in the middle is nothing to tell.
			ErrorLog: hclog.NewNullLogger().StandardLogger(nil),
			TLSConfig: &tls.Config{
				MinVersion: tls.VersionTLS12, GetCertificate: authority.certificateFor,
			},
		},
	}
	go func() { _ = r.server.ServeTLS(l, "", "") }()
	return r, nil
}

// Close ends it, and all that is under way.
func (r *Running) Close() error { return r.server.Close() }

// Policy is what a policy says of the two services, so that nono reaches the stand-in in the place
// of the real ones. Where a source is given, the key is there; else it is where it would be anyway.
func (r *Running) Policy(openaiSource, anthropicSource string) string {
	return policyOf("openai", r.URL+"/v1", openaiSource) +
		policyOf("anthropic", r.URL, anthropicSource)
}

func policyOf(service, upstream, source string) string {
	text := fmt.Sprintf("credential %q {\n  upstream = %q\n", service, upstream)
	if source != "" {
		text += fmt.Sprintf("  source   = %q\n", source)
	}
	return text + "}\n"
}
