package inside

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// keepNumbers lets the user and the group keep their own numbers inside, where there is no other.
// Who has no privilege outside has to give up setting groups for that.
func keepNumbers(l *launcher) error {
	for _, f := range []struct{ name, content string }{
		{"uid_map", l.user + " " + l.user + " 1"},
		{"setgroups", "deny"},
		{"gid_map", l.group + " " + l.group + " 1"},
	} {
		if err := os.WriteFile("/proc/self/"+f.name, []byte(f.content), 0); err != nil {
			return fail("keeping the user's number", err)
		}
	}
	return nil
}

// forbidNamespaces lets nobody make another namespace in our user namespace. The filter refuses the
// calls as well; this holds for the calls that the filter does not know.
func forbidNamespaces(l *launcher) error {
	return l.limitNamespaces("user", "pid", "net", "ipc", "uts", "cgroup", "time")
}

// forbidMountNamespaces does the same for the one kind that building the view needs.
func forbidMountNamespaces(l *launcher) error { return l.limitNamespaces("mnt") }

func (l *launcher) limitNamespaces(kinds ...string) error {
	// In the initial user namespace the same files are the host's own limits.
	if err := l.requireOwnUserNamespace(); err != nil {
		return fail("forbidding new namespaces", err)
	}
	for _, kind := range kinds {
		err := l.writeSetting("user/max_"+kind+"_namespaces", "0")
		if err != nil && !errors.Is(err, unix.ENOENT) { // a kind that this kernel lacks
			return fail("forbidding new namespaces", err)
		}
	}
	return nil
}

// limitWatches leaves half of the user's inotify instances and watches to the user's other
// programs: the kernel counts those of all namespaces of a user together, and the instances are 128
// as a rule.
func limitWatches(l *launcher) error {
	if err := l.requireOwnUserNamespace(); err != nil {
		return fail("limiting inotify", err)
	}
	for _, kind := range []string{"instances", "watches"} {
		text, err := l.readSetting("fs/inotify/max_user_" + kind)
		if errors.Is(err, unix.ENOENT) {
			return nil // a kernel without inotify
		}
		if err != nil {
			return fail("limiting inotify", err)
		}
		limit, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil {
			return fail("limiting inotify", err)
		}
		err = l.writeSetting("user/max_inotify_"+kind, strconv.Itoa(limit/2))
		if err != nil {
			return fail("limiting inotify", err)
		}
	}
	return nil
}

func (l *launcher) requireOwnUserNamespace() error {
	fd, err := unix.Openat(l.proc, "1/uid_map", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("reading the user map: %w", err)
	}
	defer closeFD(fd)
	buf := make([]byte, 256)
	n, err := unix.Read(fd, buf)
	if err != nil {
		return fmt.Errorf("reading the user map: %w", err)
	}
	if !ownUserMap(string(buf[:n])) {
		return fmt.Errorf(
			"this is not a user namespace of nono's: its map is %q", bytes.TrimSpace(buf[:n]),
		)
	}
	return nil
}

// ownUserMap reports whether a user map is as core writes it: one user, under his own number.
func ownUserMap(m string) bool {
	fields := strings.Fields(m)
	return len(fields) == 3 && fields[0] == fields[1] && fields[2] == "1"
}

// Bits of the thread's security settings: an exec by root gives no capabilities; none can be kept
// over a change of user, or be made ambient. Each with the lock that keeps it so.
const lockedDown = 1<<0 | 1<<1 | // NOROOT
	1<<5 | // KEEP_CAPS, locked while off
	1<<6 | 1<<7 // NO_CAP_AMBIENT_RAISE

// forbidPrivileges keeps every later exec from giving privileges that its caller does not have. It
// is set on this thread, from which the agent is forked; loading the filter on all threads gives it
// to the others too, and one more call on all threads would cost milliseconds of spinning while the
// layers want the processors.
func forbidPrivileges(*launcher) error {
	return fail("setting no-new-privs", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
}

// forbidCores keeps what crashes inside from the host. A core file would be written outside every
// grant's reach; a handler that the host has for crashes (core_pattern with a | at its beginning)
// would run outside, often as root, on memory and names that the agent chose. Such a handler runs
// under a limit of 0 too; 1 is the kernel's sign for no core of either kind. Core has set it
// before; the filter keeps the agent from setting it.
func forbidCores(*launcher) error {
	err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 1, Max: 1})
	if errors.Is(err, unix.EPERM) {
		err = nil // a hard limit of 0, which core has told of
	}
	return fail("forbidding core dumps", err)
}

// dropPrivileges gives up all capabilities, now and for ever.
//
// What matters only at an exec, the bounding set and the security settings, is done on this thread
// alone, from which the agent is forked: emptying the set takes forty-one calls, and each on all
// threads would cost as much as all of them on one. The other threads never exec; should one be
// made to, it has no capability and, under no-new-privs (see there), gets none.
func dropPrivileges(*launcher) error {
	if err := dropForExec(); err != nil {
		return err
	}
	return dropCapabilities()
}

// dropForExec keeps this thread's capabilities from coming back at an exec. Only who may set
// capabilities can do it.
func dropForExec() error {
	for c := uintptr(0); ; c++ { // the kernel, not a constant of this build's, says which is the last
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) && c > 0 {
			break
		}
		if err != nil {
			return fail("emptying the bounding set", err)
		}
	}
	return fail("locking the security settings",
		unix.Prctl(unix.PR_SET_SECUREBITS, lockedDown, 0, 0, 0))
}

// dropCapabilities gives up those of every thread.
func dropCapabilities() error {
	// Effective, permitted and inheritable; the ambient set follows the last two by itself.
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return allThreads("dropping capabilities", unix.SYS_CAPSET,
		uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none[0])))
}

// allThreads makes a system call on every thread of the process.
//
//go:uintptrescapes
func allThreads(doing string, call, a, b uintptr) error {
	if _, _, errno := syscall.AllThreadsSyscall6(call, a, b, 0, 0, 0, 0); errno != 0 {
		return fail(doing, errno)
	}
	return nil
}

// hideMemory makes this process undumpable: nobody without capabilities can open its memory,
// descriptors or environment through /proc, or trace it. The agent becomes dumpable again by its
// exec.
func hideMemory(*launcher) error {
	return fail(
		"closing nono-init's memory to the agent", unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0),
	)
}

// applySeccomp loads the filter that core assembled, on all threads at once.
//
// Kernels before 5.16, and others that are told to, keep the processor from guessing for whoever
// has a filter, which can cost a third of its speed. It keeps a program from reading its own memory
// by guesses; the agent may read that anyway. SPEC_ALLOW leaves this as it is for the user's other
// programs.
func applySeccomp(l *launcher) error {
	const flags = unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
	thread, err := loadFilter(l.recipe.Seccomp, flags)
	if err == nil && thread != 0 {
		err = fmt.Errorf("thread %d has another one", thread)
	}
	return fail("loading the system-call filter", err)
}

// loadFilter puts a filter on this thread, with more according to the flags, which also say what is
// returned.
func loadFilter(program []byte, flags uintptr) (int, error) {
	filter := parseFilter(program)
	whole := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	answer, _, errno := unix.Syscall(
		unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&whole)),
	)
	if errno != 0 {
		return -1, errno
	}
	return int(answer), nil
}

// parseFilter reads instructions of eight bytes.
func parseFilter(program []byte) []unix.SockFilter {
	filter := make([]unix.SockFilter, len(program)/8)
	for i := range filter {
		b := program[8*i:]
		filter[i] = unix.SockFilter{
			Code: binary.NativeEndian.Uint16(b), Jt: b[2], Jf: b[3], K: binary.NativeEndian.Uint32(b[4:]),
		}
	}
	return filter
}

// ignoreAll gives every signal its default disposition. The kernel protects the first process of a
// pid namespace from all signals that it has no handler for, whoever in the namespace sends them
// and whatever they claim to be. Go's runtime has handlers for nearly all, and ends the process,
// with a dump, for many: catching them with os/signal would not do, for a SIGSEGV queued with a
// code of the sender's choice passes for a fault. (Ignoring them would: but exec hands that on to
// the agent.)
//
// The runtime loses its way to interrupt a goroutine that never calls anything, of which there is
// none here, and its report of a fault: a fault now just ends nono-init, and with it the run.
func ignoreAll(*launcher) error {
	const bytesOfSet = 8
	var action [4]uint64 // struct kernel_sigaction: all zero is SIG_DFL
	for s := uintptr(1); s <= 64; s++ {
		if s == uintptr(unix.SIGKILL) || s == uintptr(unix.SIGSTOP) {
			continue // cannot be changed, and need not be
		}
		_, _, errno := unix.RawSyscall6(
			unix.SYS_RT_SIGACTION, s, uintptr(unsafe.Pointer(&action)), 0, bytesOfSet, 0, 0,
		)
		if errno != 0 {
			return fail(fmt.Sprintf("giving up the handler of signal %d", s), errno)
		}
	}
	return nil
}
