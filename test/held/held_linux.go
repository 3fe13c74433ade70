package held

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/coding"
	"github.com/nono-run/nono/core/launch/filter"
	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/core/launch/supervise"
)

const (
	// env names the calls that are held, and says that this is the process.
	env = "NONO_TEST_HELD"
	// channel is the descriptor on which it hands its listener over.
	channel = 3
	// patience bounds the wait for whatever must come.
	patience = 20 * time.Second
)

// Acts are what a process does that is no program. Their names begin with a colon.
type Acts map[string]func(args []string) error

// Main is TestMain: it runs the tests, or is a process that a test started.
func Main(m *testing.M, acts Acts) int {
	calls, ok := os.LookupEnv(env)
	if !ok {
		return m.Run()
	}
	if err := be(strings.Fields(calls), os.Args[1:], acts); err != nil {
		fmt.Println("error:", err)
		return 1
	}
	return 0
}

// be is the life of such a process.
func be(calls, args []string, acts Acts) error {
	runtime.LockOSThread()
	if err := dropRoot(); err != nil {
		return err
	}
	if len(calls) > 0 {
		if err := handOver(calls); err != nil {
			return err
		}
	}
	_ = unix.Close(channel)
	if err := os.Unsetenv(env); err != nil {
		return err
	}
	if act, ok := acts[args[0]]; ok {
		return act(args[1:])
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	return unix.Exec(path, args, os.Environ())
}

// word is a message of one word, between a test and a process that it started.
type word string

// message is a word to be sent.
func message(w word) *word { return &w }

// Walk implements [coding.Coded].
func (w *word) Walk(c *coding.Coder) { coding.Text(c, w) }

// handOver puts the filter on all threads, hands over the listener, and waits until it is served.
func handOver(calls []string) error {
	listener, err := listen(calls)
	if err != nil {
		return err
	}
	if err := recipe.Send(channel, message("listener"), listener); err != nil {
		return fmt.Errorf("handing over the listener: %w", err)
	}
	_ = unix.Close(listener)
	var heard word
	if _, err := recipe.Receive(channel, &heard); err != nil {
		return fmt.Errorf("waiting to be served: %w", err)
	}
	return nil
}

// dropRoot begins again without any capability, if there is one: an agent has none, and a process
// that has one is closed to whoever answers its calls.
func dropRoot() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var has, none [2]unix.CapUserData
	if err := unix.Capget(&header, &has[0]); err != nil || has == none {
		return err
	}
	const noRoot = 1<<0 | 1<<1 // SECBIT_NOROOT, and locked
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, noRoot, 0, 0, 0); err != nil {
		return err
	}
	if err := unix.Capset(&header, &none[0]); err != nil {
		return err
	}
	return unix.Exec("/proc/self/exe", os.Args, os.Environ())
}

func listen(calls []string) (int, error) {
	program, err := filter.AssembleNotices([]filter.Notice{{Calls: calls}})
	if err != nil {
		return -1, err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return -1, err
	}
	instructions := make([]unix.SockFilter, len(program)/8)
	for i := range instructions {
		b := program[8*i:]
		instructions[i] = unix.SockFilter{
			Code: binary.NativeEndian.Uint16(b), Jt: b[2], Jf: b[3], K: binary.NativeEndian.Uint32(b[4:]),
		}
	}
	fprog := unix.SockFprog{Len: uint16(len(instructions)), Filter: &instructions[0]}
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_TSYNC |
		unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		flags, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return -1, fmt.Errorf("loading the filter: %w", errno)
	}
	return int(fd), nil
}

// Unheld is a command that is an act, or a program. Its calls are its own, unless those of who
// starts it are held.
func Unheld(args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), env+"=")
	cmd.ExtraFiles = []*os.File{os.Stdin} // in the place of the channel
	return cmd
}

// Child is such a process.
type Child struct {
	// Process is it itself.
	Process *os.Process
	// Served has the error that the serving ended with, and is closed then.
	Served <-chan error
	// Stop ends the serving.
	Stop context.CancelFunc

	t   testing.TB
	cmd *exec.Cmd
	out *bufio.Reader
	in  io.WriteCloser
}

// Start starts a process in a directory, and answers the calls that there are handlers for. Without
// any, its calls are its own, and all else is the same: that is the control.
func Start(t testing.TB, handlers supervise.Handlers, dir string, args ...string) *Child {
	t.Helper()
	var names []string
	for name := range handlers {
		names = append(names, name)
	}
	slices.Sort(names)
	return StartHeld(t, names, handlers, dir, args...)
}

// StartHeld is [Start] with calls that are held whether there is a handler or not.
func StartHeld(
	t testing.TB, calls []string, handlers supervise.Handlers, dir string, args ...string,
) *Child {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	theirs := os.NewFile(uintptr(pair[1]), "channel")
	defer theirs.Close()
	cmd := Unheld(args...)
	cmd.Env = append(cmd.Env, env+"="+strings.Join(calls, " "))
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	cmd.ExtraFiles = []*os.File{theirs}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	c := &Child{
		Process: cmd.Process, Served: served, Stop: stop,
		t: t, cmd: cmd, out: bufio.NewReader(out), in: in,
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // most have ended by then
		_ = cmd.Wait()
		stop()
		if err := <-served; err != nil {
			t.Error("the serving ended: ", err)
		}
	})
	if len(calls) == 0 {
		close(served)
		return c
	}
	theirs.Close()
	var heard word
	fds, err := recipe.Receive(pair[0], &heard)
	if err != nil || len(fds) != 1 {
		close(served)
		t.Fatalf("no listener came: %v", err)
	}
	go func() {
		defer close(served)
		served <- supervise.Serve(ctx, os.NewFile(uintptr(fds[0]), "listener"), handlers)
	}()
	if err := recipe.Send(pair[0], message("served")); err != nil {
		t.Fatal(err)
	}
	return c
}

// Line is what the process says next.
func (c *Child) Line() string {
	c.t.Helper()
	type read struct {
		line string
		err  error
	}
	said := make(chan read, 1)
	go func() {
		line, err := c.out.ReadString('\n')
		said <- read{line, err}
	}()
	select {
	case r := <-said:
		if r.err != nil {
			c.t.Fatalf("the process said %q, and then: %v", r.line, r.err)
		}
		return strings.TrimSpace(r.line)
	case <-time.After(patience):
		c.t.Fatal("the process says nothing")
		return ""
	}
}

// Wants fails the test unless the process says so next.
func (c *Child) Wants(want string) {
	c.t.Helper()
	if got := c.Line(); got != want {
		c.t.Errorf("the process says %q, and not %q", got, want)
	}
}

// Say gives the process a line to read.
func (c *Child) Say(line string) {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.in, line); err != nil {
		c.t.Fatal(err)
	}
}

// Ends gives the process nothing more to read, and fails the test unless it ends well. Nobody is
// served then any more, which must be noticed.
func (c *Child) Ends() {
	c.t.Helper()
	c.in.Close()
	if _, err := io.Copy(os.Stderr, c.out); err != nil {
		c.t.Error(err)
	}
	if err := c.cmd.Wait(); err != nil {
		c.t.Error("the process ended: ", err)
	}
	select {
	case err := <-c.Served:
		if err != nil {
			c.t.Error("the serving ended: ", err)
		}
	case <-time.After(patience):
		c.t.Error("nobody is left to call, and the listener is served")
	}
}
