package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

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
