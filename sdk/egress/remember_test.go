package egress_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nono-run/nono/sdk/egress"
)

// nth answers with another address each time, has none of IPv6, and fails for a name.
type nth struct{ asked int }

func (n *nth) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	n.asked++
	switch {
	case host == "fails.example":
		return nil, errors.New("no name server answers")
	case network == "ip6":
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return []netip.Addr{netip.AddrFrom4([4]byte{9, 9, byte(n.asked >> 8), byte(n.asked)})}, nil
}

func TestRemembering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := new(nth)
		r := &egress.Remembering{Resolver: server, For: 5 * time.Second}
		ask := func(network, host string) string {
			addrs, err := r.LookupNetIP(t.Context(), network, host)
			return fmt.Sprint(addrs, err)
		}
		first := ask("ip4", "a.example")
		none := ask("ip6", "a.example")
		if got := ask("ip4", "a.example"); got != first || server.asked != 2 {
			t.Errorf("%s, then %s; asked %d times", first, got, server.asked)
		}
		if got := ask("ip6", "a.example"); got != none || server.asked != 2 {
			t.Errorf("%s, then %s; asked %d times", none, got, server.asked)
		}
		if got := ask("ip4", "b.example"); got == first || server.asked != 3 {
			t.Errorf("another name is answered %s; asked %d times", got, server.asked)
		}
		time.Sleep(6 * time.Second)
		if got := ask("ip4", "a.example"); got == first {
			t.Error("an answer counts too long")
		}
		before := server.asked
		ask("ip4", "fails.example")
		ask("ip4", "fails.example")
		if server.asked != before+2 {
			t.Error("a failure is remembered")
		}
	})
}

// A program can ask for many names, and what is remembered of them has a bound.
func TestRememberingIsBounded(t *testing.T) {
	server := new(nth)
	r := &egress.Remembering{Resolver: server, For: time.Hour}
	for n := range egress.MostRemembered + 1 {
		if _, err := r.LookupNetIP(t.Context(), "ip4", fmt.Sprint(n, ".example")); err != nil {
			t.Fatal(err)
		}
	}
	before := server.asked
	if _, err := r.LookupNetIP(t.Context(), "ip4", "0.example"); err != nil || server.asked == before {
		t.Errorf("it is still remembered, %v", err)
	}
}
