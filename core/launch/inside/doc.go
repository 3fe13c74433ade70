// Package inside is nono-init: the small program between core and the agent. Core clones it into
// new namespaces and tells it over a socket, the lifeline, what to do; it builds the agent's view
// of the machine, gives up every privilege, waits at the gate, forks the agent, and stays as pid 1
// until the end.
//
//	func main() { os.Exit(inside.Main()) }
//
// What it does is lists of steps and a loop. The lists are arrival, meanwhile, building and
// preparation (in tier B guarding, guarded, arrivalB and preparationB); they are applied in order,
// and each step says why it stands where it does. A step that fails ends nono-init, and with it all
// that was built: there is no agent yet, and the answer names the rule that the step was there for.
//
// # Tier B
//
// Where there are no namespaces, nono-init is two processes. The guard stays beside the agent: it
// leads the session, adopts orphans, reaps, passes signals on, and ends what is left. Its child,
// the nascent process, works through the lists, waits at the gate and becomes the agent by an exec.
// It talks to core by the same lifeline until then, and so core need not know that there are two. A
// guard that forked the agent itself would be in the agent's Landlock domain, and whoever is in one
// may send signals to the other.
//
// # What must be true of this package
//
// Everything that the agent inherits (root, capabilities, Landlock, filter, session) belongs to a
// thread in Linux, so Main locks itself to one and forks from it. Go's other threads are brought to
// the same state, because one that kept its capabilities would be a prize for an agent that found a
// way into this process. That needs syscall.AllThreadsSyscall, which does not exist under cgo:
// hence the build constraint of cmd/nono-init.
//
// It imports the standard library, x/sys, go-landlock, and nono's fragment, policy, recipe and
// coding. Its memory holds the secrets of the agent's environment and of nobody else's; it writes
// nothing anywhere but to the lifeline.
package inside
