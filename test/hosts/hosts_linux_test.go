package hosts_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/test/hosts"
)

// tries are what the test binary does where it is told to, and says how it went.
var tries = map[string]func() error{
	"namespaces": func() error {
		return clone(unix.CLONE_NEWUSER, os.Getuid(), os.Getgid())
	},
	"clone3": func() error {
		_, _, errno := unix.RawSyscall(unix.SYS_CLONE3, 0, 0, 0)
		return errorOf(errno)
	},
	"proc":       func() error { return clone(unix.CLONE_NEWUSER|unix.CLONE_NEWNS|unix.CLONE_NEWPID, 0, 0, "mount-proc") },
	"mount-proc": func() error { return unix.Mount("proc", "/proc", "proc", 0, "") },
	"listener": func() error {
		allow := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}
		program := unix.SockFprog{Len: 1, Filter: &allow}
		runtime.LockOSThread() // no-new-privs is a thread's
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return err
		}
		_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
			unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&program)))
		return errorOf(errno)
	},
	"mount": func() error { return unix.Mount("none", "/", "", unix.MS_PRIVATE, "") },
	"pidfd_getfd": func() error {
		_, err := unix.PidfdGetfd(-1, 0, 0)
		return err
	},
	"newer": func() error {
		const mseal = 462
		_, _, errno := unix.Syscall(mseal, 1, 0, 0)
		return errorOf(errno)
	},
	"landlock": func() error {
		_, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
		return errorOf(errno)
	},
	"root": func() error {
		if os.Getuid() != 0 {
			return fmt.Errorf("the user is %d", os.Getuid())
		}
		return nil
	},
	"capabilities": func() error {
		status, err := os.ReadFile("/proc/self/status")
		for _, set := range []string{"CapPrm", "CapEff", "CapBnd", "CapAmb"} {
			if !strings.Contains(string(status), set+":\t0000000000000000") {
				err = errors.New("there are some")
			}
		}
		return err
	},
}

func errorOf(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// clone starts the test binary in new namespaces.
func clone(namespaces uintptr, uid, gid int, try ...string) error {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{"TRY=nothing"}
	for _, t := range try {
		cmd.Env = []string{"TRY=" + t}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  namespaces,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: gid, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return errors.New(string(out))
	}
	return err
}

func TestMain(m *testing.M) {
	hosts.Arrange()
	if try := os.Getenv("TRY"); try != "" {
		says := "ok"
		if do := tries[try]; do != nil {
			if err := do(); err != nil {
				says = name(err)
			}
		}
		fmt.Print(says)
		if says != "ok" {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// name is an error in the kernel's word for it, where it is the kernel's.
func name(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

// TestHosts: each host refuses what it is there for, and nothing else is different on it.
func TestHosts(t *testing.T) {
	plain := map[string]string{
		"namespaces": "ok", "proc": "ok", "listener": "ok", "mount": "EPERM", "landlock": "ok",
		"pidfd_getfd": "EBADF", "clone3": "EINVAL", "newer": "EINVAL",
	}
	container := hosts.Host{CoveredProc: true, Docker: true, Root: true}
	for _, c := range []struct {
		name    string
		host    hosts.Host
		differs map[string]string
	}{
		{"any", hosts.Host{}, nil},
		{"without namespaces", hosts.Host{NoNamespaces: true}, map[string]string{"namespaces": "ENOSPC", "proc": "ENOSPC"}},
		{"with a covered /proc", hosts.Host{CoveredProc: true}, map[string]string{"proc": "EPERM"}},
		{"with a read-only /proc", hosts.Host{ReadOnlyProc: true}, map[string]string{"namespaces": "EROFS", "proc": "EROFS"}},
		{"beneath a listener", hosts.Host{Listener: true}, map[string]string{"listener": "EBUSY"}},
		{"beneath Docker's filter", hosts.Host{Docker: true}, map[string]string{
			"namespaces": "EPERM", "proc": "EPERM", "pidfd_getfd": "EPERM", "clone3": "ENOSYS", "newer": "ENOSYS",
		}},
		{"booted without Landlock", hosts.Host{NoLandlock: unix.EOPNOTSUPP}, map[string]string{"landlock": "ENOTSUP"}},
		{"built without Landlock", hosts.Host{NoLandlock: unix.ENOSYS}, map[string]string{"landlock": "ENOSYS"}},
		// The kernel maps its own number of root to nobody who could not give files capabilities.
		{"of root without capabilities", hosts.Host{Root: true}, map[string]string{
			"namespaces": "EPERM", "proc": "EPERM", "root": "ok", "capabilities": "ok",
		}},
		{"of a container", container, map[string]string{
			"namespaces": "EPERM", "proc": "EPERM", "pidfd_getfd": "EPERM", "clone3": "ENOSYS", "newer": "ENOSYS",
			"root": "ok", "capabilities": "ok",
		}},
		{"all at once", hosts.Host{NoNamespaces: true, CoveredProc: true, Listener: true, NoLandlock: unix.ENOSYS}, map[string]string{
			"namespaces": "ENOSPC", "proc": "ENOSPC", "listener": "EBUSY", "landlock": "ENOSYS",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := map[string]string{}
			for _, some := range []map[string]string{plain, c.differs} {
				for try, says := range some {
					want[try] = says
				}
			}
			if os.Getuid() == 0 && !c.host.Root { // root in a user namespace may do this
				want["mount"] = "ok"
				if c.host.Docker {
					want["mount"] = "EPERM"
				}
			}
			for try, says := range want {
				self, err := os.Executable()
				if err != nil {
					t.Fatal(err)
				}
				cmd := exec.Command(self)
				cmd.Env = append(os.Environ(), "TRY="+try)
				hosts.On(t, cmd, c.host)
				out, _ := cmd.CombinedOutput()
				if string(out) != says {
					t.Errorf("%s: %s, want %s", try, out, says)
				}
			}
		})
	}
}

// TestHostsWithoutPrograms: on each host nothing in a directory is executed, and what lies beside
// it is. Whether access(2) knows is another matter on each.
func TestHostsWithoutPrograms(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"banned/program", "beside/program"} {
		at := filepath.Join(dir, name)
		err := errors.Join(os.Mkdir(filepath.Dir(at), 0o700), os.WriteFile(at, []byte("#!/bin/true\n"), 0o500))
		if err != nil {
			t.Fatal(err)
		}
	}
	const script = `for f in banned beside; do test -x $f/program && echo $f; $f/program && echo ran; done`
	for name, c := range map[string]struct {
		host hosts.Host
		want string
	}{
		"any":         {hosts.Host{}, "banned ran beside ran"},
		"with noexec": {hosts.Host{NoExec: filepath.Join(dir, "banned")}, "beside ran"},
		"with a ban":  {hosts.Host{Banned: filepath.Join(dir, "banned")}, "banned beside ran"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("/bin/sh", "-c", script)
			cmd.Dir = dir
			hosts.On(t, cmd, c.host)
			out, _ := cmd.Output()
			if got := strings.Join(strings.Fields(string(out)), " "); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}
