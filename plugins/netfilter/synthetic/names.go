// Package synthetic answers for names inside, where programs that know no proxy look them up.
//
//	names := synthetic.New(netip.MustParsePrefix("198.18.0.0/15"))
//	r := &synthetic.Resolver{Names: names, Allowed: allowed}
//	go r.ServePacket(udp)
//	go r.Serve(tcp)
//	...
//	name, ok := names.Name(address) // what a connection that arrived at address is for
//
// An allowed name gets an address of its own out of a range that leads nowhere but to the listeners
// inside. A program connects to that address, and by it the listener knows which name was meant. A
// name that is not allowed does not exist. In neither case is anybody asked: no question that the
// agent puts leaves this process, so it carries nothing out, and where a name really leads is found
// out only when somebody connects.
//
// An address belongs to one name for the whole session. So it stands for the same host in whatever
// a program remembers it, and there is an end to how many names there can be.
package synthetic

import (
	"errors"
	"net/netip"
	"sync"
)

// mostNames is how many names are given addresses in a session. A real one uses some dozens; an
// agent to which "*.example.com" is allowed can make up any number.
const mostNames = 1 << 14

// ErrFull says that as many names were looked up as there are addresses for.
var ErrFull = errors.New("too many different names were looked up in this session")

// Names knows which name each address stands for. It may be used by many at the same time.
type Names struct {
	prefix netip.Prefix

	mu     sync.RWMutex
	byName map[string]netip.Addr
	byAddr map[netip.Addr]string
	last   netip.Addr
}

// New begins without names. Their addresses are from prefix, a range of IPv4 whose first address is
// not given out.
func New(prefix netip.Prefix) *Names {
	prefix = prefix.Masked()
	return &Names{
		prefix: prefix, last: prefix.Addr(),
		byName: map[string]netip.Addr{}, byAddr: map[netip.Addr]string{},
	}
}

// Address is the address that stands for a name. A name that has none gets one, until there are no
// more: then the error is [ErrFull].
func (n *Names) Address(name string) (netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if addr, ok := n.byName[name]; ok {
		return addr, nil
	}
	next := n.last.Next()
	if len(n.byName) == mostNames || !n.prefix.Contains(next) {
		return netip.Addr{}, ErrFull
	}
	n.last = next
	n.byName[name] = next
	n.byAddr[next] = name
	return next, nil
}

// Name is the name that an address stands for, if it was given to one.
func (n *Names) Name(addr netip.Addr) (string, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	name, ok := n.byAddr[addr.Unmap()]
	return name, ok
}
