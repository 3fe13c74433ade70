package base

import (
	"slices"
	"strings"

	"github.com/nono-run/nono/core/launch/filter"
	"github.com/nono-run/nono/sdk/fragment"
)

// Judgement says what becomes of some system calls that one thing can be said of.
type Judgement struct {
	// About is what the calls have to do with each other.
	About string
	// Why is the reason, in one sentence.
	Why string
	// Calls are their names in the kernel's table, with spaces between them.
	Calls string
	// Errno is what a call that is refused gets. Where there is none, all of them are allowed.
	Errno string
	// When lists alternatives: a call is refused if one of them holds, and allowed otherwise. Empty:
	// it is refused always.
	When []fragment.Condition
}

// Names are the calls one by one.
func (j Judgement) Names() []string { return strings.Fields(j.Calls) }

// Verdict is the judgement in a word or two.
func (j Judgement) Verdict() string {
	switch {
	case j.Errno == "":
		return "allowed"
	case j.Errno == filter.Done:
		return "sometimes left undone"
	case len(j.When) > 0:
		return "sometimes " + j.Errno
	}
	return j.Errno
}

// Judgements is the system-call filter that every agent runs under, whatever layers are on: every
// call of the kernel's table is named in it, and what is not named, because it is newer than this
// table, fails with ENOSYS as on the kernels that it is newer than.
//
// Much of it can be held by namespaces and capabilities too; it stands here because each of these
// calls has been a way through those. Two rules of thumb for the error: ENOSYS where programs know
// how to live without the call, EPERM elsewhere. What it must not break: Python, node, Go, gcc,
// git, npm, and debuggers and sanitizers on the session's own processes.
//
// Arguments that the kernel declares as int are compared in their lower half, which is all that the
// kernel looks at: comparing more would let TIOCSTI through with a bit set above (CVE-2019-10063).
// Wider ones are compared whole.
//
// The kernel answers for a call that is always allowed without running the filter; see package
// filter. What looks at arguments is asked in the order of this table, and so stands first, in the
// order in which agents call it.
func Judgements() []Judgement {
	return slices.Concat(
		sometimes(sockets()), files(), processes(), exchange(ownQueues), otherProcesses(),
		surroundings(), surface(), machine(),
	)
}

// Calls is the filter as a plan has it: the names of the calls that are not always refused, sorted,
// and the refusals.
func Calls() (allowed []string, refused []fragment.Seccomp) { return callsOf(Judgements()) }

func callsOf(all []Judgement) (allowed []string, refused []fragment.Seccomp) {
	for _, j := range all {
		names := j.Names()
		if j.Errno == "" || len(j.When) > 0 {
			allowed = append(allowed, names...)
		}
		if j.Errno != "" {
			refused = append(refused, fragment.Seccomp{
				For: RuleSeccomp, Syscalls: names, When: j.When, Errno: j.Errno,
			})
		}
	}
	slices.Sort(allowed)
	return slices.Compact(allowed), refused
}

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

	messageOutOfBand = 0x00000001
	messageFastOpen  = 0x20000000

	levelIP   = 0
	levelTCP  = 6
	levelUDP  = 17
	levelIPv6 = 41

	optionUpperProtocol = 31  // of TCP
	optionEncapsulation = 100 // of UDP

	// newNamespaces are the CLONE_NEW flags: mount, cgroup, UTS, IPC, user, pid and network. That
	// of time namespaces is apart: in clone its bit belongs to the exit signal.
	newNamespaces = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 |
		0x10000000 | 0x20000000 | 0x40000000
	newTimeNamespace = 0x00000080

	setLease      = 1024
	setDelegation = 1040

	ioctlSTI   = 0x5412
	ioctlLinux = 0x541c
	ioctlSetD  = 0x5423

	// What btrfs calls a snapshot: a part of the file system, once more at another place.
	ioctlSnapshot, ioctlSnapshot2 = 0x50009401, 0x50009417

	renameWhiteout  = 0x4
	typeOfFile      = 0xf000
	characterDevice = 0x2000
	blockDevice     = 0x6000

	limitCore = 4

	personaQuery     = 0xffffffff
	personaLinux32   = 0x0008     // what uname calls the machine; setarch
	personaUname26   = 0x0020000  // what uname calls the release
	personaNoShuffle = 0x0040000  // addresses not randomised; debuggers
	intArgument      = 0xffffffff // the kernel looks at no more than this of an int
)

// optionsOfTables are the options by which programs replace the rules of the packet filter: of IP
// and IPv6, of ARP, of bridges.
var optionsOfTables = []uint64{64, 65, 96, 97, 128, 129}

// sometimes is what depends on arguments, in the order in which agents call it.
func sometimes(sockets []Judgement) []Judgement {
	return slices.Concat([]Judgement{
		{
			About: "leases", Errno: "EINVAL", Calls: "fcntl",
			Why: "A lease holds still whoever opens the file outside, for 45 seconds, " +
				"and so wins races against them; only file servers take one.",
			When: alternatives(lower(1, fragment.OpIn, setLease, setDelegation)),
		},
		{ // E37
			About: "the terminal's input and driver", Errno: "EPERM", Calls: "ioctl",
			Why: "TIOCSTI and TIOCLINUX type into the terminal (CVE-2017-5226); TIOCSETD loads " +
				"line disciplines, drivers for modems and radios that have let others out.",
			When: alternatives(lower(1, fragment.OpIn, ioctlSTI, ioctlLinux, ioctlSetD)),
		},
		{ // E27
			About: "snapshots of a part of a file system", Errno: "EPERM", Calls: "ioctl",
			Why: "On btrfs their owner may make one with no more than a descriptor; it shows all that " +
				"lies there at another path, to which no mask, no protection and no rule reaches.",
			When: alternatives(lower(1, fragment.OpIn, ioctlSnapshot, ioctlSnapshot2)),
		},
		{
			About: "the limit on core dumps", Errno: filter.Done, Calls: "prlimit64",
			Why: "It is set so that no crash inside reaches the host's handler of crashes; under the 0 " +
				"that cautious programs ask for, one would. They are told that it was done.",
			When: []fragment.Condition{{
				lower(1, fragment.OpIn, limitCore),
				{Arg: 2, Op: fragment.OpNotIn, Values: []uint64{0}},
			}},
		},
		{ // E31
			About: "new namespaces", Errno: "EPERM", Calls: "clone",
			Why: "A user namespace gives every capability inside, and with them the parts of the " +
				"kernel where most of its holes have been.",
			When: alternatives(anyOf(0, newNamespaces)),
		},
		{ // E04
			About: "data with the first packet, or out of band", Errno: "EOPNOTSUPP",
			Calls: "sendto sendmmsg",
			Why: "TCP Fast Open connects past what watches connect; out-of-band data on a Unix " +
				"socket has let others into the kernel (CVE-2025-38236).",
			When: alternatives(anyOf(3, messageFastOpen|messageOutOfBand)),
		},
		{
			About: "the same", Errno: "EOPNOTSUPP", Calls: "sendmsg",
			Why:  "Its flags are another argument.",
			When: alternatives(anyOf(2, messageFastOpen|messageOutOfBand)),
		},
	}, sockets, []Judgement{
		{
			About: "protocols inside UDP and TCP", Errno: "ENOPROTOOPT", Calls: "setsockopt",
			Why: "ESP in UDP or TCP, TLS in the kernel, the packet filter's tables: each is a parser " +
				"that a namespace's owner or anyone at all may switch on, and no agent needs.",
			When: []fragment.Condition{
				{lower(1, fragment.OpIn, levelUDP), lower(2, fragment.OpIn, optionEncapsulation)},
				{lower(1, fragment.OpIn, levelTCP), lower(2, fragment.OpIn, optionUpperProtocol)},
				{lower(1, fragment.OpIn, levelIP, levelIPv6), lower(2, fragment.OpIn, optionsOfTables...)},
			},
		},
		{ // E29
			About: "whiteouts", Errno: "EINVAL", Calls: "renameat2",
			Why: "RENAME_WHITEOUT leaves a device node behind that hides a file of the host's " +
				"wherever the directory is one of an overlay's.",
			When: alternatives(anyOf(4, renameWhiteout)),
		},
		{
			About: "devices", Errno: "EPERM", Calls: "mknod",
			Why:  "A node with the number 0 is a whiteout too; all others need a capability anyway.",
			When: alternatives(deviceNode(1)),
		},
		{
			About: "the same", Errno: "EPERM", Calls: "mknodat",
			Why:  "Its mode is another argument.",
			When: alternatives(deviceNode(2)),
		},
		{
			About: "new namespaces", Errno: "EPERM", Calls: "unshare",
			Why:  "As for clone; descriptors and the current directory may be unshared.",
			When: alternatives(anyOf(0, newNamespaces|newTimeNamespace)),
		},
		{
			About: "the limit on core dumps", Errno: filter.Done, Calls: "setrlimit",
			Why:  "As for prlimit64.",
			When: alternatives(lower(0, fragment.OpIn, limitCore)),
		},
		{
			About: "personas", Errno: "EPERM", Calls: "personality",
			Why: "Beside what setarch and debuggers use, a persona switches protections of memory " +
				"off: what is readable becomes executable, page zero can be mapped.",
			When: []fragment.Condition{{
				lower(0, fragment.OpNotIn, personaQuery),
				{
					Arg: 0, Mask: intArgument &^ (personaLinux32 | personaUname26 | personaNoShuffle),
					Op: fragment.OpNotIn, Values: []uint64{0},
				},
			}},
		},
	})
}

// sockets lets through what ordinary programs use, and nothing that the kernel merely happens to
// support. UDP stays: a resolver inside will listen on the namespace's own loopback. Of netlink
// only routing stays, which getaddrinfo asks for the addresses of the interfaces.
func sockets() []Judgement {
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
	const calls = "socket socketpair"

	return []Judgement{
		{ // E08, E09
			About: "families of sockets", Errno: "EAFNOSUPPORT", Calls: calls,
			Why: "A vsock leaves the machine past every network namespace; all but Unix, IP and " +
				"netlink are attack surface, or tell of the host.",
			When: alternatives(family(notIn, familyUnix, familyInet, familyInet6, familyNetlink)),
		},
		{ // E06
			About: "types of sockets", Errno: "ESOCKTNOSUPPORT", Calls: calls,
			Why: "Raw sockets see and forge what others send.",
			When: []fragment.Condition{
				{
					family(in, familyUnix),
					kind(notIn, typeStream, typeDatagram, typeSeqpacket),
				},
				{family(in, familyInet, familyInet6), kind(notIn, typeStream, typeDatagram)},
			},
		},
		{ // E01, E02, E06, E07
			// EPROTONOSUPPORT is what a kernel without MPTCP says; Go's net package falls back to TCP
			// on it.
			About: "protocols of sockets", Errno: "EPROTONOSUPPORT", Calls: calls,
			Why: "MPTCP reaches any TCP server and is not seen by Landlock's TCP rules; " +
				"ICMP and SCTP likewise.",
			When: []fragment.Condition{
				{family(in, familyUnix), protocol(protocolAny, protocolUnix)},
				{
					family(in, familyInet, familyInet6), kind(in, typeStream),
					protocol(protocolAny, protocolTCP),
				},
				{
					family(in, familyInet, familyInet6), kind(in, typeDatagram),
					protocol(protocolAny, protocolUDP),
				},
				{family(in, familyNetlink), protocol(protocolRoute)},
			},
		},
	}
}

// files is what ordinary work with files needs.
func files() []Judgement {
	return []Judgement{
		{
			About: "open files",
			Why: "A descriptor gives what it was opened for, and what can be opened is for mounts " +
				"and Landlock to say.",
			Calls: "read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek " +
				"close close_range dup dup2 dup3 pipe pipe2 flock ftruncate fallocate fadvise64 " +
				"readahead fsync fdatasync sync syncfs sync_file_range " +
				"copy_file_range sendfile splice tee",
		},
		{
			About: "names of files",
			Why: "The view has only what was granted, and the mount and Landlock say what may be " +
				"done with it.",
			Calls: "open openat openat2 creat access faccessat faccessat2 stat lstat fstat newfstatat " +
				"statx statfs fstatfs readlink readlinkat getdents getdents64 getcwd chdir fchdir " +
				"mkdir mkdirat rmdir rename renameat link linkat symlink symlinkat unlink unlinkat " +
				"truncate umask chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat " +
				"utime utimes utimensat futimesat",
		},
		{
			About: "extended attributes",
			Why:   "They are changes of a file like any other, and fail on a read-only mount.",
			Calls: "getxattr lgetxattr fgetxattr getxattrat listxattr llistxattr flistxattr " +
				"listxattrat setxattr lsetxattr fsetxattr setxattrat " +
				"removexattr lremovexattr fremovexattr removexattrat",
		},
		{
			About: "handles of files",
			Why:   "A handle is no more than a number here, for opening one is refused.",
			Calls: "name_to_handle_at",
		},
		{
			About: "the list of mounts",
			Why:   "It is that of the agent's own view, as /proc/self/mountinfo has it.",
			Calls: "statmount listmount",
		},
		{
			About: "watching files",
			Why: "Editors, compilers and node wait for changes this way. It also tells when others use " +
				"a file that the agent may read.",
			Calls: "inotify_init inotify_init1 inotify_add_watch inotify_rm_watch",
		},
		{
			About: "watching file systems", Errno: "EPERM",
			Why: "What inotify tells is enough; this reaches further with each kernel, and can make " +
				"others wait.",
			Calls: "fanotify_init fanotify_mark",
		},
		{
			About: "asynchronous files",
			Why:   "Databases use it, on files that are open.",
			Calls: "io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents",
		},
	}
}

// processes is what a process does with itself and its own kind.
func processes() []Judgement {
	return []Judgement{
		{
			About: "memory",
			Why:   "A process may do with its own as it likes.",
			Calls: "mmap mprotect munmap brk mremap msync mincore madvise mlock mlock2 munlock " +
				"mlockall munlockall memfd_create membarrier mseal map_shadow_stack " +
				"pkey_alloc pkey_free pkey_mprotect " +
				"mbind get_mempolicy set_mempolicy set_mempolicy_home_node",
		},
		{
			About: "programs, processes and threads",
			Why:   "They stay inside, and end with the run.",
			Calls: "fork vfork execve execveat exit exit_group wait4 waitid getpid getppid gettid " +
				"getpgid setpgid getpgrp getsid setsid set_tid_address set_robust_list " +
				"get_robust_list futex futex_waitv rseq arch_prctl prctl uname getcpu",
		},
		{
			About: "called by the kernel's own code",
			Why: "Programs come back from signals and from the administrator's probes by these, and " +
				"would die without them.",
			Calls: "rt_sigreturn restart_syscall uretprobe uprobe",
		},
		{
			About: "the clone whose flags lie in memory", Errno: "ENOSYS", Calls: "clone3",
			Why: "No filter can look there; every libc falls back to clone.",
		},
		{
			About: "users and capabilities",
			Why:   "One user is mapped and no capability is there, so there is nothing to become.",
			Calls: "getuid geteuid getgid getegid getresuid getresgid getgroups setuid setgid setreuid " +
				"setregid setresuid setresgid setfsuid setfsgid setgroups capget capset",
		},
		{
			About: "priorities and limits",
			Why: "They are for the session's own processes, and limits only go down; that of core dumps " +
				"is judged above.",
			Calls: "getpriority setpriority ioprio_get ioprio_set sched_yield sched_getparam " +
				"sched_setparam sched_getscheduler sched_setscheduler sched_getattr sched_setattr " +
				"sched_getaffinity sched_setaffinity sched_get_priority_max sched_get_priority_min " +
				"sched_rr_get_interval getrlimit getrusage times sysinfo",
		},
		{
			About: "signals",
			Why:   "Only the session's own processes have a number inside, and pid 1 hears none.",
			Calls: "kill tkill tgkill pidfd_open pidfd_send_signal rt_sigqueueinfo rt_tgsigqueueinfo " +
				"rt_sigaction rt_sigprocmask rt_sigpending rt_sigsuspend rt_sigtimedwait sigaltstack " +
				"pause signalfd signalfd4",
		},
		{
			About: "time and waiting",
			Why:   "Setting the clock needs a capability, and is refused where it is a call of its own.",
			Calls: "time gettimeofday clock_gettime clock_getres nanosleep clock_nanosleep alarm " +
				"getitimer setitimer timer_create timer_settime timer_gettime timer_getoverrun " +
				"timer_delete timerfd_create timerfd_settime timerfd_gettime adjtimex clock_adjtime " +
				"select pselect6 poll ppoll epoll_create epoll_create1 epoll_ctl epoll_wait " +
				"epoll_pwait epoll_pwait2 eventfd eventfd2",
		},
		{
			About: "chance",
			Why:   "The kernel's random numbers, without a device.",
			Calls: "getrandom",
		},
		{
			About: "sandboxes of the agent's own",
			Why: "Agents and browsers lock themselves in further; a filter of theirs never allows what " +
				"this one refuses.",
			Calls: "seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self " +
				"lsm_get_self_attr lsm_list_modules",
		},
		{
			About: "another label of the security module's", Errno: "ENOSYS",
			Why:   "Labels are the administrator's.",
			Calls: "lsm_set_self_attr",
		},
	}
}

// ownQueues are means to talk that have no place in the file system (E32).
var ownQueues = Judgement{
	About: "queues, semaphores and shared memory",
	Why:   "They are those of an IPC namespace of the session's own.",
	Calls: "shmget shmat shmdt shmctl semget semop semtimedop semctl " +
		"msgget msgsnd msgrcv msgctl mq_open mq_unlink mq_timedsend mq_timedreceive " +
		"mq_notify mq_getsetattr",
}

// exchange is how processes talk to each other.
func exchange(queues Judgement) []Judgement {
	return []Judgement{
		{
			About: "sockets that are open",
			Why:   "What may be opened is judged above; whom it reaches is for the network namespace.",
			Calls: "connect bind listen accept accept4 shutdown getsockname getpeername getsockopt " +
				"recvfrom recvmsg recvmmsg",
		},
		queues,
	}
}

// otherProcesses is how one process reaches into another. Those inside are one another's equals.
// The one that is not, pid 1, is undumpable: the kernel lets nobody trace it, or read its memory.
func otherProcesses() []Judgement {
	return []Judgement{
		{
			About: "debugging",
			Why: "Debuggers and leak checkers attach to the session's own processes; pid 1 is " +
				"undumpable, and no other can be seen.",
			Calls: "ptrace process_vm_readv process_vm_writev",
		},
		{
			About: "descriptors of other processes", Errno: "EPERM",
			Why: "pid 1 holds the way to the host, and nothing inside needs to take or compare what " +
				"another has open.",
			Calls: "pidfd_getfd kcmp",
		},
		{ // E31
			About: "memory of other processes", Errno: "ENOSYS",
			Why: "It tells where another's pages lie, moves them or drops them; only managers of " +
				"machines do.",
			Calls: "process_madvise process_mrelease move_pages migrate_pages",
		},
	}
}

// surroundings keeps the agent in the namespaces it has, and its view of files as it is.
func surroundings() []Judgement {
	return []Judgement{
		{
			About: "mounts and namespaces", Errno: "EPERM",
			Why: "The view stays as it was made.",
			Calls: "setns mount umount2 pivot_root chroot open_tree open_tree_attr move_mount " +
				"mount_setattr fsopen fsconfig fsmount fspick",
		},
		{
			About: "opening by handle", Errno: "EPERM",
			Why:   "A handle names a file past every directory on the way to it.",
			Calls: "open_by_handle_at",
		},
	}
}

// surface takes away parts of the kernel that an agent has no use for and that have let others out.
func surface() []Judgement {
	return []Judgement{
		{ // E19, E20
			About: "io_uring", Errno: "ENOSYS",
			Why: "Its operations open files and connect without the calls that filters see; libuv " +
				"and others live without it.",
			Calls: "io_uring_setup io_uring_enter io_uring_register",
		},
		{ // E21
			About: "page faults handled by the program", Errno: "EPERM",
			Why: "They hold a system call still for as long as the attacker likes, which makes every " +
				"race winnable.",
			Calls: "userfaultfd",
		},
		{
			About: "programs in the kernel", Errno: "EPERM",
			Why:   "Their verifier has been wrong too often.",
			Calls: "bpf",
		},
		{
			About: "performance counters", Errno: "EACCES", // what perf_event_paranoid answers
			Why:   "They tell of other programs, and have let others out.",
			Calls: "perf_event_open",
		},
		{ // E33
			About: "keyrings", Errno: "EPERM",
			Why:   "The user's are shared with everything else that the user runs.",
			Calls: "add_key request_key keyctl",
		},
		{
			About: "segments of 16-bit code", Errno: "ENOSYS",
			Why:   "Kernels can be built without.",
			Calls: "modify_ldt",
		},
		{
			About: "memory lent to a pipe", Errno: "ENOSYS",
			Why: "Pages that are shared so have been written through (CVE-2020-29374); programs fall " +
				"back to write.",
			Calls: "vmsplice",
		},
		{
			About: "memory hidden from the kernel", Errno: "ENOSYS",
			Why:   "While it is there the machine cannot hibernate.",
			Calls: "memfd_secret",
		},
		{
			About: "what is in the page cache", Errno: "ENOSYS",
			Why:   "It tells what others have read.",
			Calls: "cachestat",
		},
		{
			About: "mappings in another order", Errno: "ENOSYS",
			Why:   "Nothing uses them, and they have gone past the checks of mmap (CVE-2024-47745).",
			Calls: "remap_file_pages",
		},
		{
			About: "newer than anything that needs it", Errno: "ENOSYS",
			Why:   "An older call does the same, and programs fall back to it.",
			Calls: "file_getattr file_setattr listns futex_wake futex_wait futex_requeue rseq_slice_yield",
		},
	}
}

// machine refuses what belongs to the administrator of the machine, and what time has passed over.
func machine() []Judgement {
	return []Judgement{
		{
			About: "the machine's own settings", Errno: "EPERM",
			Why: "Each needs a capability that is not there; refused here, a mistake in the kernel's " +
				"check of it does no harm.",
			Calls: "kexec_load kexec_file_load init_module finit_module delete_module reboot " +
				"swapon swapoff acct quotactl quotactl_fd syslog iopl ioperm settimeofday " +
				"clock_settime sethostname setdomainname vhangup",
		},
		{
			About: "gone, or never finished", Errno: "ENOSYS",
			Why: "The kernel has the number and nothing behind it, or can be built so.",
			Calls: "_sysctl afs_syscall create_module epoll_ctl_old epoll_wait_old get_kernel_syms " +
				"get_thread_area getpmsg lookup_dcookie nfsservctl putpmsg query_module security " +
				"set_thread_area sysfs tuxcall uselib ustat vserver",
		},
	}
}

// alternatives is a list of conditions of one comparison each.
func alternatives(of ...fragment.Comparison) []fragment.Condition {
	all := make([]fragment.Condition, len(of))
	for i, c := range of {
		all[i] = fragment.Condition{c}
	}
	return all
}

// lower compares an argument that the kernel declares as int.
func lower(arg int, op fragment.Op, values ...uint64) fragment.Comparison {
	return fragment.Comparison{Arg: arg, Mask: intArgument, Op: op, Values: values}
}

// anyOf holds when an argument has one of these bits.
func anyOf(arg int, bits uint64) fragment.Comparison {
	return fragment.Comparison{Arg: arg, Mask: bits, Op: fragment.OpNotIn, Values: []uint64{0}}
}

// deviceNode holds when an argument is the mode of a device.
func deviceNode(arg int) fragment.Comparison {
	return fragment.Comparison{
		Arg: arg, Mask: typeOfFile, Op: fragment.OpIn, Values: []uint64{characterDevice, blockDevice},
	}
}
