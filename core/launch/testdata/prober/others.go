package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// process is the number of one that is named.
func process(v string) int {
	if v == "parent" {
		return os.Getppid()
	}
	n, _ := strconv.Atoi(v)
	return n
}

// reachThreads tells whether any thread of a process can be sent a signal.
func reachThreads(pid int) string {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return outcome(err)
	}
	seen := map[string]bool{}
	for _, e := range entries {
		thread, _ := strconv.Atoi(e.Name())
		seen[outcome(unix.Tgkill(pid, thread, 0))] = true
	}
	var out []string
	for s := range seen {
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

// allSignals sends a process every signal but those that nobody can catch, plainly and with a code
// of our own, and tells whether it is there afterwards.
func allSignals(pid int) string {
	for s := 1; s <= 64; s++ {
		if syscall.Signal(s) == unix.SIGKILL || syscall.Signal(s) == unix.SIGSTOP {
			continue
		}
		unix.Kill(pid, syscall.Signal(s))
		info := make([]byte, 128)
		*(*int32)(unsafe.Pointer(&info[0])) = int32(s)
		*(*int32)(unsafe.Pointer(&info[8])) = -1 // SI_QUEUE
		syscall.RawSyscall(unix.SYS_RT_SIGQUEUEINFO, uintptr(pid), uintptr(s), uintptr(unsafe.Pointer(&info[0])))
	}
	time.Sleep(100 * time.Millisecond) // had one of them ended nono-init, we would not wake up
	return "survived"
}

// limit sets a limit of another process to what it is.
func limit(pid int) string {
	now := unix.Rlimit{Cur: 1 << 20, Max: 1 << 20}
	_ = unix.Prlimit(pid, unix.RLIMIT_MSGQUEUE, nil, &now)
	return outcome(unix.Prlimit(pid, unix.RLIMIT_MSGQUEUE, &now, nil))
}

// adjust opens, for writing, what decides who is ended first where memory runs out.
func adjust(pid int) string {
	f, err := os.OpenFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), os.O_WRONLY, 0)
	if err == nil {
		f.Close()
	}
	return outcome(err)
}
