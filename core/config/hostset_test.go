package config

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/nono-run/nono/sdk/policy"
)

// A set of rules says what comparing them one by one says.
func TestHostSet(t *testing.T) {
	hosts := []string{
		"a", "b.a", "c.b.a", "*.a", "*.b.a", "*.c.b.a", "x.a", "*.x.a", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "fd00::/8",
	}
	ports := [][]uint16{nil, {443, 80}, {443}, {22}, {80}}
	rule := rapid.Custom(func(t *rapid.T) policy.HostRule {
		return policy.HostRule{Host: rapid.SampledFrom(hosts).Draw(t, "host"), Ports: rapid.SampledFrom(ports).Draw(t, "ports")}
	})
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rule, 0, 6).Draw(t, "rules")
		asked := rule.Draw(t, "asked")
		var rules []hostRule
		for _, r := range all {
			rules = append(rules, hostRule{HostRule: r})
		}
		set := newHostSet(rules, func(hostRule) bool { return true })
		meets := slices.ContainsFunc(all, func(r policy.HostRule) bool {
			return overlapPorts(r, asked) && overlapHosts(r.Host, asked.Host)
		})
		if got := set.meets(asked); got != meets {
			t.Fatalf("meets is %v, want %v", got, meets)
		}
		covers := true
		for _, port := range portsOf(asked) {
			covers = covers && slices.ContainsFunc(all, func(r policy.HostRule) bool {
				at := len(r.Ports) == 0 || slices.Contains(portsOf(r), port) && port != everyPort
				return at && (r.Host == asked.Host || isBelow(strings.TrimPrefix(asked.Host, "*."), r.Host))
			})
		}
		if got := set.covers(asked); got != covers {
			t.Fatalf("covers is %v, want %v", got, covers)
		}
	})
}

func isBelow(name, pattern string) bool {
	suffix, ok := strings.CutPrefix(pattern, "*")
	return ok && strings.HasSuffix(name, suffix)
}

func overlapHosts(a, b string) bool {
	one, err := netip.ParsePrefix(a)
	other, otherErr := netip.ParsePrefix(b)
	return a == b || isBelow(strings.TrimPrefix(a, "*."), b) || isBelow(strings.TrimPrefix(b, "*."), a) ||
		err == nil && otherErr == nil && one.Overlaps(other)
}

func overlapPorts(a, b policy.HostRule) bool {
	return len(a.Ports) == 0 || len(b.Ports) == 0 ||
		slices.ContainsFunc(a.Ports, func(p uint16) bool { return slices.Contains(b.Ports, p) })
}
