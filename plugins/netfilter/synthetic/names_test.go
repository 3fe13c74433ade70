package synthetic_test

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/nono-run/nono/plugins/netfilter/synthetic"
)

var prefix = netip.MustParsePrefix("198.18.0.0/15")

// TestAnAddressHasOneName is what a listener relies on: in whatever order names and addresses are
// asked for, an address never stands for two names, nor for one that has another.
func TestAnAddressHasOneName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.IntRange(15, 32).Draw(t, "bits")
		within := netip.PrefixFrom(prefix.Addr(), bits)
		names := synthetic.New(within)
		known := map[string]netip.Addr{}
		back := map[netip.Addr]string{}
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, 40), 0, 200).Draw(t, "names") {
			name := fmt.Sprintf("h%d.example.com", i)
			addr, err := names.Address(name)
			if errors.Is(err, synthetic.ErrFull) {
				if _, had := known[name]; had {
					t.Fatalf("%s has lost its address", name)
				}
				if room := 1<<(32-bits) - 1; len(known) != room {
					t.Fatalf("full with %d names, and there is room for %d", len(known), room)
				}
				continue
			}
			if err != nil || !within.Contains(addr) || addr == within.Addr() {
				t.Fatalf("%s: %s, %v", name, addr, err)
			}
			if had, ok := known[name]; ok && had != addr {
				t.Fatalf("%s: %s, and before %s", name, addr, had)
			}
			if other, ok := back[addr]; ok && other != name {
				t.Fatalf("%s stands for %s and for %s", addr, other, name)
			}
			known[name], back[addr] = addr, name
		}
		for addr := within.Addr(); within.Contains(addr) && len(back) > 0; addr = addr.Next() {
			name, ok := names.Name(addr)
			if name != back[addr] || ok != (back[addr] != "") {
				t.Fatalf("%s stands for %q, not %q", addr, name, back[addr])
			}
			delete(back, addr)
			if mapped, _ := names.Name(netip.AddrFrom16(addr.As16())); mapped != name {
				t.Fatalf("%s in the form of IPv6 stands for %q", addr, mapped)
			}
		}
	})
}

// TestTheTableIsBounded looks up more names than a session has addresses for: those that have one
// keep it, and no other gets one.
func TestTheTableIsBounded(t *testing.T) {
	names := synthetic.New(prefix)
	first, err := names.Address("first.example.com")
	if err != nil {
		t.Fatal(err)
	}
	given := 1
	for ; ; given++ {
		if _, err := names.Address(fmt.Sprintf("h%d.example.com", given)); errors.Is(err, synthetic.ErrFull) {
			break
		}
		if given > 1<<17 {
			t.Fatal("there is no end")
		}
	}
	if again, err := names.Address("first.example.com"); err != nil || again != first {
		t.Errorf("first.example.com: %s, %v", again, err)
	}
	if _, err := names.Address("another.example.com"); !errors.Is(err, synthetic.ErrFull) {
		t.Error("there was room after all")
	}
	if given < 1000 {
		t.Errorf("full with %d names", given)
	}
}
