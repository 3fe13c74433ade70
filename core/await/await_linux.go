package await

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func end(p *os.Process) error {
	fd, err := unix.PidfdOpen(p.Pid, unix.PIDFD_NONBLOCK)
	if err != nil { // an old kernel, or no descriptor is left
		return ended(unix.P_PID, p.Pid, 0)
	}
	f := os.NewFile(uintptr(fd), "a process")
	defer func() { _ = f.Close() }()
	raw, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("waiting for process %d: %w", p.Pid, err)
	}
	var waitErr error
	err = raw.Read(func(fd uintptr) bool {
		waitErr = ended(unix.P_PIDFD, int(fd), unix.WNOHANG)
		return !errors.Is(waitErr, errRunning)
	})
	if err != nil { // this kind of descriptor cannot be polled here
		return ended(unix.P_PID, p.Pid, 0)
	}
	return waitErr
}

// errRunning says that a process has not ended.
const errRunning = syscall.EAGAIN

// ended asks for the end of a child and leaves it to be reaped.
func ended(kind, id, options int) error {
	for {
		var info unix.Siginfo
		err := unix.Waitid(kind, id, &info, unix.WEXITED|unix.WNOWAIT|options, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err == nil && info.Signo == 0:
			return errRunning
		case err != nil:
			return fmt.Errorf("waiting for a process: %w", err)
		default:
			return nil
		}
	}
}

// Read calls read, with a descriptor that does not block, until that says something else than
// EAGAIN. The file must be in the poller: one that [os.NewFile] made of a descriptor that does not
// block.
func Read(f *os.File, read func(fd int) error) error { return try(f, syscall.RawConn.Read, read) }

// Write is [Read] for what is written.
func Write(f *os.File, write func(fd int) error) error {
	return try(f, syscall.RawConn.Write, write)
}

// try has the poller call do each time that the file is ready for it.
func try(
	f *os.File, ready func(syscall.RawConn, func(fd uintptr) bool) error, do func(fd int) error,
) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var said error
	err = ready(raw, func(fd uintptr) bool {
		said = do(int(fd))
		return !errors.Is(said, syscall.EAGAIN)
	})
	if err != nil {
		return err
	}
	return said
}
