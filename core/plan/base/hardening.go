package base

import "github.com/nono-run/nono/sdk/fragment"

// Numbers of the kernel's interface that the filter compares with. They are the same on all
// architectures that nono runs on, and written out so that a plan is the same wherever it is made.
const (
	familyUnix    = 1
	familyInet    = 2
	familyInet6   = 10
	familyNetlink = 16

	typeStream    = 1
	typeDatagram  = 2
	typeSeqpacket = 5
	typeBits      = 0xf // the rest of the argument are flags

	protocolAny   = 0
	protocolUnix  = 1
	protocolTCP   = 6
	protocolUDP   = 17
	protocolRoute = 0 // of netlink

	messageFastOpen = 0x20000000

	ptraceAttach = 16
	ptraceSeize  = 0x4206

	// newNamespaces are the CLONE_NEW flags: mount, cgroup, UTS, IPC, user, pid and network. That
	// of time namespaces is apart: in clone its bit belongs to the exit signal.
	newNamespaces = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 |
		0x10000000 | 0x20000000 | 0x40000000
	newTimeNamespace = 0x00000080

	ioctlSTI   = 0x5412
	ioctlLinux = 0x541c
	ioctlSetD  = 0x5423

	personaQuery     = 0xffffffff
	personaLinux32   = 0x0008     // what uname calls the machine; setarch
	personaUname26   = 0x0020000  // what uname calls the release
	personaNoShuffle = 0x0040000  // addresses not randomised; debuggers
	intArgument      = 0xffffffff // the kernel looks at no more than this of an int
)

// Hardening is the system-call filter that every agent runs under, whatever layers are on. Most of
// it can be held by namespaces and capabilities too; it stands here because each of these calls has
// been a way through those. Two rules of thumb for the error: ENOSYS where programs know how to
// live without the call, EPERM elsewhere. What it must not break: Python, node, Go, gcc, git, npm,
// and a debugger on its own child.
//
// Arguments that the kernel declares as int are compared in their lower half, which is all that the
// kernel looks at: comparing more would let TIOCSTI through with a bit set above (CVE-2019-10063).
// Wider ones are compared whole.
func Hardening() []fragment.Seccomp {
	groups := [][]fragment.Seccomp{
		sockets(), fastOpen(), namespaces(), otherProcesses(), terminal(), kernelSurface(), machine(),
	}
	var all []fragment.Seccomp
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}

// sockets lets through what ordinary programs use, and nothing that the kernel merely happens to
// support.
//
// MPTCP reaches any TCP server and is not seen by Landlock's TCP rules (E01, E02); ICMP and raw
// sockets (E06) and SCTP (E07) likewise; a vsock leaves the machine past every network namespace
// (E08); the other families are attack surface, or tell of the host (E09). UDP stays: a resolver
// inside will listen on the namespace's own loopback. Of netlink only routing stays, which
// getaddrinfo asks for the addresses of the interfaces.
func sockets() []fragment.Seccomp {
	family := func(op fragment.Op, values ...uint64) fragment.Comparison {
		return lower(0, op, values...)
	}
	kind := func(op fragment.Op, values ...uint64) fragment.Comparison {
		return fragment.Comparison{Arg: 1, Mask: typeBits, Op: op, Values: values}
	}
	protocol := func(values ...uint64) fragment.Comparison {
		return lower(2, fragment.OpNotIn, values...)
	}
	const in, notIn = fragment.OpIn, fragment.OpNotIn
	calls := []string{"socket", "socketpair"}

	return []fragment.Seccomp{
		refuse("EAFNOSUPPORT", calls,
			fragment.Condition{family(notIn, familyUnix, familyInet, familyInet6, familyNetlink)}),
		refuse("ESOCKTNOSUPPORT", calls,
			fragment.Condition{family(in, familyUnix), kind(notIn, typeStream, typeDatagram, typeSeqpacket)},
			fragment.Condition{family(in, familyInet, familyInet6), kind(notIn, typeStream, typeDatagram)}),
		// EPROTONOSUPPORT is what a kernel without MPTCP says; Go's net package falls back to TCP
		// on it.
		refuse("EPROTONOSUPPORT", calls,
			fragment.Condition{family(in, familyUnix), protocol(protocolAny, protocolUnix)},
			fragment.Condition{
				family(in, familyInet, familyInet6), kind(in, typeStream),
				protocol(protocolAny, protocolTCP),
			},
			fragment.Condition{
				family(in, familyInet, familyInet6), kind(in, typeDatagram),
				protocol(protocolAny, protocolUDP),
			},
			fragment.Condition{family(in, familyNetlink), protocol(protocolRoute)}),
	}
}

// fastOpen refuses to send data with the first packet of a connection: it connects without
// connect(2), past whatever watches that (E04). EOPNOTSUPP is what a kernel says where it is
// switched off.
func fastOpen() []fragment.Seccomp {
	flag := func(arg int) fragment.Condition {
		return fragment.Condition{
			{Arg: arg, Mask: messageFastOpen, Op: fragment.OpNotIn, Values: []uint64{0}},
		}
	}
	return []fragment.Seccomp{
		refuse("EOPNOTSUPP", []string{"sendto", "sendmmsg"}, flag(3)),
		refuse("EOPNOTSUPP", []string{"sendmsg"}, flag(2)),
	}
}

// namespaces keeps the agent in those it has, and its view of files as it is (E31). A new user
// namespace would give it every capability inside, and with them the parts of the kernel where most
// of its holes have been.
func namespaces() []fragment.Seccomp {
	flags := func(bits uint64) fragment.Condition {
		return fragment.Condition{{Arg: 0, Mask: bits, Op: fragment.OpNotIn, Values: []uint64{0}}}
	}
	return []fragment.Seccomp{
		refuse("EPERM", []string{"clone"}, flags(newNamespaces)),
		refuse("EPERM", []string{"unshare"}, flags(newNamespaces|newTimeNamespace)),
		// Its flags lie in memory, where a filter cannot look. Every libc falls back to clone.
		refuse("ENOSYS", []string{"clone3"}),
		refuse("EPERM", []string{
			"setns", "mount", "umount", "umount2", "pivot_root", "chroot",
			"open_tree", "open_tree_attr", "move_mount", "mount_setattr",
			"fsopen", "fsconfig", "fsmount", "fspick",
			// A handle names a file past every directory on the way to it.
			"open_by_handle_at",
		}),
	}
}

// otherProcesses keeps the agent from reaching into a process that it did not start as its tracee,
// pid 1 above all (E22). PTRACE_TRACEME stays, and with it gdb and strace on a program that they
// start.
func otherProcesses() []fragment.Seccomp {
	return []fragment.Seccomp{
		refuse("EPERM", []string{"ptrace"},
			fragment.Condition{{Arg: 0, Op: fragment.OpIn, Values: []uint64{ptraceAttach, ptraceSeize}}}),
		// strace and gdb read their tracee word by word when this is missing.
		refuse("ENOSYS", []string{"process_vm_readv", "process_vm_writev"}),
		refuse("EPERM", []string{"pidfd_getfd", "kcmp"}),
	}
}

// terminal refuses to type into the user's terminal, which may be the agent's own (E37,
// CVE-2017-5226), and to give a terminal another line discipline: those are drivers for modems and
// radios, which the kernel loads for whoever asks and which have let others out.
func terminal() []fragment.Seccomp {
	return []fragment.Seccomp{
		refuse("EPERM", []string{"ioctl"}, fragment.Condition{
			lower(1, fragment.OpIn, ioctlSTI, ioctlLinux, ioctlSetD),
		}),
	}
}

// kernelSurface takes away parts of the kernel that an agent has no use for and that have let
// others out.
func kernelSurface() []fragment.Seccomp {
	return []fragment.Seccomp{
		// Its operations open files and connect without the calls that filters see (E19, E20).
		// libuv and others live without it.
		refuse("ENOSYS", []string{"io_uring_setup", "io_uring_enter", "io_uring_register"}),
		// It holds a system call still for as long as the attacker likes, which makes every race
		// winnable (E21).
		refuse("EPERM", []string{"userfaultfd"}),
		refuse("EPERM", []string{"bpf"}),
		refuse("EACCES", []string{"perf_event_open"}), // what perf_event_paranoid answers
		// The keyrings of the user are shared with everything else that the user runs (E33).
		refuse("EPERM", []string{"add_key", "request_key", "keyctl"}),
		// Segments of 16-bit code; kernels can be built without.
		refuse("ENOSYS", []string{"modify_ldt"}),
		// Beside what setarch and debuggers use, a persona can switch off protections of memory:
		// pages that are readable become executable, page zero can be mapped.
		refuse("EPERM", []string{"personality"}, fragment.Condition{
			lower(0, fragment.OpNotIn, personaQuery),
			{
				Arg: 0, Mask: intArgument &^ (personaLinux32 | personaUname26 | personaNoShuffle),
				Op: fragment.OpNotIn, Values: []uint64{0},
			},
		}),
	}
}

// machine refuses what belongs to the administrator of the machine. Each needs a capability that
// the agent does not have; refused here, a mistake in the kernel's check of it does no harm.
func machine() []fragment.Seccomp {
	return []fragment.Seccomp{
		refuse("EPERM", []string{
			"kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot",
			"swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "syslog", "iopl", "ioperm",
			"settimeofday", "clock_settime", "sethostname", "setdomainname", "vhangup",
		}),
		// Long gone from the kernel or never finished.
		refuse("ENOSYS", []string{"nfsservctl", "uselib", "_sysctl", "lookup_dcookie"}),
	}
}

// refuse is one rule of the filter: the calls fail if one of the conditions holds, or always.
func refuse(errno string, calls []string, when ...fragment.Condition) fragment.Seccomp {
	return fragment.Seccomp{For: RuleSeccomp, Syscalls: calls, When: when, Errno: errno}
}

// lower compares an argument that the kernel declares as int.
func lower(arg int, op fragment.Op, values ...uint64) fragment.Comparison {
	return fragment.Comparison{Arg: arg, Mask: intArgument, Op: op, Values: values}
}
