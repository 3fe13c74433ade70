package sockets_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/plan/merge"
	"github.com/nono-run/nono/core/sockets"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/test/held"
)

// proxy is where the agent finds the first listener of the tests' plan.
const proxy = "127.0.0.1:61000"

// listeners are such as the network layer has: a proxy, one that answers for names, and one for all
// that a range stands for.
var listeners = []merge.Listener{
	{Listener: fragment.Listener{Name: "proxy", Network: fragment.TCP, Address: "127.0.0.1", Port: 61000}, Layer: "net"},
	{Listener: fragment.Listener{Name: "dns", Network: fragment.UDP, Address: "127.0.0.1", Port: 53, LocalPrefix: "203.0.113.200/32"}, Layer: "net"},
	{Listener: fragment.Listener{Name: "dns-tcp", Network: fragment.TCP, Address: "127.0.0.1", Port: 53, LocalPrefix: "198.18.0.0/15"}, Layer: "net"},
	{Listener: fragment.Listener{Name: "port-443", Network: fragment.TCP, Address: "0.0.0.0", Port: 443}, Layer: "net"},
}

// world is a plan's listeners, each of which says its name and what was dialled.
type world struct {
	*sockets.Sockets
	t testing.TB
}

func newWorld(t testing.TB, o sockets.Options) *world {
	t.Helper()
	o.Listeners, o.Names = listeners, "net:dns-tcp"
	s, err := sockets.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	for id, given := range s.Listeners() {
		inner, err := net.FileListener(given.File)
		if err != nil {
			t.Fatal(err)
		}
		l := given.Shared.Secret.Listen(inner, given.Shared.Address)
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					fmt.Fprintln(c, strings.TrimPrefix(id, "net:"), c.LocalAddr())
					c.Close()
				}()
			}
		}()
	}
	return &world{s, t}
}

// start starts an agent in a directory, whose connects and listens core makes.
func (w *world) start(dir string, args ...string) *held.Child {
	w.t.Helper()
	return held.Start(w.t, w.Handlers(), dir, args...)
}

// without is the same agent where nobody makes its calls: the control of what is refused.
func without(t testing.TB, dir string, args ...string) *held.Child {
	t.Helper()
	return held.Start(t, nil, dir, args...)
}

// service is one of the host's own, that the agent is not to reach, and how often somebody came.
type service struct {
	net.Listener
	came atomic.Int64
}

func serve(t testing.TB, network, at string) *service {
	t.Helper()
	l, err := net.Listen(network, at)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{Listener: l}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.came.Add(1)
			_, _ = io.WriteString(c, "the host\n")
			c.Close()
		}
	}()
	return s
}

func (s *service) port() uint16 { return uint16(s.Addr().(*net.TCPAddr).Port) }

// TestReached: whatever stands for something is reached, at the address that the plan has, by
// sockets that block and such that do not, of both families.
func TestReached(t *testing.T) {
	w := newWorld(t, sockets.Options{})
	for at, want := range map[string]string{
		proxy:               "proxy 127.0.0.1:61000",
		"0.0.0.0:61000":     "proxy 127.0.0.1:61000",
		"198.18.0.9:443":    "port-443 198.18.0.9:443",
		"127.0.0.77:443":    "port-443 127.0.0.77:443",
		"203.0.113.200:443": "port-443 203.0.113.200:443",
		"203.0.113.53:53":   "dns-tcp 203.0.113.53:53", // the host's name server, whichever that is
		"[2001:db8::1]:53":  "dns-tcp [2001:db8::1]:53",
	} {
		w.start("", ":dial", at).Wants(want)
		w.start("", ":blocking", at).Wants(want)
	}
	w.start("", ":mapped", proxy, "0").Wants("proxy 127.0.0.1:61000")
	w.start("", ":mapped", proxy, "1").Wants("proxy 127.0.0.1:61000")
	w.start("", ":twice", proxy).Wants("proxy 127.0.0.1:61000")
	w.start("", ":forked", ":dial", proxy).Wants("proxy 127.0.0.1:61000")
}

// TestRefused: nothing else is: no other address of the loopback, no service of the host's, nobody
// outside, by no other kind of socket. Where the host has it, the same connects work without nono.
func TestRefused(t *testing.T) {
	w := newWorld(t, sockets.Options{})
	host := serve(t, "tcp", "127.0.0.1:0")
	real := strconv.Itoa(int(host.port()))
	for at, want := range map[string]string{
		"127.0.0.2:61000":            "ECONNREFUSED",
		"[::1]:61000":                "ECONNREFUSED",
		"[::1]:443":                  "ECONNREFUSED",
		"127.0.0.1:61001":            "ECONNREFUSED",
		"198.18.0.9:80":              "ECONNREFUSED",
		"203.0.113.1:443":            "ENETUNREACH",
		"203.0.113.1:61000":          "ENETUNREACH",
		"[2001:db8::1]:443":          "ENETUNREACH",
		"169.254.169.254:80":         "ENETUNREACH",
		"127.0.0.1:" + real:          "ECONNREFUSED",
		"0.0.0.0:" + real:            "ECONNREFUSED",
		"[::ffff:127.0.0.1]:" + real: "ECONNREFUSED",
		"198.18.0.9:" + real:         "ECONNREFUSED",
	} {
		w.start("", ":dial", at).Wants(want)
		w.start("", ":blocking", at).Wants(want)
	}
	if n := host.came.Load(); n != 0 {
		t.Errorf("the host's service was reached %d times", n)
	}
	if got := without(t, "", ":dial", "127.0.0.1:"+real).Line(); got != "the host" {
		t.Errorf("without nono the service says %q", got)
	}
	// Nor do the layers' sockets lead anywhere by what they really are.
	at, err := net.FileListener(w.Listeners()["net:proxy"].File)
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	w.start("", ":dial", at.Addr().String()).Wants("ECONNREFUSED")
}

// TestOtherKinds: a socket that is not TCP is not connected, whatever stands for the address. The
// filter does not let them be made; here it is not there.
func TestOtherKinds(t *testing.T) {
	w := newWorld(t, sockets.Options{})
	for name, kind := range map[string][2]int{
		"UDP": {unix.SOCK_DGRAM, 0}, "MPTCP": {unix.SOCK_STREAM, unix.IPPROTO_MPTCP},
	} {
		args := []string{":kind", proxy, strconv.Itoa(kind[0]), strconv.Itoa(kind[1])}
		if got := w.start("", args...).Line(); got != "EACCES" && got != "EPROTONOSUPPORT" {
			t.Errorf("%s: %s", name, got)
		}
	}
	host := serve(t, "tcp", "127.0.0.1:0")
	if got := without(t, "", ":kind", host.Addr().String(), "1", "262").Line(); got != "the host" && got != "ENOPROTOOPT" && got != "EPROTONOSUPPORT" {
		t.Errorf("without nono MPTCP hears %q", got)
	}
}

// TestMalformed: each gets the kernel's own error.
func TestMalformed(t *testing.T) {
	w := newWorld(t, sockets.Options{})
	a := w.start("", ":malformed", proxy)
	for _, want := range []string{
		"EAFNOSUPPORT", "EAFNOSUPPORT", "EINVAL", "EINVAL", "EINVAL", "EBADF", "ENOTSOCK", "EFAULT",
	} {
		if got := a.Line(); !strings.EqualFold(got, nameOf(want)) {
			t.Errorf("it says %q, and not %q", got, nameOf(want))
		}
	}
	a.Wants("proxy 127.0.0.1:61000")
}

func nameOf(name string) string {
	for errno := unix.Errno(1); errno < 200; errno++ {
		if unix.ErrnoName(errno) == name {
			return errno.Error()
		}
	}
	return name
}

// TestSwapped: an address that is changed and a descriptor that is exchanged while the call is
// under way lead nowhere else. Without nono each of the two addresses is reached.
func TestSwapped(t *testing.T) {
	w := newWorld(t, sockets.Options{})
	host := serve(t, "tcp", "127.0.0.1:0")
	heard := make(chan struct{}, 1)
	packets, err := net.ListenPacket("udp", host.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	go func() {
		for b := make([]byte, 10); ; {
			if _, _, err := packets.ReadFrom(b); err != nil {
				return
			}
			select {
			case heard <- struct{}{}:
			default:
			}
		}
	}()
	w.start("", ":swap", proxy, host.Addr().String(), "400").Wants("done")
	if n := host.came.Load(); n != 0 {
		t.Errorf("the host's service was reached %d times", n)
	}
	select {
	case <-heard:
		t.Error("a packet was sent to the host's service")
	default:
	}
	without(t, "", ":swap", proxy, host.Addr().String(), "20000").Wants("done")
	if host.came.Load() == 0 {
		t.Error("without nono nothing was reached: this shows nothing")
	}
}

// TestUndumpable: what is closed to core is not connected.
func TestUndumpable(t *testing.T) {
	w := newWorld(t, sockets.Options{})
	w.start("", ":undumpable", proxy).Wants("EPERM")
	host := serve(t, "tcp", "127.0.0.1:0")
	if got := without(t, "", ":undumpable", host.Addr().String()).Line(); got != "the host" {
		t.Errorf("without nono it hears %q", got)
	}
}

// TestEnd: when core does not answer any more, nothing is connected.
func TestEnd(t *testing.T) {
	w := newWorld(t, sockets.Options{})
	a := w.start("", ":lines")
	a.Say(proxy)
	a.Wants("proxy 127.0.0.1:61000")
	a.Stop()
	for range 100 { // the listener is closed soon after
		a.Say(proxy)
		if got := a.Line(); got == "ENOSYS" {
			return
		}
	}
	t.Error("it is still connected")
}

// TestMany: a thousand at once, each by a connection of its own.
func TestMany(t *testing.T) {
	w := newWorld(t, sockets.Options{})
	w.start("", ":many", proxy, "1000", "proxy 127.0.0.1:61000").Wants("1000")
}

// TestServes: the agent serves at its ports, of the loopback alone, and reaches itself there. At
// others it serves nothing, and what somebody else serves at one of its own it does not reach.
func TestServes(t *testing.T) {
	port := free4(t)
	w := newWorld(t, sockets.Options{Serves: []uint16{port}})
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		at := host + ":" + strconv.Itoa(int(port))
		t.Run(host, func(t *testing.T) {
			a := held.Start(t, w.Handlers(), "", ":serve", at)
			a.Wants("serves")
			a.Say(at)
			a.Wants("the agent")
			c, err := net.Dial("tcp", at)
			if got := hear(c, err); got != "the agent" {
				t.Errorf("outside one hears %q", got)
			}
			f, err := w.Dial(t.Context(), port)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			c, err = net.FileConn(f)
			if got := hear(c, err); got != "the agent" {
				t.Errorf("a layer hears %q", got)
			}
		})
	}
	for _, at := range []string{
		"127.0.0.1:0", fmt.Sprintf("127.0.0.1:%d", free4(t)),
		fmt.Sprintf("0.0.0.0:%d", port), fmt.Sprintf("[::]:%d", port),
	} {
		w.start("", ":serve", at).Wants("EACCES")
	}
	w.start("", ":unbound").Wants("EACCES")
	host := serve(t, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	w.start("", ":dial", host.Addr().String()).Wants("ECONNREFUSED")
	if _, err := w.Dial(t.Context(), port); err == nil {
		t.Error("a layer reaches what the agent does not serve")
	}
	// As long as the agent serves one address, somebody else may have another.
	if l, err := net.Listen("tcp", fmt.Sprintf("[::1]:%d", port)); err == nil {
		l.Close()
		a := w.start("", ":serve", fmt.Sprintf("[::1]:%d", port))
		a.Wants("serves")
		a.Say(host.Addr().String())
		a.Wants("ECONNREFUSED")
	}
	if n := host.came.Load(); n != 0 {
		t.Errorf("the host's service was reached %d times", n)
	}
}

// free4 is a port that nobody has.
func free4(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return netip.MustParseAddrPort(l.Addr().String()).Port()
}

// TestUnix: a service is reached by a path that the policy gives, as the caller means it, and by
// where the file really is. What is denied is reached by no link, no name without a file, and no
// change meanwhile. Without nono each is.
func TestUnix(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	given, denied := filepath.Join(dir, "given"), filepath.Join(dir, "denied")
	for _, d := range []string{given, denied} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	good, bad := serve(t, "unix", given+"/socket"), serve(t, "unix", denied+"/socket")
	abstract := serve(t, "unix", "@"+dir)
	for at, to := range map[string]string{given + "/link": denied + "/socket", denied + "/link": given + "/socket"} {
		if err := os.Symlink(to, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(given+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, sockets.Options{Connects: func(at string) bool { return strings.HasPrefix(at, given+"/") }})
	for at, want := range map[string]string{
		given + "/socket":                      "the host",
		"socket":                               "the host", // from where the caller is
		"./../given/socket":                    "the host",
		denied + "/link":                       "the host",
		given + "/link":                        "EACCES",
		denied + "/socket":                     "EACCES",
		"../denied/socket":                     "EACCES",
		given + "/none":                        "ENOENT",
		given + "/file":                        "ECONNREFUSED",
		"@" + dir:                              "ECONNREFUSED",
		"/proc/self/root" + denied + "/socket": "ELOOP",
	} {
		w.start(given, ":unix", at).Wants(want)
	}
	for _, at := range []string{denied + "/socket", given + "/link", "@" + dir} {
		if got := without(t, given, ":unix", at).Line(); got != "the host" {
			t.Errorf("without nono %s says %q", at, got)
		}
	}
	before, came := bad.came.Load(), good.came.Load()
	long := filepath.Join(dir, "denied/socket")
	// Two words of the same length.
	if err := os.Rename(given, dir+"/grantd"); err != nil {
		t.Fatal(err)
	}
	short := filepath.Join(dir, "grantd/socket")
	w2 := newWorld(t, sockets.Options{Connects: func(at string) bool { return strings.HasPrefix(at, dir+"/grantd/") }})
	w2.start("", ":unixswap", short, long).Wants("done")
	if n := bad.came.Load(); n != before || abstract.came.Load() != 1 {
		t.Errorf("what is denied was reached %d times", n-before)
	}
	if good.came.Load() == came {
		t.Error("nothing was reached: this shows nothing")
	}
	for try := 0; try < 50 && bad.came.Load() == before; try++ { // by chance it meets no change
		without(t, "", ":unixswap", short, long).Wants("done")
	}
	if bad.came.Load() == before {
		t.Error("without nono nothing was reached: this shows nothing")
	}
}

// TestUnixServed: a Unix socket is served at a path, and at no name without a file.
func TestUnixServed(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, sockets.Options{})
	w.start(dir, ":unixlisten", "mine").Wants("done")
	w.start(dir, ":unixlisten", "@"+dir).Wants("EACCES")
	if got := without(t, dir, ":unixlisten", "@free"+dir).Line(); got != "done" {
		t.Errorf("without nono: %q", got)
	}
}

// TestDatagrams: a socket of datagrams is not connected.
func TestDatagrams(t *testing.T) {
	dir := t.TempDir()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: dir + "/d"}); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, sockets.Options{Connects: func(string) bool { return true }})
	w.start(dir, ":datagram", "d").Wants("EACCES")
}

// TestInstead: where the agent's sockets cannot be taken, core puts one of its own in the place of
// each, connected: the same is reached, and nothing else.
func TestInstead(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	serve(t, "unix", dir+"/given")
	serve(t, "unix", dir+"/denied")
	host := serve(t, "tcp", "127.0.0.1:0")
	w := newWorld(t, sockets.Options{Connects: func(at string) bool { return at == dir+"/given" }})
	w.WithoutDuplicates()
	for at, want := range map[string]string{
		proxy: "proxy 127.0.0.1:61000", "198.18.0.9:443": "port-443 198.18.0.9:443",
		"[2001:db8::1]:53": "dns-tcp [2001:db8::1]:53", "203.0.113.1:443": "ENETUNREACH",
		host.Addr().String(): "ECONNREFUSED",
	} {
		w.start("", ":dial", at).Wants(want)
		w.start("", ":blocking", at).Wants(want)
	}
	w.start("", ":mapped", proxy, "1").Wants("proxy 127.0.0.1:61000")
	w.start("", ":twice", proxy).Wants("proxy 127.0.0.1:61000")
	w.start("", ":many", proxy, "200", "proxy 127.0.0.1:61000").Wants("200")
	w.start("", ":undumpable", proxy).Wants("EPERM")
	w.start(dir, ":unix", "given").Wants("the host")
	w.start(dir, ":unix", "denied").Wants("EACCES")
	w.start(dir, ":unixlisten", "mine").Wants("EACCES")
	a := w.start("", ":malformed", proxy)
	for _, want := range []string{
		"EAFNOSUPPORT", "ECONNREFUSED", "EINVAL", "EINVAL", "EINVAL", "EBADF", "ENOTSOCK", "EFAULT",
	} {
		if got := a.Line(); got != nameOf(want) {
			t.Errorf("it says %q, and not %q", got, nameOf(want))
		}
	}
	a.Wants("proxy 127.0.0.1:61000")
	w.start("", ":swap", proxy, host.Addr().String(), "200").Wants("done")
	if n := host.came.Load(); n != 0 {
		t.Errorf("the host's service was reached %d times", n)
	}
}

// TestAgainReachesNobody: the question how far a connection has come makes none, for a socket that
// has none any more: neither of IPv4 nor of IPv6. The control: of one that is connected it says so.
func TestAgainReachesNobody(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := sockets.Again(fd); !errors.Is(err, unix.ENETUNREACH) {
			t.Errorf("family %d, unconnected: %v", family, err)
		}
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().(*net.TCPAddr)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: at.Port, Addr: [4]byte(at.IP.To4())}); err != nil {
		t.Fatal(err)
	}
	if err := sockets.Again(fd); !errors.Is(err, unix.EISCONN) {
		t.Errorf("control: connected: %v", err)
	}
}
