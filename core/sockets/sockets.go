// Package sockets is what an agent reaches that has no network of its own, in tier B: core makes
// its connections.
//
// Where there are namespaces (tier A), a plan's listeners are sockets on a loopback that the agent
// has for itself. Here the agent is on the host's own network, and nothing there may be reached. So
// its connect and listen wait for core (package supervise), and core plays that loopback: the agent
// dials the same addresses and ports as in tier A, and is connected to sockets that core opened for
// the layers, at some port of the host's loopback. What nothing stands for is refused, as it would
// be there.
//
//	s, err := sockets.Open(sockets.Options{Listeners: plan.Listeners, ...})
//	defer s.Close()
//	s.Listeners()                                   // for the layers, with the tickets' secret
//	supervise.Serve(ctx, listener, s.Handlers())    // from before the agent runs
//
// Anybody on the host can connect to those sockets as well. What tells the agent's connections from
// theirs is said by core and known to the layer: see package ticket.
//
// # A connect
//
// The address is copied once, and what is decided on is that copy. The socket is duplicated, and
// what is looked at and connected is the duplicate, so that a descriptor that is closed or reused
// meanwhile does no harm. Sockets of TCP and Unix streams alone are connected; the filter lets no
// other be made.
//
//   - An address of TCP is looked up among the plan's listeners. The agent's socket is connected to
//     the one of core's that stands for it, and the ticket is said before the agent is told.
//   - A question for names, at port 53 of whatever address, goes to the layer that answers them.
//   - A Unix socket is opened by its path, from where the caller is, and decided about by where the
//     file turns out to be. What is connected to is that file, whatever the path means by then. The
//     service sees core as its peer, for core it is that connects.
//
// Where a filter keeps core from duplicating (containers have such a one), it connects a socket of
// its own, and puts that in the place of the agent's.
//
// # A listen
//
// The agent serves at ports that a dialer step names, and at an address of the host's loopback: one
// that is bound to every address is refused, for there is no way to keep the network from it. (A
// filter on the socket would be one, and takes a capability.) A Unix socket is served at a path,
// not at a name without a file, which others could expect somebody else to have.
package sockets

import (
	"errors"

	"github.com/nono-run/nono/core/plan/merge"
)

// Options say what there is to be reached.
type Options struct {
	// Listeners are the plan's. Those of UDP are left out: nobody here can send to one.
	Listeners []merge.Listener
	// Names is the identity of the listener that answers for names; "" where there is none.
	Names string
	// Serves are the ports that the agent may serve on the loopback.
	Serves []uint16
	// Connects decides about a Unix socket, by its path without links.
	Connects func(path string) bool
}

// ErrNotServed says that the agent serves nothing at a port.
var ErrNotServed = errors.New("the agent serves nothing there")
