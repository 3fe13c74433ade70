//go:build linux

package e2e

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tty is a terminal at which a user of the tests sits: what is typed goes in, and all that appears
// is kept. Who is started on it leads a session of its own, as a login shell does.
type tty struct {
	*terminal
	t     *testing.T
	slave *os.File
	// leader is who was started at it.
	leader *exec.Cmd

	mu    sync.Mutex
	shown []byte
	seen  int // how much of it was expected and found
	news  chan struct{}
}

// limit is for a hang: nothing here takes a tenth of it.
const limit = time.Minute

func newTTY(t *testing.T) *tty {
	t.Helper()
	y := &tty{terminal: newTerminal(t), t: t, news: make(chan struct{}, 1)}
	var err error
	if y.slave, err = os.OpenFile(y.name, os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	y.resize(80, 24)
	t.Cleanup(func() {
		y.Close()
		y.slave.Close()
		if t.Failed() {
			y.mu.Lock()
			defer y.mu.Unlock()
			t.Logf("on the terminal appeared:\n%q", y.shown)
		}
	})
	go y.watch()
	return y
}

// watch keeps what appears.
func (y *tty) watch() {
	buf := make([]byte, 4096)
	for {
		n, err := y.Read(buf)
		y.mu.Lock()
		y.shown = append(y.shown, buf[:n]...)
		y.mu.Unlock()
		select {
		case y.news <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// start starts a program at the terminal.
func (y *tty) start(cmd *exec.Cmd) *exec.Cmd {
	y.t.Helper()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = y.slave, y.slave, y.slave
	if cmd.SysProcAttr == nil { // else it says on which host the program runs
		cmd.SysProcAttr = &unix.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
	if err := cmd.Start(); err != nil {
		y.t.Fatal(err)
	}
	y.leader = cmd
	y.t.Cleanup(func() {
		beneath := descendants(cmd.Process.Pid)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		endsWithTerminal(y.t, beneath)
	})
	return cmd
}

// endsWithTerminal waits for each nono of some processes. A shell waits for none of its jobs, and
// their user's files are about to be removed.
func endsWithTerminal(t *testing.T, beneath []proc) {
	t.Helper()
	for _, p := range beneath {
		if strings.HasPrefix(p.name(), "nono") {
			becomes(t, p.name()+" ends with its terminal", func() bool { return gone(p.PID) })
		}
	}
}

// gone says whether a process has ended, be it that nobody has waited for it yet.
func gone(pid int) bool {
	args, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	return err != nil || len(args) == 0
}

// prompt is what the shells of these tests show.
const prompt = "READY> "

// shell starts an interactive shell at the terminal, with nono in its PATH.
func (y *tty) shell(u *user, name string, args ...string) *exec.Cmd {
	y.t.Helper()
	cmd := y.shellCommand(u, name, args...)
	y.start(cmd)
	y.expect(prompt)
	return cmd
}

func (y *tty) shellCommand(u *user, name string, args ...string) *exec.Cmd {
	cmd := u.command()
	cmd.Path, cmd.Args = name, append([]string{name}, args...)
	cmd.Env = append(cmd.Env, "PATH="+u.Programs+":/usr/local/bin:/usr/bin:/bin", "PS1="+prompt, "SHELL=/bin/bash", "PS2=")
	return cmd
}

// bash is the shell that most of these tests use.
func (y *tty) bash(u *user) *exec.Cmd {
	y.t.Helper()
	return y.shell(u, "/bin/bash", "--norc", "--noprofile", "-i")
}

// enter types text.
func (y *tty) enter(text string) {
	y.t.Helper()
	y.types(y.t, text)
}

// run types a command, and waits for what it is to print, and for the shell's prompt.
func (y *tty) run(command string, prints ...string) {
	y.t.Helper()
	y.enter(command + "\n")
	for _, p := range prints {
		y.expect(p)
	}
	y.expect(prompt)
}

// expect waits until a text appears after what was expected before, and returns what came before
// it. A typed command appears too: what is waited for must not stand in it.
func (y *tty) expect(text string) string {
	y.t.Helper()
	deadline := time.After(limit)
	for {
		y.mu.Lock()
		before, _, found := strings.Cut(string(y.shown[y.seen:]), text)
		if found {
			y.seen += len(before) + len(text)
		}
		y.mu.Unlock()
		if found {
			return before
		}
		select {
		case <-y.news:
		case <-deadline:
			y.t.Fatalf("%q did not appear", text)
		}
	}
}

// between types a command, and returns what appears before a text does.
func (y *tty) between(command, text string) string {
	y.t.Helper()
	y.enter(command + "\n")
	return y.expect(text)
}

// screen is all that has appeared since the last that was expected.
func (y *tty) screen() string {
	y.mu.Lock()
	defer y.mu.Unlock()
	return string(y.shown[y.seen:])
}

// served reports whether nono has the terminal for its agent: some other group than the shell's is
// in front, and reads key by key.
func (y *tty) served() bool {
	group := 0
	if conn, err := y.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { group, _ = unix.IoctlGetInt(int(fd), unix.TIOCGPGRP) })
	}
	return group != y.leader.Process.Pid && y.settings(y.t).Lflag&unix.ICANON == 0
}

// resize changes the window's size.
func (y *tty) resize(columns, rows uint16) {
	y.t.Helper()
	size := unix.Winsize{Col: columns, Row: rows}
	if err := unix.IoctlSetWinsize(int(y.slave.Fd()), unix.TIOCSWINSZ, &size); err != nil {
		y.t.Fatal(err)
	}
}

// becomes waits for something that takes its time on a busy machine.
func becomes(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("never came true: %s", what)
}
