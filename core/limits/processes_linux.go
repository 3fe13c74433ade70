package limits

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// NoProcessLimit is why a run's processes cannot be limited here; empty if they can.
func NoProcessLimit(kernel string) string {
	root, err := isRoot()
	if err != nil {
		return err.Error()
	}
	scope, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	if err != nil && !os.IsNotExist(err) {
		return err.Error()
	}
	return noProcessLimit(kernel, root, strings.TrimSpace(string(scope)))
}

// noProcessLimit goes by the kernel's release, whether the user is root to it, and who may trace
// whom (Yama): nono-init sets the limit while it traces the agent, and has no capability.
func noProcessLimit(kernel string, root bool, scope string) string {
	var major, minor int
	_, err := fmt.Sscanf(kernel, "%d.%d", &major, &minor)
	switch {
	case root:
		return "root has no such limit"
	case err != nil:
		return fmt.Sprintf("nobody knows how Linux %q counts them", kernel)
	case major < 5 || major == 5 && minor < 14:
		return "before 5.14 Linux counts all of your processes, outside as well"
	case scope != "" && scope != "0" && scope != "1":
		return "no program may trace what it starts here (kernel.yama.ptrace_scope is " + scope + ")"
	}
	return ""
}

// isRoot reports whether this user is root to the kernel, under whatever number: what the kernel
// makes in /proc is root's, and shown under root's number here.
func isRoot() (bool, error) {
	info, err := os.Stat("/proc/version")
	if err != nil {
		return false, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return !ok || int(stat.Uid) == os.Getuid(), nil
}
