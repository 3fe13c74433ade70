package hosts

import (
	"encoding/binary"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/filter"
	"github.com/nono-run/nono/sdk/fragment"
)

// rule is what a filter here refuses.
type rule struct {
	calls, errno string
	when         []fragment.Condition
}

// docker is what the filter that Docker has by default refuses a container without capabilities, as
// its profile of 2024 has it. What is not named there it refuses with EPERM, and the container
// runtime answers with ENOSYS what is newer than all that is named. A call of a 32-bit table, which
// Docker allows, ends the process here.
var docker = []rule{
	{calls: "clone", errno: "EPERM", when: []fragment.Condition{{{
		Arg: 0, Mask: newNamespaces, Op: fragment.OpNotIn, Values: []uint64{0},
	}}}},
	// So that the C library tries clone, whose flags a filter can see.
	{calls: "clone3", errno: "ENOSYS"},
	{calls: "socket", errno: "EPERM", when: []fragment.Condition{{{
		Arg: 0, Mask: intArgument, Op: fragment.OpIn, Values: []uint64{unix.AF_VSOCK},
	}}}},
	{calls: "personality", errno: "EPERM", when: []fragment.Condition{{{
		Arg: 0, Mask: intArgument, Op: fragment.OpNotIn,
		Values: []uint64{0, 8, 1 << 17, 1<<17 + 8, intArgument},
	}}}},
	// Mounts and namespaces: CAP_SYS_ADMIN would allow most of them.
	{errno: "EPERM", calls: "fsconfig fsmount fsopen fspick mount mount_setattr move_mount " +
		"open_tree pivot_root setns umount2 unshare"},
	// Other processes, for which it would take CAP_SYS_PTRACE.
	{errno: "EPERM", calls: "kcmp pidfd_getfd process_madvise"},
	// The machine as a whole, and its memory.
	{errno: "EPERM", calls: "acct bpf clock_settime fanotify_init get_mempolicy ioperm iopl " +
		"kexec_file_load kexec_load lookup_dcookie mbind migrate_pages move_pages " +
		"perf_event_open quotactl quotactl_fd reboot set_mempolicy set_mempolicy_home_node " +
		"setdomainname sethostname settimeofday swapoff swapon syslog uprobe uretprobe " +
		"userfaultfd vhangup"},
	{errno: "EPERM", calls: "delete_module finit_module init_module open_by_handle_at"},
	// Keys have no namespaces.
	{errno: "EPERM", calls: "add_key keyctl request_key"},
	// What nobody should need any more.
	{errno: "EPERM", calls: "_sysctl afs_syscall create_module get_kernel_syms getpmsg nfsservctl " +
		"putpmsg query_module security sysfs tuxcall uselib ustat vserver"},
}

const (
	intArgument = 0xffffffff // the kernel looks at no more of an int
	// newNamespaces are the flags of clone that make a namespace.
	newNamespaces = unix.CLONE_NEWCGROUP | unix.CLONE_NEWIPC | unix.CLONE_NEWNET | unix.CLONE_NEWNS |
		unix.CLONE_NEWPID | unix.CLONE_NEWUSER | unix.CLONE_NEWUTS
	// newest is the highest number that Docker's profile has a name for.
	newest = 450
)

// filterAsDocker puts Docker's filter on this thread and what it becomes.
func filterAsDocker() error {
	names := slices.DeleteFunc(filter.Names(filter.Native), func(name string) bool {
		number, ok := filter.Number(filter.Native, name)
		return ok && number > newest
	})
	return refuse(names, docker)
}

// keepAway answers as a kernel without Landlock does.
func keepAway(errno syscall.Errno) error {
	return refuse(filter.Names(filter.Native), []rule{{
		calls: "landlock_create_ruleset landlock_add_rule landlock_restrict_self",
		errno: unix.ErrnoName(errno),
	}})
}

func refuse(allowed []string, rules []rule) error {
	var refused []fragment.Seccomp
	for _, r := range rules {
		refused = append(refused, fragment.Seccomp{
			For: "test.host", Syscalls: strings.Fields(r.calls), When: r.when, Errno: r.errno,
		})
	}
	program, err := filter.Assemble(allowed, refused)
	if err != nil {
		return err
	}
	return load(program, 0)
}

// listen puts a filter above all that comes that notifies nobody of anything, and is listened to.
// The descriptor stays open, and is nobody's but this process's.
func listen() error {
	all := binary.NativeEndian.AppendUint16(nil, unix.BPF_RET|unix.BPF_K)
	all = binary.NativeEndian.AppendUint32(append(all, 0, 0), unix.SECCOMP_RET_ALLOW)
	return load(all, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER)
}

// load gives the kernel a filter for this thread, and what it becomes.
func load(program []byte, flags uintptr) error {
	loaded := unix.SockFprog{
		Len: uint16(len(program) / 8), Filter: (*unix.SockFilter)(unsafe.Pointer(&program[0])),
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags,
		uintptr(unsafe.Pointer(&loaded)))
	if errno != 0 {
		return errno
	}
	return nil
}
