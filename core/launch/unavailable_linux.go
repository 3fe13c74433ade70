package launch

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/recipe"
)

// Settings of the kernel that take user namespaces, or their use, from ordinary users.
const (
	settingLimit    = "user/max_user_namespaces"
	settingDebian   = "kernel/unprivileged_userns_clone"
	settingAppArmor = "kernel/apparmor_restrict_unprivileged_userns"
	settingRelease  = "kernel/osrelease"
)

// surroundings are what of a host explains a refusal.
type surroundings struct {
	setting  func(name string) string
	chrooted func() bool
	// bare is root without the capability that it takes to give his own number to a namespace, where
	// no filter is there that could have refused.
	bare func() bool
}

// older reports whether the kernel is older than a release, or does not tell.
func (s surroundings) older(major, minor int) bool {
	var itsMajor, itsMinor int
	_, err := fmt.Sscanf(s.setting(settingRelease), "%d.%d", &itsMajor, &itsMinor)
	return err != nil || itsMajor < major || itsMajor == major && itsMinor < minor
}

// thisHost is the real one.
var thisHost = surroundings{setting: readSetting, chrooted: isChrooted, bare: isBare}

// isChrooted reports whether this process sees no mount at its root: one whose root is a directory
// of a file system was put there by chroot.
func isChrooted() bool {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 4 && f[4] == "/" {
			return false
		}
	}
	return true
}

// isBare reads what the kernel says of this process.
func isBare() bool {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil || os.Getuid() != 0 {
		return false
	}
	unfiltered := false
	var held uint64
	for line := range strings.Lines(string(status)) {
		switch name, value, _ := strings.Cut(strings.TrimSpace(line), ":\t"); name {
		case "CapEff":
			held, err = strconv.ParseUint(value, 16, 64)
		case "Seccomp":
			unfiltered = value == "0"
		}
	}
	return err == nil && unfiltered && held&(1<<unix.CAP_SETFCAP) == 0
}

// readSetting reads a setting; one that this kernel lacks is empty.
func readSetting(name string) string {
	b, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// startError explains why nono-init could not be cloned, or executed: the one is the host's, and
// the other its file's, which may lie where nothing is executed (noexec).
func startError(path string, err error) error {
	if bad := unix.Access(path, unix.X_OK); bad != nil {
		return fmt.Errorf("starting nono-init: %w", &os.PathError{Op: "executing", Path: path, Err: bad})
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		if u := explain(stepClone, "", errno, thisHost); u != nil {
			return u
		}
	}
	return fmt.Errorf("starting nono-init: %w", err)
}

// Steps at which a host says no. All but the first are nono-init's.
const (
	stepClone       = "clone"
	stepUser        = "user"
	stepPropagation = "propagation"
	stepProc        = "proc"
	stepDescriptors = "descriptors"
	stepCalls       = "calls"
	stepLandlock    = "landlock-here"
)

// explain says what about this host stands in the way of a step, or nil if the failure is not the
// host's. about is what the step was about, if it was one thing: a system call.
func explain(step, about string, errno syscall.Errno, on surroundings) *UnavailableError {
	refused := errno == syscall.EPERM || errno == syscall.EACCES
	switch {
	case step == stepLandlock:
		return withoutLandlock(errno, on)
	case step == stepDescriptors && lacksCloseRange(errno):
		return withoutCall("close_range with CLOSE_RANGE_CLOEXEC", on)
	case errno == syscall.ENOSYS && step == stepCalls:
		return withoutCall(about, on)
	case errno == syscall.ENOSYS:
		return withoutCall("", on)
	case step == stepProc && refused:
		return &UnavailableError{
			Next: recipe.TierB,
			Reason: "a fresh /proc cannot be mounted here: " +
				"part of the host's own is covered, as in most containers",
			Try: "run nono outside the container, or start that with its /proc whole " +
				"(docker: --security-opt systempaths=unconfined)",
		}
	case step == stepUser && errno == syscall.EROFS:
		return &UnavailableError{
			Next: recipe.TierB,
			Reason: "/proc is read-only here, " +
				"so nobody can give a user namespace his own number, as in some sandboxes",
			Try: "run nono outside, or mount a /proc there that can be written to (bwrap: --proc /proc)",
		}
	case step == stepUser && errno == syscall.EACCES && on.setting(settingAppArmor) != "1":
		// The kernel shows nobody but root what is in /proc of a program that its user may not read.
		return &UnavailableError{
			Reason: "nono-init, beside nono, may be executed by you but not read",
			Try:    "let everybody read it: chmod a+r nono-init",
		}
	case step == stepClone && refused && on.setting(settingAppArmor) == "1",
		step == stepUser && refused && !on.bare(), step == stepPropagation && refused:
		return withoutRights(on.setting)
	case step == stepClone && refused && on.chrooted():
		return &UnavailableError{
			Next:   recipe.TierB,
			Reason: "nono runs in a chroot, and the kernel lets nobody make user namespaces in one",
			Try: "run it outside, or in a container or with pivot_root where chroot was used " +
				"(systemd-nspawn, bwrap, unshare --root is a chroot too)",
		}
	case step == stepUser && refused:
		return &UnavailableError{
			Next: recipe.TierB,
			Reason: "root without capabilities may not give his own number to a user namespace, " +
				"as in containers that drop them",
			Try: "run nono as an ordinary user (docker: --user 1000:1000)",
		}
	case step == stepClone:
		return withoutNamespaces(errno, on.setting)
	}
	return nil
}

// The first kernel that has every call that a sandbox is made with.
const neededMajor, neededMinor = 5, 13

// shared are the calls that every tier is made with. Without one of the others there is no view,
// and tier B has none.
var shared = []string{
	"close_range with CLOSE_RANGE_CLOEXEC", "memfd_create", "openat2", "seccomp",
}

// withoutCall is for a system call that is answered with ENOSYS. Its name is empty where several
// may be meant.
func withoutCall(name string, on surroundings) *UnavailableError {
	u := missing(name, on)
	if !slices.Contains(shared, name) {
		u.Next = recipe.TierB
	}
	return u
}

func missing(name string, on surroundings) *UnavailableError {
	what := "a system call that the sandbox is made with"
	if name != "" {
		what = "the system call " + name + ", which the sandbox is made with"
	}
	if on.older(neededMajor, neededMinor) {
		return &UnavailableError{
			Reason: "this kernel lacks " + what,
			Try: fmt.Sprintf("use Linux %d.%d or later; this is %s",
				neededMajor, neededMinor, on.setting(settingRelease)),
		}
	}
	return &UnavailableError{
		Reason: "a filter that nono runs under keeps away " + what,
		Try: "in a service of systemd's: RestrictSUIDSGID=no, and no SystemCallFilter= without it; " +
			"in a container: a newer seccomp profile or runtime (docker: --security-opt seccomp=unconfined)",
	}
}

// withoutRights is for user namespaces that can be made and are of no use.
func withoutRights(setting func(string) string) *UnavailableError {
	u := &UnavailableError{
		Reason: "user namespaces give no rights on this host", Next: recipe.TierB,
	}
	if setting(settingAppArmor) == "1" {
		u.Reason += ": AppArmor restricts them"
		u.Try = "give nono a profile of AppArmor's, which `nono doctor` prints, or, for all programs:\n" +
			"sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
	} else {
		u.Try = "ask whoever runs this host, or the container, " +
			"to let ordinary users mount in their own user namespaces"
	}
	return u
}

// withoutNamespaces is for a clone that was refused.
func withoutNamespaces(errno syscall.Errno, setting func(string) string) *UnavailableError {
	switch {
	case setting(settingLimit) == "0":
		return &UnavailableError{
			Next:   recipe.TierB,
			Reason: "user namespaces are switched off on this host: user.max_user_namespaces is 0",
			Try:    "sudo sysctl -w user.max_user_namespaces=15000",
		}
	case setting(settingDebian) == "0":
		return &UnavailableError{
			Next: recipe.TierB,
			Reason: "user namespaces are kept from ordinary users on this host: " +
				"kernel.unprivileged_userns_clone is 0",
			Try: "sudo sysctl -w kernel.unprivileged_userns_clone=1",
		}
	case errno == syscall.EPERM || errno == syscall.EACCES:
		return &UnavailableError{
			Next:   recipe.TierB,
			Reason: "user namespaces cannot be made here, as in most containers",
			Try: "run nono outside the container, or start that with a seccomp profile " +
				"that lets clone make namespaces (docker: --security-opt seccomp=unconfined)",
		}
	case errno == syscall.ENOSPC || errno == syscall.EUSERS:
		return &UnavailableError{
			Next: recipe.TierB,
			Reason: "no more namespaces can be made here: " +
				"a limit is reached, or this is already inside a sandbox",
			Try: "look at the limits in /proc/sys/user, and do not run nono inside nono",
		}
	case errno == syscall.EINVAL:
		return &UnavailableError{
			Next:   recipe.TierB,
			Reason: "this kernel was built without the namespaces that the sandbox is made of",
			Try: "use a kernel with CONFIG_USER_NS, CONFIG_PID_NS, CONFIG_NET_NS, " +
				"CONFIG_IPC_NS and CONFIG_UTS_NS",
		}
	}
	return nil
}

// withoutLandlock is for a kernel, or a filter, that has none for us. Nothing else closes a file to
// an agent where there are no namespaces, so there is no tier below.
func withoutLandlock(errno syscall.Errno, on surroundings) *UnavailableError {
	switch {
	case errno == syscall.EOPNOTSUPP:
		return &UnavailableError{
			Reason: "Landlock is switched off on this host",
			Try: "add landlock to the kernel's list of security modules, at the boot: " +
				"lsm=landlock,... (what is there now is in /sys/kernel/security/lsm)",
		}
	case errno == syscall.ENOSYS && on.older(neededMajor, neededMinor):
		return &UnavailableError{
			Reason: "this kernel has no Landlock",
			Try: fmt.Sprintf("use Linux %d.%d or later; this is %s",
				neededMajor, neededMinor, on.setting(settingRelease)),
		}
	case errno == syscall.ENOSYS:
		return &UnavailableError{
			Reason: "this kernel was built without Landlock, or a filter that nono runs under keeps it away",
			Try: "use a kernel with CONFIG_SECURITY_LANDLOCK; in a container: a newer seccomp profile " +
				"or runtime (docker 23 or later, or --security-opt seccomp=unconfined)",
		}
	case errno == syscall.EPERM || errno == syscall.EACCES:
		return &UnavailableError{
			Reason: "a filter that nono runs under keeps Landlock away",
			Try: "in a container: a newer seccomp profile or runtime " +
				"(docker 23 or later, or --security-opt seccomp=unconfined)",
		}
	}
	return nil
}
