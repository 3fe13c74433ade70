package hostname

import "net/netip"

// special is one range that is not the public internet.
type special struct {
	prefix netip.Prefix
	what   string
}

// specials are the ranges of IANA's special-purpose registries, and multicast. What is only
// reachable by translation, or names an IPv4 address, is among them: the address behind it would
// pass unseen.
var specials = []special{
	{netip.MustParsePrefix("0.0.0.0/8"), "this network"},
	{netip.MustParsePrefix("10.0.0.0/8"), "a private network"},
	{netip.MustParsePrefix("100.64.0.0/10"), "a network shared by a provider's customers"},
	{netip.MustParsePrefix("127.0.0.0/8"), "the loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "the local link"},
	{netip.MustParsePrefix("172.16.0.0/12"), "a private network"},
	{netip.MustParsePrefix("192.0.0.0/24"), "reserved for protocols"},
	{netip.MustParsePrefix("192.0.2.0/24"), "for documentation"},
	{netip.MustParsePrefix("192.31.196.0/24"), "reserved for protocols"},
	{netip.MustParsePrefix("192.52.193.0/24"), "reserved for protocols"},
	{netip.MustParsePrefix("192.88.99.0/24"), "reserved for translation"},
	{netip.MustParsePrefix("192.168.0.0/16"), "a private network"},
	{netip.MustParsePrefix("192.175.48.0/24"), "reserved for protocols"},
	{netip.MustParsePrefix("198.18.0.0/15"), "for measurements"},
	{netip.MustParsePrefix("198.51.100.0/24"), "for documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "for documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},

	{netip.MustParsePrefix("::/128"), "no address"},
	{netip.MustParsePrefix("::1/128"), "the loopback"},
	{netip.MustParsePrefix("::/96"), "an IPv4 address in another form"},
	{netip.MustParsePrefix("::ffff:0:0/96"), "an IPv4 address in another form"},
	{netip.MustParsePrefix("64:ff9b::/96"), "reserved for translation"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "reserved for translation"},
	{netip.MustParsePrefix("100::/64"), "discarded"},
	{netip.MustParsePrefix("100:0:0:1::/64"), "reserved for protocols"},
	{netip.MustParsePrefix("2001::/23"), "reserved for protocols"},
	{netip.MustParsePrefix("2001:db8::/32"), "for documentation"},
	{netip.MustParsePrefix("2002::/16"), "reserved for translation"},
	{netip.MustParsePrefix("2620:4f:8000::/48"), "reserved for protocols"},
	{netip.MustParsePrefix("3fff::/20"), "for documentation"},
	{netip.MustParsePrefix("5f00::/16"), "reserved for protocols"},
	{netip.MustParsePrefix("fc00::/7"), "a private network"},
	{netip.MustParsePrefix("fe80::/10"), "the local link"},
	{netip.MustParsePrefix("fec0::/10"), "a private network"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},

	// All of IPv6 that is left, but for 2000::/3: networks that lie over another one use such
	// addresses.
	{netip.MustParsePrefix("::/3"), "not given out"},
	{netip.MustParsePrefix("4000::/2"), "not given out"},
	{netip.MustParsePrefix("8000::/1"), "not given out"},
}

// Special says which range that is not the public internet an address lies in, and what that is
// for. An IPv4 address in an IPv6 form is looked at as what it stands for.
func Special(addr netip.Addr) (within netip.Prefix, what string, ok bool) {
	addr = addr.Unmap().WithZone("")
	for _, s := range specials {
		if s.prefix.Contains(addr) {
			return s.prefix, s.what, true
		}
	}
	return netip.Prefix{}, "", false
}

// metadata are the addresses at which a cloud hands out its credentials to whoever asks.
var metadata = map[netip.Addr]bool{
	netip.MustParseAddr("169.254.169.254"): true,
	netip.MustParseAddr("169.254.170.2"):   true,
	netip.MustParseAddr("169.254.170.23"):  true,
	netip.MustParseAddr("fd00:ec2::254"):   true,
	netip.MustParseAddr("fd00:ec2::23"):    true,
	netip.MustParseAddr("fd20:ce::254"):    true,
	netip.MustParseAddr("100.100.100.200"): true,
	netip.MustParseAddr("168.63.129.16"):   true,
	netip.MustParseAddr("192.0.0.192"):     true,
}

// IsMetadata reports whether a cloud's metadata service answers at an address.
func IsMetadata(addr netip.Addr) bool { return metadata[addr.Unmap().WithZone("")] }
