//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

var _ = addHelper("lacks", lacks)

// lacks is a machine whose kernel, or whoever stands before it, does not know some system calls:
// "NUMBER ... -- COMMAND" has each of them answered with ENOSYS, and then is the command.
func lacks(args []string) int {
	fail := func(doing string, err error) int {
		fmt.Fprintln(os.Stderr, "lacks:", doing, err)
		return 2
	}
	program := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}} // the call's number
	for ; args[0] != "--"; args = args[1:] {
		number, err := strconv.ParseUint(args[0], 10, 32)
		if err != nil {
			return fail("arguments", err)
		}
		program = append(program,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: uint32(number)},
			unix.SockFilter{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)})
	}
	program = append(program, unix.SockFilter{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ALLOW})
	runtime.LockOSThread() // both are of one thread
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fail("no-new-privs", err)
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&filter)), 0, 0)
	if err != nil {
		return fail("filter", err)
	}
	if err := os.Unsetenv("E2E_HELPER"); err != nil {
		return fail("variables", err)
	}
	return fail(args[1], syscall.Exec(args[1], args[1:], os.Environ()))
}

// where runs nono on the machine that a helper of this test binary makes, told so in the words.
func (u *user) where(helper string, words []string, args ...string) result {
	u.t.Helper()
	return u.finish(u.begin(u.commandWhere(helper, words, args...), ""))
}

// TestHostLacksCalls: nono names the call that it needs and has not, who may keep it away, and what
// to do. Where it can do without, it does.
func TestHostLacksCalls(t *testing.T) {
	for _, c := range []struct {
		name    string
		numbers []int
		says    string // empty: a run works without
		mounts  bool   // it is for mounts: a run works in tier B
	}{
		{"nothing", nil, "", false},
		{"openat2, as under systemd's RestrictSUIDSGID", []int{unix.SYS_OPENAT2}, "openat2", false},
		{"open_tree", []int{unix.SYS_OPEN_TREE}, "open_tree", true},
		{"move_mount", []int{unix.SYS_MOVE_MOUNT}, "move_mount", true},
		{"mount_setattr", []int{unix.SYS_MOUNT_SETATTR}, "mount_setattr", true},
		{"fsopen", []int{unix.SYS_FSOPEN}, "fsopen", true},
		{"fsconfig", []int{unix.SYS_FSCONFIG}, "fsconfig", true},
		{"fsmount", []int{unix.SYS_FSMOUNT}, "fsmount", true},
		{"pivot_root", []int{unix.SYS_PIVOT_ROOT}, "pivot_root", true},
		{"seccomp", []int{unix.SYS_SECCOMP}, "seccomp", false},
		{"memfd_create", []int{unix.SYS_MEMFD_CREATE}, "memfd_create", false},
		{"close_range", []int{unix.SYS_CLOSE_RANGE}, "close_range", false},
		{"Landlock", []int{unix.SYS_LANDLOCK_CREATE_RULESET, unix.SYS_LANDLOCK_ADD_RULE, unix.SYS_LANDLOCK_RESTRICT_SELF}, "", false},
		{"pidfd_open", []int{unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_SEND_SIGNAL}, "", false},
		{"clone3", []int{unix.SYS_CLONE3}, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := newUser(t)
			var numbers []string
			for _, n := range c.numbers {
				numbers = append(numbers, strconv.Itoa(n))
			}
			r := u.where("lacks", numbers, "run", "--allow-cwd", "--", "sh", "-c", "echo ran > ran")
			if c.says == "" {
				u.succeeds(r)
				return
			}
			if c.mounts {
				u.succeeds(r)
				if !strings.Contains(r.Stderr, "tier B (") || !strings.Contains(r.Stderr, "the system call "+c.says) {
					t.Errorf("it does not say why it is in tier B\n%s", r)
				}
				return
			}
			u.oneSentence(r, "the system call "+c.says, "RestrictSUIDSGID")
			u.neverRan(r)
		})
	}
}

// TestDoctorWhereNothingStarts: on a kernel as old as 5.10, whose descriptors cannot be marked all
// at once, no run starts, and doctor says why, and by --json too.
func TestDoctorWhereNothingStarts(t *testing.T) {
	u := newUser(t)
	r := u.where("lacks", []string{strconv.Itoa(unix.SYS_CLOSE_RANGE)}, "doctor", "--json")
	var report struct {
		Sandbox struct {
			Tier, Why, Try string
			Refused        bool
		}
		Next string
	}
	if err := json.Unmarshal([]byte(r.Stdout), &report); err != nil {
		t.Fatalf("%v\n%s", err, r)
	}
	s := report.Sandbox
	if r.Code != 2 || s.Tier != "" || !s.Refused || !strings.Contains(s.Why, "close_range") ||
		s.Try == "" || report.Next == "" {
		t.Errorf("it does not say what is missing\n%s", r)
	}
}

var _ = addHelper("chroot", inChroot)

// inChroot is a machine that was entered by chroot: "DIRECTORY -- COMMAND" shows the host's own
// directories there, makes it the root, and then is the command, without any privilege.
func inChroot(args []string) int {
	fail := func(doing string, err error) int {
		fmt.Fprintln(os.Stderr, "chroot:", doing, err)
		return 2
	}
	dir := args[0]
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fail("/", err)
	}
	entries, err := os.ReadDir("/")
	if err != nil {
		return fail("/", err)
	}
	for _, e := range entries {
		at := filepath.Join(dir, e.Name())
		if target, err := os.Readlink("/" + e.Name()); err == nil {
			if err := os.Symlink(target, at); err != nil {
				return fail(at, err)
			}
			continue
		}
		if !e.IsDir() {
			continue
		}
		if err := os.Mkdir(at, 0o755); err != nil {
			return fail(at, err)
		}
		if err := unix.Mount("/"+e.Name(), at, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fail(at, err)
		}
	}
	here, err := os.Getwd()
	if err != nil {
		return fail("directory", err)
	}
	if err := unix.Chroot(dir); err != nil {
		return fail(dir, err)
	}
	if err := os.Chdir(here); err != nil {
		return fail(here, err)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fail("capabilities", err)
	}
	if err := os.Unsetenv("E2E_HELPER"); err != nil {
		return fail("variables", err)
	}
	return fail(args[2], syscall.Exec(args[2], args[2:], os.Environ()))
}

// TestChroot: the kernel lets nobody make a user namespace in a chroot, and it is not a container's
// fault.
func TestChroot(t *testing.T) {
	u := newUser(t)
	root, err := os.MkdirTemp("/tmp", "ntc-") // not beneath what is bound into it with all its mounts
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	cmd := u.commandWhere("chroot", []string{root}, "run", "--allow-cwd", "--", "true")
	inOwnMounts(cmd)
	if r := u.succeeds(u.finish(u.begin(cmd, ""))); !strings.Contains(r.Stderr, "tier B (nono runs in a chroot") {
		t.Errorf("it does not say why it is in tier B\n%s", r)
	}
}

// TestNonoInNono: the one outside holds for everything, and says so.
func TestNonoInNono(t *testing.T) {
	u := newUser(t)
	inner := filepath.Join(u.Programs, "nono")
	u.refused(u.nono("run", "-s", "--allow-cwd", "--read", u.Programs, "--", inner, "run", "--allow-cwd", "--", "true"),
		"this is inside a sandbox of nono's")
}
