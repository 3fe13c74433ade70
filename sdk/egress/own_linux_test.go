package egress_test

import (
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk/egress"
)

// routes are those of a machine that takes more for its own than its interfaces have: each line is
// for ip.
const routes = `
link set lo up
link add out0 type veth peer name far0
address add 192.0.44.1/24 dev out0
address add 192.0.44.7/24 dev out0
address add 2600:44::1/64 dev out0 nodad
link set out0 up
link set far0 up
route add local 192.0.43.0/24 dev lo src 127.0.0.1
-6 route add local 2600:43::/64 dev lo
`

// TestOwnByRoute holds that what a route takes for the machine's own is its own (AnyIP), though no
// interface has it.
func TestOwnByRoute(t *testing.T) {
	const variable = "NONO_OWN_BY_ROUTE"
	if os.Getenv(variable) != "" {
		ownByRoute(t)
		return
	}
	ip, err := exec.LookPath("ip")
	if err != nil {
		ip = "/usr/sbin/ip"
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestOwnByRoute$")
	cmd.Env = append(os.Environ(), variable+"="+ip)
	id := func(id int) []syscall.SysProcIDMap {
		return []syscall.SysProcIDMap{{ContainerID: id, HostID: id, Size: 1}}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
		UidMappings: id(os.Getuid()), GidMappings: id(os.Getgid()),
		AmbientCaps: []uintptr{unix.CAP_NET_ADMIN},
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func ownByRoute(t *testing.T) {
	elsewhere := []string{"192.0.43.8", "192.0.44.1", "2600:43::8", "2600:44::1"}
	for _, text := range elsewhere {
		if own, err := egress.IsOwn(netip.MustParseAddr(text)); err != nil || own {
			t.Errorf("the control: without a route, %s: %t, %v", text, own, err)
		}
	}
	for line := range strings.Lines(strings.TrimSpace(routes)) {
		out, err := exec.Command(os.Getenv("NONO_OWN_BY_ROUTE"), strings.Fields(line)...).CombinedOutput()
		if err != nil {
			t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
	// An address of IPv6 is there a little later than ip says.
	later := netip.MustParseAddr("2600:44::1")
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		if own, _ := egress.IsOwn(later); own {
			break
		}
	}
	for text, want := range map[string]bool{
		"192.0.43.8": true, "192.0.43.255": true, "192.0.44.1": true, "192.0.44.7": true,
		"2600:43::8": true, "2600:44::1": true, "::ffff:192.0.43.8": true,
		"192.0.44.2": false, "2600:44::2": false, "192.0.45.1": false, "2600:45::1": false,
	} {
		if own, err := egress.IsOwn(netip.MustParseAddr(text)); err != nil || own != want {
			t.Errorf("%s: %t, %v, not %t", text, own, err, want)
		}
	}
}

func BenchmarkIsOwn(b *testing.B) {
	addr := netip.MustParseAddr("192.0.43.8")
	for b.Loop() {
		if _, err := egress.IsOwn(addr); err != nil {
			b.Fatal(err)
		}
	}
}
