package terminal

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// disposition is the kernel's struct sigaction. It is put back as it was found, and not looked
// into.
type disposition [4]uint64

// Of the kernel's signal.h.
var (
	byDefault = disposition{0}
	ignored   = disposition{1}
)

// suspend stops this process with a signal, or its whole process group, as the terminal would have
// done. It returns when the process has been continued; or at once, where nobody is there who could
// continue it: in such a group the kernel drops the signal.
//
// Each step has its effect before the next begins. The group is signalled while this process
// ignores it; then the default is set, and the signal sent to this very thread, which takes it on
// the way back from the call. A signal to the process could be taken by any thread, at any time
// later. Go's own way of setting the default, signal.Reset, leaves its handler in place.
func suspend(s syscall.Signal, group bool) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := setDisposition(s, ignored)
	if err != nil {
		return err
	}
	defer func() { _, _ = setDisposition(s, before) }() // it could be set before
	if group {
		if err := unix.Kill(0, s); err != nil { //nolint:forbidigo // the own group
			return err
		}
	}
	if _, err := setDisposition(s, byDefault); err != nil {
		return err
	}
	return unix.Tgkill(unix.Getpid(), unix.Gettid(), s) //nolint:forbidigo // the own thread
}

// setDisposition sets what a signal does, past Go's runtime.
func setDisposition(s syscall.Signal, d disposition) (before disposition, err error) {
	const bytesOfSet = 8
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s),
		uintptr(unsafe.Pointer(&d)), uintptr(unsafe.Pointer(&before)), bytesOfSet, 0, 0)
	if errno != 0 {
		return before, errno
	}
	return before, nil
}
