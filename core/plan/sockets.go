package plan

import (
	"bytes"
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// firstPort is where picked ports begin: above the range from which the kernel takes the ports of outgoing connections, so that
// the agent's own connections never take one.
const firstPort = 61000

// listeners gives every listener step an address and a port of its own. The network namespace is new, so every port is free:
// what is picked depends on the plan alone.
func (m *maker) listeners() []Listener {
	var all []Listener
	for _, s := range m.layers {
		for _, step := range s.Response.Fragment.Steps {
			if l, ok := step.(fragment.Listener); ok {
				if l.Address == "" {
					l.Address = "127.0.0.1"
				}
				all = append(all, Listener{l, s.Name})
			}
		}
	}
	slices.SortFunc(all, func(a, b Listener) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Layer, b.Layer)) })
	for i, a := range all {
		for _, b := range all[:i] {
			switch {
			case a.Name == b.Name:
				m.clash(m.originOfListener(b), m.originOfListener(a), "two listeners are called %q", a.Name)
			case a.Port != 0 && a.Port == b.Port && overlap(a, b):
				m.clash(m.originOfListener(b), m.originOfListener(a), "the listeners %q and %q both want port %d", b.Name, a.Name, a.Port)
			}
		}
	}
	m.pickPorts(all)
	return all
}

func (m *maker) pickPorts(all []Listener) {
	taken := map[uint16]bool{}
	for _, l := range all {
		taken[l.Port] = true
	}
	port := firstPort
	for i := range all {
		if all[i].Port != 0 {
			continue
		}
		for port <= 65535 && taken[uint16(port)] {
			port++
		}
		if port > 65535 {
			m.problem(diag.Errorf("the layers want more listeners than there are ports"), policy.Source{})
			return
		}
		all[i].Port = uint16(port)
		port++
	}
}

func overlap(a, b Listener) bool {
	return a.Network == b.Network && (a.Address == b.Address || wildcard(a.Address) || wildcard(b.Address))
}

func wildcard(address string) bool {
	a, err := netip.ParseAddr(address)
	return err == nil && a.IsUnspecified()
}

func (m *maker) originOfListener(l Listener) origin { return m.originOf(l.Listener, l.Layer) }

// Dialled is ADDRESS:PORT as a program inside would connect to it: a listener on all addresses is reached on the loopback.
func (l Listener) Dialled() string {
	host := l.Address
	if a, err := netip.ParseAddr(host); err == nil && a.IsUnspecified() {
		host = "127.0.0.1"
		if a.Is6() {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(int(l.Port)))
}

// dialers is the ports that each layer may connect to, united and sorted.
func (m *maker) dialers() []Dialer {
	var all []Dialer
	for _, s := range m.layers {
		var ports []uint16
		for _, step := range s.Response.Fragment.Steps {
			if d, ok := step.(fragment.Dialer); ok {
				ports = append(ports, d.Ports...)
			}
		}
		if len(ports) > 0 {
			slices.Sort(ports)
			all = append(all, Dialer{s.Name, slices.Compact(ports)})
		}
	}
	return all
}

// seccomp is core's hardening first and then the layers' rules, each once. A filter only takes away, so rules never contradict
// each other.
func (m *maker) seccomp() []fragment.Seccomp {
	all := hardening()
	var layers []fragment.Seccomp
	for _, s := range m.layers {
		for _, step := range s.Response.Fragment.Steps {
			if f, ok := step.(fragment.Seccomp); ok {
				layers = append(layers, f)
			}
		}
	}
	slices.SortFunc(layers, func(a, b fragment.Seccomp) int { return bytes.Compare(canonical(a), canonical(b)) })
	layers = slices.CompactFunc(layers, func(a, b fragment.Seccomp) bool { return bytes.Equal(canonical(a), canonical(b)) })
	return append(all, layers...)
}
