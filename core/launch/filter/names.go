package filter

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
)

//go:generate go test -count=1 -run ^TestNumbers$ -update .

// row is a system call and its number on each architecture, -1 where it has none.
type row struct {
	name         string
	amd64, arm64 int
}

// Machine is an architecture that the numbers are known of.
type Machine string

// The machines, by Go's names.
const (
	AMD64 Machine = "amd64"
	ARM64 Machine = "arm64"
)

// Native is the machine that this program was built for.
const Native = Machine(runtime.GOARCH)

// audit is how the kernel calls the machine when it asks a filter: AUDIT_ARCH in linux/audit.h.
func (m Machine) audit() (uint32, error) {
	switch m {
	case AMD64:
		return 0xc000003e, nil
	case ARM64:
		return 0xc00000b7, nil
	}
	return 0, fmt.Errorf("the numbers of system calls on %s are not known", m)
}

func (r row) number(m Machine) (uint32, bool) {
	n := r.amd64
	if m == ARM64 {
		n = r.arm64
	}
	return uint32(max(n, 0)), n >= 0
}

// Names are the system calls that a machine has, as far as this build knows.
func Names(m Machine) []string {
	var names []string
	for _, r := range numbers {
		if _, ok := r.number(m); ok {
			names = append(names, r.name)
		}
	}
	return names
}

// Number is that of a system call on a machine.
func Number(m Machine, name string) (uint32, bool) {
	i, ok := slices.BinarySearchFunc(numbers[:], name, func(r row, name string) int {
		return strings.Compare(r.name, name)
	})
	if !ok {
		return 0, false
	}
	return numbers[i].number(m)
}

// known reports whether any architecture has a system call of this name.
func known(name string) bool {
	_, ok := slices.BinarySearchFunc(numbers[:], name, func(r row, name string) int {
		return strings.Compare(r.name, name)
	})
	return ok || slices.Contains(strings.Fields(elsewhere), name)
}

// elsewhere are the names that only 32-bit machines have. A filter does without them: a call of a
// 32-bit table ends the process.
const elsewhere = "_llseek _newselect arm_fadvise64_64 arm_sync_file_range bdflush break chown32 " +
	"clock_adjtime64 clock_getres_time64 clock_gettime64 clock_nanosleep_time64 clock_settime64 " +
	"fadvise64_64 fchown32 fcntl64 fstat64 fstatat64 fstatfs64 ftime ftruncate64 futex_time64 " +
	"getegid32 geteuid32 getgid32 getgroups32 getresgid32 getresuid32 getuid32 gtty idle " +
	"io_pgetevents_time64 ipc lchown32 lock lstat64 mmap2 mpx mq_timedreceive_time64 " +
	"mq_timedsend_time64 nice oldfstat oldlstat oldolduname oldstat olduname pciconfig_iobase " +
	"pciconfig_read pciconfig_write ppoll_time64 prof profil pselect6_time64 readdir recv " +
	"recvmmsg_time64 rt_sigtimedwait_time64 sched_rr_get_interval_time64 semtimedop_time64 send " +
	"sendfile64 setfsgid32 setfsuid32 setgid32 setgroups32 setregid32 setresgid32 setresuid32 " +
	"setreuid32 setuid32 sgetmask sigaction signal sigpending sigprocmask sigreturn sigsuspend " +
	"socketcall ssetmask stat64 statfs64 stime stty timer_gettime64 timer_settime64 " +
	"timerfd_gettime64 timerfd_settime64 truncate64 ugetrlimit ulimit umount utimensat_time64 " +
	"vm86 vm86old waitpid"
