//go:build linux

// Package attacker makes the attempts of package attack: ways out of a sandbox, each a few system
// calls. It knows nothing of nono, and does the same inside a sandbox and outside. What it is told
// to try does no harm where it works: a signal that changes nothing, a mode that a file has already,
// a file in a directory that was made for it.
//
// Each argument names one try, as NAME or NAME=VALUE. It is made in a process of its own, for some
// end the process that makes them, and its outcome is a line, in the order of the arguments:
//
//	ok              what was tried worked
//	EACCES          what the kernel answered
//	killed by N     the signal that ended it
//	exit status N   how a program ended that it ran
package attacker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tries are all that can be tried, by name.
type tries map[string]func(value string) string

// find looks for a try in the lists at the top of the other files.
func find(name string) func(value string) string {
	for _, list := range []tries{files, network, processes, shared, kernel, streams} {
		if try, ok := list[name]; ok {
			return try
		}
	}
	return func(string) string { return "there is no try called " + name }
}

// Instead of the number of a process these name those above the attacker.
const (
	// Keeper is the process that started the attacker: nono-init.
	Keeper = "keeper"
	// Core is the one that started that: nono.
	Core = "core"
)

// ancestor is the number of the process so many generations above this one, or of none that there
// is: who is above the first process of a namespace cannot be seen.
func ancestor(generations int) string {
	pid := os.Getpid()
	for range generations {
		pid = parent(pid)
	}
	if pid == 0 {
		return strconv.Itoa(math.MaxInt32)
	}
	return strconv.Itoa(pid)
}

func parent(pid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if ppid, ok := strings.CutPrefix(line, "PPid:"); ok {
			return number(strings.TrimSpace(ppid))
		}
	}
	return 0
}

// one is the first argument of a process that makes a single try.
const one = "one"

// longest is how long a try may take: the slowest wait for an answer that does not come.
const longest = 10 * time.Second

// Main makes all that the arguments name, writes their outcomes, and returns the exit code.
func Main(args []string, out io.Writer) int {
	if len(args) == 2 && args[0] == one {
		name, value, _ := strings.Cut(args[1], "=")
		switch value { // this process was started by the attacker's first
		case Keeper:
			value = ancestor(2)
		case Core:
			value = ancestor(3)
		}
		fmt.Fprintln(out, strings.ReplaceAll(find(name)(value), "\n", `\n`))
		return 0
	}
	for _, arg := range args {
		fmt.Fprintln(out, inChild(arg))
	}
	return 0
}

// inChild makes one try in a process of its own.
func inChild(arg string) string {
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", one, arg)
	cmd.Stdin, cmd.Stderr = os.Stdin, os.Stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if ctx.Err() != nil {
		return "no end in " + longest.String()
	}
	if errors.As(err, &exit) {
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return "killed by " + unix.SignalName(ws.Signal())
		}
	}
	if err != nil {
		return "the try itself failed: " + err.Error()
	}
	return strings.TrimSuffix(string(out), "\n")
}

// outcome is "ok" or the name of the error.
func outcome(err error) string {
	var errno syscall.Errno
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &errno) && errno == 0:
		return "ok"
	case errors.As(err, &errno):
		return unix.ErrnoName(errno)
	case errors.As(err, &exit):
		return exit.Error()
	}
	return err.Error()
}

// call makes a system call.
func call(number uintptr, args ...uintptr) string {
	var a [6]uintptr
	copy(a[:], args)
	_, _, errno := syscall.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5])
	return outcome(errno)
}
