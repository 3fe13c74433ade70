package filter_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/filter"
	"github.com/nono-run/nono/core/plan/base"
)

// benchEnv makes the test binary measure under the filter that it names.
const benchEnv = "NONO_FILTER_BENCH"

// benchFilters are what is compared: with no filter, with one that allows everything without
// looking, and with what every agent runs under.
var benchFilters = []struct {
	name    string
	program func() ([]byte, error)
}{
	{"none", nil},
	{"open", func() ([]byte, error) { return filter.Assemble(filter.Names(filter.Native), nil) }},
	{"agent", func() ([]byte, error) { return filter.Assemble(base.Calls()) }},
}

// BenchmarkCalls is what a system call costs under the filter: the median of each, and what it is
// of the same call's without a filter. statfs and getppid are always allowed; of the others the
// filter looks at arguments, in this order.
func BenchmarkCalls(b *testing.B) {
	times := map[string][]float64{} // by call and filter
	for b.Loop() {
		for _, f := range benchFilters {
			child := exec.Command("/proc/self/exe", "-test.run=^TestMeasureCalls$")
			child.Env = append(os.Environ(), benchEnv+"="+f.name)
			out, err := child.Output()
			if err != nil {
				b.Fatalf("measuring with %s: %v\n%s", f.name, err, out)
			}
			for line := range strings.Lines(string(out)) {
				var call string
				var ns float64
				if n, _ := fmt.Sscanf(line, "call %s %f", &call, &ns); n == 2 {
					times[call+" "+f.name] = append(times[call+" "+f.name], ns)
				}
			}
		}
	}
	median := func(call, under string) float64 {
		all := times[call+" "+under]
		slices.Sort(all)
		return all[len(all)/2]
	}
	for _, call := range measured {
		none := median(call.name, "none")
		b.ReportMetric(none, call.name+"-none-ns")
		for _, f := range benchFilters[1:] {
			b.ReportMetric(median(call.name, f.name), call.name+"-"+f.name+"-ns")
			b.ReportMetric(median(call.name, f.name)/none, call.name+"-"+f.name+"-ratio")
		}
	}
}

// measured are the calls, each as cheap as it can be.
var measured = []struct {
	name string
	do   func(m *measurement)
}{
	{"getppid", func(*measurement) { unix.RawSyscallNoError(unix.SYS_GETPPID, 0, 0, 0) }},
	{"statfs", func(m *measurement) { _, _, _ = unix.RawSyscall(unix.SYS_STATFS, m.root, m.buffer, 0) }},
	{"fcntl", func(m *measurement) { _, _, _ = unix.RawSyscall(unix.SYS_FCNTL, m.socket, unix.F_GETFD, 0) }},
	{"ioctl", func(m *measurement) { _, _, _ = unix.RawSyscall(unix.SYS_IOCTL, m.socket, unix.TIOCINQ, m.buffer) }},
	{"setsockopt", func(m *measurement) {
		_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, m.socket, unix.SOL_SOCKET, unix.SO_PASSCRED, m.buffer, 4, 0)
	}},
}

// measurement is what the calls are made with.
type measurement struct{ root, buffer, socket uintptr }

// What calls point to stays where it is.
var (
	root   = [2]byte{'/'}
	buffer [1024]byte
)

// TestMeasureCalls is the child of the benchmark.
func TestMeasureCalls(t *testing.T) {
	under := os.Getenv(benchEnv)
	if under == "" {
		return // this is no benchmark
	}
	runtime.LockOSThread() // never unlocked: the filter stays on this thread
	for _, f := range benchFilters {
		if f.name == under && f.program != nil {
			program, err := f.program()
			if err != nil {
				t.Fatal(err)
			}
			load(t, program)
		}
	}
	sockets, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	m := &measurement{
		root: uintptr(unsafe.Pointer(&root)), buffer: uintptr(unsafe.Pointer(&buffer)),
		socket: uintptr(sockets[0]),
	}
	const calls, rounds = 1000, 50
	for _, call := range measured {
		// The least of many short rounds, by this thread's own clock: what other work costs it is no
		// matter of the filter's.
		least := int64(math.MaxInt64)
		for range rounds {
			began := cpu(t)
			for range calls {
				call.do(m)
			}
			least = min(least, cpu(t)-began)
		}
		fmt.Printf("call %s %.1f\n", call.name, float64(least)/calls)
	}
}

// cpu is the time that this thread has had of a processor, in nanoseconds.
func cpu(t *testing.T) int64 {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now); err != nil {
		t.Fatal(err)
	}
	return now.Nano()
}

// load puts a filter on this thread, as nono-init does on its own.
func load(t *testing.T, program []byte) {
	t.Helper()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	instructions := make([]unix.SockFilter, len(program)/8)
	for i := range instructions {
		b := program[8*i:]
		instructions[i] = unix.SockFilter{
			Code: binary.NativeEndian.Uint16(b), Jt: b[2], Jf: b[3], K: binary.NativeEndian.Uint32(b[4:]),
		}
	}
	fprog := unix.SockFprog{Len: uint16(len(instructions)), Filter: &instructions[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		t.Fatal(errno)
	}
}

// BenchmarkAssemble is what making the program costs a start.
func BenchmarkAssemble(b *testing.B) {
	for b.Loop() {
		allowed, refused := base.Calls()
		if _, err := filter.Assemble(allowed, refused); err != nil {
			b.Fatal(err)
		}
	}
}
