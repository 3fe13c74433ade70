// Package descendants finds and ends the processes that a process has started, and those that they
// have started.
//
//	all, err := descendants.Of(os.Getpid())
//	ended, left := descendants.End(limit)
//
// In tier B nothing but its parents tells a process of the agent's from any other of the user's: a
// signal to everybody would reach the user's editor. What makes this enough is that a process whose
// parent ends becomes the child of the next one above that adopts orphans (a subreaper), so that
// no fork, no session of its own and no end of a parent leads out of the tree.
//
// It is used by nono-init, and by core for what a nono-init that was killed has left.
package descendants
