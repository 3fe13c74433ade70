// Package recipe is what core tells nono-init to do, and what nono-init answers: the messages that
// cross the lifeline between them. Both ends are built from this package; how it is written down is
// package coding's.
//
// A recipe for tier B has the same form and holds less: no mounts, for there is no view to build;
// no listeners and no dialers, which core opens on the host; and Landlock rules always.
package recipe

import "github.com/nono-run/nono/sdk/fragment"

// Recipe is a plan made ready to be applied: ordered, resolved, with nothing left to decide. It
// holds secrets (in Env), so it is never stored or printed; it travels in a sealed memfd.
type Recipe struct {
	// Mounts are sorted by path, parents first; the first one is the root. In tier B there are none.
	Mounts    fragment.List
	Listeners []fragment.Listener
	// Dial lists the ports of the loopback inside that a layer may be connected to.
	Dial []uint16
	// Landlock is empty when no layer uses Landlock: then there is no ruleset.
	Landlock    []fragment.Landlock
	LandlockABI int
	// BindTCP are the ports of the host that the agent may listen on, in tier B. Landlock knows it
	// from version 4 on; before that, it is the filter that allows sockets or does not.
	BindTCP []uint16
	// Terminal asks for a terminal of the session's own, which the agent finds as /dev/tty. Its other
	// end is handed to core.
	Terminal bool
	// Seccomp is the assembled filter: classic BPF instructions, 8 bytes each, in the machine's byte
	// order.
	Seccomp []byte
	// Notify is one more assembled filter, of the agent alone: the system calls that wait until
	// whoever holds its listener has answered for them. The listener is handed to core. Empty: there
	// is none.
	Notify []byte
	// Executable is a path inside.
	Executable string
	Args       []string
	Env        []string
	// Dir is a path inside.
	Dir string
	// Umask is the agent's.
	Umask int
	// OpenFiles is how many files the agent may have open, and nono-init with it; zero is what they
	// may anyway.
	OpenFiles uint64
	// Processes is how many processes and threads there may be inside beside nono-init's; zero is as
	// many as there may be anyway. Real root has no such limit, whatever stands here.
	Processes uint64
	// Streams are standard input, output and error.
	Streams [3]Stream
}
