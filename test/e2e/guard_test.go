//go:build linux

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/lease"
	"github.com/nono-run/nono/test/machine"
)

// What is left of a run is seen by a guardian: a process between the test and nono that is a
// subreaper, so that the kernel gives it every process that nono leaves behind. Nothing has to be
// guessed from names, and tests that run at the same time do not see each other's.

// guardReport is what the guardian says: first nono's PID, and at the end all the rest.
type guardReport struct {
	PID int `json:",omitempty"`
	// Ran are the names of what ran beneath nono when the guardian killed nono, because it was told
	// to.
	Ran []string `json:",omitempty"`
	// Left is what still ran when nono had ended; Gone is how long that took to go, negative if it did
	// not.
	Left []string
	Gone time.Duration
}

const (
	guardReportFD = 3
	// guardKill is the variable that has the guardian kill nono, so long after a process of this name
	// is there: "NAME 5ms". The name "nono" is nono itself, and "any" whatever it starts.
	guardKill = "E2E_KILL"
	// guardPatience is how long the guardian waits for what is left to go. What goes at all is gone in
	// milliseconds, on a machine that does nothing else.
	guardPatience = time.Minute
)

var _ = addHelper("guardian", guardian)

// guardian runs a command, and then looks at what it left.
func guardian(args []string) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, "guardian:", err)
		return 2
	}
	syscall.CloseOnExec(guardReportFD)
	report := json.NewEncoder(os.NewFile(guardReportFD, "report"))
	// A terminal's signals are for nono. They are caught, not ignored: that would be inherited.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM)
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fail(err)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "E2E_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	if err := cmd.Start(); err != nil {
		return fail(err)
	}
	var said guardReport
	go func() {
		for range hangup { // which comes to the leader of a session alone: a shell passes it on, and so does this
			_ = cmd.Process.Signal(syscall.SIGHUP)
		}
	}()
	if name, delay, ok := strings.Cut(os.Getenv(guardKill), " "); ok {
		awaitProcess(cmd.Process.Pid, name)
		after, _ := time.ParseDuration(delay)
		time.Sleep(after)
		said.Ran = names(descendants(cmd.Process.Pid))
		_ = cmd.Process.Kill()
	}
	if err := report.Encode(guardReport{PID: cmd.Process.Pid}); err != nil {
		return fail(err)
	}
	_ = cmd.Wait() // how it ended is in its state
	left := descendants(os.Getpid())
	said.Left = describeAll(left)
	said.Gone = awaitGone(left)
	if err := report.Encode(said); err != nil {
		return fail(err)
	}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return cmd.ProcessState.ExitCode()
}

// awaitProcess waits until a process is seen beneath one, or that one's end.
func awaitProcess(of int, name string) {
	for name != "nono" {
		for _, p := range descendants(of) {
			if name == "any" || name == p.name() {
				return
			}
		}
		if _, there := processAt(of); !there {
			return
		}
	}
}

// awaitGone waits until nothing runs beneath this process, and says how long that took. What does
// not go is killed.
func awaitGone(left []proc) time.Duration {
	began := time.Now()
	for ; len(left) > 0; left = descendants(os.Getpid()) {
		if time.Since(began) > guardPatience {
			for _, p := range left {
				_ = syscall.Kill(p.PID, syscall.SIGKILL)
			}
			return -1
		}
		for pid := 1; pid > 0; {
			pid, _ = syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(began)
}

// proc is a process as /proc shows it.
type proc struct {
	PID, Parent int
	Args        []string
}

func (p proc) String() string { return fmt.Sprintf("%d %s", p.PID, strings.Join(p.Args, " ")) }

// name is what a process calls itself.
func (p proc) name() string { return filepath.Base(p.Args[0]) }

func names(ps []proc) []string {
	var all []string
	for _, p := range ps {
		all = append(all, p.name())
	}
	return all
}

func describeAll(ps []proc) []string {
	var all []string
	for _, p := range ps {
		all = append(all, p.String())
	}
	return all
}

// processes are all that run, zombies left out.
func processes() []proc {
	entries, _ := os.ReadDir("/proc")
	var all []proc
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if p, ok := processAt(pid); ok {
				all = append(all, p)
			}
		}
	}
	return all
}

func processAt(pid int) (proc, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return proc{}, false
	}
	// PID (NAME) STATE PARENT ..., and the name may hold anything.
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[end+1:]))
	if len(fields) < 2 || fields[0] == "Z" || fields[0] == "X" {
		return proc{}, false
	}
	p := proc{PID: pid}
	p.Parent, _ = strconv.Atoi(fields[1])
	args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	p.Args = strings.Split(strings.TrimRight(string(args), "\x00"), "\x00")
	if p.Args[0] == "" {
		p.Args = []string{string(stat[open : end+1])}
	}
	return p, true
}

// descendants are the processes beneath one.
func descendants(of int) []proc {
	all := processes()
	beneath := []int{of}
	var found []proc
	for i := 0; i < len(beneath); i++ {
		for _, p := range all {
			if p.Parent == beneath[i] {
				beneath = append(beneath, p.PID)
				found = append(found, p)
			}
		}
	}
	return found
}

// A transcript is what a command writes, to be read while it does.
type transcript struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (t *transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.Write(b)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}

// A guarded command is nono under a guardian.
type guarded struct {
	*exec.Cmd
	u        *user
	out, err transcript
	reports  *bufio.Scanner
	pid      int
	done     chan error
	mounts   []string
}

// guarded is nono with these arguments, not yet started. Its streams may be set before it is.
func (u *user) guarded(args ...string) *guarded {
	u.t.Helper()
	self, err := os.Executable()
	if err != nil {
		u.t.Fatal(err)
	}
	g := &guarded{Cmd: u.command(args...), u: u, done: make(chan error, 1), mounts: hostMounts(u.t)}
	g.Args = append([]string{self, g.Path}, args...)
	g.Path = self
	g.Env = append(g.Env, "E2E_HELPER=guardian")
	g.Stdout, g.Stderr = &g.out, &g.err
	g.WaitDelay = time.Minute
	return g
}

// guard starts nono under a guardian, with nothing to read.
func (u *user) guard(args ...string) *guarded {
	u.t.Helper()
	return u.guarded(args...).start()
}

func (g *guarded) start() *guarded {
	t := g.u.t
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	g.ExtraFiles = []*os.File{w}
	err = g.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	g.reports = bufio.NewScanner(r)
	go func() { g.done <- g.Wait() }()
	t.Cleanup(func() { _ = g.Process.Kill() })
	g.pid = g.report().PID
	// By a descriptor: at the test's end the number may be another process's.
	nono, err := os.FindProcess(g.pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nono.Kill() })
	return g
}

func (g *guarded) report() guardReport {
	g.u.t.Helper()
	var r guardReport
	if !g.reports.Scan() {
		g.u.t.Fatalf("the guardian is gone: %v\n%s%s", g.reports.Err(), g.out.String(), g.err.String())
	}
	if err := json.Unmarshal(g.reports.Bytes(), &r); err != nil {
		g.u.t.Fatal(err)
	}
	return r
}

// wait waits until a transcript holds a text.
func (g *guarded) wait(in *transcript, text string) {
	g.u.t.Helper()
	g.until(fmt.Sprintf("says %q", text), func() bool { return strings.Contains(in.String(), text) })
}

// until waits until something is so.
func (g *guarded) until(what string, is func() bool) {
	g.u.t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
		if len(g.done) > 0 && !is() || time.Now().After(deadline) {
			g.u.t.Fatalf("it never %s\n--- stdout\n%s--- stderr\n%s", what, g.out.String(), g.err.String())
		}
	}
}

// signal sends nono a signal.
func (g *guarded) signal(s syscall.Signal) {
	g.u.t.Helper()
	if err := syscall.Kill(g.pid, s); err != nil {
		g.u.t.Fatalf("sending %v to nono: %v", s, err)
	}
}

// child is the child of nono's that has this name, if there is one now.
func (g *guarded) child(name string) (int, bool) {
	for _, pid := range machine.Children(g.pid) {
		if p, ok := processAt(pid); ok && p.name() == name {
			return pid, true
		}
	}
	return 0, false
}

// appears waits for a child of nono's.
func (g *guarded) appears(name string) int {
	g.u.t.Helper()
	pid, seen := g.seen(name)
	if !seen {
		g.u.t.Fatalf("nono never started %s\n%s", name, g.err.String())
	}
	return pid
}

// seen waits for a child of nono's that lives for a few milliseconds only. On a busy machine it may
// be missed.
func (g *guarded) seen(name string) (pid int, ok bool) {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline) && len(g.done) == 0; time.Sleep(100 * time.Microsecond) {
		if pid, ok := g.child(name); ok {
			return pid, true
		}
	}
	return 0, false
}

// over waits for nono's end, and returns how it was. The limit is for a hang.
func (g *guarded) over() (result, guardReport) {
	t := g.u.t
	t.Helper()
	select {
	case err := <-g.done:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatalf("%v\n%s%s", err, g.out.String(), g.err.String())
		}
	case <-time.After(2 * time.Minute):
		t.Fatalf("nono hangs; there are %v\n%s%s", describeAll(descendants(g.Process.Pid)), g.out.String(), g.err.String())
	}
	return result{g.out.String(), g.err.String(), g.ProcessState.ExitCode()}, g.report()
}

// end waits for nono's end, at which nothing of the run may be left: no process, no run directory,
// no mount.
func (g *guarded) end() result {
	t := g.u.t
	t.Helper()
	r, report := g.over()
	if len(report.Left) > 0 {
		t.Errorf("when nono had ended there were still %q\n%s", report.Left, r)
	}
	if dirs := g.u.runDirs(); len(dirs) > 0 {
		t.Errorf("run directories are left: %q\n%s", dirs, r)
	}
	g.noNewMounts()
	return r
}

// in is the same user in a subtest.
func (u *user) in(t *testing.T) *user {
	t.Helper()
	same := *u
	same.t = t
	return &same
}

// runDirs are the directories of runs that live or were killed. One that its nono was killed while
// making is not among them: for a minute it could still be that of a process that was stopped, and
// the first start after that removes it, as a test of core/lease shows.
func (u *user) runDirs() []string {
	entries, _ := os.ReadDir(filepath.Join(u.runtime, "nono"))
	var names []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), lease.BeingMade) {
			names = append(names, e.Name())
		}
	}
	return names
}

func (g *guarded) noNewMounts() {
	g.u.t.Helper()
	for _, m := range hostMounts(g.u.t) {
		if !slices.Contains(g.mounts, m) && g.u.concerns(m) {
			g.u.t.Errorf("the host has a new mount: %s", m)
		}
	}
}

// concerns reports whether a mount could be a session's: on one of the directories that a session
// has its own of, or on the user's. Others come and go on a machine that does other things as well.
func (u *user) concerns(mount string) bool {
	fields := strings.Fields(mount) // ID, PARENT, DEVICE, ROOT, MOUNT POINT ...
	if len(fields) < 5 {
		return false
	}
	at := fields[4]
	return slices.Contains([]string{"/", "/proc", "/dev", "/dev/shm", "/dev/pts", "/tmp", "/var/tmp"}, at) ||
		strings.HasPrefix(at, u.Home) || strings.HasPrefix(at, u.runtime)
}

// hostMounts are the mounts that the test itself sees, a line each.
func hostMounts(t *testing.T) []string {
	t.Helper()
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(info), "\n")
}

// refusedOnce fails the test unless nono ended with 125 and one root cause, which says each of
// these.
func (g *guarded) refusedOnce(says ...string) result {
	g.u.t.Helper()
	r := g.u.refused(g.end(), says...)
	g.u.oneCause(r)
	return r
}

// oneCause fails the test if nono gave more causes than one, or none.
func (u *user) oneCause(r result) {
	u.t.Helper()
	if n := strings.Count(r.Stderr, "nono: error:"); n != 1 {
		u.t.Errorf("there are %d causes, and there is one\n%s", n, r)
	}
}

// succeeds waits for the end and fails the test unless it was 0.
func (g *guarded) succeeds() result {
	g.u.t.Helper()
	return g.u.succeeds(g.end())
}

// openInput gives nono an input that stays open, and returns its other end.
func (g *guarded) openInput() io.WriteCloser {
	g.u.t.Helper()
	w, err := g.StdinPipe()
	if err != nil {
		g.u.t.Fatal(err)
	}
	return w
}
