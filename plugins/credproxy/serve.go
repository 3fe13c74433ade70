package credproxy

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/nono-run/nono/plugins/credproxy/proxy"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/confine"
	"github.com/nono-run/nono/sdk/egress"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/hostname"
	"github.com/nono-run/nono/sdk/policy"
)

// Start implements sdk.Starter: it opens what is to be open, gives all else up, and serves.
func (l *layer) Start(_ context.Context, req *sdk.StartRequest) (*sdk.StartResponse, error) {
	trusted := confine.Certificates()
	if elsewhere(req.HostVariables, trusted) || writable(&req.Policy, trusted) {
		if err := readTrusted(); err != nil {
			return nil, fmt.Errorf("reading the certificates that this system trusts: %w", err)
		}
	}
	through, err := egress.UpstreamOf(&req.Policy.Network, l.auth)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", req.Policy.Network.Upstream.Source, err)
	}
	l.teller = newTeller(req.Session.Event, req.Policy.Credentials)
	decide := policy.NewDecider(&req.Policy)
	var listeners []net.Listener
	for _, s := range l.services {
		for _, e := range s.ends {
			p, err := proxy.New(proxy.Service{
				Name: s.Service, Upstream: e.upstream, Place: e.place, Key: s.key,
				Token: req.Secrets[s.Service], Methods: s.Methods, Paths: s.Paths, Git: e.git != "",
				Index: e.git == "" && s.LoginVariable != "",
			}, proxy.Options{
				Dial: e.dialer(decide, through).to, Tell: l.teller.of(s.ID),
			})
			if err != nil {
				return nil, err
			}
			listener, err := req.Listeners[e.listener].Listener()
			if err != nil {
				return nil, fmt.Errorf("the listener of %s: %w", e.listener, err)
			}
			l.proxies, listeners = append(l.proxies, p), append(listeners, listener)
		}
	}
	report, err := l.confine(append(confine.Resolver(), trusted...)...)
	switch {
	case errors.Is(err, confine.ErrUnsupported):
		sdk.Logger().Info("this layer keeps what the user can reach", "why", err)
	case err != nil:
		return nil, err
	default:
		sdk.Logger().Debug("this layer gave up what it does not need", "report", report)
	}
	for i, p := range l.proxies {
		go serve(req.Session, p, listeners[i])
	}
	return &sdk.StartResponse{}, nil
}

// readTrusted has the library read the certificates that this system trusts, for all connections to
// come. That takes ten milliseconds, so it is left until there is one, unless the files are out of
// reach by then or may be other ones.
var readTrusted = sync.OnceValue(func() error {
	_, err := x509.SystemCertPool()
	return err
})

// elsewhere reports whether the user has named some that lie in none of these places.
func elsewhere(variables map[string]string, places []string) bool {
	named := filepath.SplitList(variables[certificateDirs])
	if file := variables[certificateFile]; file != "" {
		named = append(named, file)
	}
	return slices.ContainsFunc(named, func(name string) bool {
		is, err := hostfile.Resolve(name)
		return err != nil ||
			!slices.ContainsFunc(places, func(place string) bool { return policy.Within(is, place) })
	})
}

// writable reports whether the agent may write in one of these places.
func writable(p *policy.Policy, places []string) bool {
	if p.IsDisabled(policy.KindFilesystem) {
		return true
	}
	return slices.ContainsFunc(p.Filesystem, func(r policy.PathRule) bool {
		return r.Access.Writable() && slices.ContainsFunc(places, func(place string) bool {
			return policy.Within(place, r.Path) || policy.Within(r.Path, place)
		})
	})
}

// serve serves one service. Without it the agent is not to go on.
func serve(session *sdk.Session, p *proxy.Proxy, l net.Listener) {
	if err := p.Serve(l); err != nil {
		_ = session.Stop(fmt.Sprintf("the proxy for %s serves no more: %v", p.Name(), err))
	}
}

// dialer connects to one host.
type dialer struct {
	*egress.Dialer
	end    end
	decide *policy.Decider
	isOwn  func(netip.Addr) (bool, error)
}

func (e end) dialer(decide *policy.Decider, through *egress.Upstream) dialer {
	d := dialer{end: e, decide: decide, isOwn: egress.IsOwn}
	d.Dialer = &egress.Dialer{Permit: d.permit, Upstream: through}
	return d
}

// permit decides about an address that the host's name has, by the rules of the network. An address
// that the policy itself names as the upstream is meant.
func (d dialer) permit(addr netip.Addr, port uint16) error {
	if literal, err := netip.ParseAddr(d.end.host); err == nil && literal == addr {
		return nil
	}
	decision, err := egress.Decide(d.decide, d.isOwn, addr, port)
	switch {
	case err != nil:
		return err
	case !decision.Allowed:
		return errors.New(decision.Why)
	}
	return nil
}

// to connects to the host, and to no other whoever asks.
func (d dialer) to(ctx context.Context, host, port string) (net.Conn, error) {
	go func() { _ = readTrusted() }() // the handshake, which comes next, needs them and says so
	name, addr, err := hostname.Host(host)
	wanted := strconv.Itoa(int(d.end.port))
	switch {
	case err != nil:
		return nil, err
	case port != wanted || name != d.end.host && addr.String() != d.end.host:
		return nil, fmt.Errorf("%s:%s is not where %s is", host, port, d.end.upstream)
	case name == "":
		return d.DialAddress(ctx, netip.AddrPortFrom(addr, d.end.port))
	}
	return d.Dial(ctx, name, d.end.port)
}

// Finish implements sdk.Starter. A fresh process has nothing to release, and has counted nothing.
func (l *layer) Finish(context.Context, *sdk.FinishRequest) (*sdk.FinishResponse, error) {
	var errs []error
	counted := l.teller != nil
	for _, p := range l.proxies {
		switch err := p.Close(); {
		case errors.Is(err, proxy.ErrStuck):
			sdk.Logger().Info("the totals are not known", "service", p.Name(), "why", err)
			counted = false
		default:
			errs = append(errs, err)
		}
	}
	l.proxies = nil
	if l.teller != nil {
		l.teller.rest()
	}
	if counted {
		l.teller.all()
	}
	return &sdk.FinishResponse{}, errors.Join(errs...)
}
