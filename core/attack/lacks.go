//go:build linux

package attack

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/attack/arena"
)

// What a machine may lack. Each is a [Row]'s Lacks, and looks without doing any harm.

func noSocketOf(family, kind, protocol int) func(*arena.Arena) string {
	return func(*arena.Arena) string {
		fd, err := unix.Socket(family, kind, protocol)
		if err != nil {
			return fmt.Sprintf("a socket of family %d, type %d, protocol %d: %v", family, kind, protocol, err)
		}
		_ = unix.Close(fd)
		return ""
	}
}

func noCall(name string, number uintptr, args ...uintptr) func(*arena.Arena) string {
	return func(*arena.Arena) string {
		var a [3]uintptr
		copy(a[:], args)
		fd, _, errno := syscall.Syscall(number, a[0], a[1], a[2])
		if errno != 0 {
			return name + ": " + errno.Error()
		}
		_ = unix.Close(int(fd))
		return ""
	}
}

// missing is what a kernel lacks that answers ENOSYS.
func missing(number uintptr) func(*arena.Arena) string {
	return func(*arena.Arena) string {
		// Bad descriptors and addresses everywhere, so that nothing happens.
		if _, _, errno := syscall.Syscall6(number, ^uintptr(0), 0, 0, 0, 0, 0); errno == unix.ENOSYS {
			return fmt.Sprintf("a kernel with system call %d", number)
		}
		return ""
	}
}

// without is a file that a machine may lack.
func without(name string) func(*arena.Arena) string {
	return func(*arena.Arena) string {
		if _, err := os.Stat(name); err != nil {
			return name
		}
		return ""
	}
}

func noWhiteout(a *arena.Arena) string {
	if why := noTry(a, "whiteout="+a.Path("try-whiteout")); why != "" {
		return "a file system with whiteouts"
	}
	return ""
}

func noOutOfBand(a *arena.Arena) string { return noTry(a, "out-of-band") }

func noESP(a *arena.Arena) string {
	return noTry(a, fmt.Sprintf("option=%d,%d,100,2", unix.SOCK_DGRAM, unix.IPPROTO_UDP))
}

func noIPv6(*arena.Arena) string {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return err.Error()
	}
	l.Close()
	return ""
}

func noAddress(*arena.Arena) string {
	if ownAddress() == "" {
		return "a network with an address of this machine in it"
	}
	return ""
}

// noTry asks the attacker, where this process itself could not say without harm.
func noTry(a *arena.Arena, try string) string {
	out, err := exec.Command(a.Path(arena.Program), try).Output()
	if err != nil {
		return err.Error()
	}
	if got := strings.TrimSpace(string(out)); got != "ok" {
		return try + ": " + got
	}
	return ""
}

func no32Bit(a *arena.Arena) string { return noTry(a, "int80=20") }
func noX32(a *arena.Arena) string   { return noTry(a, "x32") }
func noSTI(a *arena.Arena) string   { return noTry(a, "sti=") }
func noRing(a *arena.Arena) string  { return noTry(a, "io-uring") }

func noKeyring(*arena.Arena) string {
	id, err := addKey(fmt.Sprintf("nono-%d-try", os.Getpid()))
	if err != nil {
		return err.Error()
	}
	_, _ = unix.KeyctlInt(unix.KEYCTL_UNLINK, id, unix.KEY_SPEC_USER_KEYRING, 0, 0)
	return ""
}

// yama keeps a process from another that is not its child, with no sandbox.
func yama(*arena.Arena) string {
	if b, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope"); err == nil && strings.TrimSpace(string(b)) != "0" {
		return "Yama keeps processes from each other here"
	}
	return ""
}

func loader() string {
	for _, p := range []string{"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"} {
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	return ""
}

func noLoader(*arena.Arena) string {
	if loader() == "" {
		return "the C library's loader at a place that is known"
	}
	return ""
}

// device is one of the host's that this user can open.
func device() string {
	for _, pattern := range []string{"fuse", "kvm", "net/tun", "vsock", "vhost-vsock", "loop-control", "dri/*", "input/event*", "snd/*", "sd?", "vd?", "nvme?n?"} {
		names, _ := filepath.Glob("/dev/" + pattern)
		for _, name := range names {
			fd, err := unix.Open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
			if err == nil {
				_ = unix.Close(fd)
				return name
			}
		}
	}
	return ""
}

func noDevice(*arena.Arena) string {
	if device() == "" {
		return "a device that this user can open"
	}
	return ""
}

// caseMatters is so on nearly every file system of Linux: then .GIT is nobody's repository.
func caseMatters(a *arena.Arena) string {
	if !a.Exists(strings.ToUpper(arena.Program)) {
		return "a file system that takes .GIT for .git"
	}
	return ""
}

// notOurs is an installation that this user could not change in the first place.
func notOurs(a *arena.Arena) string {
	f, err := os.OpenFile(a.Installed, os.O_WRONLY, 0)
	if err != nil {
		return "nono's programs in files that this user may write"
	}
	f.Close()
	return ""
}

// noGit is a machine with nothing that could fall into a trap.
func noGit(*arena.Arena) string {
	if _, err := exec.LookPath("git"); err != nil {
		return "git"
	}
	return ""
}
