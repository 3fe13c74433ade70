package launch

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// Settings of the kernel that take user namespaces, or their use, from ordinary users.
const (
	settingLimit    = "user/max_user_namespaces"
	settingDebian   = "kernel/unprivileged_userns_clone"
	settingAppArmor = "kernel/apparmor_restrict_unprivileged_userns"
)

// readSetting reads a setting; one that this kernel lacks is empty.
func readSetting(name string) string {
	b, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// startError explains why nono-init could not be cloned.
func startError(path string, err error) error {
	if _, statErr := os.Stat(path); statErr != nil {
		return fmt.Errorf("starting nono-init: %w", statErr)
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		if u := explain(stepClone, errno, readSetting); u != nil {
			return u
		}
	}
	return fmt.Errorf("starting nono-init: %w", err)
}

// Steps at which a host says no. All but the first are nono-init's.
const (
	stepClone       = "clone"
	stepPropagation = "propagation"
	stepProc        = "proc"
)

// explain says what about this host stands in the way of a step, or nil if the failure is not the
// host's.
func explain(step string, errno syscall.Errno, setting func(string) string) *UnavailableError {
	refused := errno == syscall.EPERM || errno == syscall.EACCES
	switch {
	case errno == syscall.ENOSYS:
		return &UnavailableError{
			Reason: "this kernel lacks a system call that the sandbox is made with",
			Try:    "use Linux 5.13 or later",
		}
	case step == stepProc && refused:
		return &UnavailableError{
			Reason: "a fresh /proc cannot be mounted here: " +
				"part of the host's own is covered, as in most containers",
			Try: "run nono outside the container, or start that with its /proc whole " +
				"(docker: --security-opt systempaths=unconfined)",
		}
	case step == stepPropagation && refused,
		step == stepClone && refused && setting(settingAppArmor) == "1":
		return withoutRights(setting)
	case step == stepClone:
		return withoutNamespaces(errno, setting)
	}
	return nil
}

// withoutRights is for user namespaces that can be made and are of no use.
func withoutRights(setting func(string) string) *UnavailableError {
	u := &UnavailableError{Reason: "user namespaces give no rights on this host"}
	if setting(settingAppArmor) == "1" {
		u.Reason += ": AppArmor restricts them"
		u.Try = "give nono-init an AppArmor profile that has `userns`, or, for all programs:\n" +
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
			Reason: "user namespaces are switched off on this host: user.max_user_namespaces is 0",
			Try:    "sudo sysctl -w user.max_user_namespaces=15000",
		}
	case setting(settingDebian) == "0":
		return &UnavailableError{
			Reason: "user namespaces are kept from ordinary users on this host: " +
				"kernel.unprivileged_userns_clone is 0",
			Try: "sudo sysctl -w kernel.unprivileged_userns_clone=1",
		}
	case errno == syscall.EPERM || errno == syscall.EACCES:
		return &UnavailableError{
			Reason: "user namespaces cannot be made here, as in most containers",
			Try: "run nono outside the container, or start that with a seccomp profile " +
				"that lets clone make namespaces (docker: --security-opt seccomp=unconfined)",
		}
	case errno == syscall.ENOSPC || errno == syscall.EUSERS:
		return &UnavailableError{
			Reason: "no more namespaces can be made here: " +
				"a limit is reached, or this is already inside a sandbox",
			Try: "look at the limits in /proc/sys/user, and do not run nono inside nono",
		}
	case errno == syscall.EINVAL:
		return &UnavailableError{
			Reason: "this kernel was built without the namespaces that the sandbox is made of",
			Try: "use a kernel with CONFIG_USER_NS, CONFIG_PID_NS, CONFIG_NET_NS, " +
				"CONFIG_IPC_NS and CONFIG_UTS_NS",
		}
	}
	return nil
}
