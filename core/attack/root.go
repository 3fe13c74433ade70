//go:build linux

package attack

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/attack/arena"
)

// rootRows are what root's files would let it do, without a single capability.
func rootRows() []Row {
	fixed, absent := by(readOnly, "EROFS"), by(theView, "ENOENT")
	kept := made("nono, which changes modes, owners, times and attributes for the agent where it may write", "EACCES", "EPERM")
	rows := []Row{
		{Threat: "E15", Tried: "core_pattern, which the host executes", Arrange: just("open-w=/proc/sys/kernel/core_pattern"), A: fixed, B: rules(), NoLayer: true},
		{
			Threat: "E15", Tried: "modprobe, which the host executes", Arrange: just("open-w=/proc/sys/kernel/modprobe"), A: fixed, B: rules(), NoLayer: true,
			Lacks: without("/proc/sys/kernel/modprobe"),
		},
		{Threat: "E15", Tried: "a setting of the kernel", Arrange: just("open-w=/proc/sys/vm/overcommit_memory"), A: fixed, B: rules(), NoLayer: true},
		{Threat: "E15", Tried: "sysrq", Arrange: just("open-w=/proc/sysrq-trigger"), A: by("a mask", "EACCES"), B: rules(), NoLayer: true, Lacks: without("/proc/sysrq-trigger")},
		{
			Threat: "E15", Tried: "uevent_helper, which the host executes", Arrange: just("open-w=/sys/kernel/uevent_helper"),
			A: by(theView, "ENOENT", "EROFS"), B: rules(), NoLayer: true, Lacks: without("/sys/kernel/uevent_helper"),
		},
		{Threat: "E26", Tried: "the mode of what /proc shows of the machine", Arrange: just("chmod-same=/proc/version"), A: fixed, B: kept, NoLayer: true},
		{Threat: "E26", Tried: "the mode of a directory of /proc", Arrange: just("chmod-same=/proc/tty"), A: fixed, B: kept, NoLayer: true},
		{
			Threat: "E27", Tried: "what only root may read in /proc", Arrange: just("open=/proc/kpageflags"), A: by("a mask", "EACCES"), B: open("root reads in /proc what takes no capability"), NoLayer: true,
			Lacks: without("/proc/kpageflags"),
		},
		{Threat: "E27", Tried: "a file of root's", Arrange: just("read=/etc/shadow"), A: absent, B: rules()},
		{Threat: "E27", Tried: "the machine's keys", Arrange: just("list=/etc/ssl/private"), A: by("a mask", "EACCES"), B: rules(), Lacks: without("/etc/ssl/private")},
		{
			Threat: "E15", Tried: "a setting of the kernel in /sys", Arrange: just("open-w=/sys/kernel/mm/transparent_hugepage/enabled"),
			A: by(theView, "ENOENT", "EROFS"), B: rules(), NoLayer: true, Lacks: without("/sys/kernel/mm/transparent_hugepage/enabled"),
		},
		{Threat: "E27", Tried: "what the machine is made of, by /sys", Arrange: just("list=/sys/class"), A: absent, B: rules()},
		{Threat: "E31", Tried: "a mount namespace", Arrange: just(fmt.Sprintf("namespace-new=%#x", unix.CLONE_NEWNS)), A: filter("EPERM"), NoLayer: true},
		{Threat: "E31", Tried: "a file by its handle", Arrange: just("by-handle=/etc/passwd"), A: filter("EPERM"), NoLayer: true},
		{Threat: "E09", Tried: "raw sockets", Arrange: just("socket=2,3,1"), A: filter("ESOCKTNOSUPPORT"), NoLayer: true},
		{Threat: "E09", Tried: "packet sockets", Arrange: just("socket=17,3,0"), A: filter("EAFNOSUPPORT"), NoLayer: true},
		{Threat: "E39", Tried: "the kernel's log", Arrange: just(fmt.Sprintf("syscall=%d,10,0,0", unix.SYS_SYSLOG)), A: filter("EPERM"), NoLayer: true},
		{Threat: "E39", Tried: "a device of the agent's own making", Arrange: func(a *arena.Arena) arena.Attempt {
			return arena.Attempt{Try: "mknod-null=" + a.Path("null"), Happened: a.Appears("null")}
		}, A: filter("EPERM", "EACCES"), NoLayer: true},
	}
	for _, try := range []string{"chmod-same", "chown-same"} {
		rows = append(rows, Row{Threat: "E26", Tried: try + " of a device", Arrange: just(try + "=/dev/null"), A: fixed, B: kept, NoLayer: true})
	}
	return rows
}
