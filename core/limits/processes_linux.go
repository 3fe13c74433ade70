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
	return noProcessLimit(kernel, root, NoTracing())
}

// NoTracing is why no program may look into what it has started here; empty if it may. nono-init
// does so to set a limit, and core to make calls in the agent's place, both without a capability.
func NoTracing() string {
	scope, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	if err != nil && !os.IsNotExist(err) {
		return err.Error()
	}
	return noTracing(strings.TrimSpace(string(scope)))
}

// noTracing goes by who may trace whom (Yama). Where there is no such setting anyone may.
func noTracing(scope string) string {
	switch scope {
	case "", "0", "1":
		return ""
	}
	return "no program may trace what it starts here (kernel.yama.ptrace_scope is " + scope + ")"
}

// noProcessLimit goes by the kernel's release, whether the user is root to it, and why nothing can
// be traced.
func noProcessLimit(kernel string, root bool, untraced string) string {
	var major, minor int
	_, err := fmt.Sscanf(kernel, "%d.%d", &major, &minor)
	switch {
	case root:
		return "root has no such limit"
	case err != nil:
		return fmt.Sprintf("nobody knows how Linux %q counts them", kernel)
	case major < 5 || major == 5 && minor < 14:
		return "before 5.14 Linux counts all of your processes, outside as well"
	}
	return untraced
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
