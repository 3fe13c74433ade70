package supervise

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/filter"
)

// notice is struct seccomp_notif: a call that waits for its answer.
type notice struct {
	id    uint64
	pid   uint32 // the thread's number, 0 if this process cannot see it
	flags uint32
	// struct seccomp_data
	number       int32
	architecture uint32
	instruction  uint64
	args         [6]uint64
}

// reply is struct seccomp_notif_resp.
type reply struct {
	id    uint64
	value int64
	errno int32 // negative
	flags uint32
}

// addition is struct seccomp_notif_addfd.
type addition struct {
	id      uint64
	flags   uint32
	from    uint32
	to      uint32
	toFlags uint32
}

// checkSizes asks the kernel whether it means the same by its structures. They may grow, and then a
// part of them would be missing here.
func checkSizes() error {
	var sizes struct{ notice, reply, data uint16 } // struct seccomp_notif_sizes
	_, _, errno := unix.Syscall(
		unix.SYS_SECCOMP, unix.SECCOMP_GET_NOTIF_SIZES, 0, uintptr(unsafe.Pointer(&sizes)),
	)
	if errno != 0 {
		return fmt.Errorf("asking the kernel for the size of its notices: %w", errno)
	}
	const ourNotice, ourReply = unsafe.Sizeof(notice{}), unsafe.Sizeof(reply{})
	if uintptr(sizes.notice) != ourNotice || uintptr(sizes.reply) != ourReply {
		return fmt.Errorf("the kernel's notices have %d bytes and its replies %d, and not %d and %d",
			sizes.notice, sizes.reply, ourNotice, ourReply)
	}
	return nil
}

// ioctl makes a request of the listener. Its errors are the kernel's.
func (s *server) ioctl(request uint, argument unsafe.Pointer) error {
	var errno unix.Errno
	err := s.listener.Control(func(fd uintptr) {
		_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, uintptr(request), uintptr(argument))
	})
	if err != nil {
		return unix.EBADF // it was closed: nobody waits any more
	}
	if errno != 0 {
		return errno
	}
	return nil
}

// wakeInStep asks the kernel to wake whoever is answered on the processor of whoever answers, for
// the one goes to sleep as the other begins. Kernels before 6.6 cannot, and all is slower there.
func (s *server) wakeInStep() {
	_ = s.listener.Control(func(fd uintptr) {
		_, _, _ = unix.Syscall(unix.SYS_IOCTL, fd,
			unix.SECCOMP_IOCTL_NOTIF_SET_FLAGS, unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP)
	})
}

// dropCapabilities gives up the capabilities of this thread alone.
func dropCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("dropping the capabilities of a thread that answers system calls: %w", err)
	}
	return nil
}

// audits are how the kernel calls the machines that nono runs on: AUDIT_ARCH in linux/audit.h.
var audits = map[filter.Machine]uint32{
	filter.AMD64: unix.AUDIT_ARCH_X86_64, filter.ARM64: unix.AUDIT_ARCH_AARCH64,
}

// numbered are handlers by the numbers of their calls on this machine. A call that it lacks needs
// no handler; one that no machine has is a mistake.
func numbered(handlers Handlers) (map[int32]Handler, error) {
	all := map[int32]Handler{}
	for name, handler := range handlers {
		if handler == nil {
			return nil, fmt.Errorf("the handler of %s is missing", name)
		}
		known := false
		for machine := range audits {
			number, ok := filter.Number(machine, name)
			if ok && machine == filter.Native {
				all[int32(number)] = handler
			}
			known = known || ok
		}
		if !known {
			return nil, fmt.Errorf("there is no system call named %q", name)
		}
	}
	return all, nil
}
