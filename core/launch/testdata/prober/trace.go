package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// traces are what debuggers do to another process, and what nobody should need to.
var traces = map[string]func(pid int) string{
	"attach":   attach,
	"seize":    seize,
	"vm-read":  func(pid int) string { return outcome(vm(unix.ProcessVMReadv, pid)) },
	"vm-write": func(pid int) string { return outcome(vm(unix.ProcessVMWritev, pid)) },
	"memory":   openMemory,
	"steal-fd": stealFD,
	"kcmp":     kcmp,
}

// trace is TRY,PID, or TRY,child for a process that is started for it.
func trace(v string) string {
	name, target, _ := strings.Cut(v, ",")
	if target != "child" {
		return traces[name](process(target))
	}
	child := exec.Command("/proc/self/exe", "sleep=1h")
	if err := child.Start(); err != nil {
		return "starting a child: " + outcome(err)
	}
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	return traces[name](child.Process.Pid)
}

// held has this process traced by a child that takes no note of its end, and ends.
func held(string) string {
	self := fmt.Sprint(os.Getpid())
	child := exec.Command("/proc/self/exe", "hold="+self)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		return err.Error()
	}
	if err := child.Start(); err != nil {
		return outcome(err)
	}
	said, _ := bufio.NewReader(out).ReadString('\n')
	fmt.Print("held: ", said)
	os.Exit(7)
	return ""
}

// hold is that child.
func hold(pid string) string {
	runtime.LockOSThread()
	n, _ := strconv.Atoi(pid)
	_, _, e := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(n), 0, 0, 0, 0)
	fmt.Println(outcome(errno(e)))
	time.Sleep(20 * time.Second)
	fmt.Fprintln(os.Stderr, "the tracer: outlived it")
	return ""
}

// attach stops a process, and lets it go again.
func attach(pid int) string {
	runtime.LockOSThread() // a tracer is a thread
	defer runtime.UnlockOSThread()
	if err := unix.PtraceAttach(pid); err != nil {
		return outcome(err)
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, unix.WALL, nil); err != nil {
		return "wait4: " + outcome(err)
	}
	return outcome(unix.PtraceDetach(pid))
}

// seize becomes the tracer of a process without stopping it. The end of the thread lets it go.
func seize(pid int) string {
	got := make(chan string)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends here
		_, _, e := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(pid), 0, 0, 0, 0)
		got <- outcome(errno(e))
	}()
	return <-got
}

// vm reads or writes at an address at which nothing is: EFAULT is the answer to someone who may.
func vm(do func(int, []unix.Iovec, []unix.RemoteIovec, uint) (int, error), pid int) error {
	b := make([]byte, 1)
	_, err := do(pid, []unix.Iovec{{Base: unsafe.SliceData(b), Len: 1}}, []unix.RemoteIovec{{Base: 1, Len: 1}}, 0)
	if err == unix.EFAULT {
		return nil
	}
	return err
}

func openMemory(pid int) string {
	f, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err == nil {
		f.Close()
	}
	return outcome(err)
}

// kcmp compares descriptor 0 of a process with our own.
func kcmp(pid int) string {
	_, _, e := unix.Syscall6(unix.SYS_KCMP, uintptr(os.Getpid()), uintptr(pid), 0, 0, 0, 0)
	return outcome(errno(e))
}

// stealFD duplicates descriptor 0 of a process.
func stealFD(pid int) string {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return "pidfd_open: " + outcome(err)
	}
	_, err = unix.PidfdGetfd(fd, 0, 0)
	return outcome(err)
}
