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
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

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

func list(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return outcome(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// stream tells of a descriptor whether its mount is read-only, and whether root of the host could
// change the mode of what it names: to what it is, so that nothing is changed.
func stream(number string) string {
	fd, err := strconv.Atoi(number)
	if err != nil {
		return err.Error()
	}
	var system unix.Statfs_t
	var st unix.Stat_t
	if err := errors.Join(unix.Fstatfs(fd, &system), unix.Fstat(fd, &st)); err != nil {
		return outcome(err)
	}
	return fmt.Sprintf("read-only %v, chmod %s", system.Flags&unix.ST_RDONLY != 0, outcome(unix.Fchmod(fd, st.Mode&0o7777)))
}

func tcgets(p string) error {
	f, err := os.OpenFile(p, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err
}

// status gives fields of a thread's status file: "status=CapEff,NoNewPrivs" is about this process.
func status(fields string) string { return statusFields("/proc/self/status", fields) }

func statusFields(file, fields string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return outcome(err)
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), ":")
		if strings.Contains(","+fields+",", ","+k+",") {
			out = append(out, strings.TrimSpace(v))
		}
	}
	return strings.Join(out, " ")
}

// threads tells the distinct privileges of a process's threads.
func threads(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return outcome(err)
	}
	seen := map[string]bool{}
	for _, e := range entries {
		seen[statusFields(filepath.Join(dir, e.Name(), "status"), "CapInh,CapPrm,CapEff,CapAmb,NoNewPrivs,Seccomp,Seccomp_filters")] = true
	}
	var out []string
	for s := range seen {
		out = append(out, s)
	}
	return strings.Join(out, " | ")
}

func pid1Memory() string {
	files, err := filepath.Glob("/proc/1/task/*/mem")
	if err != nil || len(files) == 0 {
		return "no threads to be seen"
	}
	var last error
	for _, name := range files {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err == nil {
			f.Close()
			return "ok"
		}
		last = err
	}
	return outcome(last)
}

// pid1Secrets looks for a text in everything of pid 1 that can be read as a file.
func pid1Secrets(secret string) string {
	var found, readable []string
	for _, name := range []string{"cmdline", "environ", "auxv", "maps", "stack", "comm", "status", "mem", "syscall"} {
		b, err := os.ReadFile("/proc/1/" + name)
		if err != nil {
			continue
		}
		readable = append(readable, name)
		if strings.Contains(string(b), secret) {
			found = append(found, name)
		}
	}
	for _, name := range []string{"fd/3", "root", "cwd", "exe", "ns/user"} {
		if _, err := os.Readlink("/proc/1/" + name); err == nil {
			readable = append(readable, name)
		}
	}
	if len(found) > 0 {
		return "found in " + strings.Join(found, " ")
	}
	return "readable: " + strings.Join(readable, " ")
}

// pid1Signals sends pid 1 every signal, plainly and with a code of our own.
func pid1Signals() string {
	for s := 1; s <= 64; s++ {
		unix.Kill(1, syscall.Signal(s))
		info := make([]byte, 128)
		*(*int32)(unsafe.Pointer(&info[0])) = int32(s)
		*(*int32)(unsafe.Pointer(&info[8])) = -1 // SI_QUEUE
		syscall.RawSyscall(unix.SYS_RT_SIGQUEUEINFO, 1, uintptr(s), uintptr(unsafe.Pointer(&info[0])))
	}
	time.Sleep(100 * time.Millisecond) // had one of them ended pid 1, we would not wake up
	return "survived"
}

func descriptors() string {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return outcome(err)
	}
	var out []string
	for _, e := range entries {
		to, err := os.Readlink("/proc/self/fd/" + e.Name())
		if n, _ := strconv.Atoi(e.Name()); n > 2 && err == nil && !strings.Contains(to, "/proc/") && !strings.HasPrefix(to, "anon_inode:[event") {
			out = append(out, to)
		}
	}
	return strings.Join(out, " ")
}

// trySocket opens FAMILY,TYPE,PROTOCOL.
func trySocket(v string) string {
	var family, kind, protocol int
	if _, err := fmt.Sscanf(v, "%d,%d,%d", &family, &kind, &protocol); err != nil {
		return err.Error()
	}
	fd, err := unix.Socket(family, kind, protocol)
	if err == nil {
		unix.Close(fd)
	}
	return outcome(err)
}

// fastOpen connects to a listener of its own by sending.
func fastOpen() string {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "listen: " + outcome(err)
	}
	defer l.Close()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return "socket: " + outcome(err)
	}
	defer unix.Close(fd)
	to := &unix.SockaddrInet4{Port: l.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}
	return outcome(unix.Sendto(fd, []byte("x"), unix.MSG_FASTOPEN, to))
}

// udp sends a datagram to an address; it may well be sent and arrive nowhere.
func udp(address string) string {
	c, err := net.Dial("udp", address)
	if err != nil {
		return outcome(err)
	}
	defer c.Close()
	_, err = c.Write([]byte("from inside"))
	return outcome(err)
}

// unshareChild makes namespaces in a child, so that the attempt leaves no trace here.
func unshareChild(flags uintptr) error {
	c := exec.Command("/proc/self/exe", "pid")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	if err := c.Run(); err != nil {
		return err
	}
	return nil
}

// asLeader makes a try in a session of its own, and gives its outcome.
func asLeader(try string) string {
	c := exec.Command("/proc/self/exe", try)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := c.CombinedOutput()
	if err != nil {
		return outcome(err)
	}
	return strings.TrimSpace(strings.TrimPrefix(string(out), try+": "))
}

// sti types into a terminal of our own that we control. EPERM is the filter's answer; a kernel that
// forbids it says EIO.
func sti() string {
	signal.Ignore(unix.SIGHUP) // which the terminal sends when it goes
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return "ptmx: " + outcome(err)
	}
	defer ptmx.Close()
	if err := unix.IoctlSetPointerInt(int(ptmx.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return "unlock: " + outcome(err)
	}
	n, err := unix.IoctlGetInt(int(ptmx.Fd()), unix.TIOCGPTN)
	if err != nil {
		return "number: " + outcome(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR, 0) // a session leader's first terminal becomes its own
	if err != nil {
		return "pts: " + outcome(err)
	}
	defer tty.Close()
	var out []string
	for _, command := range []uintptr{unix.TIOCSTI, unix.TIOCSTI | 1<<32} {
		c := byte('x')
		_, _, e := syscall.Syscall(unix.SYS_IOCTL, tty.Fd(), command, uintptr(unsafe.Pointer(&c)))
		out = append(out, outcome(errno(e)))
	}
	return strings.Join(out, " ")
}

// trySyscall makes a call by number with up to three arguments: NUMBER,A,B,C.
func trySyscall(v string) string {
	var n [4]uint64
	for i, s := range strings.SplitN(v, ",", 4) {
		n[i], _ = strconv.ParseUint(s, 0, 64)
	}
	_, _, e := syscall.RawSyscall(uintptr(n[0]), uintptr(n[1]), uintptr(n[2]), uintptr(n[3]))
	return outcome(errno(e))
}

// inotify opens so many instances.
func inotify(count string) string {
	n, _ := strconv.Atoi(count)
	for range n {
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
		if err != nil {
			return outcome(err)
		}
		defer unix.Close(fd)
	}
	return "ok"
}

// speculation is what the kernel keeps this thread from guessing, first having it kept from more:
// "speculation=off".
func speculation(more string) string {
	runtime.LockOSThread() // the thread that is asked about is the one that was changed
	if more == "off" {
		if err := unix.Prctl(unix.PR_SET_SPECULATION_CTRL, unix.PR_SPEC_STORE_BYPASS, unix.PR_SPEC_DISABLE, 0, 0); err != nil {
			return outcome(err)
		}
	}
	return statusFields("/proc/thread-self/status", "Speculation_Store_Bypass,SpeculationIndirectBranch")
}

// serve answers one connection on a port of the loopback with a greeting.
func serve(port string) string {
	l, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		return outcome(err)
	}
	fmt.Println("serving")
	c, err := l.Accept()
	if err != nil {
		return outcome(err)
	}
	defer c.Close()
	if _, err = c.Write([]byte("hello from inside")); err == nil {
		err = c.(*net.TCPConn).CloseWrite()
	}
	// With the end of this program nono-init's comes, which may not have handed the connection on.
	_, _ = io.Copy(io.Discard, c)
	return outcome(err)
}

// answerOf reads what a server says.
func answerOf(c net.Conn, err error) string {
	if err != nil {
		return outcome(err)
	}
	defer c.Close()
	b, err := io.ReadAll(c)
	return text(string(b), err)
}

// resolve asks over UDP.
func resolve(address string) string {
	c, err := net.Dial("udp", address)
	if err != nil {
		return outcome(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("a question")); err != nil {
		return outcome(err)
	}
	b := make([]byte, 100)
	n, err := c.Read(b)
	return text(string(b[:n]), err)
}

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
// children of pid 1 from the beginning.
// If they are apart, each is in a session of its own.
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

// cores says what the limit on core dumps is, and what it is after it was set to 0, by each of the
// two calls for that.
func cores() string {
	said := ""
	tell := func() {
		var limit unix.Rlimit
		err := unix.Prlimit(0, unix.RLIMIT_CORE, nil, &limit)
		said += fmt.Sprintf("%d/%d %s ", limit.Cur, limit.Max, outcome(err))
	}
	tell()
	none := unix.Rlimit{}
	_, _, e := syscall.RawSyscall(unix.SYS_SETRLIMIT, unix.RLIMIT_CORE, uintptr(unsafe.Pointer(&none)), 0)
	said += outcome(errno(e)) + " "
	said += outcome(unix.Prlimit(0, unix.RLIMIT_CORE, &none, nil)) + " "
	tell()
	return strings.TrimSpace(said)
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

// stopOn says that it waits, and which signal it got.
func stopOn(string) string {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1)
	fmt.Println("waiting")
	return (<-caught).String()
}

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

// deviceIoctl opens a device for neither reading nor writing, and asks its driver something.
func deviceIoctl(p string) string {
	const neither = 3
	fd, err := unix.Open(p, neither|unix.O_NOCTTY, 0)
	if err != nil {
		return "open: " + outcome(err)
	}
	defer unix.Close(fd)
	_, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
	return outcome(err)
}

// dropCapabilities makes this process one of an ordinary user's, whom others of that user may trace.
func dropCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	_, _, e := syscall.AllThreadsSyscall(
		unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none[0])), 0)
	return errno(e)
}

// kind is what a stream is.
func kind(number string) string {
	fd, _ := strconv.Atoi(number)
	if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil {
		return "terminal"
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return outcome(err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return "file"
	case unix.S_IFIFO:
		return "pipe"
	}
	return fmt.Sprintf("%#o", st.Mode&unix.S_IFMT)
}

func timerSlack() string {
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	return text(strconv.Itoa(slack), err)
}
