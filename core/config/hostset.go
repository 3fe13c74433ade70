package config

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/nono-run/nono/sdk/policy"
)

// hostSet says whether rules of one action speak of a host. However many there are, a question
// costs what the name has of dots: a file has room for thousands of rules.
type hostSet struct {
	at map[hostPort]bool
	// above are the suffixes that something of the set lies below.
	above  map[hostPort]bool
	ranges []rangeRule
}

// hostPort is a host as a rule has it, at a port.
type hostPort struct {
	host string
	port int
}

// Ports that are none: a rule about every one, and a rule about some.
const (
	everyPort = 0
	anyPort   = -1
)

type rangeRule struct {
	prefix netip.Prefix
	rule   policy.HostRule
}

// newHostSet is the set of those rules that belong to it.
func newHostSet(rules []hostRule, belongs func(hostRule) bool) *hostSet {
	s := &hostSet{at: map[hostPort]bool{}, above: map[hostPort]bool{}}
	for _, r := range rules {
		if belongs(r) {
			s.add(r.HostRule)
		}
	}
	return s
}

func (s *hostSet) add(r policy.HostRule) {
	for _, port := range append(portsOf(r), anyPort) {
		s.at[hostPort{r.Host, port}] = true
		for suffix := range suffixes(r.Host) {
			s.above[hostPort{suffix, port}] = true
		}
	}
	if prefix, err := netip.ParsePrefix(r.Host); err == nil {
		s.ranges = append(s.ranges, rangeRule{prefix, r})
	}
}

func portsOf(r policy.HostRule) []int {
	if len(r.Ports) == 0 {
		return []int{everyPort}
	}
	ports := make([]int, len(r.Ports))
	for i, p := range r.Ports {
		ports[i] = int(p)
	}
	return ports
}

// suffixes yields the patterns that a host, or what a pattern means, lies below.
func suffixes(host string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		rest := strings.TrimPrefix(host, "*.")
		for {
			_, above, ok := strings.Cut(rest, ".")
			if !ok || !yield("*."+above) {
				return
			}
			rest = above
		}
	}
}

// covers reports whether the set gives all that a rule does. Of addresses only the same range does:
// a wider one may well not reach into what is special of it.
func (s *hostSet) covers(r policy.HostRule) bool {
	for _, port := range portsOf(r) {
		gives := func(host string) bool {
			return s.at[hostPort{host, port}] || s.at[hostPort{host, everyPort}]
		}
		found := gives(r.Host)
		for suffix := range suffixes(r.Host) {
			found = found || gives(suffix)
		}
		if !found {
			return false
		}
	}
	return true
}

// meets reports whether something of the set and a rule speak of one host at one port.
func (s *hostSet) meets(r policy.HostRule) bool {
	has := func(in map[hostPort]bool, host string) bool {
		if len(r.Ports) == 0 {
			return in[hostPort{host, anyPort}]
		}
		return in[hostPort{host, everyPort}] || slices.ContainsFunc(portsOf(r),
			func(port int) bool { return in[hostPort{host, port}] })
	}
	if has(s.at, r.Host) || has(s.above, r.Host) {
		return true
	}
	for suffix := range suffixes(r.Host) {
		if has(s.at, suffix) {
			return true
		}
	}
	prefix, err := netip.ParsePrefix(r.Host)
	return err == nil && slices.ContainsFunc(s.ranges, func(o rangeRule) bool {
		ports := len(r.Ports) == 0 || len(o.rule.Ports) == 0 || slices.ContainsFunc(r.Ports,
			func(p uint16) bool { return slices.Contains(o.rule.Ports, p) })
		return ports && o.prefix.Overlaps(prefix)
	})
}
