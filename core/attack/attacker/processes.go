//go:build linux

package attacker

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// processes are tries on a process outside, by its number. None does it any harm.
var processes = tries{
	"signal":   func(pid string) string { return outcome(unix.Kill(number(pid), unix.SIGCONT)) },
	"pidfd":    func(pid string) string { _, err := unix.PidfdOpen(number(pid), 0); return outcome(err) },
	"priority": func(pid string) string { return outcome(unix.Setpriority(unix.PRIO_PROCESS, number(pid), 10)) },
	"prlimit": func(pid string) string {
		var l unix.Rlimit
		return outcome(unix.Prlimit(number(pid), unix.RLIMIT_NOFILE, nil, &l))
	},
	"affinity":    affinity,
	"io-priority": func(pid string) string { return call(unix.SYS_IOPRIO_SET, 1, uintptr(number(pid)), 2<<13|7) },
	"ptrace":      seize,
	"vm-read":     vmRead,
	"steal-fd":    stealFD,
	"kcmp": func(pid string) string {
		return call(unix.SYS_KCMP, uintptr(os.Getpid()), uintptr(number(pid)), 0, 0, 0)
	},
	"memory":     func(pid string) string { return opened("/proc/"+pid+"/mem", os.O_RDWR) },
	"threads":    threadMemory,
	"environ":    func(pid string) string { return opened("/proc/"+pid+"/environ", os.O_RDONLY) },
	"root":       func(pid string) string { return opened("/proc/"+pid+"/root/etc", os.O_RDONLY) },
	"descriptor": descriptor,
	"namespace":  func(pid string) string { return opened("/proc/"+pid+"/ns/user", os.O_RDONLY) },
	"map-files":  func(pid string) string { _, err := os.ReadDir("/proc/" + pid + "/map_files"); return outcome(err) },
	"cmdlines":   cmdlines,
	"inherited":  inherited,
	"namespaces": func(string) string { return namespaces() },
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

func affinity(pid string) string {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(number(pid), &set); err != nil {
		return outcome(err)
	}
	return outcome(unix.SchedSetaffinity(number(pid), &set))
}

// seize starts to trace a process without stopping it, and lets go.
func seize(pid string) string {
	const ptraceSeize = 0x4206
	got := call(unix.SYS_PTRACE, ptraceSeize, uintptr(number(pid)))
	if got == "ok" {
		_ = unix.PtraceDetach(number(pid))
	}
	return got
}

// vmRead reads from an address at which nothing is: EFAULT is the answer to someone who may.
func vmRead(pid string) string {
	b := make([]byte, 1)
	into, from := []unix.Iovec{{Base: &b[0], Len: 1}}, []unix.RemoteIovec{{Base: 1, Len: 1}}
	_, err := unix.ProcessVMReadv(number(pid), into, from, 0)
	if err == unix.EFAULT {
		return "ok"
	}
	return outcome(err)
}

// stealFD duplicates a process's standard input.
func stealFD(pid string) string {
	fd, err := unix.PidfdOpen(number(pid), 0)
	if err != nil {
		return "pidfd_open: " + outcome(err)
	}
	_, err = unix.PidfdGetfd(fd, 0, 0)
	return outcome(err)
}

// threadMemory opens the memory of any of a process's threads.
func threadMemory(pid string) string {
	files, _ := filepath.Glob("/proc/" + pid + "/task/*/mem")
	last := "no threads to be seen"
	for _, f := range files {
		if last = opened(f, os.O_RDWR); last == "ok" {
			break
		}
	}
	return last
}

// descriptor opens anything that a process has open. Seeing the numbers is no harm.
func descriptor(pid string) string {
	dir := "/proc/" + pid + "/fd/"
	entries, err := os.ReadDir(dir)
	last := outcome(err)
	for _, e := range entries {
		if last = opened(dir+e.Name(), os.O_RDONLY); last == "ok" {
			break
		}
	}
	return last
}

// cmdlines looks for a text in the arguments of every process but this one and its parent, which
// have it from the test.
func cmdlines(text string) string {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		pid := number(filepath.Base(filepath.Dir(f)))
		if pid == os.Getpid() || pid == os.Getppid() {
			continue
		}
		b, err := os.ReadFile(f)
		if err == nil && bytes.HasPrefix(b, []byte("sleep\x00")) && strings.Contains(string(b), text) {
			return "ok"
		}
	}
	return "nowhere"
}

// namespaces are those that this process is in.
func namespaces() string {
	var in []string
	for _, kind := range []string{"user", "mnt", "pid", "net", "ipc"} {
		name, err := os.Readlink("/proc/self/ns/" + kind)
		if err != nil {
			return outcome(err)
		}
		in = append(in, name)
	}
	return strings.Join(in, " ")
}

// inherited writes to any descriptor beyond the standard three that leads to a file of this name.
func inherited(p string) string {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return outcome(err)
	}
	for _, e := range entries {
		fd := number(e.Name())
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err != nil || fd < 3 || to != p {
			continue
		}
		_, err := unix.Write(fd, []byte("by the agent"))
		return outcome(err)
	}
	return "none"
}

// shared are tries on what the processes of a user share.
var shared = tries{
	"keyring":  keyring,
	"sysv-msg": func(key string) string { return call(unix.SYS_MSGGET, uintptr(number(key)), 0) },
	"sysv-shm": func(key string) string { return call(unix.SYS_SHMGET, uintptr(number(key)), 0, 0) },
	"sysv-sem": func(key string) string { return call(unix.SYS_SEMGET, uintptr(number(key)), 0, 0) },
	"posix-mq": messageQueue,
	"namespace-new": func(v string) string {
		flags, _ := strconv.ParseUint(v, 0, 64)
		return outcome(startIn(uintptr(flags)))
	},
}

// keyring looks for a key in the user's keyring, and reads it.
func keyring(description string) string {
	const user = unix.KEY_SPEC_USER_KEYRING
	id, err := unix.KeyctlSearch(user, "user", description, 0)
	if err != nil {
		return outcome(err)
	}
	_, err = unix.KeyctlBuffer(unix.KEYCTL_READ, id, make([]byte, 100), 0)
	return outcome(err)
}

func messageQueue(name string) string {
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		return err.Error()
	}
	return call(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(p)), uintptr(unix.O_RDONLY), 0, 0)
}

// startIn starts a process in new namespaces.
func startIn(flags uintptr) error {
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"nono-attack"}, &syscall.ProcAttr{
		Env: []string{}, Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Cloneflags: flags},
	})
	if err != nil {
		return err
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, 0, nil); err != nil {
		return err
	}
	if status.ExitStatus() != 0 {
		return fmt.Errorf("it ended with %d", status.ExitStatus())
	}
	return nil
}
