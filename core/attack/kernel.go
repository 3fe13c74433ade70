//go:build linux

package attack

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/attack/arena"
)

// kernelRows go for the kernel itself.
func kernelRows() []Row {
	const typed = "0x100000000"
	// A sandbox of tier B has no terminal but the session's own.
	noTerminal := by("the filter of system calls; no terminal is given either", "EPERM", "opening a terminal: EACCES")
	pattern := func(format string, args ...any) func(*arena.Arena) arena.Attempt {
		return just(fmt.Sprintf(format, args...))
	}
	return []Row{
		{Threat: "E15", Tried: "the 32-bit table: socket", Arrange: just("int80=359,2,1,262"), A: filter("killed by SIGSYS"), NoLayer: true, Lacks: no32Bit},
		{Threat: "E15", Tried: "the 32-bit table: getpid", Arrange: just("int80=20"), A: filter("killed by SIGSYS"), NoLayer: true, Lacks: no32Bit},
		{Threat: "E16", Tried: "the x32 table", Arrange: just("x32"), A: filter("ENOSYS"), NoLayer: true, Lacks: noX32},
		{Threat: "E17", Tried: "TIOCSTI with bits above the lower half", Arrange: just("sti=" + typed), A: filter("EPERM"), B: noTerminal, NoLayer: true, Lacks: noSTI},
		{Threat: "E19", Tried: "io_uring", Arrange: just("io-uring"), A: filter("ENOSYS"), NoLayer: true, Lacks: noRing},
		{
			Threat: "E21", Tried: "userfaultfd", Arrange: pattern("syscall=%d,1", unix.SYS_USERFAULTFD), A: filter("EPERM"), NoLayer: true,
			Lacks: noCall("userfaultfd", unix.SYS_USERFAULTFD, 1),
		},
		{Threat: "E31", Tried: "a user namespace", Arrange: pattern("namespace-new=%#x", unix.CLONE_NEWUSER), A: filter("EPERM"), NoLayer: true},
		{Threat: "E31", Tried: "user and mount namespace", Arrange: pattern("namespace-new=%#x", unix.CLONE_NEWUSER|unix.CLONE_NEWNS), A: filter("EPERM"), NoLayer: true},
		{Threat: "E31", Tried: "user and network namespace", Arrange: pattern("namespace-new=%#x", unix.CLONE_NEWUSER|unix.CLONE_NEWNET), A: filter("EPERM"), NoLayer: true},
		{Threat: "E31", Tried: "clone3, whose flags no filter sees", Arrange: just("clone3"), Works: "EINVAL", A: filter("ENOSYS"), NoLayer: true},
		{Threat: "E33", Tried: "the user's keyring", Arrange: hideKey, A: filter("EPERM"), NoLayer: true, Lacks: noKeyring},
		{Threat: "E37", Tried: "TIOCSTI", Arrange: just("sti="), A: filter("EPERM"), B: noTerminal, NoLayer: true, Lacks: noSTI},
		{Threat: "E37", Tried: "TIOCLINUX", Arrange: just("linux="), Works: "ENOTTY", A: filter("EPERM"), B: noTerminal, NoLayer: true},
		{Threat: "E37", Tried: "a line discipline", Arrange: just("ldisc"), A: filter("EPERM"), B: noTerminal, NoLayer: true},
		{Threat: "E31", Tried: "bpf", Arrange: pattern("syscall=%d,0,0,0", unix.SYS_BPF), Works: "*", A: filter("EPERM"), NoLayer: true},
		{Threat: "E31", Tried: "perf_event_open", Arrange: pattern("syscall=%d,0,0,0,0,0", unix.SYS_PERF_EVENT_OPEN), Works: "EFAULT", A: filter("EACCES"), NoLayer: true},
		{Threat: "E31", Tried: "a persona that makes memory executable", Arrange: pattern("syscall=%d,%#x", unix.SYS_PERSONALITY, 0x400000), A: filter("EPERM"), NoLayer: true},
		{
			Threat: "E21", Tried: "a lease, which holds others still", A: filter("EINVAL"), NoLayer: true,
			Arrange: func(a *arena.Arena) arena.Attempt {
				a.Write("leased", "")
				return arena.Attempt{Try: "lease=" + a.Path("leased")}
			},
		},
		{Threat: "E28", Tried: "fanotify", Arrange: pattern("syscall=%d,%#x,0", unix.SYS_FANOTIFY_INIT, unix.FAN_REPORT_FID), A: filter("EPERM"), NoLayer: true, Lacks: noCall("fanotify_init", unix.SYS_FANOTIFY_INIT, unix.FAN_REPORT_FID)},
		{Threat: "E29", Tried: "a whiteout by renaming", Arrange: at("whiteout", "whiteout"), A: filter("EINVAL"), NoLayer: true, Lacks: noWhiteout},
		{Threat: "E29", Tried: "a whiteout by its number", Arrange: at("whiteout-node", "node"), A: filter("EPERM"), NoLayer: true},
		{Threat: "E09", Tried: "out-of-band data on a Unix socket", Arrange: just("out-of-band"), A: filter("ENOTSUP"), NoLayer: true, Lacks: noOutOfBand},
		{
			Threat: "E09", Tried: "ESP inside UDP", Arrange: pattern("option=%d,%d,100,2", unix.SOCK_DGRAM, unix.IPPROTO_UDP), A: filter("ENOPROTOOPT"), B: filter("ENOPROTOOPT", "EACCES", "EPROTONOSUPPORT"), NoLayer: true,
			Lacks: noESP,
		},
		{Threat: "E09", Tried: "another protocol on top of TCP", Arrange: pattern("option=%d,%d,%d,0", unix.SOCK_STREAM, unix.IPPROTO_TCP, unix.TCP_ULP), Works: "*", A: filter("ENOPROTOOPT"), B: filter("ENOPROTOOPT", "EACCES", "EPROTONOSUPPORT"), NoLayer: true},
		{Threat: "E39", Tried: "memory hidden from the kernel", Arrange: pattern("syscall=%d,0", unix.SYS_MEMFD_SECRET), A: filter("ENOSYS"), NoLayer: true, Lacks: noCall("memfd_secret", unix.SYS_MEMFD_SECRET)},
		{Threat: "E31", Tried: "memory lent to a pipe", Arrange: pattern("syscall=%d,0xffffffff,0,0,0", unix.SYS_VMSPLICE), Works: "EBADF", A: filter("ENOSYS"), NoLayer: true},
		{Threat: "E31", Tried: "mappings in another order", Arrange: pattern("syscall=%d,0,0,0,0,0", unix.SYS_REMAP_FILE_PAGES), Works: "EINVAL", A: filter("ENOSYS"), NoLayer: true},
		{Threat: "E27", Tried: "what is in the page cache", Arrange: pattern("syscall=%d,0xffffffff,0,0,0", unix.SYS_CACHESTAT), Works: "*", A: filter("ENOSYS"), NoLayer: true, Lacks: missing(unix.SYS_CACHESTAT)},
		{Threat: "E22", Tried: "advice on another's memory", Arrange: pattern("syscall=%d,0xffffffff,0,0,0,0", unix.SYS_PROCESS_MADVISE), Works: "*", A: filter("ENOSYS"), NoLayer: true},
		{Threat: "E22", Tried: "the memory of one that ends", Arrange: pattern("syscall=%d,0xffffffff,0", unix.SYS_PROCESS_MRELEASE), Works: "EBADF", A: filter("ENOSYS"), NoLayer: true, Lacks: missing(unix.SYS_PROCESS_MRELEASE)},
		{Threat: "E22", Tried: "where pages lie", Arrange: pattern("syscall=%d,0,0,0,0,0,0", unix.SYS_MOVE_PAGES), Works: "*", A: filter("ENOSYS"), NoLayer: true, Lacks: missing(unix.SYS_MOVE_PAGES)},
		{Threat: "E22", Tried: "moving all pages", Arrange: pattern("syscall=%d,0,0,0,0", unix.SYS_MIGRATE_PAGES), Works: "*", A: filter("ENOSYS"), NoLayer: true, Lacks: missing(unix.SYS_MIGRATE_PAGES)},
		{Threat: "E31", Tried: "another label", Arrange: pattern("syscall=%d,0,0,0,0", unix.SYS_LSM_SET_SELF_ATTR), Works: "*", A: filter("ENOSYS"), NoLayer: true, Lacks: missing(unix.SYS_LSM_SET_SELF_ATTR)},
		{Threat: "E26", Tried: "attributes by the newest call", Arrange: pattern("syscall=%d,0xffffffff,0,0,0,0", unix.SYS_FILE_SETATTR), Works: "*", A: filter("ENOSYS"), NoLayer: true, Lacks: missing(unix.SYS_FILE_SETATTR)},
		{Threat: "E39", Tried: "a device of the host's", Arrange: openDevice, A: by("a /dev of its own", "ENOENT"), B: rules(), NoLayer: true, Lacks: noDevice},
	}
}

func openDevice(*arena.Arena) arena.Attempt { return arena.Attempt{Try: "open=" + device()} }
