//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// calls are what system calls cost in one sandbox, in nanoseconds: the median over the runs.
type calls struct {
	Name  string    `json:"name"`
	Times []float64 `json:"ns"`
}

// callsIn are the sandboxes in which calls are measured: nono's, and one that has no filter.
var callsIn = []string{bareName, nonoName, nonoBareName, bwrapName}

// perCall has this program measure calls in each sandbox in turn, n times.
func perCall(sandboxes []sandbox, dir string, n int) ([]calls, error) {
	program, err := copyOfThis(dir)
	if err != nil {
		return nil, err
	}
	var all []calls
	for _, name := range callsIn {
		i := slices.IndexFunc(sandboxes, func(s sandbox) bool { return s.Name == name })
		if i < 0 {
			continue
		}
		runs := make([][]float64, len(oneCall)) // by call
		for range n {
			cmd := sandboxes[i].command(dir, program, "-calls")
			out, err := cmd.Output()
			if err != nil {
				return nil, fmt.Errorf("%v: %w", cmd.Args, err)
			}
			var times []float64
			if err := json.Unmarshal(out, &times); err != nil || len(times) != len(oneCall) {
				return nil, fmt.Errorf("%v printed %q: %w", cmd.Args, out, err)
			}
			for call, ns := range times {
				runs[call] = append(runs[call], ns)
			}
		}
		c := calls{Name: name}
		for _, times := range runs {
			c.Times = append(c.Times, quantile(times, 0.5))
		}
		all = append(all, c)
	}
	return all, nil
}

// copyOfThis puts this program where every sandbox has it.
func copyOfThis(dir string) (string, error) {
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		return "", err
	}
	defer from.Close()
	to, err := os.OpenFile(filepath.Join(dir, "calls"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o700)
	if err != nil {
		return "", err
	}
	if _, err := io.Copy(to, from); err != nil {
		return "", err
	}
	return to.Name(), to.Close()
}

// oneCall are the calls, each as cheap as it can be. A filter that looks at arguments has to be run
// for fcntl and ioctl; Landlock is asked by the last.
var oneCall = []struct {
	name string
	do   func()
}{
	{"getppid", func() { unix.RawSyscallNoError(unix.SYS_GETPPID, 0, 0, 0) }},
	{"fcntl", func() { raw(unix.SYS_FCNTL, 0, unix.F_GETFD, 0) }},
	{"ioctl", func() { raw(unix.SYS_IOCTL, 0, unix.TIOCINQ, address(&number)) }},
	{"statfs", func() { raw(unix.SYS_STATFS, address(&root), address(&number), 0) }},
	{"open and close", func() {
		fd := raw(unix.SYS_OPENAT, ^uintptr(99), address(&usr), unix.O_RDONLY) // AT_FDCWD
		raw(unix.SYS_CLOSE, fd, 0, 0)
	}},
}

// What the calls are made with. It stays where it is.
var (
	root   = [2]byte{'/'}
	usr    = [9]byte{'/', 'u', 's', 'r', '/', 'b', 'i', 'n'}
	number [256]byte
)

func address[T any](of *T) uintptr { return uintptr(unsafe.Pointer(of)) }

func raw(call, a, b, c uintptr) uintptr {
	got, _, _ := unix.RawSyscall(call, a, b, c)
	return got
}

// measureCalls prints what each call costs here. It takes the least of many short rounds, by this
// thread's own clock: what other work costs it is no matter of the sandbox's.
func measureCalls() error {
	runtime.LockOSThread()
	const each, rounds = 500, 60
	times := make([]float64, len(oneCall))
	for i, call := range oneCall {
		least := int64(math.MaxInt64)
		for range rounds {
			began, err := cpuTime()
			if err != nil {
				return err
			}
			for range each {
				call.do()
			}
			ended, err := cpuTime()
			if err != nil {
				return err
			}
			least = min(least, ended-began)
		}
		times[i] = float64(least) / each
	}
	return json.NewEncoder(os.Stdout).Encode(times)
}

func cpuTime() (int64, error) {
	var now unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now)
	return now.Nano(), err
}

// openCost says what an open costs more inside, and whose that is.
func (r report) openCost() string {
	of := map[string]float64{} // microseconds
	for _, c := range r.Calls {
		of[c.Name] = c.Times[len(oneCall)-1] / 1000 // the last call, to open and close
	}
	if of[bareName] == 0 || of[nonoName] == 0 || of[nonoBareName] == 0 {
		return ""
	}
	return fmt.Sprintf("\nTo open and close a file costs %.1f us outside, %.1f us inside, and "+
		"%.1f us inside without the\nfilesystem layer: the difference between the last two is "+
		"Landlock's.\n",
		of[bareName], of[nonoName], of[nonoBareName])
}

// callRows is the table of calls, its header first.
func (r report) callRows() [][]string {
	header := []string{""}
	for _, call := range oneCall {
		header = append(header, call.name)
	}
	rows := [][]string{header}
	for _, c := range r.Calls {
		row := []string{c.Name}
		for i, ns := range c.Times {
			row = append(row, fmt.Sprintf("%.0f ns (%.2f)", ns, ns/r.Calls[0].Times[i]))
		}
		rows = append(rows, row)
	}
	return rows
}
