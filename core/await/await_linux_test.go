package await_test

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/await"
)

// A process that has ended stays to be reaped by whoever started it.
func TestEnd(t *testing.T) {
	cmd := exec.Command("sh", "-c", "read x; exit 7")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- await.End(cmd.Process) }()
	select {
	case err := <-ended:
		t.Fatalf("it said %v of a process that runs", err)
	case <-time.After(50 * time.Millisecond):
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := await.End(cmd.Process); err != nil {
		t.Errorf("asked once more: %v", err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("reaping it afterwards: %v", err)
	}
	if err := await.End(cmd.Process); !errors.Is(err, unix.ECHILD) {
		t.Errorf("after it was reaped: %v", err)
	}
}

// Who waits holds no processor: with a single one, others go on at once. A blocking call, the
// control, is in their way until the runtime's monitor looks.
func TestWaitingHoldsNoProcessor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- await.End(cmd.Process) }()
	time.Sleep(10 * time.Millisecond) // it waits
	if threads := inWaitid(t); threads != 0 {
		t.Errorf("%d threads wait in a system call", threads)
	}
	go func() { _ = unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) }()
	time.Sleep(10 * time.Millisecond)
	if threads := inWaitid(t); threads != 1 {
		t.Errorf("control: %d threads wait in a system call, wanted 1", threads)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
}

// inWaitid counts this process's threads that stand in waitid.
func inWaitid(t *testing.T) int {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, task := range tasks {
		status, err := os.ReadFile("/proc/self/task/" + task.Name() + "/wchan")
		if err == nil && string(status) == "do_wait" {
			n++
		}
	}
	return n
}

func TestRead(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	one, other := os.NewFile(uintptr(pair[0]), "one"), os.NewFile(uintptr(pair[1]), "other")
	defer other.Close()
	var got []byte
	read := func(fd int) error {
		buffer := make([]byte, 10)
		n, err := unix.Read(fd, buffer)
		got = buffer[:max(n, 0)]
		return err
	}
	done := make(chan error)
	go func() { done <- await.Read(other, read) }()
	write := func(fd int) error { return unix.Send(fd, []byte("hello"), unix.MSG_NOSIGNAL) }
	if err := await.Write(one, write); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || string(got) != "hello" {
		t.Errorf("read %q, %v", got, err)
	}
	for err == nil { // until there is no room
		err = unix.Send(pair[0], []byte("more"), unix.MSG_NOSIGNAL)
	}
	if !errors.Is(err, syscall.EAGAIN) {
		t.Fatal(err)
	}
	go func() { done <- await.Write(one, write) }()
	for range 1000 { // make room
		if _, err := unix.Read(pair[1], make([]byte, 10)); err != nil {
			break
		}
	}
	if err := <-done; err != nil {
		t.Errorf("writing when there is room again: %v", err)
	}
	one.Close()
}
