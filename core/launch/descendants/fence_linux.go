package descendants

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Versions of Landlock.
const (
	withScopes = 6
	withLog    = 7
)

// Fence puts this thread into a domain of its own, in which all that it starts from now on is too:
// signals go to members only. The caller keeps the thread locked for good, and it must not be the
// first of its process, by which the kernel names the whole. It reports whether there is a domain
// now.
//
// The thread can gain no privileges by an exec afterwards, and neither can what it starts.
func Fence() bool {
	version, _, errno := unix.Syscall(
		unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION,
	)
	if errno != 0 || version < withScopes {
		return false
	}
	ruleset, err := Scopes(unix.LANDLOCK_SCOPE_SIGNAL)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(ruleset) }()
	if unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != nil {
		return false
	}
	// A signal to everybody is refused for each process outside; that is no news for the host's log.
	var flags uintptr
	if version >= withLog {
		flags = unix.LANDLOCK_RESTRICT_SELF_LOG_SAME_EXEC_OFF
	}
	_, _, errno = unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(ruleset), flags, 0)
	return errno == 0
}

// Scopes makes a ruleset of scopes alone, which the caller puts on itself and closes. A ruleset
// that says nothing of files still refuses to move one to another directory (EXDEV), so this one
// allows it everywhere; what else is in force goes on to say where.
func Scopes(scopes uint64) (int, error) {
	const move = unix.LANDLOCK_ACCESS_FS_REFER
	attributes := unix.LandlockRulesetAttr{Handled_access_fs: move, Scoped: scopes}
	made, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET,
		uintptr(unsafe.Pointer(&attributes)), unsafe.Sizeof(attributes), 0)
	if errno != 0 {
		return -1, errno
	}
	ruleset := int(made)
	root, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		_ = unix.Close(ruleset)
		return -1, err
	}
	defer func() { _ = unix.Close(root) }()
	rule := unix.LandlockPathBeneathAttr{Allowed_access: move, Parent_fd: int32(root)}
	_, _, errno = unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, made,
		unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		_ = unix.Close(ruleset)
		return -1, errno
	}
	return ruleset, nil
}

// Reaches reports whether this thread could send a signal to a process.
func Reaches(pid int) bool { return unix.Kill(pid, 0) == nil }

// Fenced reports whether this thread is behind a fence that its parent is not, which the kernel
// says: a signal to the parent, a process of the same user, is refused. The parent must be the one
// that is expected, whose user is known.
func Fenced(parent, parentUID int) bool {
	return os.Getppid() == parent && os.Geteuid() == parentUID && os.Getuid() == parentUID &&
		unix.Kill(parent, 0) == unix.EPERM && os.Getppid() == parent
}
