// Package metadata changes modes, owners, times and extended attributes in the place of an agent
// that may not do so itself, and only where it may write.
//
//	recipe.Notify, err = filter.AssembleNotices([]filter.Notice{{Calls: metadata.Calls()}})
//	...
//	err = supervise.Serve(ctx, ready.Notify, metadata.Handlers(writable))
//
// Landlock knows none of these calls (up to its version 9). On a host without user namespaces they
// would reach every file of the user's: an agent could make ~/.ssh readable for everyone, or a
// project read-only. A filter cannot tell a path in a grant from another, since it does not see
// what an argument points to. And to refuse them altogether breaks git, npm, tar and pip.
//
// # How a call is made
//
// The path is copied once. Core opens it with O_PATH, from the caller's own working directory or
// from the descriptor that the call names, without going through links of /proc. Then it asks the
// kernel where the file is that is open now, and only if that is in a directory that the agent may
// write does it change it, through that descriptor. Whatever the caller does meanwhile, swap a
// directory for a link, change its memory, close its descriptors: what was looked at is what is
// changed.
//
// A file may be moved between the look and the change. It was in the grant when it was looked at,
// and the agent can move nothing out of its grants, nor link anything into them: Landlock refuses
// both.
//
// A descriptor alone is no permission either. Whoever may read a file can open it, and the kernel
// then lets its owner change its mode. So calls on descriptors are looked at in the same way, by
// where their file is. What has no place among the files, such as a pipe or memory, is the
// caller's.
//
// # Rights
//
// The threads of [supervise] have no capability, like the agent, and else the same user, groups and
// mounts. So the kernel refuses whatever it would refuse the agent itself, with the same error. The
// agent's root directory is core's: its filter refuses chroot and namespaces. Its file mode mask
// plays no part in these calls.
//
// # What differs from the calls themselves
//
//   - Outside of what the agent may write the error is EPERM, as for a file of somebody else's.
//   - A path through /proc is refused, for /proc/self would be core. One form is understood,
//     /proc/self/fd/N as the whole path, by which libraries name a descriptor of their own.
//   - A descriptor that was opened with O_PATH works where the kernel says EBADF.
//   - A program that its user may execute and not read, or that has made itself undumpable, is
//     closed to core, and its calls are refused.
//   - setxattrat and removexattrat, of Linux 6.13, have no handler: ENOSYS. Nothing needs them yet.
package metadata

import "strings"

const (
	// byPath are the calls that name a file by a path, and some by a descriptor as well.
	byPath = "chmod fchmodat fchmodat2 chown lchown fchownat utime utimes utimensat futimesat " +
		"setxattr lsetxattr removexattr lremovexattr"
	// byDescriptor are those that only take a descriptor.
	byDescriptor = "fchmod fchown fsetxattr fremovexattr"
	// unknown are those that are answered as by a kernel that does not know them.
	unknown = "setxattrat removexattrat"
)

// Calls are the names of the calls that are answered for.
func Calls() []string { return strings.Fields(byPath + " " + byDescriptor + " " + unknown) }
