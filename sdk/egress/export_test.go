package egress

import (
	"context"
	"net"
	"net/netip"
)

// SetConnect replaces what connects to one address.
func SetConnect(d *Dialer, connect func(context.Context, netip.AddrPort) (net.Conn, error)) {
	d.connect = connect
}

// MostAddresses is how many addresses of a host are tried at most.
const MostAddresses = 2 * mostAddresses

// MostLookups is how many lookups are under way at most.
const MostLookups = mostLookups

// MostRemembered is how many answers are remembered at most.
const MostRemembered = mostRemembered
