package launch

import (
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/recipe"
)

// TestNext: what tier B does without is a reason to try it, and what it needs itself is none.
func TestNext(t *testing.T) {
	for _, test := range []struct {
		step, about string
		errno       syscall.Errno
		want        recipe.Tier
	}{
		{stepClone, "", syscall.EPERM, recipe.TierB},
		{stepClone, "", syscall.ENOSPC, recipe.TierB},
		{stepClone, "", syscall.EINVAL, recipe.TierB},
		{stepPropagation, "", syscall.EACCES, recipe.TierB},
		{stepUser, "", syscall.EPERM, recipe.TierB},
		{stepUser, "", syscall.EACCES, ""},
		{stepUser, "", syscall.EROFS, recipe.TierB},
		{stepProc, "", syscall.EPERM, recipe.TierB},
		{stepProc, "", syscall.ENOSYS, recipe.TierB},
		{stepCalls, "move_mount", syscall.ENOSYS, recipe.TierB},
		{stepCalls, "openat2", syscall.ENOSYS, ""},
		{stepDescriptors, "", syscall.EINVAL, ""},
		{stepDescriptors, "", syscall.ENOSYS, ""},
		{stepCalls, "seccomp", syscall.ENOSYS, ""},
		{stepLandlock, "", syscall.EOPNOTSUPP, ""},
		{stepLandlock, "", syscall.ENOSYS, ""},
	} {
		for _, chrooted := range []bool{false, true} {
			u := explain(test.step, test.about, test.errno, surroundings{
				setting: func(string) string { return "" }, chrooted: func() bool { return chrooted },
				bare: func() bool { return !chrooted },
			})
			if u == nil || u.Next != test.want {
				t.Errorf("%s %s %v: got %+v, want the tier %q", test.step, test.about, test.errno, u, test.want)
			}
		}
	}
}

// TestExplain: every way in which a host says no is told by its cause, with what to do; what is not
// the host's is not.
func TestExplain(t *testing.T) {
	for _, test := range []struct {
		name     string
		step     string
		errno    syscall.Errno
		settings map[string]string
		reason   string // empty: not the host's
		try      string
	}{
		{"Docker's filter", stepClone, syscall.EPERM, nil, "as in most containers", "seccomp=unconfined"},
		{"switched off", stepClone, syscall.ENOSPC, map[string]string{settingLimit: "0"}, "max_user_namespaces is 0", "user.max_user_namespaces=15000"},
		{"Debian of old", stepClone, syscall.EPERM, map[string]string{settingDebian: "0"}, "unprivileged_userns_clone is 0", "unprivileged_userns_clone=1"},
		{"inside nono", stepClone, syscall.ENOSPC, nil, "a limit is reached", "do not run nono inside nono"},
		{"too deep", stepClone, syscall.EUSERS, nil, "a limit is reached", ""},
		{"no such kernel", stepClone, syscall.EINVAL, nil, "built without", "CONFIG_USER_NS"},
		{"Ubuntu, at the clone", stepClone, syscall.EACCES, map[string]string{settingAppArmor: "1"}, "AppArmor", "apparmor_restrict_unprivileged_userns=0"},
		{"Ubuntu, at the first mount", stepPropagation, syscall.EACCES, map[string]string{settingAppArmor: "1"}, "AppArmor", "userns"},
		{"another module", stepPropagation, syscall.EPERM, nil, "give no rights", "ask whoever runs"},
		{"Docker's /proc", stepProc, syscall.EPERM, nil, "part of the host's own is covered", "systempaths=unconfined"},
		{"an old kernel", stepProc, syscall.ENOSYS, nil, "lacks a system call", "Linux 5.13"},
		{"a kernel that lacks one call", stepCalls, syscall.ENOSYS, map[string]string{settingRelease: "5.10.0-8-amd64"}, "lacks the system call openat2", "this is 5.10.0"},
		{"a kernel that lacks a flag", stepDescriptors, syscall.EINVAL, map[string]string{settingRelease: "5.10.0-46-amd64"}, "lacks the system call close_range with CLOSE_RANGE_CLOEXEC", "use Linux 5.13 or later; this is 5.10.0"},
		{"a kernel that lacks the whole call", stepDescriptors, syscall.ENOSYS, map[string]string{settingRelease: "5.4.0"}, "lacks the system call close_range", "this is 5.4.0"},
		{"a filter that lacks it", stepDescriptors, syscall.ENOSYS, map[string]string{settingRelease: "6.1.0"}, "a filter that nono runs under keeps away the system call close_range", "seccomp=unconfined"},
		{"a filter", stepCalls, syscall.ENOSYS, map[string]string{settingRelease: "6.1.0"}, "a filter that nono runs under keeps away the system call openat2", "RestrictSUIDSGID=no"},
		{"a chroot", stepClone, syscall.EPERM, map[string]string{"chroot": "yes"}, "in a chroot", "outside"},
		{"Ubuntu, when the user's number is told", stepUser, syscall.EPERM, map[string]string{settingAppArmor: "1"}, "AppArmor", "userns"},
		{"a program that cannot be read", stepUser, syscall.EACCES, nil, "executed by you but not read", "chmod a+r"},
		{"a sandbox with a read-only /proc", stepUser, syscall.EROFS, nil, "/proc is read-only", "bwrap: --proc /proc"},
		{"a user whose number is refused", stepUser, syscall.EPERM, nil, "give no rights", "ask whoever runs"},
		{"root without capabilities", stepUser, syscall.EPERM, map[string]string{"bare": "yes"}, "root without capabilities", "ordinary user"},
		{"root without capabilities, switched off", stepClone, syscall.ENOSPC, map[string]string{"bare": "yes", settingLimit: "0"}, "max_user_namespaces is 0", ""},
		{"no Landlock at the boot", stepLandlock, syscall.EOPNOTSUPP, nil, "switched off", "lsm=landlock"},
		{"an old kernel without Landlock", stepLandlock, syscall.ENOSYS, map[string]string{settingRelease: "5.10.0-8-amd64"}, "no Landlock", "Linux 5.13"},
		{"Docker's filter of old", stepLandlock, syscall.ENOSYS, map[string]string{settingRelease: "6.1.0"}, "or a filter", "docker 23"},
		{"a filter that says so", stepLandlock, syscall.EPERM, nil, "a filter that nono runs under keeps Landlock away", "docker 23"},
		{"not the host", stepProc, syscall.ENOMEM, nil, "", ""},
		{"not the host either", "init", 0, nil, "", ""},
		{"out of memory", stepClone, syscall.ENOMEM, nil, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := explain(test.step, "openat2", test.errno, surroundings{
				setting:  func(name string) string { return test.settings[name] },
				chrooted: func() bool { return test.settings["chroot"] != "" },
				bare:     func() bool { return test.settings["bare"] != "" },
			})
			switch {
			case u == nil && test.reason == "":
			case u == nil || test.reason == "":
				t.Errorf("got %+v, want %q", u, test.reason)
			case !strings.Contains(u.Reason, test.reason) || !strings.Contains(u.Try, test.try) || u.Try == "":
				t.Errorf("got %+v, want %q and %q", u, test.reason, test.try)
			}
		})
	}
}

// TestSealEach: where the kernel cannot mark all descriptors at once, each is marked all the same.
func TestSealEach(t *testing.T) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], 0); err != nil {
		t.Fatal(err)
	}
	marked := func(fd int) bool {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil {
			t.Fatal(err)
		}
		return flags&unix.FD_CLOEXEC != 0
	}
	for _, fd := range fds {
		defer unix.Close(fd)
		if marked(fd) {
			t.Fatalf("%d is marked, and nobody has done it", fd)
		}
	}
	before := marked(1)
	if err := sealEach(); err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if !marked(fd) {
			t.Errorf("%d is inherited", fd)
		}
	}
	if marked(1) != before {
		t.Error("a stream was marked as well")
	}
}
