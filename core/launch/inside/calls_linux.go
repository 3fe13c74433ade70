package inside

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// requireCalls asks whether the kernel knows the calls that are made later, when there is a recipe
// and the answer would name a step of it. An old kernel lacks some; a filter that nono runs under
// may answer that it does: of what systemd's RestrictSUIDSGID keeps away, openat2 is one, since a
// filter cannot see whether it sets a bit that is forbidden.
//
// Every argument is one that no call takes, so nothing is done. Any answer but ENOSYS is a yes.
func requireCalls(*launcher) error {
	return require([]systemCall{
		{"openat2", unix.SYS_OPENAT2},
		{"open_tree", unix.SYS_OPEN_TREE},
		{"move_mount", unix.SYS_MOVE_MOUNT},
		{"mount_setattr", unix.SYS_MOUNT_SETATTR},
		{"fsopen", unix.SYS_FSOPEN},
		{"fsconfig", unix.SYS_FSCONFIG},
		{"fsmount", unix.SYS_FSMOUNT},
		{"pivot_root", unix.SYS_PIVOT_ROOT},
		{"seccomp", unix.SYS_SECCOMP},
	})
}

// requireShared asks for the calls that tier B is made with.
func requireShared(*launcher) error {
	return require([]systemCall{
		{"openat2", unix.SYS_OPENAT2},
		{"seccomp", unix.SYS_SECCOMP},
	})
}

type systemCall struct {
	name   string
	number uintptr
}

func require(calls []systemCall) error {
	for _, call := range calls {
		const none = ^uintptr(0)
		_, _, errno := syscall.RawSyscall6(call.number, none, none, none, none, none, none)
		if errno == unix.ENOSYS {
			return &failure{path: call.name, doing: "looking for the system call " + call.name, err: errno}
		}
	}
	return nil
}
