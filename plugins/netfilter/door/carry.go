package door

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/nono-run/nono/plugins/netfilter/gate"
	"github.com/nono-run/nono/plugins/netfilter/hello"
	"github.com/nono-run/nono/plugins/netfilter/plain"
	"github.com/nono-run/nono/plugins/netfilter/relay"
	"github.com/nono-run/nono/plugins/netfilter/replay"
	"github.com/nono-run/nono/sdk/egress"
)

// carry carries a connection that was admitted to a server that is connected, once what the client
// says first was decided about.
func carry(ctx context.Context, client, server net.Conn, pass *gate.Pass) {
	if pass.Opaque {
		_, _, _ = relay.Between(ctx, client, server) // each end is told of the other's by its own
		return
	}
	// What the server does too early ends the wait for the client.
	tunnel := relay.Open(server, func() { _ = client.SetReadDeadline(time.Unix(1, 0)) })
	first, heard, err := hello.Sniff(client, 0)
	early := tunnel.Silent()
	if errors.Is(early, relay.ErrSpoke) {
		// That is a silence of the client's, whatever it may have said meanwhile.
		first, err, early = hello.Silence{}, client.SetReadDeadline(time.Time{}), nil
	}
	if early != nil && !errors.Is(early, io.EOF) {
		relay.Reset(client)
	}
	if err = cmp.Or(early, err); err != nil {
		_ = tunnel.Close() // one of them is gone, and nothing was said
		return
	}
	proceed(ctx, heard, tunnel, pass, first)
}

// proceed goes on after the first words: with requests, or as they are with all that follows. A
// tunnel that is nil is made where one is needed.
func proceed(
	ctx context.Context, client net.Conn, tunnel *relay.Opening, pass *gate.Pass, first hello.First,
) {
	err := pass.Begins(first)
	_, isHTTP := first.(hello.HTTP)
	switch {
	case err != nil:
		if tunnel != nil {
			_ = tunnel.Close()
		}
		turnAway(ctx, client, first, err)
	case isHTTP:
		requests := &within{pass: pass}
		if tunnel != nil {
			if requests.server, err = tunnel.Stop(); err != nil {
				_ = tunnel.Close()
				relay.Reset(client)
				return
			}
		}
		plain.Serve(ctx, client, requests)
		requests.close()
	default:
		if tunnel == nil {
			server, err := pass.Dial(ctx)
			if err != nil {
				relay.Reset(client)
				return
			}
			tunnel = relay.Open(server, nil)
		}
		second := &hello.Following{Check: pass.Begins}
		_ = tunnel.Carry(ctx, client, second.Client, second.Server) // each end is told by its own
	}
}

// turnAway ends a connection of which only the beginning was read, in words where the client's
// protocol has any.
func turnAway(ctx context.Context, client net.Conn, first hello.First, why error) {
	switch first.(type) {
	case hello.HTTP:
		plain.Serve(ctx, client, &nowhere{why})
	case hello.TLS:
		if _, err := client.Write(accessDenied); err == nil {
			part(client)
		}
	case hello.HTTP2, hello.Other, hello.Silence:
		relay.Reset(client) // so that it sees an error, and not an end
	}
}

// accessDenied is an alert of TLS: fatal, access_denied.
var accessDenied = []byte{21, 3, 3, 0, 2, 2, 49}

// part lets a client read what it was sent last.
func part(client net.Conn) {
	_, conn := replay.Open(client)
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || conn.SetReadDeadline(time.Now().Add(farewell)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, conn, hello.Longest)
}

// within is where requests go within a connection to one host: to that host.
type within struct {
	pass   *gate.Pass
	server net.Conn // connected, and not used yet; nil if there is none
}

// Way implements plain.Guide.
func (w *within) Way(_ context.Context, asked plain.Asked) (plain.Way, error) {
	named := []string{asked.Host}
	if asked.Authority != "" {
		named = append(named, asked.Authority)
	}
	for _, host := range named {
		if err := w.pass.Means(host); err != nil {
			return plain.Way{}, refusal(err)
		}
	}
	return way(w.pass, w), nil
}

// DialHTTP implements dialer. The connection that is there leads to the host itself.
func (w *within) DialHTTP(ctx context.Context) (net.Conn, egress.Via, error) {
	if w.server != nil {
		conn, err := w.Dial(ctx)
		return conn, egress.Via{}, err
	}
	return w.pass.DialHTTP(ctx)
}

// Dial implements dialer.
func (w *within) Dial(ctx context.Context) (net.Conn, error) {
	if server := w.server; server != nil {
		w.server = nil
		return server, nil
	}
	return w.pass.Dial(ctx)
}

// close closes the connection that was not used.
func (w *within) close() {
	if w.server != nil {
		_ = w.server.Close()
	}
}

// Tunnel implements plain.Guide.
func (*within) Tunnel(context.Context, plain.Asked) (func(net.Conn), error) {
	return nil, &plain.Refusal{
		Status: http.StatusMethodNotAllowed, Reason: "this is no proxy",
		Text: "nono: within a connection to a host there is no CONNECT to another one",
	}
}

// nowhere answers each request with a denial.
type nowhere struct{ why error }

// Way implements plain.Guide.
func (n *nowhere) Way(context.Context, plain.Asked) (plain.Way, error) {
	return plain.Way{}, refusal(n.why)
}

// Tunnel implements plain.Guide.
func (n *nowhere) Tunnel(context.Context, plain.Asked) (func(net.Conn), error) {
	return nil, refusal(n.why)
}

// Interface guards.
var (
	_ plain.Guide = (*within)(nil)
	_ plain.Guide = (*nowhere)(nil)
)
