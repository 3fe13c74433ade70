package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// leave starts N processes that outlive this one, in sessions of their own.
func leave(v string) string {
	n, _ := strconv.Atoi(v)
	for range n {
		c := exec.Command("/proc/self/exe", "sleep=1h")
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := c.Start(); err != nil {
			return outcome(err)
		}
	}
	return "ok"
}

// forkOn starts N chains of processes of which each makes the next and ends, without end. They are
// children of pid 1 from the beginning. If they are apart, each is in a session of its own.
//
// Those that ended and were not reaped yet keep their numbers, of which the machine has 32,768 for
// all: the chains wait for room where there are storm more than at first.
func forkOn(v string, apart uintptr) string {
	const storm = 3000
	n, _ := strconv.Atoi(v)
	if err := unix.Sysinfo(&machine); err != nil {
		return outcome(err)
	}
	room = machine.Procs + storm
	for range n {
		if err := startChain(apart); err != 0 {
			return outcome(err)
		}
	}
	return "ok"
}

// machine is what a process of a chain was told about the machine, and room how many processes there
// may be on it.
var (
	machine unix.Sysinfo_t
	room    uint16
)

// startChain returns in this process alone. In its copies there is no runtime of Go: they make
// system calls, and nothing else.
//
//go:nosplit
//go:norace
func startChain(apart uintptr) syscall.Errno {
	for first := true; ; first = false {
		for !first && machine.Procs > room {
			syscall.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
			syscall.RawSyscall(unix.SYS_SYSINFO, uintptr(unsafe.Pointer(&machine)), 0, 0)
		}
		pid, _, err := syscall.RawSyscall6(
			unix.SYS_CLONE, unix.CLONE_PARENT|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
		switch {
		case first && (pid != 0 || err != 0):
			return err
		case pid != 0 && err == 0:
			syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		case apart != 0:
			syscall.RawSyscall(unix.SYS_SETSID, 0, 0, 0)
		}
		syscall.RawSyscall(unix.SYS_SYSINFO, uintptr(unsafe.Pointer(&machine)), 0, 0)
	}
}

// crowd makes processes until it has so many tasks, or one more is refused. It says how many it had,
// the threads of its own included, and how the last one went.
func crowd(v string) string {
	most, _ := strconv.Atoi(v)
	own, _ := strconv.Atoi(statusFields("/proc/self/status", "Threads"))
	pids := make([]uintptr, 0, most)
	var err syscall.Errno
	for own+len(pids) < most && err == 0 {
		var pid uintptr
		if pid, err = grow(0); err == 0 {
			pids = append(pids, pid)
		}
	}
	// Where there may be no more threads either, Go's runtime has to be left out.
	for _, pid := range pids {
		syscall.RawSyscall(unix.SYS_KILL, pid, uintptr(unix.SIGKILL), 0)
		syscall.RawSyscall6(unix.SYS_WAIT4, pid, 0, 0, 0, 0, 0)
	}
	return fmt.Sprint(own+len(pids), " ", outcome(errno(err)))
}

// bomb starts a process that doubles so many times, and each that is refused tries again without
// end. It returns when this process may have no child either.
func bomb(v string) string {
	times, _ := strconv.Atoi(v)
	for {
		if _, err := grow(uintptr(times)); err != 0 {
			return outcome(err)
		}
	}
}

// grow returns in this process alone, with its child, which doubles so many times and then waits.
// In the copies there is no runtime of Go: they make system calls, and nothing else.
//
//go:nosplit
//go:norace
func grow(times uintptr) (uintptr, syscall.Errno) {
	pid, _, err := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if pid != 0 || err != 0 {
		return pid, err
	}
	for times > 0 {
		_, _, err := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
		if err == 0 {
			times--
		}
	}
	for {
		syscall.RawSyscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
	}
}

// zombies makes orphans, ends them, and counts those that nobody reaped.
func zombies() string {
	for range 20 {
		c := exec.Command("/proc/self/exe", "leave=1") // its child is then an orphan
		if err := c.Run(); err != nil {
			return outcome(err)
		}
	}
	count := func() (alive, dead int) {
		files, _ := filepath.Glob("/proc/[0-9]*/status")
		for _, f := range files {
			switch s := statusFields(f, "State"); {
			case strings.HasPrefix(s, "Z"):
				dead++
			case s != "":
				alive++
			}
		}
		return alive, dead
	}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, f := range files {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if pid != 1 && pid != os.Getpid() {
			unix.Kill(pid, unix.SIGKILL)
		}
	}
	for range 200 {
		if alive, dead := count(); alive == 2 && dead == 0 {
			return "none"
		}
		time.Sleep(10 * time.Millisecond)
	}
	alive, dead := count()
	return fmt.Sprintf("%d processes and %d zombies", alive, dead)
}
