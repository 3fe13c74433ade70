// Package descendants finds and ends the processes that a process has started, and those that they
// have started.
//
//	all := descendants.Of(os.Getpid())
//	killed, left := descendants.End(limit, nil)
//	killed, left = descendants.End(limit, descendants.Branded)
//
// In tier B nothing but its parents tells a process of the agent's from any other of the user's: a
// signal to everybody would reach the user's editor. What makes this enough is that a process whose
// parent ends becomes the child of the next one above that adopts orphans (a subreaper), so that no
// fork, no session of its own and no end of a parent leads out of the tree.
//
// # The fence
//
// Looking for processes one by one, one can come too late for those that go on forking. From
// version 6 on Landlock can close a thread, and all that it starts, in a domain whose members send
// signals to each other alone ([Fence]). There the signal to everybody is what it is in a namespace
// of its own: it reaches the whole tree in one moment, and nobody else.
//
// It would be a disaster anywhere else. So whoever wants to send it must have seen the kernel
// refuse a signal that is allowed without the fence.
//
// # The brand
//
// A process that adopts orphans may have children of another kind. What is to be told from these is
// marked at its root ([Brand]).
//
// All are used by nono-init, and by core for what a nono-init that was killed has left.
package descendants
