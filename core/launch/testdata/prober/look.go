package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

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
