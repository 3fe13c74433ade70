package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/nono-run/nono/sdk/policy"
)

// tunnel carries bytes to an allowed host, once it is seen that they are meant for that host.
func (g *gateway) tunnel(
	w http.ResponseWriter, r *http.Request, t target, decision policy.HostDecision,
) {
	out, err := g.dial(r.Context(), t)
	if err != nil {
		refuse(w, err)
		return
	}
	defer out.Close()
	in, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer in.Close()
	if _, err := io.WriteString(in, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	agent := &peeker{Conn: in, from: buffered}
	if !decision.Opaque {
		if err := agent.expect(t.name); err != nil {
			g.record(t, policy.HostDecision{Why: err.Error(), Rule: decision.Rule})
			return
		}
	}
	_, _ = out.Write(agent.seen.Bytes())
	agent.seen.Reset()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(out, buffered)
		_ = out.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(in, out)
	_ = in.(*net.TCPConn).CloseWrite()
	<-done
}

// A peeker is a connection whose first bytes are looked at, and which nothing is written to.
type peeker struct {
	net.Conn
	from io.Reader
	seen bytes.Buffer
}

// Read implements io.Reader.
func (p *peeker) Read(b []byte) (int, error) {
	n, err := p.from.Read(b)
	p.seen.Write(b[:n])
	return n, err
}

// Write implements io.Writer.
func (p *peeker) Write([]byte) (int, error) { return 0, errEnough }

var errEnough = errors.New("the hello was read")

// encrypted is the extension with a server name that only the server can read.
const encrypted = 0xfe0d

// expect reads the beginning of a TLS connection and finds out whether it is for a name. The TLS of
// the standard library reads the hello, and is stopped there.
func (p *peeker) expect(name string) error {
	if err := p.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	var hello *tls.ClientHelloInfo
	server := tls.Server(p, &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			hello = h
			return nil, errEnough
		},
	})
	err := server.Handshake()
	switch {
	case hello == nil:
		return fmt.Errorf("what is spoken is not TLS: %w", err)
	case slices.Contains(hello.Extensions, encrypted):
		return errors.New("the server name is encrypted")
	case hello.ServerName != name:
		return fmt.Errorf("the server name is %q", hello.ServerName)
	}
	return p.SetReadDeadline(time.Time{})
}
