//go:build linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/test/hosts"
)

// oneSentence fails the test unless nono ended with 125 and one cause, and not with a dump of Go's.
func (u *user) oneSentence(r result, says ...string) {
	u.t.Helper()
	u.refused(r, says...)
	u.oneCause(r)
	u.noDump(r)
}

// noDump fails the test if nono, or what it started, has written its state out.
func (u *user) noDump(r result) {
	u.t.Helper()
	for _, dump := range []string{"goroutine ", "fatal error", "runtime:", "panic:"} {
		if strings.Contains(r.Stderr, dump) {
			u.t.Errorf("it dumps its state\n%s", r)
		}
	}
}

// TestTinyLimits: under a limit that no run can work with, nono says which it is, and ends.
func TestTinyLimits(t *testing.T) {
	for _, c := range []struct {
		limit string
		says  string
		user  bool // root does not have it
	}{
		{"-v 200000", "ulimit -v", false},
		{"-v 500000", "ulimit -v", false},
		{"-v 1000000", "ulimit -v", false},
		{"-d 60000", "ulimit -d", false},
		{"-u 1", "ulimit -u", true},
		{"-u 5", "ulimit -u", true},
		{"-u 20", "ulimit -u", true},
		{"-u 48", "ulimit -u", true},
		{"-n 4", "ulimit -n", false},
		{"-n 20", "ulimit -n", false},
		{"-n 50", "ulimit -n", false},
		{"-f 0", "ulimit -f", false},
		{"-i 0", "ulimit -i", false},
	} {
		t.Run(c.limit, func(t *testing.T) {
			if c.user && os.Getuid() == 0 {
				t.Skip("root has no such limit")
			}
			u := newUser(t)
			cmd := u.command("run", "--allow-cwd", "--", "sh", "-c", ran)
			cmd.Args = append([]string{"bash", "-c", "ulimit " + c.limit + ` && exec "$@"`, "bash", cmd.Path}, cmd.Args[1:]...)
			cmd.Path = "/bin/bash"
			if c.user {
				// Of processes the kernel counts those of a user namespace by themselves, so that Go's
				// runtime begins whatever else this user runs.
				id := func(n int) []syscall.SysProcIDMap {
					return []syscall.SysProcIDMap{{ContainerID: n, HostID: n, Size: 1}}
				}
				cmd.SysProcAttr = &syscall.SysProcAttr{
					Cloneflags: unix.CLONE_NEWUSER, UidMappings: id(os.Getuid()), GidMappings: id(os.Getgid()),
				}
			}
			r := u.finish(u.begin(cmd, ""))
			u.oneSentence(r, c.says)
			u.neverRan(r)
		})
	}
}

// TestLowLimits: under one with which a run can work, or that it cannot know of, it works or says
// in a sentence what was missing. What ran out may be any step's.
func TestLowLimits(t *testing.T) {
	for _, limit := range []string{"-n 64", "-n 70", "-n 100", "-v 1048576", "-v 1500000", "-d 131072", "-s 64", "-l 0", "-q 0", "-f 1024", "-i 20"} {
		t.Run(limit, func(t *testing.T) {
			u := newUser(t)
			u.useEcho("")
			cmd := u.command(configured("true")...)
			cmd.Args = append([]string{"bash", "-c", "ulimit " + limit + ` && exec "$@"`, "bash", cmd.Path}, cmd.Args[1:]...)
			cmd.Path = "/bin/bash"
			r := u.finish(u.begin(cmd, ""))
			if r.Code != 0 {
				u.oneSentence(r)
			}
		})
	}
}

var _ = addHelper("mounts", inMounts)

// inMounts is a machine of its own with regard to mounts: "OPTIONS DIRECTORY ... -- COMMAND" mounts
// a tmpfs with these options on each directory, or for "bind=PATH" what is there, and then is the
// command, without any privilege.
func inMounts(args []string) int {
	fail := func(doing string, err error) int {
		fmt.Fprintln(os.Stderr, "mounts:", doing, err)
		return 2
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fail("/", err)
	}
	for ; args[0] != "--"; args = args[2:] {
		source, kind, flags, options := "tmpfs", "tmpfs", uintptr(0), args[0]
		if from, bind := strings.CutPrefix(args[0], "bind="); bind {
			source, kind, flags, options = from, "", unix.MS_BIND, ""
		}
		if err := unix.Mount(source, args[1], kind, flags, options); err != nil {
			return fail(args[1], err)
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fail("capabilities", err)
	}
	if err := os.Unsetenv("E2E_HELPER"); err != nil {
		return fail("variables", err)
	}
	return fail(args[1], syscall.Exec(args[1], args[1:], os.Environ()))
}

// commandWhere is nono on the machine that a helper of this test binary makes, as the words say.
func (u *user) commandWhere(helper string, words []string, args ...string) *exec.Cmd {
	u.t.Helper()
	self, err := os.Executable()
	if err != nil {
		u.t.Fatal(err)
	}
	cmd := u.command(args...)
	cmd.Args = slices.Concat([]string{self}, words, []string{"--", cmd.Path}, args)
	cmd.Path = self
	cmd.Env = append(cmd.Env, "E2E_HELPER="+helper)
	return cmd
}

// withMounts runs nono where there is a tmpfs on some directories: a pair of options and path each;
// or, for the option "bind=PATH", what is at that path.
func (u *user) withMounts(mounts []string, args ...string) result {
	u.t.Helper()
	cmd := u.commandWhere("mounts", mounts, args...)
	inOwnMounts(cmd)
	return u.finish(u.begin(cmd, ""))
}

// inOwnMounts gives a command mounts of its own, and what it takes to change them and its root.
func inOwnMounts(cmd *exec.Cmd) {
	same := func(id int) []syscall.SysProcIDMap {
		return []syscall.SysProcIDMap{{ContainerID: id, HostID: id, Size: 1}}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: same(os.Getuid()), GidMappings: same(os.Getgid()),
		AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SYS_CHROOT},
	}
}

// TestFullDisk: where nothing more fits, a run works or says in a sentence what it was that had no
// place. The file system has room for so many files, and no more; a session that is stored takes
// more than a page.
func TestFullDisk(t *testing.T) {
	u := newUser(t)
	u.useEcho("")
	owner := fmt.Sprintf("mode=0700,uid=%d,gid=%d", os.Getuid(), os.Getgid())
	for name, dir := range map[string]string{"runtime": u.runtime, "state": u.path("~/.local"), "cache": u.path("~/.cache")} {
		u.mkdir(dir)
		worked := 0
		size := "4k"
		if name == "state" {
			size = "1m"
		}
		for _, files := range []int{1, 2, 3, 4, 5, 6, 7, 8, 16, 32} {
			r := u.in(t).withMounts([]string{fmt.Sprintf("size=%s,nr_inodes=%d,%s", size, files, owner), dir}, configured("true")...)
			if r.Code == 0 {
				worked++
				continue
			}
			u.refused(r, "no space left on device") // of each layer for which there was none
			u.noDump(r)
		}
		if worked == 0 {
			t.Errorf("%s: it never worked", name)
		}
	}
}

// TestClosedTmp: nobody needs /tmp who has a runtime directory.
func TestClosedTmp(t *testing.T) {
	u := newUser(t)
	u.runtime = u.path("~/run")
	u.mkdir(u.runtime)
	if err := os.Chmod(u.runtime, 0o700); err != nil {
		t.Fatal(err)
	}
	r := u.succeeds(u.withMounts([]string{"mode=0", "/tmp"}, "run", "--allow-cwd", "--", "sh", "-c", "echo x > /tmp/x; cat /tmp/x"))
	if r.Stdout != "x\n" {
		t.Errorf("it has no /tmp of its own\n%s", r)
	}
}

// TestTimers: nono's own timers may be late, and the agent's as late as the user's. Where those may
// be later than nono's, it leaves its own as they are.
func TestTimers(t *testing.T) {
	t.Parallel()
	for users, nonos := range map[int]int{50_000: 200_000, 1_000_000: 1_000_000} {
		t.Run(fmt.Sprint(users), func(t *testing.T) {
			u := newUser(t)
			u.Host = &hosts.Host{} // a user namespace of this process's, which may look into it
			cmd := u.command("run", "-s", "--allow-cwd", "--", "sh", "-c",
				"cat /proc/self/timerslack_ns; touch up; head -n 1")
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			r := u.launchLate(cmd, users)
			u.await("up")
			if got := readAll(t, fmt.Sprintf("/proc/%d/timerslack_ns", r.Process.Pid)); got != fmt.Sprintln(nonos) {
				t.Errorf("nono's may be %q ns late, want %d", got, nonos)
			}
			if err := in.Close(); err != nil {
				t.Fatal(err)
			}
			if got := u.succeeds(u.finish(r)).Stdout; got != fmt.Sprintln(users) {
				t.Errorf("the agent's may be %q ns late, want %d", got, users)
			}
		})
	}
}

// launchLate starts a command whose timers may be so many nanoseconds late.
func (u *user) launchLate(cmd *exec.Cmd, slack int) *running {
	u.t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack), 0, 0, 0); err != nil {
		u.t.Fatal(err)
	}
	defer func() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) }() // what the thread began with
	return u.launch(cmd)
}
