package sdk_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/host"
	"github.com/nono-run/nono/sdk/layertest"
	"github.com/nono-run/nono/sdk/ticket"
)

// TestSharedSocket: of a socket that others can connect to, a layer accepts the agent's connections
// alone, and sees of each what the agent dialled. Of one that nobody else can reach it accepts all.
func TestSharedSocket(t *testing.T) {
	at, dialled := netip.MustParseAddrPort("127.0.0.1:61000"), netip.MustParseAddrPort("198.18.0.3:443")
	secret := ticket.New()
	for name, shared := range map[string]*host.Shared{"shared": {Secret: secret, Address: at}, "own": nil} {
		t.Run(name, func(t *testing.T) {
			inner, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer inner.Close()
			file, err := inner.(*net.TCPListener).File()
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			m := newMirror()
			kit := layertest.New(t, m)
			given := map[string]host.Listener{"door": {File: file, Shared: shared}}
			if _, err := kit.Host.Start(t.Context(), &sdk.StartRequest{Run: sdk.Run{Host: sdk.Host{Tier: sdk.TierB}}}, given); err != nil {
				t.Fatal(err)
			}
			if socket := m.start.Listeners["door"]; socket.Network != fragment.TCP {
				t.Fatalf("the socket is %q", socket.Network)
			}
			l, err := m.start.Listeners["door"].Listener()
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			for _, say := range [][]byte{[]byte("x"), append(secret.For(dialled), 'x')} {
				c, err := net.Dial("tcp", inner.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if _, err := c.Write(say); err != nil {
					t.Fatal(err)
				}
				if len(say) == 1 && shared != nil {
					_ = c.(*net.TCPConn).CloseWrite() // a stranger, who is not accepted
					_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
					if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
						t.Errorf("a stranger hears %v", err)
					}
					continue
				}
				served, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				want, wantAt := inner.Addr().String(), inner.Addr().String()
				if shared != nil {
					want, wantAt = dialled.String(), at.String()
				}
				if served.LocalAddr().String() != want || l.Addr().String() != wantAt {
					t.Errorf("%s dialled, of %s", served.LocalAddr(), l.Addr())
				}
				served.Close()
			}
		})
	}
}
