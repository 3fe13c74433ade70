package main

import (
	"os"
	"path/filepath"
	"strings"

	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/test/kernels/serial"
)

// settings are what decides about sandboxes on hosts of one kind or another.
var settings = []string{
	"user/max_user_namespaces",
	"kernel/unprivileged_userns_clone",
	"kernel/apparmor_restrict_unprivileged_userns",
	"kernel/apparmor_restrict_unprivileged_unconfined",
	"kernel/unprivileged_userns_apparmor_policy",
	"kernel/yama/ptrace_scope",
	"kernel/io_uring_disabled",
	"kernel/unprivileged_bpf_disabled",
	"kernel/seccomp/actions_avail",
	"dev/tty/legacy_tiocsti",
	"vm/unprivileged_userfaultfd",
}

// look asks the kernel what it is.
func look() (*serial.Host, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return nil, err
	}
	h := &serial.Host{
		Release: unix.ByteSliceToString(name.Release[:]), Settings: map[string]string{},
	}
	if abi, err := ll.LandlockGetABIVersion(); err == nil {
		h.Landlock = abi
	}
	security, err := os.ReadFile("/sys/kernel/security/lsm")
	if err != nil {
		return nil, err
	}
	h.Modules = string(security)
	_, err = os.Stat(modules)
	h.Bare = err != nil
	for _, path := range settings {
		if value, err := os.ReadFile(filepath.Join("/proc/sys", path)); err == nil {
			h.Settings[path] = strings.TrimSpace(string(value))
		}
	}
	return h, nil
}
