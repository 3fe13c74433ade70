package egress_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/nono-run/nono/sdk/egress"
)

// TestIsOwn holds the addresses that this machine has against what it is told of them.
func TestIsOwn(t *testing.T) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		prefix, err := netip.ParsePrefix(one.String())
		if err != nil {
			t.Fatal(err)
		}
		if prefix.Addr().IsLinkLocalUnicast() {
			continue // belongs to one interface alone
		}
		for _, addr := range []netip.Addr{prefix.Addr(), netip.AddrFrom16(prefix.Addr().As16())} {
			if own, err := egress.IsOwn(addr); err != nil || !own {
				t.Errorf("%s: %t, %v", addr, own, err)
			}
		}
	}
	for _, text := range []string{"0.0.0.0", "::", "::ffff:0.0.0.0"} {
		if own, err := egress.IsOwn(netip.MustParseAddr(text)); err != nil || !own {
			t.Errorf("%s: %t, %v", text, own, err)
		}
	}
	for _, text := range []string{"192.0.43.8", "2600::8"} {
		if own, err := egress.IsOwn(netip.MustParseAddr(text)); err != nil || own {
			t.Errorf("%s: %t, %v", text, own, err)
		}
	}
}
