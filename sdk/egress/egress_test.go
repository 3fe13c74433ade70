package egress_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/nono-run/nono/sdk/egress"
	"github.com/nono-run/nono/sdk/hostname"
)

// public lets pass what is on the public internet, as a policy without any special address does.
func public(addr netip.Addr, _ uint16) error {
	if within, what, ok := hostname.Special(addr); ok {
		return fmt.Errorf("%s is in %s, %s", addr, within, what)
	}
	return nil
}

func everything(netip.Addr, uint16) error { return nil }

// answers is a resolver that knows one name.
type answers struct {
	four, six           []string
	fourErr, sixErr     error
	fourAfter, sixAfter time.Duration
}

func (a answers) LookupNetIP(ctx context.Context, network, _ string) ([]netip.Addr, error) {
	list, err, after := a.four, a.fourErr, a.fourAfter
	if network == "ip6" {
		list, err, after = a.six, a.sixErr, a.sixAfter
	}
	select {
	case <-time.After(after):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var addrs []netip.Addr
	for _, text := range list {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	if err == nil && len(addrs) == 0 {
		err = &net.DNSError{Err: "no such host", IsNotFound: true}
	}
	return addrs, err
}

// world says what comes of connecting to each address, and when. What it does not know never
// answers.
type world map[string]struct {
	after time.Duration
	err   error
}

// network connects within a world, and records what was tried.
type network struct {
	world world
	// hears says that a connection that nobody waits for any more is given up, as package net does;
	// else it is made all the same, as in the moment between.
	hears bool
	mu    sync.Mutex
	tried []string
	open  atomic.Int32
}

func (n *network) connect(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	n.mu.Lock()
	n.tried = append(n.tried, to.Addr().String())
	n.mu.Unlock()
	there, ok := n.world[to.Addr().String()]
	if !ok {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	leaves := ctx.Done()
	if !n.hears {
		leaves = nil
	}
	select {
	case <-time.After(there.after):
	case <-leaves:
		return nil, ctx.Err()
	}
	if there.err != nil {
		return nil, there.err
	}
	n.open.Add(1)
	return &stub{to: to, open: &n.open}, nil
}

// stub is a connection that does nothing but be open.
type stub struct {
	net.Conn
	to   netip.AddrPort
	open *atomic.Int32
}

func (s *stub) Close() error { s.open.Add(-1); return nil }

func reason(err error) egress.Reason {
	if failed, ok := errors.AsType[*egress.Error](err); ok {
		return failed.Reason
	}
	return 0
}

// TestRace holds what a host with several addresses costs: nothing, as long as one of them works.
func TestRace(t *testing.T) {
	const four, six = "192.0.43.8", "2600::8"
	down, dead := error(syscall.ENETUNREACH), error(syscall.ECONNREFUSED)
	type there = struct {
		after time.Duration
		err   error
	}
	many := answers{}
	for i := range 40 {
		many.four = append(many.four, fmt.Sprintf("192.0.43.%d", i))
		many.six = append(many.six, fmt.Sprintf("2600::%d", i))
	}
	for name, test := range map[string]struct {
		names answers
		world world
		to    string        // the address that is reached
		why   egress.Reason // or why none is
		took  time.Duration
		tried int
	}{
		"both work": {
			names: answers{four: []string{four}, six: []string{six}},
			world: world{six: there{time.Millisecond, nil}, four: there{}},
			to:    six, took: time.Millisecond, tried: 1,
		},
		"IPv6 is not there": {
			names: answers{four: []string{four}, six: []string{six}},
			world: world{six: there{0, down}, four: there{}}, to: four, tried: 2,
		},
		"IPv6 refuses": {
			names: answers{four: []string{four}, six: []string{six}},
			world: world{six: there{0, dead}, four: there{}}, to: four, tried: 2,
		},
		"IPv6 is silent": {
			names: answers{four: []string{four}, six: []string{six}},
			world: world{four: there{time.Millisecond, nil}},
			to:    four, took: 251 * time.Millisecond, tried: 2,
		},
		"the slow one is the only one that answers": {
			names: answers{four: []string{four}, six: []string{six}},
			world: world{six: there{3 * time.Second, nil}, four: there{0, dead}},
			to:    six, took: 3 * time.Second, tried: 2,
		},
		"IPv6 is found a little later": {
			names: answers{four: []string{four}, six: []string{six}, sixAfter: 20 * time.Millisecond},
			world: world{six: there{}, four: there{}}, to: six, took: 20 * time.Millisecond, tried: 1,
		},
		"nobody answers for IPv6": {
			names: answers{four: []string{four}, sixAfter: time.Hour},
			world: world{four: there{}}, to: four, took: 50 * time.Millisecond, tried: 1,
		},
		"nobody answers for IPv4": {
			names: answers{six: []string{six}, fourAfter: time.Hour},
			world: world{six: there{}}, to: six, tried: 1,
		},
		"IPv4 fails while IPv6 is still looked up": {
			names: answers{four: []string{four}, six: []string{six}, sixAfter: time.Second},
			world: world{four: there{0, dead}, six: there{}}, to: six, took: time.Second, tried: 2,
		},
		"a lookup that failed does not count beside one that did not": {
			names: answers{four: []string{four}, sixErr: &net.DNSError{Err: "server misbehaving"}},
			world: world{four: there{}}, to: four, tried: 1,
		},
		"the third is the one": {
			names: answers{four: []string{"192.0.43.1", "192.0.43.2", "192.0.43.3"}},
			world: world{"192.0.43.1": there{0, dead}, "192.0.43.3": there{}},
			to:    "192.0.43.3", took: 250 * time.Millisecond, tried: 3,
		},
		"a refused address is not tried, and the one beside it is": {
			names: answers{four: []string{"10.0.0.1", four}, six: []string{"::1"}},
			world: world{"10.0.0.1": there{}, "::1": there{}, four: there{}}, to: four, tried: 1,
		},
		"no such name": {why: egress.NoSuchName},
		"no answer for the name": {
			names: answers{fourErr: &net.DNSError{Err: "i/o timeout", IsTimeout: true}}, why: egress.LookupFailed,
		},
		"the name servers say nothing": {
			names: answers{fourAfter: time.Hour, sixAfter: time.Hour}, why: egress.LookupFailed, took: 30 * time.Second,
		},
		"refused addresses only": {
			names: answers{four: []string{"127.0.0.1"}, six: []string{"fe80::1"}}, why: egress.Forbidden,
		},
		"refused connections": {
			names: answers{four: []string{four}, six: []string{six}},
			world: world{four: there{0, dead}, six: there{0, down}}, why: egress.Refused, tried: 2,
		},
		"no way there": {
			names: answers{four: []string{four}}, world: world{four: there{0, down}}, why: egress.Unreachable, tried: 1,
		},
		"silence": {names: answers{four: []string{four}}, why: egress.NoAnswer, took: 30 * time.Second, tried: 1},
		"a hundred addresses that are silent": {
			names: many, why: egress.NoAnswer, took: 30 * time.Second, tried: egress.MostAddresses,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &network{world: test.world}
				d := &egress.Dialer{Permit: public, Resolver: test.names}
				egress.SetConnect(d, n.connect)
				began := time.Now()
				conn, err := d.Dial(t.Context(), "api.example.com", 443)
				took := time.Since(began)
				time.Sleep(time.Minute)
				if test.why == 0 && (err != nil || conn.(*stub).to != netip.AddrPortFrom(netip.MustParseAddr(test.to), 443)) {
					t.Errorf("got %v, %v, not %s", conn, err, test.to)
				}
				if reason(err) != test.why {
					t.Errorf("it failed because %s (%v), not because %s", reason(err), err, test.why)
				}
				if took != test.took {
					t.Errorf("it took %s, not %s", took, test.took)
				}
				n.mu.Lock()
				defer n.mu.Unlock()
				if len(n.tried) != test.tried {
					t.Errorf("%d addresses were tried, not %d: %v", len(n.tried), test.tried, n.tried)
				}
				want := int32(0)
				if err == nil {
					want = 1
				}
				if open := n.open.Load(); open != want {
					t.Errorf("%d connections are open afterwards, not %d", open, want)
				}
			})
		})
	}
}

// TestCallerLeaves holds that nothing goes on for a caller that is gone. The only address that there
// is is connected to without anybody beside who could hear of it, so that is up to package net.
func TestCallerLeaves(t *testing.T) {
	for _, addrs := range [][]string{{"192.0.43.8"}, {"192.0.43.8", "192.0.43.9"}} {
		synctest.Test(t, func(t *testing.T) {
			n := &network{world: world{"192.0.43.8": {after: 10 * time.Second}}, hears: len(addrs) == 1}
			d := &egress.Dialer{Permit: public, Resolver: answers{four: addrs}}
			egress.SetConnect(d, n.connect)
			ctx, leave := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, leave)
			began := time.Now()
			_, err := d.Dial(ctx, "api.example.com", 443)
			if !errors.Is(err, context.Canceled) || time.Since(began) != time.Second {
				t.Errorf("%v: after %s: %v", addrs, time.Since(began), err)
			}
			time.Sleep(time.Minute)
			if n.open.Load() != 0 {
				t.Errorf("%v: a connection that nobody has is open", addrs)
			}
		})
	}
}

// TestRememberedWaitsForNobody holds that a host whose one address is known is connected to by the
// caller himself: each goroutine that he waits for costs as much as the connection.
func TestRememberedWaitsForNobody(t *testing.T) {
	names := &egress.Remembering{Resolver: answers{four: []string{"192.0.43.8"}}, For: time.Hour}
	d := &egress.Dialer{Permit: public, Resolver: names}
	before, within := 0, 0
	egress.SetConnect(d, func(context.Context, netip.AddrPort) (net.Conn, error) {
		within = runtime.NumGoroutine()
		return nil, syscall.ECONNREFUSED
	})
	for range 2 { // the first one asks
		before = runtime.NumGoroutine()
		if _, err := d.Dial(t.Context(), "api.example.com", 443); reason(err) != egress.Refused {
			t.Fatal(err)
		}
	}
	if within > before {
		t.Errorf("%d goroutines more than before", within-before)
	}
}

// TestLookupsAreBounded asks for more names at a time than are looked up at a time.
func TestLookupsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		d := &egress.Dialer{Permit: public, Resolver: resolverFunc(func(context.Context, string) ([]netip.Addr, error) {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(time.Second)
			now.Add(-1)
			return nil, &net.DNSError{IsNotFound: true}
		})}
		var all sync.WaitGroup
		for range 3 * egress.MostLookups {
			all.Go(func() {
				if _, err := d.Dial(t.Context(), "api.example.com", 443); reason(err) != egress.NoSuchName {
					t.Errorf("a name that had to wait: %v", err)
				}
			})
		}
		all.Wait()
		if most.Load() != egress.MostLookups {
			t.Errorf("%d at a time", most.Load())
		}
	})
}

type resolverFunc func(ctx context.Context, host string) ([]netip.Addr, error)

func (f resolverFunc) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	return f(ctx, host)
}

// TestAddressesAreRefused holds each form in which an address of the host or of its network can be
// written (E58), whether a name leads to it or the agent named it. The control lets all of them
// pass, and then they are dialled.
func TestAddressesAreRefused(t *testing.T) {
	for _, text := range []string{
		"0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.1.2.3", "169.254.169.254",
		"172.16.0.1", "192.168.1.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "192.0.0.192",
		"::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1",
		"::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::ffff:0:127.0.0.1",
		"64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe",
		"2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:102:304::80ff:fffe",
	} {
		addr := netip.MustParseAddr(text)
		named := func(d *egress.Dialer) error {
			_, err := d.Dial(t.Context(), "api.example.com", 80)
			return err
		}
		literal := func(d *egress.Dialer) error {
			_, err := d.DialAddress(t.Context(), netip.AddrPortFrom(addr, 80))
			return err
		}
		for way, dial := range map[string]func(*egress.Dialer) error{"by name": named, "as it is": literal} {
			for _, defended := range []bool{true, false} {
				n := &network{world: world{addr.Unmap().String(): {}}}
				d := &egress.Dialer{Permit: public, Resolver: answers{four: []string{text}}}
				if !defended {
					d.Permit = everything
				}
				egress.SetConnect(d, n.connect)
				switch err := dial(d); {
				case defended && (reason(err) != egress.Forbidden || len(n.tried) != 0):
					t.Errorf("%s %s: %v; dialled: %v", text, way, err, n.tried)
				case defended && !strings.Contains(err.Error(), " is in "):
					t.Errorf("%s %s: the range is not told: %v", text, way, err)
				case !defended && (err != nil || len(n.tried) != 1):
					t.Errorf("the control: %s %s: %v; dialled: %v", text, way, err, n.tried)
				}
			}
		}
	}
}

// TestTranslatedAddresses holds that whoever opened a range of translated addresses has not opened
// the private networks that can be reached through it.
func TestTranslatedAddresses(t *testing.T) {
	open := func(addr netip.Addr, port uint16) error {
		if addr.Is6() {
			return nil
		}
		return public(addr, port)
	}
	for text, want := range map[string]egress.Reason{
		"64:ff9b::192.0.43.8":       0,
		"64:ff9b::169.254.169.254":  egress.Forbidden,
		"2002:c000:2b08::1":         0,
		"2002:c0a8:101::1":          egress.Forbidden,
		"2001:0:102:304::3fff:d4f7": 0, // ^192.0.43.8
		"2001:0:102:304::f5ff:fffe": egress.Forbidden,
		"::ffff:0:192.0.43.8":       0,
		"::ffff:0:10.0.0.1":         egress.Forbidden,
		"::1":                       0, // the loopback, and no form of 0.0.0.1
		"2600::a9fe:a9fe":           0, // a number that looks like an address, anywhere else
	} {
		n := &network{world: world{netip.MustParseAddr(text).String(): {}}}
		d := &egress.Dialer{Permit: open, Resolver: answers{six: []string{text}}}
		egress.SetConnect(d, n.connect)
		if _, err := d.Dial(t.Context(), "api.example.com", 443); reason(err) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestNothingIsAllowedByOmission holds the zero Dialer, ports and zones.
func TestNothingIsAllowedByOmission(t *testing.T) {
	n := &network{world: world{"192.0.43.8": {}, "fe80::1%eth0": {}}}
	for name, test := range map[string]struct {
		permit func(netip.Addr, uint16) error
		addr   string
		port   uint16
	}{
		"no Permit": {nil, "192.0.43.8", 443},
		"no port":   {everything, "192.0.43.8", 0},
		"a zone":    {everything, "fe80::1%eth0", 443},
	} {
		d := &egress.Dialer{Permit: test.permit, Resolver: answers{four: []string{test.addr}}}
		egress.SetConnect(d, n.connect)
		_, named := d.Dial(t.Context(), "api.example.com", test.port)
		_, literal := d.DialAddress(t.Context(), netip.AddrPortFrom(netip.MustParseAddr(test.addr), test.port))
		if reason(named) != egress.Forbidden || reason(literal) != egress.Forbidden || len(n.tried) != 0 {
			t.Errorf("%s: %v, %v; dialled: %v", name, named, literal, n.tried)
		}
	}
	d := &egress.Dialer{Permit: everything}
	egress.SetConnect(d, n.connect)
	if _, err := d.DialAddress(t.Context(), netip.AddrPort{}); reason(err) != egress.Forbidden {
		t.Errorf("no address: %v", err)
	}
}

// TestOnlyThePermittedIsDialled is the property behind the rest: whatever a name leads to, in
// whatever order and at whatever time, only what Permit let pass is dialled.
func TestOnlyThePermittedIsDialled(t *testing.T) {
	address := rapid.Custom(func(t *rapid.T) string {
		if rapid.Bool().Draw(t, "IPv4") {
			return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "address"))).String()
		}
		b := [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "address"))
		for _, prefix := range [][]byte{nil, {0x20, 2}, {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}} {
			if rapid.Bool().Draw(t, "a special range") {
				copy(b[:], prefix)
			}
		}
		return netip.AddrFrom16(b).String()
	})
	rapid.Check(t, func(t *rapid.T) {
		names := answers{
			four: rapid.SliceOfN(address, 0, 30).Draw(t, "four"),
			six:  rapid.SliceOfN(address, 0, 30).Draw(t, "six"),
		}
		n := &network{world: world{}}
		for _, text := range slices.Concat(names.four, names.six) {
			n.world[netip.MustParseAddr(text).Unmap().String()] = struct {
				after time.Duration
				err   error
			}{0, syscall.ECONNREFUSED}
		}
		d := &egress.Dialer{Permit: public, Resolver: names}
		egress.SetConnect(d, n.connect)
		if _, err := d.Dial(context.Background(), "api.example.com", 443); err == nil {
			t.Fatal("all of them refuse")
		}
		if len(n.tried) > egress.MostAddresses {
			t.Fatalf("%d addresses were tried", len(n.tried))
		}
		for _, text := range n.tried {
			if err := public(netip.MustParseAddr(text), 443); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestErrorSaysWhatAndWhy(t *testing.T) {
	d := &egress.Dialer{Permit: public, Resolver: answers{four: []string{"10.0.0.1"}}}
	_, err := d.Dial(t.Context(), "db.example.com", 443)
	want := "connecting to db.example.com:443: its address is refused (10.0.0.1): 10.0.0.1 is in 10.0.0.0/8, a private network"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	_, err = d.DialAddress(t.Context(), netip.MustParseAddrPort("[::1]:80"))
	want = "connecting to [::1]:80: its address is refused: ::1 is in ::1/128, the loopback"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
