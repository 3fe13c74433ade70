// Package hosts gives a command the hosts that nono finds itself on, and that a machine for tests
// is not: containers, locked-down distributions, kernels without Landlock. A test says what kind of
// host it wants, and the command runs there.
//
//	func TestMain(m *testing.M) {
//		hosts.Arrange() // first of all: the test binary is started once more, to make the host
//		os.Exit(m.Run())
//	}
//
//	cmd := exec.Command("nono", "run", "--allow-cwd", "--", "true")
//	hosts.On(t, cmd, hosts.Host{NoNamespaces: true})
//	out, err := cmd.CombinedOutput()
//
// # What is real
//
// Each refusal is the kernel's own: the same call fails in the same way. Who refuses it is not
// always the one that would elsewhere. A limit stands for an administrator's settings, Landlock for
// what SELinux and fapolicyd ban, and a user namespace of the test's own for the container: in it
// the test may cover /proc, set limits and take capabilities. So a process is on such a host by
// being in a user namespace, which shows in its own capabilities alone. The filter is what Docker's
// default says, as data; Docker itself, AppArmor and Yama are on no machine that these tests run
// on.
//
// It takes a machine on which the tests' user may make user namespaces.
package hosts

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// Host is what a host lacks, or has in the way. The zero one has and lacks nothing.
type Host struct {
	// NoNamespaces: nobody may make a user namespace, and so none of any kind.
	NoNamespaces bool
	// CoveredProc: parts of /proc are covered and others read-only, as container runtimes have it, so
	// that nobody may mount a fresh one.
	CoveredProc bool
	// ReadOnlyProc: nothing in /proc can be written to, as where a sandbox shows all of the host
	// read-only.
	ReadOnlyProc bool
	// Listener: all runs beneath a filter of system calls whose notifications somebody listens for.
	// There can be one such filter above a process.
	Listener bool
	// Docker: all runs beneath the filter that Docker has by default, as it is for a container
	// without capabilities of its own.
	Docker bool
	// NoLandlock is the error with which Landlock's first call fails: EOPNOTSUPP on a kernel that was
	// booted without it, ENOSYS on one that was built so.
	NoLandlock syscall.Errno
	// Root: the user is root, and has no capability; nor can anything that he executes get one.
	Root bool
	// NoExec is a directory that is mounted with noexec.
	NoExec string
	// Banned is a directory in which the host lets nobody execute anything, and access(2) does not
	// know. A process beneath such a ban mounts nothing.
	Banned string
}

// variable has the host, in the environment of the process that makes it.
const variable = "NONO_TEST_HOST"

// On has the command run on such a host, as the user that runs the test unless the host says
// otherwise. It is started, waited for and killed as ever.
func On(t testing.TB, cmd *exec.Cmd, h Host) {
	t.Helper()
	if err := h.Wrap(cmd); err != nil {
		t.Fatal(err)
	}
}

// Wrap is [On] for a program that is no test. It too calls [Arrange] first of all.
func (h Host) Wrap(cmd *exec.Cmd) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return h.wrap(cmd, self)
}

// wrap makes the command one that self runs, on such a host.
func (h Host) wrap(cmd *exec.Cmd, self string) error {
	told, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, variable+"="+string(told))
	cmd.Args = append([]string{self, cmd.Path}, cmd.Args...)
	cmd.Path = self
	uid, gid := os.Getuid(), os.Getgid()
	if h.Root {
		uid, gid = 0, 0
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	attr := cmd.SysProcAttr
	attr.Cloneflags |= unix.CLONE_NEWUSER | unix.CLONE_NEWNS
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Getuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: os.Getgid(), Size: 1}}
	attr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SYS_RESOURCE, unix.CAP_SETPCAP}
	return nil
}

// InNono has the command run inside a sandbox of nono's, made by this nono with these flags.
func InNono(cmd *exec.Cmd, nono string, flags ...string) {
	outer := append([]string{nono, "run", "-s"}, flags...)
	cmd.Args = append(append(outer, "--", cmd.Path), cmd.Args[1:]...)
	cmd.Path = nono
}

// Arrange makes the host and becomes the command, in a process that [On] has wrapped; in any other
// it does nothing.
func Arrange() {
	told, ok := os.LookupEnv(variable)
	if !ok {
		return
	}
	// What is taken here is this thread's, and the thread becomes the command.
	runtime.LockOSThread()
	var h Host
	err := json.Unmarshal([]byte(told), &h)
	if err == nil {
		err = os.Unsetenv(variable)
	}
	if err == nil {
		err = h.become(os.Args[1], os.Args[2:])
	}
	fmt.Fprintln(os.Stderr, "making a host for the test:", err)
	os.Exit(2)
}

// become makes the host and runs the program on it. It returns only if that fails.
func (h Host) become(program string, argv []string) error {
	mounts := h.CoveredProc || h.ReadOnlyProc || h.NoExec != ""
	steps := []struct {
		name   string
		wanted bool
		do     func() error
	}{
		{"forbidding namespaces", h.NoNamespaces, forbidNamespaces},
		{"keeping mounts from the machine", mounts, ownMounts},
		// After the setting, which is in what becomes read-only.
		{"covering parts of /proc", h.CoveredProc, coverProc},
		{"making /proc read-only", h.ReadOnlyProc, func() error {
			return mountAgain("/proc", unix.MOUNT_ATTR_RDONLY)
		}},
		{"mounting with noexec", h.NoExec != "", func() error {
			return mountAgain(h.NoExec, unix.MOUNT_ATTR_NOEXEC)
		}},
		{"forgoing the rights to do so", true, clearAmbient},
		// While there are the rights for it: without them it would take no-new-privs, which a container
		// does not set by itself.
		{"filtering as Docker does", h.Docker, filterAsDocker},
		{"banning programs", h.Banned != "", func() error { return banPrograms(h.Banned) }},
		{"keeping Landlock away", h.NoLandlock != 0, func() error { return keepAway(h.NoLandlock) }},
		{"listening for notifications", h.Listener, listen},
		{"taking root's capabilities", h.Root, takeCapabilities},
	}
	for _, s := range steps {
		if !s.wanted {
			continue
		}
		if err := s.do(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	if h.Listener {
		return stayAbove(program, argv)
	}
	return fmt.Errorf("executing %s: %w", program, syscall.Exec(program, argv, os.Environ()))
}

// stayAbove runs the program and ends as it does: a listener is one for as long as somebody holds
// its descriptor.
func stayAbove(program string, argv []string) error {
	child, err := os.StartProcess(program, argv, &os.ProcAttr{
		Env: os.Environ(), Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys: &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL},
	})
	if err != nil {
		return err
	}
	state, err := child.Wait()
	if err != nil {
		return err
	}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		os.Exit(128 + int(status.Signal()))
	}
	os.Exit(state.ExitCode())
	return nil
}

// forbidNamespaces is about this user namespace alone. In the initial one it would be the machine's
// own setting.
func forbidNamespaces() error {
	return os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0)
}

// clearAmbient makes the next program one of an ordinary user, unless he is root: root's programs
// have all capabilities of the namespace.
func clearAmbient() error {
	return unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
}

// takeCapabilities leaves root none, and nothing that would give him one at an exec.
func takeCapabilities() error {
	const last = 63
	for c := range uintptr(last) {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if err != nil && err != unix.EINVAL { // EINVAL: this kernel has not so many
			return err
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return unix.Capset(&header, &none[0])
}

// Coverings as container runtimes have them, where the file is there.
var (
	masked = []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
		"/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
		"/proc/timer_stats",
	}
	readOnly = []string{
		"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
	}
)

// ownMounts has nothing that is mounted here show on the machine.
func ownMounts() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") }

func coverProc() error {
	for _, name := range masked {
		info, err := os.Stat(name)
		switch {
		case os.IsNotExist(err):
			continue
		case err != nil:
			return err
		case info.IsDir():
			err = unix.Mount("tmpfs", name, "tmpfs", unix.MS_RDONLY, "size=0k")
		default:
			err = unix.Mount(os.DevNull, name, "", unix.MS_BIND, "")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, name := range readOnly {
		if _, err := os.Stat(name); os.IsNotExist(err) {
			continue
		}
		if err := mountAgain(name, unix.MOUNT_ATTR_RDONLY); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// mountAgain mounts a directory where it is, with an attribute.
func mountAgain(dir string, attribute uint64) error {
	if err := unix.Mount(dir, dir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	attr := unix.MountAttr{Attr_set: attribute}
	return unix.MountSetattr(unix.AT_FDCWD, dir, unix.AT_RECURSIVE, &attr)
}

// banPrograms lets nothing in a directory be executed. Landlock takes grants alone, so execution is
// granted for all that lies elsewhere now; and moves are granted everywhere, which Landlock forbids
// unless told otherwise.
func banPrograms(dir string) error {
	attr := ll.RulesetAttr{HandledAccessFS: execute | unix.LANDLOCK_ACCESS_FS_REFER}
	rules, err := ll.LandlockCreateRuleset(&attr, 0)
	if err == nil {
		err = grant(rules, "/", unix.LANDLOCK_ACCESS_FS_REFER)
	}
	if err != nil {
		return err
	}
	for at := filepath.Clean(dir); at != "/"; at = filepath.Dir(at) {
		beside, err := os.ReadDir(filepath.Dir(at))
		if err != nil {
			return err
		}
		for _, f := range beside {
			name := filepath.Join(filepath.Dir(at), f.Name())
			if name == at {
				continue
			}
			if err := grant(rules, name, execute); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return ll.LandlockRestrictSelf(rules, 0)
}

const execute = unix.LANDLOCK_ACCESS_FS_EXECUTE

func grant(rules int, name string, access uint64) error {
	f, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil // a link to nothing, or gone since
	}
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(f) }()
	rule := ll.PathBeneathAttr{ParentFd: f, AllowedAccess: access}
	return ll.LandlockAddPathBeneathRule(rules, &rule, 0)
}
