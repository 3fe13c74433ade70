package launch

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// SealDescriptors marks every descriptor but the standard three close-on-exec. Core calls it first
// of all: what it was started with by mistake then reaches neither a layer nor the agent. nono-init
// does the same once more.
//
// A kernel that cannot mark them all at once runs no agent, which nono-init finds out. Core marks
// one after another there, so that it can say so, and do what takes no sandbox.
func SealDescriptors() error {
	err := unix.CloseRange(firstInherited, ^uint(0), unix.CLOSE_RANGE_CLOEXEC)
	if lacksCloseRange(err) {
		err = sealEach()
	}
	if err != nil {
		return fmt.Errorf("marking inherited descriptors close-on-exec: %w", err)
	}
	return nil
}

// firstInherited is the first descriptor that nobody is meant to inherit.
const firstInherited = 3

// lacksCloseRange reports whether close_range answered as a kernel before 5.9, which does not have
// it, or as 5.9 and 5.10, which have no flag to mark descriptors.
func lacksCloseRange(err error) bool {
	return errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL)
}

// sealEach marks the descriptors that /proc lists. Whatever is opened meanwhile is marked by who
// opens it, as Go does.
func sealEach() error {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, e := range open {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			return err
		}
		if fd < firstInherited {
			continue
		}
		_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC)
		if err != nil && !errors.Is(err, unix.EBADF) { // the list's own is closed by now
			return err
		}
	}
	return nil
}
