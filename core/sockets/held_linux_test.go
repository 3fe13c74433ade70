package sockets_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/filter"
	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/core/launch/supervise"
	"github.com/nono-run/nono/test/held"
)

// heldEnv makes the test binary a process whose connects and listens wait for another.
const heldEnv = "NONO_SOCKETS_HELD"

// channel is the descriptor on which such a process hands its listener over.
const channel = 3

// freeEnv makes it one that does the same without a filter of its own.
const freeEnv = "NONO_SOCKETS_FREE"

func TestMain(m *testing.M) {
	var err error
	switch {
	case os.Getenv(freeEnv) != "":
		err = acts[os.Args[1]](os.Args[2:])
	case os.Getenv(heldEnv) != "":
		err = beHeld(os.Args[1], os.Args[2:])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// free is what an act says where nobody holds its calls: the control of what is denied.
func free(t testing.TB, dir string, args ...string) []string {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env, cmd.Dir, cmd.Stderr = append(os.Environ(), freeEnv+"=1"), dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// beHeld gives up what no agent has, puts the filter on, hands its listener over, waits until it is
// served, and does what it was started for.
func beHeld(act string, args []string) error {
	runtime.LockOSThread()
	if err := held.DropRoot(); err != nil {
		return err
	}
	listener, err := hold("connect", "listen")
	if err != nil {
		return err
	}
	if err := recipe.Send(channel, held.Say("listener"), listener); err != nil {
		return err
	}
	_ = unix.Close(listener)
	var heard held.Word
	if _, err := recipe.Receive(channel, &heard); err != nil {
		return err
	}
	_ = unix.Close(channel)
	if do, ok := acts[act]; ok {
		return do(args)
	}
	path, err := exec.LookPath(act)
	if err != nil {
		return err
	}
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, heldEnv+"=") {
			env = append(env, v)
		}
	}
	return unix.Exec(path, append([]string{act}, args...), env)
}

// hold has these calls of all threads wait.
func hold(calls ...string) (int, error) {
	instructions := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}}
	for n, name := range calls {
		number, _ := filter.Number(filter.Native, name)
		instructions = append(instructions, unix.SockFilter{
			Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: number, Jt: uint8(len(calls) - n),
		})
	}
	instructions = append(instructions,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF})
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return -1, err
	}
	fprog := unix.SockFprog{Len: uint16(len(instructions)), Filter: &instructions[0]}
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_TSYNC |
		unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		flags, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// agent is a process whose calls are answered here.
type agent struct {
	t    testing.TB
	cmd  *exec.Cmd
	out  *bufio.Reader
	in   io.WriteCloser
	quit context.CancelFunc // ends the serving, as the end of core would
}

// start starts one, in a directory.
func start(t testing.TB, handlers supervise.Handlers, dir string, args ...string) *agent {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	theirs := os.NewFile(uintptr(pair[1]), "channel")
	defer theirs.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, quit := context.WithCancel(context.Background())
	a := &agent{t: t, cmd: exec.Command(self, args...), quit: quit}
	t.Cleanup(quit)
	a.cmd.Env = append(os.Environ(), heldEnv+"=1")
	a.cmd.Dir, a.cmd.ExtraFiles, a.cmd.Stderr = dir, []*os.File{theirs}, os.Stderr
	stdout, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	a.out = bufio.NewReader(stdout)
	if a.in, err = a.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	t.Cleanup(func() {
		_ = a.cmd.Process.Kill()
		_ = a.cmd.Wait()
	})
	var heard held.Word
	fds, err := recipe.Receive(pair[0], &heard)
	if err != nil || len(fds) != 1 {
		t.Fatalf("no listener came: %v", err)
	}
	listener := os.NewFile(uintptr(fds[0]), "listener")
	go func() {
		if err := supervise.Serve(ctx, listener, handlers); err != nil {
			t.Error("serving ended: ", err)
		}
	}()
	if err := recipe.Send(pair[0], held.Say("go")); err != nil {
		t.Fatal(err)
	}
	return a
}

// line is what the agent says next.
func (a *agent) line() string {
	a.t.Helper()
	said := make(chan string, 1)
	go func() {
		line, err := a.out.ReadString('\n')
		if err != nil {
			line += fmt.Sprint(" and then: ", err)
		}
		said <- strings.TrimSpace(line)
	}()
	select {
	case line := <-said:
		return line
	case <-time.After(20 * time.Second):
		a.t.Fatal("the agent says nothing")
		return ""
	}
}

// says fails the test unless the agent says this next.
func (a *agent) says(want string) {
	a.t.Helper()
	if got := a.line(); got != want {
		a.t.Errorf("the agent says %q, and not %q", got, want)
	}
}

// say tells the agent to go on.
func (a *agent) say(word string) { fmt.Fprintln(a.in, word) }
