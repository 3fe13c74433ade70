//go:build linux

// Command prober is the attacker of the attack tests. Each argument names one try, as NAME or
// NAME=VALUE; it is made in a process of its own, for some end the process that makes them, and its
// outcome is printed on a line of its own, in the order of the arguments:
//
//	ok              what was tried worked
//	EACCES          what the kernel answered
//	killed by N     the signal that ended it
//	exit status N   how a program ended that it ran
//
// It knows nothing of nono, and does the same inside a sandbox and outside.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

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

func main() {
	if len(os.Args) == 3 && os.Args[1] == "one" {
		name, value, _ := strings.Cut(os.Args[2], "=")
		fmt.Println(strings.ReplaceAll(find(name)(value), "\n", `\n`))
		return
	}
	for _, arg := range os.Args[1:] {
		fmt.Println(inChild(arg))
	}
}

// inChild makes one try in a process of its own.
func inChild(arg string) string {
	cmd := exec.Command("/proc/self/exe", "one", arg)
	cmd.Stdin, cmd.Stderr = os.Stdin, os.Stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
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
