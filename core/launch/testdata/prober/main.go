// Command prober runs inside a sandbox and tries to get out. Each argument names one try, as NAME
// or NAME=VALUE; its outcome is printed as NAME: OUTCOME, where "ok" means that what was tried
// worked.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

var tries = map[string]func(value string) string{
	// What every process can tell.
	"pid": func(string) string { return strconv.Itoa(os.Getpid()) },
	"session": func(string) string {
		sid, err := unix.Getsid(0)
		return fmt.Sprint(sid, unix.Getpgrp() == os.Getpid(), err)
	},
	"env":    os.Getenv,
	"cwd":    func(string) string { dir, err := os.Getwd(); return text(dir, err) },
	"list":   list,
	"read":   func(p string) string { b, err := os.ReadFile(p); return text(string(b), err) },
	"stat":   func(p string) string { _, err := os.Stat(p); return outcome(err) },
	"write":  func(p string) string { return outcome(os.WriteFile(p, []byte("written inside\n"), 0o644)) },
	"mkdir":  func(p string) string { return outcome(os.Mkdir(p, 0o755)) },
	"chmod":  func(p string) string { return outcome(os.Chmod(p, 0o777)) },
	"open-w": func(p string) string { f, err := os.OpenFile(p, os.O_WRONLY, 0); _ = f.Close(); return outcome(err) },
	"read-only": func(p string) string {
		var st unix.Statfs_t
		err := unix.Statfs(p, &st)
		return text(strconv.FormatBool(st.Flags&unix.ST_RDONLY != 0), err)
	},
	"stream": stream,
	"kind":   kind,
	"take": func(v string) string {
		n, _ := strconv.Atoi(v)
		b := make([]byte, n)
		_, err := io.ReadFull(os.Stdin, b)
		return text(string(b), err)
	},
	"chmod-stream": func(v string) string { fd, _ := strconv.Atoi(v); return outcome(unix.Fchmod(fd, 0o700)) },
	"own-terminal": func(string) string {
		name, err := os.Readlink("/proc/self/fd/0")
		if err != nil {
			return outcome(err)
		}
		return outcome(tcgets(name))
	},
	"front": func(string) string {
		group, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
		return text(strconv.FormatBool(group == unix.Getpgrp()), err)
	},
	"run":     func(p string) string { return outcome(exec.Command(p, "pid").Run()) },
	"rename":  func(v string) string { a, b, _ := strings.Cut(v, ","); return outcome(os.Rename(a, b)) },
	"device":  func(p string) string { return outcome(tcgets(p)) },
	"status":  status,
	"threads": func(string) string { return threads("/proc/1/task") },
	"cores":   func(string) string { return cores() },
	"slack":   func(string) string { return timerSlack() },
	"umask":   func(string) string { return fmt.Sprintf("%#o", unix.Umask(0)) },

	// Ways out.
	"pid1-memory":  func(string) string { return pid1Memory() },
	"pid1-secrets": pid1Secrets,
	"pid1-signals": func(string) string { return pid1Signals() },
	"descriptors":  func(string) string { return descriptors() },
	"socket":       trySocket,
	"fastopen":     func(string) string { return fastOpen() },
	"udp":          udp,
	"int80":        func(string) string { return int80Socket() },
	"x32":          func(string) string { _, _, e := syscall.RawSyscall(0x40000000|39, 0, 0, 0); return outcome(errno(e)) },
	"user-ns":      func(string) string { return outcome(unshareChild(unix.CLONE_NEWUSER)) },
	"sti":          func(string) string { return asLeader("sti-here") },
	"sti-here":     func(string) string { return sti() },
	"syscall":      trySyscall,
	"trace":        trace,
	"inotify":      inotify,
	"held":         held,
	"hold":         hold,
	"speculation":  speculation,

	// Of another process: "parent", which is nono-init, or a number.
	"reach":         func(v string) string { return outcome(unix.Kill(process(v), 0)) },
	"reach-threads": func(v string) string { return reachThreads(process(v)) },
	"reach-all":     func(string) string { return outcome(unix.Kill(-1, 0)) }, // no signal, just whether
	"signals":       func(v string) string { return allSignals(process(v)) },
	"end":           func(v string) string { return outcome(unix.Kill(process(v), unix.SIGKILL)) },
	"stop":          func(v string) string { return outcome(unix.Kill(process(v), unix.SIGSTOP)) },
	"limit":         func(v string) string { return limit(process(v)) },
	"threads-of":    func(v string) string { return threads(fmt.Sprintf("/proc/%d/task", process(v))) },
	"adjust":        func(v string) string { return adjust(process(v)) },

	// Ways to empty a file.
	"truncate": func(p string) string { return outcome(unix.Truncate(p, 0)) },
	"open-truncate": func(p string) string {
		fd, err := unix.Open(p, unix.O_RDONLY|unix.O_TRUNC, 0)
		unix.Close(fd)
		return outcome(err)
	},
	"openat2-truncate": func(p string) string {
		fd, err := unix.Openat2(unix.AT_FDCWD, p, &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_TRUNC})
		unix.Close(fd)
		return outcome(err)
	},
	"device-ioctl": deviceIoctl,

	"uncapped": func(string) string { return outcome(dropCapabilities()) },

	// Ends.
	"serve":   serve,
	"dial":    func(a string) string { c, err := net.Dial("tcp", a); return answerOf(c, err) },
	"resolve": resolve,
	"low-port": func(string) string {
		l, err := net.Listen("tcp4", "127.0.0.1:80")
		if err == nil {
			l.Close()
		}
		return outcome(err)
	},
	"close-output": func(string) string { os.Stdout.Close(); return "" },
	"sleep":        func(v string) string { d, _ := time.ParseDuration(v); time.Sleep(d); return "ok" },
	"leave":        leave,
	"fork-on":      func(v string) string { return forkOn(v, 0) },
	"fork-apart":   func(v string) string { return forkOn(v, 1) },
	"crowd":        crowd,
	"bomb":         bomb,
	"zombies":      func(string) string { return zombies() },
	"say":          func(v string) string { fmt.Println(v); return "ok" },
	"stop-on":      stopOn,
	"exit":         func(v string) string { code, _ := strconv.Atoi(v); os.Exit(code); return "" },
	"die": func(v string) string {
		n, _ := strconv.Atoi(v)
		unix.Kill(os.Getpid(), syscall.Signal(n))
		time.Sleep(time.Minute)
		return ""
	},
}

func main() {
	for _, arg := range os.Args[1:] {
		name, value, _ := strings.Cut(arg, "=")
		try := tries[name]
		if try == nil {
			fmt.Fprintln(os.Stderr, "prober: no such try:", name)
			os.Exit(99)
		}
		fmt.Printf("%s: %s\n", arg, try(value))
	}
}

func errno(e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}

// outcome is "ok" or the name of the error.
func outcome(err error) string {
	var e syscall.Errno
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &e):
		return unix.ErrnoName(e)
	}
	return err.Error()
}

func text(s string, err error) string {
	if err != nil {
		return outcome(err)
	}
	return strings.TrimSpace(s)
}

// stopOn says that it waits, and which signal it got.
func stopOn(string) string {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1)
	fmt.Println("waiting")
	return (<-caught).String()
}
