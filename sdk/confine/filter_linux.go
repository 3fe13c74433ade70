package confine

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Where a filter finds what it asks about a call: offsets in the kernel's struct seccomp_data, of a
// machine that stores the low half of a number first.
const (
	atNumber       = 0
	atArchitecture = 4
	atFirst        = 16 // argument
)

// foreign is where the numbers of another table of calls begin, which amd64 has beside its own.
const foreign = 0x40000000

// noSockets is a filter that refuses to make a Unix socket, alone or a pair of them: one of a pair
// can be turned to another address. It refuses the calls of another architecture, and io_uring,
// which makes sockets past every filter. It is nil for a machine that nobody has tried it on.
func noSockets(machine string) []unix.SockFilter {
	architecture, ok := map[string]uint32{
		"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64,
	}[machine]
	if !ok {
		return nil
	}
	read := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	// A jump skips so many instructions where the number is k, or is at least k; and else so many.
	equal := func(k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: yes, Jf: no, K: k}
	}
	least := func(k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, Jt: yes, Jf: no, K: k}
	}
	answer := func(k uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k}
	}
	return []unix.SockFilter{
		read(atArchitecture),
		equal(architecture, 0, 8), // else refuse
		read(atNumber),
		least(foreign, 6, 0),                 // refuse
		equal(unix.SYS_IO_URING_SETUP, 5, 0), // refuse
		equal(unix.SYS_SOCKET, 1, 0),
		equal(unix.SYS_SOCKETPAIR, 0, 2), // else allow
		read(atFirst),
		equal(unix.AF_UNIX, 1, 0),
		answer(unix.SECCOMP_RET_ALLOW),
		answer(unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)),
	}
}

// load puts a filter on all threads. Landlock has taken from them what a filter may not be loaded
// with: the means to gain privilege.
//
// SPEC_ALLOW leaves the processor as free to guess as it is for the user's other programs.
func load(filter []unix.SockFilter) error {
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC|unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW,
		uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return errno
	}
	if thread != 0 {
		return fmt.Errorf("thread %d has another filter", thread)
	}
	return nil
}
