// Package egress connects to a host outside that a decision has allowed, and to nothing else that
// its name may lead to.
//
//	d := &egress.Dialer{Permit: decide}
//	conn, err := d.Dial(ctx, "api.example.com", 443)
//
// Whether the name may be reached was decided before: a name that is only resolved has already told
// its server who asks. Here it is resolved, once. Each address that comes back is shown to Permit,
// which knows the ranges that are not the public internet, and one of the addresses that passed is
// dialled as an address. The name is not looked at a second time, so whoever answers for it cannot
// say something else when it counts.
//
// What cannot be held here: with an [Upstream], the proxy there resolves the names, and where they
// lead is for it to check. And a network may translate a range of its own into IPv4 addresses
// (NAT64 with a prefix of the operator's), which nobody can tell by looking at the address.
package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nono-run/nono/sdk/hostname"
)

const (
	// timeout is how long a host has to take a connection, the search for its addresses included.
	timeout = 30 * time.Second
	// mostAddresses is how many addresses of each family are looked at. The rest of a longer answer is
	// left out: whoever answers for a name does not decide how long we try.
	mostAddresses = 8
	// mostLookups is how many questions to the host's resolver are under way at a time. Further ones
	// wait.
	mostLookups = 64
)

// Resolver finds the addresses of a name. [net.Resolver] is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Dialer connects to hosts that were allowed. It may be used by many at the same time.
type Dialer struct {
	// Permit is shown each address before it is dialled, in the form that it is compared in (an IPv4
	// address in IPv6 clothes is the IPv4 address). An error refuses the address and says why. Without
	// it each one is refused.
	Permit func(addr netip.Addr, port uint16) error
	// Resolver finds addresses; nil is the host's own, as far as its files and its name servers know
	// them.
	Resolver Resolver
	// Upstream is the proxy through which hosts are reached; nil where they are reached directly.
	Upstream *Upstream

	connect func(ctx context.Context, to netip.AddrPort) (net.Conn, error) // in tests
	once    sync.Once
	lookups chan struct{}
}

// Dial connects to a host by its name, which is in the plain form of [hostname.Parse] and was
// allowed. Its errors are of type [*Error].
func (d *Dialer) Dial(ctx context.Context, name string, port uint16) (net.Conn, error) {
	to, err := named(name, port)
	if err != nil {
		return nil, err
	}
	return d.dial(ctx, to)
}

// DialAddress connects to an address that was itself asked for and allowed. Its errors are of type
// [*Error].
func (d *Dialer) DialAddress(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	literal, err := d.literal(to)
	if err != nil {
		return nil, err
	}
	return d.dial(ctx, literal)
}

func (d *Dialer) dial(ctx context.Context, to target) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if d.Upstream.carries(to) {
		return d.Upstream.dial(ctx, d, to)
	}
	return d.direct(ctx, to)
}

// DialHTTP is as Dial, for requests of plain HTTP. An upstream proxy is sent those as they are,
// since many give a tunnel to port 443 only: [Via] is what they then say.
func (d *Dialer) DialHTTP(ctx context.Context, name string, port uint16) (net.Conn, Via, error) {
	to, err := named(name, port)
	if err != nil {
		return nil, Via{}, err
	}
	return d.dialHTTP(ctx, to)
}

// DialAddressHTTP is as DialAddress, for requests of plain HTTP.
func (d *Dialer) DialAddressHTTP(ctx context.Context, to netip.AddrPort) (net.Conn, Via, error) {
	literal, err := d.literal(to)
	if err != nil {
		return nil, Via{}, err
	}
	return d.dialHTTP(ctx, literal)
}

func (d *Dialer) dialHTTP(ctx context.Context, to target) (net.Conn, Via, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if d.Upstream.carries(to) {
		return d.Upstream.dialHTTP(ctx, d, to)
	}
	conn, err := d.direct(ctx, to)
	return conn, Via{}, err
}

// direct connects to a host that no proxy carries.
func (d *Dialer) direct(ctx context.Context, to target) (net.Conn, error) {
	if to.name == "" {
		return d.race(ctx, to, found(to.addr), d.permit)
	}
	return d.race(ctx, to, d.resolve(ctx, absolute(to.name)), d.permit)
}

// absolute keeps the host's search list away from a name: "api.example.com" that does not exist is
// not looked for as "api.example.com.corp.example". A name without a dot is one of this machine's
// own, which means nothing without that list.
func absolute(name string) string {
	if strings.Contains(name, ".") {
		return name + "."
	}
	return name
}

// permit decides about one address, and about the IPv4 address that it may be translated into on
// its way.
func (d *Dialer) permit(to netip.AddrPort) error {
	addr := to.Addr()
	switch {
	case d.Permit == nil:
		return errors.New("nothing says which addresses are allowed")
	case !addr.IsValid() || to.Port() == 0:
		return errors.New("it is no address with a port")
	case addr.Zone() != "":
		return errors.New("an address with a zone belongs to one interface alone")
	}
	if err := d.Permit(addr, to.Port()); err != nil {
		return err
	}
	if inner, ok := translated(addr); ok {
		if err := d.Permit(inner, to.Port()); err != nil {
			return fmt.Errorf("it stands for %s: %w", inner, err)
		}
	}
	return nil
}

// tcp connects to one address. What it is given is an address already, so nothing is resolved here.
func (d *Dialer) tcp(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	if d.connect != nil {
		return d.connect(ctx, to)
	}
	var plain net.Dialer
	return plain.DialContext(ctx, "tcp", to.String())
}

// target is the host that is meant: a name, or an address that was itself asked for.
type target struct {
	name string
	addr netip.Addr
	port uint16
}

// named is a host by its name.
func named(name string, port uint16) (target, error) {
	to := target{name: name, port: port}
	if !hostname.IsPlain(name) {
		err := errors.New("it is not written as names are that were decided about")
		return to, to.failed(NoSuchName, err)
	}
	return to, nil
}

// literal is a host by an address that is permitted.
func (d *Dialer) literal(at netip.AddrPort) (target, error) {
	to := target{addr: at.Addr().Unmap(), port: at.Port()}
	if err := d.permit(netip.AddrPortFrom(to.addr, to.port)); err != nil {
		return to, to.failed(Forbidden, err)
	}
	return to, nil
}

func (t target) host() string {
	if t.name != "" {
		return t.name
	}
	return t.addr.String()
}

func (t target) hostPort() string {
	return net.JoinHostPort(t.host(), strconv.Itoa(int(t.port)))
}

func (t target) failed(reason Reason, err error) *Error {
	return &Error{Reason: reason, Host: t.host(), Port: t.port, Err: err}
}
