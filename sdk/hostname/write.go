package hostname

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// UsualPorts are those of a host that is allowed without one: of https and of http.
func UsualPorts() []uint16 { return []uint16{443, 80} }

// Write is a host of a [Pattern] with ports, as a policy has it: [ParsePattern] reads it back where
// there is one port, or every, or the usual ones, which go without saying.
func Write(host string, ports []uint16) string {
	if prefix, err := netip.ParsePrefix(host); err == nil {
		if prefix.IsSingleIP() {
			host = prefix.Addr().String()
		}
		if prefix.Addr().Is6() {
			host = "[" + host + "]"
		}
	}
	switch {
	case slices.Equal(ports, UsualPorts()):
		return host
	case len(ports) == 0:
		return host + ":*"
	}
	words := make([]string, len(ports))
	for i, p := range ports {
		words[i] = strconv.Itoa(int(p))
	}
	return host + ":" + strings.Join(words, ",")
}
