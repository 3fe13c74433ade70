package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/confine"
	"github.com/nono-run/nono/sdk/fact"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostname"
	"github.com/nono-run/nono/sdk/policy"
)

// The layer's listeners.
const (
	proxy    = "proxy"
	resolver = "resolver"
)

const denied = "this gate lets nothing through"

type settings struct {
	Resolver bool `json:"resolver"`
}

type layer struct {
	// confine takes from the process what it does not need; in a test it is another function, for the
	// process is the test's.
	confine func(read ...string) (confine.Report, error)
}

// Describe implements sdk.Layer.
func (*layer) Describe() sdk.Description {
	return sdk.Description{
		Name: "test/gate", Version: "1.0.0", Kind: policy.KindNetwork, Lifetime: sdk.Resident,
		Pure: true,
		Settings: []sdk.Setting{
			{Name: "resolver", Type: sdk.SettingBool, Help: "answer for names"},
		},
	}
}

// Plan implements sdk.Layer.
func (*layer) Plan(_ context.Context, req *sdk.PlanRequest) (*sdk.PlanResponse, error) {
	var s settings
	if err := req.Settings.Decode(&s); err != nil {
		return nil, err
	}
	resp := &sdk.PlanResponse{
		Facts: []fact.Fact{fact.Proxy{Listener: proxy}},
		Fragment: fragment.Fragment{Steps: []fragment.Step{
			fragment.Listener{Name: proxy, Network: fragment.TCP},
		}},
	}
	if s.Resolver {
		resp.Facts = append(resp.Facts, fact.Resolver{Listener: resolver})
		resp.Fragment.Steps = append(resp.Fragment.Steps,
			fragment.Listener{Name: resolver, Network: fragment.UDP, Port: 53})
	}
	for _, r := range req.Policy.Network.Hosts {
		resp.Coverage = append(resp.Coverage,
			sdk.Coverage{Rule: r.ID, Held: sdk.Enforced, By: "a gate that is closed"})
	}
	if way := req.Policy.Network.Upstream; way != nil {
		resp.Coverage = append(resp.Coverage,
			sdk.Coverage{Rule: way.ID, Held: sdk.Enforced, By: "a gate that is closed"})
	}
	return resp, nil
}

// Start implements sdk.Starter.
func (l *layer) Start(_ context.Context, req *sdk.StartRequest) (*sdk.StartResponse, error) {
	listener, err := req.Listeners[proxy].Listener()
	if err != nil {
		return nil, fmt.Errorf("taking the proxy's listener: %w", err)
	}
	g := gate{req.Session}
	go g.serve(listener)
	if socket, ok := req.Listeners[resolver]; ok {
		packets, err := socket.PacketConn()
		if err != nil {
			return nil, fmt.Errorf("taking the resolver's socket: %w", err)
		}
		go g.answer(packets)
	}
	report, err := l.confine(confine.Resolver()...)
	if err != nil && !errors.Is(err, confine.ErrUnsupported) {
		return nil, err
	}
	how := report.String()
	if err != nil {
		how = err.Error()
	}
	err = req.Session.Event(sdk.Event{Name: "gate.closed", Fields: map[string]string{"how": how}})
	return &sdk.StartResponse{}, err
}

// Finish implements sdk.Starter. There is nothing to release.
func (*layer) Finish(context.Context, *sdk.FinishRequest) (*sdk.FinishResponse, error) {
	return &sdk.FinishResponse{}, nil
}

// A gate denies what it is asked for, and tells of it.
type gate struct{ session *sdk.Session }

func (g gate) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go g.refuse(conn)
	}
}

// refuse answers the one request of a connection: a tunnel, or a request for a whole URL.
func (g gate) refuse(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	host, port, err := net.SplitHostPort(req.Host)
	if err != nil {
		host, port = req.Host, "80"
	}
	g.deny(host, port)
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 403 Forbidden\r\nConnection: close\r\n"+
		"Content-Length: %d\r\n\r\n%s\n", len(denied)+1, denied)
}

func (g gate) deny(host, port string) {
	fields := map[string]string{"host": host, "why": denied}
	if port != "" {
		fields["port"] = port
	}
	if err := g.session.Event(sdk.Event{Name: "network.denied", Fields: fields}); err != nil {
		sdk.Logger().Error("telling of a denial", "error", err)
	}
}

// answer says of each name that is asked for that it does not exist.
func (g gate) answer(packets net.PacketConn) {
	message := make([]byte, 512)
	for {
		n, from, err := packets.ReadFrom(message)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if err := m.Unpack(message[:n]); err != nil || m.Response || len(m.Questions) == 0 {
			continue
		}
		asked := m.Questions[0].Name.String()
		name, err := hostname.Parse(asked)
		g.deny(cmp.Or(name, asked), "")
		if err != nil {
			sdk.Logger().Debug("a name that is none", "error", err)
		}
		answer := dnsmessage.Message{
			Header: dnsmessage.Header{
				ID: m.ID, Response: true, RecursionDesired: true, RecursionAvailable: true,
				RCode: dnsmessage.RCodeNameError,
			},
			Questions: m.Questions[:1],
		}
		if packed, err := answer.Pack(); err == nil {
			_, _ = packets.WriteTo(packed, from)
		}
	}
}
