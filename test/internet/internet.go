//go:build linux

// Package internet is a small internet for tests. It lies in namespaces that the test binary makes
// of itself, as an ordinary user: the user's machine in one network namespace, and every address
// there is in another. Nothing in either leads anywhere else.
//
//	the user's machine                        the internet
//	lo    127.0.0.1 ::1                       one server for every address
//	out0  6.6.6.1   2a00:6666::1  ── veth ──  net0, where the tap listens
//
// The machine's default route leads into the other namespace, whose kernel takes every address for
// its own. So a test may try any host in the world, a metadata service too, and reaches the same
// server ([Web], [Authority]), which says at which address it was found. The [Tap] sees each packet
// that leaves the machine: what a test does not find there was not sent.
//
// A test package hands its TestMain to [Main], and each test asks [Here] for the internet. Tests
// run without any capability, as the user who started them, and so does what they start.
package internet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// The machine's own addresses, and the resolver that its resolv.conf names.
var (
	Machine  = netip.MustParseAddr("6.6.6.1")
	Machine6 = netip.MustParseAddr("2a00:6666::1")
	Resolver = netip.MustParseAddr("6.6.6.53")
)

// Internet is what the servers outside were asked, and the means to put more of them there.
type Internet struct {
	Tap       *Tap
	Authority *Authority
	Web       *Web
	CA        *CA

	outside *outside
}

// Main runs the tests of a package in the namespaces, and exits with their result. Where the
// machine does not let this user have such namespaces, the tests run outside and [Here] skips each.
//
// What needs the host's own network, such as the building of programs, prepare does before: what it
// returns is added to the environment of the tests. It may be nil.
func Main(m *testing.M, prepare func() (env []string, clean func(), err error)) {
	switch os.Getenv(stageVariable) {
	case stageTry:
		_, err := build()
		fail("making the namespaces", err)
	case stageBuild:
		socket, err := build()
		fail("making the namespaces", err)
		fail("running the tests", becomeInside(socket))
	case stageOutside:
		fail("serving outside", serveOutside())
	case stageInside:
		os.Exit(m.Run())
	default:
		if lacking = try(); lacking != nil {
			os.Exit(m.Run())
		}
		if prepare == nil {
			prepare = func() ([]string, func(), error) { return nil, func() {}, nil }
		}
		env, clean, err := prepare()
		fail("preparing", err)
		code := enter(env)
		clean()
		os.Exit(code)
	}
}

// lacking is why there is no internet here.
var lacking error

func fail(doing string, err error) {
	if err == nil {
		return
	}
	fmt.Fprintf(os.Stderr, "internet: %s: %v\n", doing, err)
	os.Exit(1)
}

// Here is the internet, whose records are empty again. Tests that use it run one after another.
func Here(t testing.TB) *Internet {
	t.Helper()
	if lacking != nil {
		t.Skip("this host gives no network namespaces: ", lacking)
	}
	i, err := open()
	if err != nil {
		t.Fatal("opening the internet: ", err)
	}
	if err := i.forget(); err != nil {
		t.Fatal(err)
	}
	return i
}

var open = sync.OnceValues(func() (*Internet, error) {
	if os.Getenv(stageVariable) != stageInside {
		return nil, errors.New("TestMain did not call internet.Main")
	}
	out, err := meetOutside()
	if err != nil {
		return nil, err
	}
	i := &Internet{outside: out, Authority: newAuthority()}
	if err := i.Alone(); err != nil { // before a single packet is sent
		return nil, err
	}
	if i.CA, err = newCA(); err != nil {
		return nil, err
	}
	if err := i.CA.install(filepath.Join(etc, "certs")); err != nil {
		return nil, err
	}
	if i.Tap, err = newTap(out); err != nil {
		return nil, err
	}
	if i.Web, err = newWeb(i.CA); err != nil {
		return nil, err
	}
	if err := i.Authority.serve(out); err != nil {
		return nil, err
	}
	return i, i.Web.serve(out)
})

// forget empties what was recorded, once all that is under way has arrived.
func (i *Internet) forget() error {
	if err := i.Tap.Settle(); err != nil {
		return err
	}
	i.Tap.forget()
	i.Authority.forget()
	i.Web.forget()
	return nil
}

// Listen opens a listener in the namespace of all addresses, at any of them.
func (i *Internet) Listen(t testing.TB, address string) net.Listener {
	t.Helper()
	l, err := i.outside.listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// Alone proves that no way leads out: the machine and the internet have each other, by one cable,
// and nobody else.
func (i *Internet) Alone() error {
	if err := alone("out0"); err != nil {
		return err
	}
	return i.outside.alone()
}

// alone proves that this process is in a namespace of the test's own, in which one interface stands
// beside the loopback. One that is down leads nowhere: some kernels put tunnels into each
// namespace.
func alone(cable string) error {
	before := os.Getenv(beforeVariable)
	now, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return err
	}
	if before == "" || now == before {
		return errors.New("this is the host's network namespace")
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, each := range interfaces {
		if each.Flags&net.FlagUp != 0 && each.Name != "lo" && each.Name != cable {
			return fmt.Errorf("there is an interface %s, which may lead out", each.Name)
		}
	}
	return nil
}
