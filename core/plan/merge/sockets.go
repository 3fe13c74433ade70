package merge

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/nono-run/nono/sdk/fragment"
)

// firstPort is where picked ports begin: above the range from which the kernel takes the ports of
// outgoing connections, so that the agent's own connections never take one.
const firstPort = 61000

// maxListeners is how many sockets a run has inside; each is a descriptor of nono-init's, of core's
// and of its layer's.
const maxListeners = 512

// Listener is a listener step with its port picked, and the layer that serves on it.
type Listener struct {
	fragment.Listener
	Layer string `json:"layer"`
}

// Find is the listener that a layer calls by this name: names are local to their layer.
func Find(all []Listener, layer, name string) (Listener, bool) {
	i := slices.IndexFunc(all, func(l Listener) bool { return l.Layer == layer && l.Name == name })
	if i < 0 {
		return Listener{}, false
	}
	return all[i], true
}

// ID tells the listener from those of other layers.
func (l Listener) ID() string { return l.Layer + ":" + l.Name }

// Dialer is the ports of the loopback inside that a layer may connect to.
type Dialer struct {
	Layer string   `json:"layer"`
	Ports []uint16 `json:"ports"`
}

// Listeners gives every listener step, core's own and the layers', an address and a port. The
// network namespace is new, so every port is free: what is picked depends on the plan alone.
func (m *Merger) Listeners(own, layers []Listener) ([]Listener, error) {
	if n := len(layers); n > maxListeners {
		return nil, fmt.Errorf("the layers want %d listeners, and at most %d are opened", n, maxListeners)
	}
	all := slices.Concat(own, layers)
	for i := range all {
		if all[i].Address == "" {
			all[i].Address = "127.0.0.1"
		}
	}
	slices.SortFunc(all, func(a, b Listener) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Layer, b.Layer))
	})
	m.refuseTwice(all)
	return all, pickPorts(all)
}

func pickPorts(all []Listener) error {
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
			return errors.New("the layers want more listeners than there are ports")
		}
		all[i].Port = uint16(port)
		port++
	}
	return nil
}

// refuseTwice reports a name that a layer has for two listeners, and a port that two want at one
// address: each listener with one of those before it, for a layer may ask for many.
func (m *Merger) refuseTwice(all []Listener) {
	type place struct {
		network fragment.Network
		port    uint16
		address string // any if empty
	}
	names := map[string]Listener{}
	taken := map[place]Listener{}
	wild := map[place]Listener{} // those on all addresses
	for _, l := range all {
		if first, twice := names[l.ID()]; twice {
			m.conflict(first.origin(), l.origin(), "two listeners of layer %s are called %q",
				l.Layer, l.Name)
			continue
		}
		names[l.ID()] = l
		if l.Port == 0 {
			continue
		}
		anywhere := place{network: l.Network, port: l.Port}
		at := place{l.Network, l.Port, l.Address}
		first, twice := wild[anywhere]
		switch {
		case twice:
		case wildcard(l.Address):
			first, twice = taken[anywhere]
			wild[anywhere] = l
		default:
			first, twice = taken[at]
		}
		if twice {
			m.conflict(first.origin(), l.origin(), "the listeners %q and %q both want port %d",
				first.Name, l.Name, l.Port)
			continue
		}
		taken[anywhere], taken[at] = l, l
	}
}

func wildcard(address string) bool {
	a, err := netip.ParseAddr(address)
	return err == nil && a.IsUnspecified()
}

func (l Listener) origin() Origin { return Origin{l.For, l.Layer} }

// Host is the address that a program inside would connect to: a listener on all addresses is
// reached on the loopback.
func (l Listener) Host() string {
	a, err := netip.ParseAddr(l.Address)
	switch {
	case l.Address == "" || err == nil && a.IsUnspecified() && !a.Is6():
		return "127.0.0.1"
	case err == nil && a.IsUnspecified():
		return "::1"
	}
	return l.Address
}

// Dialled is ADDRESS:PORT as a program inside would connect to it.
func (l Listener) Dialled() string { return net.JoinHostPort(l.Host(), strconv.Itoa(int(l.Port))) }

// Dialers is the ports that each layer may connect to, united and sorted.
func Dialers(dialers []Dialer) []Dialer {
	ports := map[string][]uint16{}
	for _, d := range dialers {
		ports[d.Layer] = append(ports[d.Layer], d.Ports...)
	}
	var all []Dialer
	for layer, p := range ports {
		slices.Sort(p)
		all = append(all, Dialer{layer, slices.Compact(p)})
	}
	slices.SortFunc(all, func(a, b Dialer) int { return cmp.Compare(a.Layer, b.Layer) })
	return all
}
