package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

func descriptors() string {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return outcome(err)
	}
	var out []string
	for _, e := range entries {
		to, err := os.Readlink("/proc/self/fd/" + e.Name())
		if n, _ := strconv.Atoi(e.Name()); n > 2 && err == nil && !strings.Contains(to, "/proc/") && !strings.HasPrefix(to, "anon_inode:[event") {
			out = append(out, to)
		}
	}
	return strings.Join(out, " ")
}

// unshareChild makes namespaces in a child, so that the attempt leaves no trace here.
func unshareChild(flags uintptr) error {
	c := exec.Command("/proc/self/exe", "pid")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	if err := c.Run(); err != nil {
		return err
	}
	return nil
}

// asLeader makes a try in a session of its own, and gives its outcome.
func asLeader(try string) string {
	c := exec.Command("/proc/self/exe", try)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := c.CombinedOutput()
	if err != nil {
		return outcome(err)
	}
	return strings.TrimSpace(strings.TrimPrefix(string(out), try+": "))
}

// sti types into a terminal of our own that we control. EPERM is the filter's answer; a kernel that
// forbids it says EIO.
func sti() string {
	signal.Ignore(unix.SIGHUP) // which the terminal sends when it goes
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return "ptmx: " + outcome(err)
	}
	defer ptmx.Close()
	if err := unix.IoctlSetPointerInt(int(ptmx.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return "unlock: " + outcome(err)
	}
	n, err := unix.IoctlGetInt(int(ptmx.Fd()), unix.TIOCGPTN)
	if err != nil {
		return "number: " + outcome(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR, 0) // a session leader's first terminal becomes its own
	if err != nil {
		return "pts: " + outcome(err)
	}
	defer tty.Close()
	var out []string
	for _, command := range []uintptr{unix.TIOCSTI, unix.TIOCSTI | 1<<32} {
		c := byte('x')
		_, _, e := syscall.Syscall(unix.SYS_IOCTL, tty.Fd(), command, uintptr(unsafe.Pointer(&c)))
		out = append(out, outcome(errno(e)))
	}
	return strings.Join(out, " ")
}

// trySyscall makes a call by number with up to three arguments: NUMBER,A,B,C.
func trySyscall(v string) string {
	var n [4]uint64
	for i, s := range strings.SplitN(v, ",", 4) {
		n[i], _ = strconv.ParseUint(s, 0, 64)
	}
	_, _, e := syscall.RawSyscall(uintptr(n[0]), uintptr(n[1]), uintptr(n[2]), uintptr(n[3]))
	return outcome(errno(e))
}

// inotify opens so many instances.
func inotify(count string) string {
	n, _ := strconv.Atoi(count)
	for range n {
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
		if err != nil {
			return outcome(err)
		}
		defer unix.Close(fd)
	}
	return "ok"
}

// deviceIoctl opens a device for neither reading nor writing, and asks its driver something.
func deviceIoctl(p string) string {
	const neither = 3
	fd, err := unix.Open(p, neither|unix.O_NOCTTY, 0)
	if err != nil {
		return "open: " + outcome(err)
	}
	defer unix.Close(fd)
	_, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
	return outcome(err)
}

// dropCapabilities makes this process one of an ordinary user's, whom others of that user may trace.
func dropCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	_, _, e := syscall.AllThreadsSyscall(
		unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none[0])), 0)
	return errno(e)
}
