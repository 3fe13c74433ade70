// Package inside is nono-init: the small program between core and the agent. Core clones it into
// new namespaces and tells it over a socket, the lifeline, what to do; it builds the agent's view
// of the machine, gives up every privilege, waits at the gate, forks the agent, and stays as pid 1
// until the end.
//
//	func main() { os.Exit(inside.Main()) }
//
// What it does is three lists of steps and a loop. The lists are arrival, meanwhile and
// preparation; they are applied in order, and each step says why it stands where it does. A step
// that fails ends nono-init, and with it all that was built: there is no agent yet, and the answer
// names the rule that the step was there for.
//
// # What must be true of this package
//
// Everything that the agent inherits (root, capabilities, Landlock, filter, session) belongs to a
// thread in Linux, so Main locks itself to one and forks from it. Go's other threads are brought to
// the same state, because one that kept its capabilities would be a prize for an agent that found a
// way into this process. That needs syscall.AllThreadsSyscall, which does not exist under cgo:
// hence the build constraint of cmd/nono-init.
//
// It imports the standard library, x/sys, go-landlock, and nono's fragment, policy and recipe. Its
// memory holds the secrets of the agent's environment and of nobody else's; it writes nothing
// anywhere but to the lifeline.
package inside
