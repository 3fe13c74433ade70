package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/hostname"
	"github.com/nono-run/nono/sdk/policy"
)

// A gateway is what the agent's HTTP clients take for their proxy.
type gateway struct {
	rules *policy.Decider
	tell  func(sdk.Event) error
	plain *httputil.ReverseProxy
}

func newGateway(rules *policy.Decider, tell func(sdk.Event) error) *gateway {
	g := &gateway{rules: rules, tell: tell}
	g.plain = &httputil.ReverseProxy{
		Rewrite:       keepUpgrades,
		FlushInterval: -1,
		Transport: &http.Transport{
			DisableCompression: true,
			DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
				t, err := parseTarget(address)
				if err != nil {
					return nil, err
				}
				return g.dial(ctx, t)
			},
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) { refuse(w, err) },
	}
	return g
}

// keepUpgrades changes nothing but to what a request may be upgraded: what is spoken then, nobody
// reads.
func keepUpgrades(r *httputil.ProxyRequest) {
	if !strings.EqualFold(r.In.Header.Get("Upgrade"), "websocket") {
		r.Out.Header.Del("Upgrade")
		r.Out.Header.Del("Connection")
	}
}

// ServeHTTP implements http.Handler: a tunnel, or one request in clear.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	asked, serve := r.Host, g.tunnel
	if r.Method != http.MethodConnect {
		if r.URL.Scheme != "http" || r.URL.User != nil {
			http.Error(w, "acme/gateway is a proxy, and takes http:// alone", http.StatusBadRequest)
			return
		}
		asked, serve = r.URL.Host, g.forward
		if r.URL.Port() == "" {
			asked = net.JoinHostPort(r.URL.Hostname(), "80")
		}
	}
	t, err := parseTarget(asked)
	if err != nil {
		http.Error(w, "acme/gateway: "+err.Error(), http.StatusBadRequest)
		return
	}
	decision := g.decide(t)
	g.record(t, decision)
	if !decision.Allowed {
		refuse(w, deniedError{t, decision.Why})
		return
	}
	serve(w, r, t, decision)
}

func (g *gateway) forward(
	w http.ResponseWriter, r *http.Request, t target, _ policy.HostDecision,
) {
	// What was decided about is what is asked for, however it was written.
	r.URL.Host, r.Host = t.String(), t.String()
	g.plain.ServeHTTP(w, r)
}

// A target is where somebody wants to go: a name or an address, and a port.
type target struct {
	name    string
	address netip.Addr
	port    uint16
}

func parseTarget(text string) (target, error) {
	name, address, port, err := hostname.HostPort(text)
	return target{name, address, port}, err
}

func (t target) String() string {
	if t.name != "" {
		return net.JoinHostPort(t.name, strconv.Itoa(int(t.port)))
	}
	return netip.AddrPortFrom(t.address, t.port).String()
}

// decide comes before anything is resolved.
func (g *gateway) decide(t target) policy.HostDecision {
	if t.name != "" {
		return g.rules.Host(t.name, t.port)
	}
	return g.rules.Literal(t.address, t.port)
}

// dial resolves once, and connects to an address that was looked at.
func (g *gateway) dial(ctx context.Context, t target) (net.Conn, error) {
	addresses := []netip.Addr{t.address}
	if t.name != "" {
		var err error
		// The dot keeps the resolver from trying the name beneath the host's own domain.
		addresses, err = net.DefaultResolver.LookupNetIP(ctx, "ip", t.name+".")
		if err != nil {
			return nil, err
		}
	}
	var failures []error
	for _, address := range addresses {
		address = address.Unmap()
		if t.name != "" {
			if d := g.rules.Resolved(address, t.port); !d.Allowed {
				failures = append(failures, deniedError{target{address: address, port: t.port}, d.Why})
				continue
			}
		}
		dialer := net.Dialer{Timeout: 10 * time.Second}
		c, err := dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(address, t.port).String())
		if err == nil {
			return c, nil
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
}

// record puts the decision into the session's log, with its rule.
func (g *gateway) record(t target, d policy.HostDecision) {
	event := sdk.Event{Name: "network.denied", Fields: map[string]string{
		"host": t.name, "port": strconv.Itoa(int(t.port)), "why": d.Why,
	}}
	if t.name == "" {
		event.Fields["host"] = t.address.String()
	}
	if d.Allowed {
		event.Name = "network.allowed"
	}
	if d.Rule != nil {
		event.Rule = d.Rule.ID
	}
	_ = g.tell(event) // without core there is no run
}

// A deniedError is something that the policy does not allow.
type deniedError struct {
	what target
	why  string
}

// Error implements error.
func (e deniedError) Error() string { return fmt.Sprintf("%s is denied: %s", e.what, e.why) }

func refuse(w http.ResponseWriter, err error) {
	status := http.StatusBadGateway
	if denied := (deniedError{}); errors.As(err, &denied) {
		status = http.StatusForbidden
	}
	http.Error(w, "acme/gateway: "+err.Error(), status)
}
