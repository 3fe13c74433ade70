//go:build linux

package attacker

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernel are tries on the kernel itself.
var kernel = tries{
	"syscall":       bySyscallNumber,
	"int80":         int80Try,
	"x32":           func(string) string { return call(0x40000000 | 39) },
	"sti":           func(bits string) string { return typeInto(unix.TIOCSTI, bits) },
	"linux":         func(bits string) string { return typeInto(unix.TIOCLINUX, bits) },
	"ldisc":         func(string) string { return lineDiscipline() },
	"io-uring":      ioUring,
	"clone3":        func(string) string { return call(unix.SYS_CLONE3, 0, 0) },
	"lease":         lease,
	"whiteout":      whiteout,
	"whiteout-node": func(p string) string { return outcome(unix.Mknod(p, unix.S_IFCHR|0o600, 0)) },
	"out-of-band":   outOfBand,
	"option":        option,
	"by-handle": func(p string) string {
		handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, p, 0)
		if err != nil {
			return "name_to_handle_at: " + outcome(err)
		}
		dir, err := os.Open(".")
		if err != nil {
			return outcome(err)
		}
		defer dir.Close()
		fd, err := unix.OpenByHandleAt(int(dir.Fd()), handle, unix.O_RDONLY)
		if err == nil {
			_ = unix.Close(fd)
		}
		return outcome(err)
	},
}

// bySyscallNumber makes a call by its number: NUMBER,A,B,...
func bySyscallNumber(v string) string {
	var n []uintptr
	for s := range strings.SplitSeq(v, ",") {
		u, err := strconv.ParseUint(s, 0, 64)
		if err != nil {
			return err.Error()
		}
		n = append(n, uintptr(u))
	}
	return call(n[0], n[1:]...)
}

// terminal is a terminal of our own, which becomes the controlling one.
func terminal() (*os.File, func(), error) {
	signal.Ignore(unix.SIGHUP) // which comes when the terminal goes
	_, _ = unix.Setsid()
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	if err := unix.IoctlSetPointerInt(int(ptmx.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return nil, nil, err
	}
	n, err := unix.IoctlGetInt(int(ptmx.Fd()), unix.TIOCGPTN)
	if err != nil {
		return nil, nil, err
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	return tty, func() { tty.Close(); ptmx.Close() }, nil
}

// typeInto puts a character into the input of a terminal, with further bits set in the command.
func typeInto(command uintptr, bits string) string {
	tty, done, err := terminal()
	if err != nil {
		return "opening a terminal: " + outcome(err)
	}
	defer done()
	more, _ := strconv.ParseUint(bits, 0, 64)
	c := [2]byte{'x'}
	return call(unix.SYS_IOCTL, tty.Fd(), command|uintptr(more), uintptr(unsafe.Pointer(&c)))
}

// lineDiscipline chooses the line discipline that a terminal has already.
func lineDiscipline() string {
	tty, done, err := terminal()
	if err != nil {
		return "opening a terminal: " + outcome(err)
	}
	defer done()
	return outcome(unix.IoctlSetPointerInt(int(tty.Fd()), unix.TIOCSETD, 0))
}

func ioUring(string) string {
	var params [120]byte
	fd, _, errno := syscall.Syscall(unix.SYS_IO_URING_SETUP, 4, uintptr(unsafe.Pointer(&params)), 0)
	if errno == 0 {
		_ = unix.Close(int(fd))
	}
	return outcome(errno)
}

// lease takes one on a file, which holds still whoever opens it elsewhere.
func lease(p string) string {
	f, err := os.OpenFile(p, os.O_RDWR, 0)
	if err != nil {
		return outcome(err)
	}
	defer f.Close()
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK)
	return outcome(err)
}

// whiteout renames a file, and leaves a node behind that hides its name in an overlay.
func whiteout(p string) string {
	if err := os.WriteFile(p, nil, 0o600); err != nil {
		return outcome(err)
	}
	return outcome(unix.Renameat2(unix.AT_FDCWD, p, unix.AT_FDCWD, p+".gone", unix.RENAME_WHITEOUT))
}

// outOfBand sends such data to a socket of our own.
func outOfBand(string) string {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return outcome(err)
	}
	return outcome(unix.Send(fds[0], []byte("x"), unix.MSG_OOB))
}

// option sets an option of a socket to a number: TYPE,LEVEL,NAME,VALUE.
func option(v string) string {
	var kind, level, name, value int
	if _, err := fmt.Sscanf(v, "%d,%d,%d,%d", &kind, &level, &name, &value); err != nil {
		return err.Error()
	}
	fd, err := unix.Socket(unix.AF_INET, kind, 0)
	if err != nil {
		return outcome(err)
	}
	return outcome(unix.SetsockoptInt(fd, level, name, value))
}
