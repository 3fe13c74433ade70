//go:build linux

package internet

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Ports at which the web is served at every address: in clear, and with TLS.
var (
	ClearPorts = []uint16{80, 8080}
	TLSPorts   = []uint16{443, 8443}
)

// Web is the server of every host. It says where it was reached and for whom it was taken, with a
// certificate for whatever name was asked for.
type Web struct {
	// ECH is the list of configurations by which a client encrypts the name it asks for.
	ECH []byte

	ca  *CA
	ech tls.EncryptedClientHelloKey

	mu       sync.Mutex
	requests []Request
	handlers map[string]http.Handler // by the name of a host
}

// A Request is one that arrived.
type Request struct {
	At           netip.AddrPort
	Host         string // that the request named
	ServerName   string // that the TLS client named
	Method, Path string
}

func newWeb(ca *CA) (*Web, error) {
	key, list, err := newECH()
	return &Web{ECH: list, ca: ca, ech: key, handlers: map[string]http.Handler{}}, err
}

// Reached is how the answer of a server begins that was reached at an address.
func Reached(at netip.Addr) string { return "reached " + at.String() + "\n" }

// Handle serves a host, by the name in the request, with more than the usual answer.
func (w *Web) Handle(host string, handler http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handlers[host] = handler
}

// Requests are those that came since the test asked for the internet.
func (w *Web) Requests() []Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.requests)
}

func (w *Web) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests = nil
	clear(w.handlers)
}

type addressKey struct{}

// Server is the web's own server, for listeners of a test's own.
func (w *Web) Server() *http.Server {
	return &http.Server{
		Handler:           w,
		ReadHeaderTimeout: time.Minute,
		// A client that ends in the middle is nothing to tell.
		ErrorLog: hclog.NewNullLogger().StandardLogger(nil),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, addressKey{}, localAddress(c))
		},
		TLSConfig: &tls.Config{
			MinVersion:               tls.VersionTLS12,
			EncryptedClientHelloKeys: []tls.EncryptedClientHelloKey{w.ech},
			GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
				if hello.ServerName == "" {
					return w.ca.Issue(localAddress(hello.Conn).Addr().String())
				}
				return w.ca.Issue(hello.ServerName)
			},
		},
	}
}

func localAddress(c net.Conn) netip.AddrPort {
	at := c.LocalAddr().(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}

func (w *Web) serve(o *outside) error {
	for _, port := range slices.Concat(ClearPorts, TLSPorts) {
		l, err := o.listen("tcp", fmt.Sprintf("[::]:%d", port))
		if err != nil {
			return err
		}
		server := w.Server()
		if slices.Contains(TLSPorts, port) {
			go func() { _ = server.ServeTLS(l, "", "") }()
		} else {
			go func() { _ = server.Serve(l) }()
		}
	}
	// What QUIC clients try, and programs that want datagrams.
	return servePackets(o, "0.0.0.0:443", func(b []byte) []byte { return b })
}

// ServeHTTP implements http.Handler.
func (w *Web) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	at := r.Context().Value(addressKey{}).(netip.AddrPort)
	request := Request{At: at, Host: r.Host, Method: r.Method, Path: r.URL.Path}
	if r.TLS != nil {
		request.ServerName = r.TLS.ServerName
	}
	host, _, _ := strings.Cut(r.Host, ":")
	w.mu.Lock()
	w.requests = append(w.requests, request)
	handler := w.handlers[host]
	w.mu.Unlock()
	if handler != nil {
		handler.ServeHTTP(out, r)
		return
	}
	_, _ = io.WriteString(out, Reached(at.Addr()))
}
