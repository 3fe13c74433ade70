// Package door has the front doors: what comes in at a listener inside becomes a target, the gate
// decides about that, and what is then said is carried.
//
//	doors := door.New(gate, names, 4096)
//	go doors.Proxy(listener)    // HTTP and SOCKS5, for programs that know a proxy
//	go doors.Arrivals(listener) // connections to synthetic addresses, for those that do not
//
// Whichever door a program takes, there is one gate, and it hears the same: a target in its plain
// form before anything is resolved, and then what the client says first.
package door

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/things-go/go-socks5"

	"github.com/nono-run/nono/plugins/netfilter/gate"
	"github.com/nono-run/nono/plugins/netfilter/plain"
	"github.com/nono-run/nono/plugins/netfilter/replay"
	"github.com/nono-run/nono/plugins/netfilter/synthetic"
	"github.com/nono-run/nono/sdk/egress"
)

const (
	// greeting is how long a client has for the handshake of SOCKS5.
	greeting = 30 * time.Second
	// respite is how long nothing is accepted where the process has no descriptors left.
	respite = 50 * time.Millisecond
	// usualHead is as much as a usual first request has, which is then read at once.
	usualHead = 512
	// farewell is how long a client has to read why its connection ends.
	farewell = 2 * time.Second
)

// Doors serve listeners. They may share one bound on how many connections there are.
type Doors struct {
	gate  *gate.Gate
	names *synthetic.Names
	slots chan struct{}
	socks *socks5.Server
}

// New is the doors before a gate, for so many connections at a time; what comes then waits. Names
// says which name a synthetic address stands for.
func New(g *gate.Gate, names *synthetic.Names, most int) *Doors {
	d := &Doors{gate: g, names: names, slots: make(chan struct{}, most)}
	d.socks = d.newSocks()
	return d
}

// Proxy serves clients of a proxy until the listener is closed.
func (d *Doors) Proxy(ctx context.Context, l net.Listener) error { return d.serve(ctx, l, d.proxy) }

// Arrivals serves connections to the addresses that the resolver inside has given out, and to those
// that the policy allows, until the listener is closed.
func (d *Doors) Arrivals(ctx context.Context, l net.Listener) error {
	return d.serve(ctx, l, d.arrival)
}

func (d *Doors) serve(
	ctx context.Context, l net.Listener, handle func(context.Context, net.Conn),
) error {
	for {
		conn, err := l.Accept()
		if isShortage(err) {
			select {
			case <-time.After(respite):
				continue
			case <-ctx.Done():
			}
		}
		if err != nil {
			return err
		}
		d.slots <- struct{}{}
		go func() {
			handle(ctx, conn)
			_ = conn.Close()
			<-d.slots
		}()
	}
}

// isShortage reports whether accepting failed for a reason that passes.
func isShortage(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM)
}

// proxy tells by the first byte which proxy a client takes us for.
func (d *Doors) proxy(ctx context.Context, conn net.Conn) {
	first := make([]byte, usualHead)
	n, err := conn.Read(first)
	if n == 0 || err != nil {
		return
	}
	client := replay.New(conn, first[:n])
	if first[0] == socks5Version {
		d.socks5(client)
		return
	}
	plain.Serve(ctx, client, &forward{d})
}

// forward is where requests go of a client that knows the proxy: where each one says.
type forward struct{ *Doors }

// Way implements plain.Guide.
func (f *forward) Way(_ context.Context, asked plain.Asked) (plain.Way, error) {
	if asked.Authority == "" {
		return plain.Way{}, &plain.Refusal{
			Status: http.StatusBadRequest, Reason: "this is a proxy",
			Text: "nono: this is a proxy: ask for a whole URL, or CONNECT to a host and a port",
		}
	}
	target, err := gate.ParseHost(asked.Authority, webPort)
	if err != nil {
		return plain.Way{}, refusal(f.gate.Refuse(asked.Authority, err.Error()))
	}
	target = f.meant(target)
	if asked.HasHost {
		if other, err := gate.ParseHost(asked.Host, webPort); err != nil || f.meant(other) != target {
			return plain.Way{}, refusal(f.gate.Contradicts(target, asked.Host))
		}
	}
	pass, err := f.gate.Admit(target)
	if err != nil {
		return plain.Way{}, refusal(err)
	}
	return way(pass, pass), nil
}

// Tunnel implements plain.Guide.
func (f *forward) Tunnel(ctx context.Context, asked plain.Asked) (func(net.Conn), error) {
	target, err := gate.ParseTarget(asked.Authority)
	if err != nil {
		return nil, refusal(f.gate.Refuse(asked.Authority, err.Error()))
	}
	target = f.meant(target)
	if asked.HasHost {
		other, err := gate.ParseHost(asked.Host, target.Port)
		if other.Port = target.Port; err != nil || f.meant(other) != target {
			return nil, refusal(f.gate.Contradicts(target, asked.Host))
		}
	}
	pass, server, err := f.open(ctx, target)
	if err != nil {
		return nil, refusal(err)
	}
	return func(client net.Conn) { carry(ctx, client, server, pass) }, nil
}

// open asks the gate and connects.
func (d *Doors) open(ctx context.Context, target gate.Target) (*gate.Pass, net.Conn, error) {
	pass, err := d.gate.Admit(target)
	if err != nil {
		return nil, nil, err
	}
	server, err := pass.Dial(ctx)
	return pass, server, err
}

// meant is the name that an address stands for, where it stands for one. A client may look a name
// up itself, and ask the proxy for what it found.
func (d *Doors) meant(t gate.Target) gate.Target {
	if name, ok := d.names.Name(t.Addr); ok {
		return gate.Target{Name: name, Port: t.Port}
	}
	return t
}

// webPort is that of http.
const webPort = 80

// dialer connects to where a pass leads.
type dialer interface {
	Dial(ctx context.Context) (net.Conn, error)
	DialHTTP(ctx context.Context) (net.Conn, egress.Via, error)
}

// way is where a pass leads.
func way(pass *gate.Pass, by dialer) plain.Way {
	host := pass.Target.Host()
	if pass.Target.Addr.Is6() {
		host = "[" + host + "]"
	}
	if pass.Target.Port != webPort {
		host += ":" + strconv.Itoa(int(pass.Target.Port))
	}
	return plain.Way{
		Host: host, To: pass.Target.String(),
		Dial: func(ctx context.Context) (net.Conn, egress.Via, error) {
			conn, via, err := by.DialHTTP(ctx)
			return conn, via, refusal(err)
		},
		Tunnel: func(ctx context.Context) (net.Conn, error) {
			conn, err := by.Dial(ctx)
			return conn, refusal(err)
		},
	}
}

// refusal is an error in words for a client of HTTP.
func refusal(err error) error {
	var denied *gate.Denial
	var failed *egress.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &denied):
		return &plain.Refusal{
			Status: http.StatusForbidden, Reason: denied.Reason(), Text: denied.Text(),
		}
	case errors.As(err, &failed) && failed.Reason == egress.NoAnswer:
		return &plain.Refusal{
			Status: http.StatusGatewayTimeout, Reason: "the host does not answer",
			Text: "nono: " + err.Error(),
		}
	}
	return &plain.Refusal{
		Status: http.StatusBadGateway, Reason: "the host cannot be reached", Text: "nono: " + err.Error(),
	}
}

// Interface guard.
var _ plain.Guide = (*forward)(nil)
