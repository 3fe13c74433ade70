package launch

import (
	"errors"
	"strings"
	"syscall"
	"testing"

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
		{stepProc, "", syscall.EPERM, recipe.TierB},
		{stepProc, "", syscall.ENOSYS, recipe.TierB},
		{stepCalls, "move_mount", syscall.ENOSYS, recipe.TierB},
		{stepCalls, "openat2", syscall.ENOSYS, ""},
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
		{"a filter", stepCalls, syscall.ENOSYS, map[string]string{settingRelease: "6.1.0"}, "a filter that nono runs under keeps away the system call openat2", "RestrictSUIDSGID=no"},
		{"a chroot", stepClone, syscall.EPERM, map[string]string{"chroot": "yes"}, "in a chroot", "outside"},
		{"root without capabilities", stepClone, syscall.EPERM, map[string]string{"bare": "yes"}, "root without capabilities", "ordinary user"},
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

// TestSealed: a kernel that cannot mark descriptors is told by what it lacks, also one that has the
// call and not the flag, as Linux 5.10.
func TestSealed(t *testing.T) {
	on := surroundings{setting: func(string) string { return "5.10.0-46-amd64" }}
	for _, errno := range []syscall.Errno{syscall.ENOSYS, syscall.EINVAL} {
		var u *UnavailableError
		if err := sealed(errno, on); !errors.As(err, &u) ||
			!strings.Contains(u.Reason, "close_range") || !strings.Contains(u.Try, "use Linux 5.13 or later") {
			t.Errorf("%v: got %v", errno, err)
		}
	}
	var u *UnavailableError
	if err := sealed(syscall.EMFILE, on); err == nil || errors.As(err, &u) {
		t.Errorf("what is not the kernel's: got %v", err)
	}
	if err := sealed(nil, on); err != nil {
		t.Error(err)
	}
}
