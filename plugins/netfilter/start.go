package netfilter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/netfilter/door"
	"github.com/nono-run/nono/plugins/netfilter/gate"
	"github.com/nono-run/nono/plugins/netfilter/ports"
	"github.com/nono-run/nono/plugins/netfilter/synthetic"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/confine"
	"github.com/nono-run/nono/sdk/egress"
	"github.com/nono-run/nono/sdk/policy"
)

const (
	// mostConnections is how many there are at a time, where the user may have descriptors for them.
	// Each may make the layer keep a hundred kilobytes.
	mostConnections = 4096
	// descriptors is how many one connection needs: its own, the server's, and what looking for that
	// takes.
	descriptors = 3
	// answersFor is how long what a name server said is good for further connections.
	answersFor = 5 * time.Second
)

// Start implements sdk.Starter. When it has returned, every listener is served.
func (l *layer) Start(ctx context.Context, req *sdk.StartRequest) (*sdk.StartResponse, error) {
	network := &req.Policy.Network
	way, err := egress.UpstreamOf(network, l.auth)
	if err != nil {
		return nil, err
	}
	if len(l.auth.Reveal()) > 0 {
		if err := sdk.HideMemory(); err != nil {
			sdk.Logger().Warn("the upstream proxy's password is less well hidden here", "missing", err)
		}
	}
	most, err := bound()
	if err != nil {
		return nil, err
	}
	dialer := &egress.Dialer{
		Upstream: way, Resolver: &egress.Remembering{For: answersFor},
	}
	g := gate.New(&req.Policy, req.Facts, dialer, func(e sdk.Event) { tell(req.Session, e) })
	l.gate = g
	names := synthetic.New(synthetics)
	s := &serving{
		session: req.Session,
		doors:   door.New(g, names, most),
		resolver: &synthetic.Resolver{Names: names, Allowed: g.Known, Full: func(name string) {
			_ = g.Refuse(name, synthetic.ErrFull.Error())
		}},
	}
	for name, socket := range req.Listeners {
		if err := s.serve(name, socket); err != nil {
			return nil, fmt.Errorf("serving the listener %q: %w", name, err)
		}
	}
	for _, r := range network.Ports {
		// In tier B the agent's socket is on the host's loopback itself.
		if r.Action == policy.PortListen && req.Host.Tier == sdk.TierA {
			if err := s.lead(ctx, r); err != nil {
				return nil, err
			}
		}
	}
	needed := confine.Resolver()
	if way != nil {
		needed = append(needed, confine.Certificates()...)
	}
	// Where it cannot, what it serves is held to the policy all the same.
	report, err := l.confine(needed...)
	how := report.String()
	if errors.Is(err, confine.ErrUnsupported) {
		how = err.Error()
	} else if err != nil {
		return nil, fmt.Errorf("confining the layer: %w", err)
	}
	tell(req.Session, sdk.Event{Name: "layer.confined", Fields: map[string]string{"how": how}})
	return &sdk.StartResponse{}, nil
}

// bound is how many connections the limit on descriptors lets there be.
func bound() (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("asking for the limit on descriptors: %w", err)
	}
	return int(max(1, min(limit.Cur/descriptors, mostConnections))), nil
}

// serving is what serves the listeners of a session.
type serving struct {
	session  *sdk.Session
	doors    *door.Doors
	resolver *synthetic.Resolver
}

// serve serves one listener, for as long as the process lives.
func (s *serving) serve(name string, socket sdk.Socket) error {
	if name == dns {
		conn, err := socket.PacketConn()
		if err != nil {
			return err
		}
		s.keep(name, func() error { return s.resolver.ServePacket(conn) })
		return nil
	}
	listener, err := socket.Listener()
	if err != nil {
		return err
	}
	handle, err := s.handler(name)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	s.keep(name, func() error { return handle(listener) })
	return nil
}

func (s *serving) handler(name string) (func(net.Listener) error, error) {
	ctx := context.Background() // the process ends with the session
	switch {
	case name == proxy:
		return func(l net.Listener) error { return s.doors.Proxy(ctx, l) }, nil
	case name == dnsTCP:
		return s.resolver.Serve, nil
	case strings.HasPrefix(name, atPort), strings.HasPrefix(name, forRange),
		strings.HasPrefix(name, atLocal):
		return func(l net.Listener) error { return s.doors.Arrivals(ctx, l) }, nil
	}
	return nil, errors.New("the layer asked for no such listener")
}

// lead takes a port of the host's loopback, and leads from there to what the agent serves.
func (s *serving) lead(ctx context.Context, r policy.PortRule) error {
	listeners, err := ports.Listen(ctx, r.Port)
	if err != nil {
		return err
	}
	port := strconv.Itoa(int(r.Port))
	for _, l := range listeners {
		f := &ports.Forward{
			Listener: l,
			Dial: func(ctx context.Context) (net.Conn, error) {
				return s.session.Dial(ctx, r.Port)
			},
			Failed: func(err error) {
				tell(s.session, sdk.Event{Name: "network.failed", Rule: r.ID, Fields: map[string]string{
					"host": "the agent", "port": port, "why": err.Error(),
				}})
			},
		}
		s.keep("port "+port, func() error { return f.Serve(context.Background()) })
	}
	return nil
}

// keep serves in the background. What stops being served is a reason to stop the run: programs
// would wait for an answer that never comes.
func (s *serving) keep(name string, serve func() error) {
	go func() {
		err := serve()
		why := fmt.Sprintf("%s is no longer served: %v", name, err)
		if err := s.session.Stop(why); err != nil {
			sdk.Logger().Error("asking for the end of the run", "why", why, "error", err)
		}
	}()
}

// tell tells of a decision. A session that is over has nobody who could be told.
func tell(session *sdk.Session, e sdk.Event) {
	if err := session.Event(e); err != nil && !errors.Is(err, sdk.ErrSessionOver) {
		sdk.Logger().Warn("telling", "event", e.Name, "error", err)
	}
}
