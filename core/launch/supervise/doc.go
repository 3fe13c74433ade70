// Package supervise makes system calls in the place of processes that may not make them themselves.
// It is core's end of a seccomp listener: the kernel holds the caller, tells core what was called,
// and the caller gets whatever core answers.
//
//	handlers := supervise.Handlers{"connect": func(c *supervise.Call) supervise.Answer {
//		address, err := c.Read(c.Arg(1), c.Arg(2))
//		if err != nil {
//			return supervise.Refuse(err)
//		}
//		socket, err := c.Descriptor(c.Int(0))
//		if err != nil {
//			return supervise.Refuse(err)
//		}
//		defer unix.Close(socket)
//		if !c.Waiting() {
//			return supervise.Refuse(unix.EINTR)
//		}
//		return supervise.Result(connect(socket, address)) // looks at both, and then connects
//	}}
//	err := supervise.Serve(ctx, listener, handlers)
//
// # What a handler must keep to
//
// While a call waits, other threads of its process run on. They change the memory that its
// arguments point to, and close the descriptors that they name and open others in their place. So a
// handler
//
//   - copies what it needs once, and decides on the copy;
//   - takes a duplicate of a descriptor, looks at that, and uses that;
//   - asks [Call.Waiting] when it has everything and before it does anything: a number of a thread
//     may be another's as soon as its own has gone, and then what was copied was never the
//     caller's.
//
// There is no answer that lets the kernel go on with the call (SECCOMP_USER_NOTIF_FLAG_CONTINUE):
// it would read the same memory and the same descriptors once more, and whatever was looked at here
// may be something else by then. What is allowed is done here, on the copies.
//
// # Rights
//
// Handlers run on threads without any capability: core may be root's, and its agent has none. All
// else is the same on both sides, the user, the groups and the mounts, so what a handler does by a
// path or on a descriptor succeeds where the agent would succeed but for its filter. Landlock is
// not the same: core is in no ruleset, and what the rules say is for the handler to hold.
//
// The kernel lets core look into the caller (process_vm_readv, pidfd_getfd, /proc/PID/cwd) because
// it is the same user's, has no capability that core lacks, and is core's descendant, which is what
// Yama asks for in its scope 1, the usual one. A process that makes itself undumpable, or runs a
// program that its user may not read, is closed to core as well, and its calls are refused.
//
// # Waiting
//
// A call costs two switches between processes. The thread that has answered one waits in the kernel
// for the next, for a moment, and the kernel wakes it on the processor of the caller, who goes to
// sleep (SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, Linux 6.6). When none comes it waits in Go's poller,
// where it holds no processor of Go's.
//
// A handler may block: then another thread takes over the listener, and this one ends with its
// call. So many calls may take long at once; beyond that all wait until one of them is done.
//
// A caller that is waiting can be killed. With SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (Linux 5.19)
// nothing less interrupts it once its call was received: no signal handler runs before the answer,
// so a handler that may block needs a limit of its own. Without the flag any signal interrupts the
// call, and the kernel starts it again: a handler's work may then be done twice. (Kernels before
// 6.17 do so even with the flag, if the answer is very quick.)
//
// # Ends
//
// Whatever ends the serving closes the listener, and so does the end of core. From then on the
// kernel answers ENOSYS to calls that wait and to all that come: nothing is ever let through
// because nobody is there.
package supervise
