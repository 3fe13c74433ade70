//go:build linux

package network

import (
	"encoding/base64"
	"fmt"
	"os/exec"
	"testing"

	"github.com/nono-run/nono/test/internet"
)

// vendor is all that swaps nono's own network layer for the gateway of examples/gateway.
const vendor = `
layer "network" { plugin = "acme/gateway" }
plugin "acme/gateway" { path = %q }
`

// withVendor is a policy with the gateway, which the user has locked.
func (u *user) withVendor(policy string) string {
	u.T.Helper()
	gateway := base + "/bin/nono-layer-gateway"
	r := u.Finish(u.Command(base+"/bin/nono", "plugin", "lock", "acme/gateway", gateway))
	if r.Code != 0 {
		u.T.Fatal(r)
	}
	return policy + fmt.Sprintf(vendor, gateway)
}

// TestVendor: with another vendor's network layer, none of the attempts succeeds either.
func TestVendor(t *testing.T) {
	ech := base64.StdEncoding.EncodeToString(internet.Here(t).Web.ECH)
	all := attempts(ech)
	u, a := newUser(t), openArena(t, len(all))
	heldInside(u, a, all, u.withVendor(threatPolicy), plainTries())
}

// TestVendorVerified: the layer keeps what nono asks of every layer.
func TestVendorVerified(t *testing.T) {
	internet.Here(t)
	u := newUser(t)
	r := u.Finish(u.Command(base+"/bin/nono", "plugin", "verify", base+"/bin/nono-layer-gateway"))
	if r.Code != 0 {
		t.Error(r)
	}
}

// TestVendorTests runs the example's own tests.
func TestVendorTests(t *testing.T) {
	internet.Here(t)
	if out, err := exec.Command(base + "/bin/gateway.test").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
