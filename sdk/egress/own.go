package egress

import (
	"fmt"
	"net/netip"
)

// IsOwn reports whether an address of the public internet is this machine's: an interface has it,
// or a route takes it for the machine's own. What serves there takes whoever comes from within for
// one of its own, and no firewall stands between, so a name that leads there leads to the host's
// services as 127.0.0.1 does.
//
// The loopback itself is in a special range, and no address that others have in common with this
// machine (behind NAT) is found.
func IsOwn(addr netip.Addr) (bool, error) {
	if addr = addr.Unmap(); addr.IsUnspecified() {
		return true, nil // to connect to no address is to connect to oneself
	}
	own, err := isLocal(addr)
	if err != nil {
		return false, fmt.Errorf("looking whether %s is an address of this machine: %w", addr, err)
	}
	return own, nil
}
