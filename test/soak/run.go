//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/nono-run/nono/test/machine"
)

// trial is what is done in one run.
type trial struct {
	name string
	// agent is the shell's program that is run; policy names a file with layers, or is empty.
	agent, policy string
	// shell is what the shell that starts nono does to itself first.
	shell string
	// victim is the process that gets a signal, so long after one was seen: nono, the agent, or what
	// the process is called.
	victim string
	signal syscall.Signal
	after  time.Duration
	// clean says that the run must end as its agent does.
	clean bool
}

// Agents. One leaves processes behind that are deaf, and one goes on until it is ended; some
// minutes later it ends by itself, for this program may be ended too.
const (
	quick   = "exit 7"
	leaving = "for i in 1 2 3; do setsid sh -c 'trap \"\" TERM HUP INT; sleep 1000' & done; exit 7"
	endless = "(sleep 1000; :) & for i in $(seq 4000); do sleep 0.05; done"
)

// resident is the process of the layer that stays until the end, as long as a policy names it.
const resident = "nono-layer-echo"

// draw chooses what the run with this number is.
func draw(n int, r *rand.Rand) trial {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	t := trial{policy: pick("", oneLayer), after: time.Duration(r.IntN(200)) * time.Millisecond}
	switch n % 5 {
	case 0, 1:
		t.name, t.agent, t.clean = "ordinary", pick(quick, leaving), true
	case 2:
		t.agent, t.signal = endless, syscall.SIGKILL
		t.victim = pick("nono", "nono-init", resident, "agent")
		if t.victim == resident {
			t.policy = oneLayer
		}
		t.name = "killed: " + t.victim
	case 3:
		t.agent, t.victim = endless, "nono"
		t.signal = []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT}[r.IntN(3)]
		t.name = "sent to nono: " + t.signal.String()
	default:
		t.agent = quick
		if r.IntN(2) == 0 {
			t.shell, t.clean = "umask "+pick("0777", "0700", "0477", "0277", "0000", "0022"), true
			break
		}
		limits := []string{
			"-v 500000", "-v 1048576", "-d 60000", "-d 131072", "-n 10", "-n 40", "-n 64", "-n 100",
			"-f 0", "-f 1024", "-s 64", "-i 0",
		}
		if os.Getuid() != 0 {
			// None that the user's other processes may have used up; see cmd/nono/entry.go.
			limits = append(limits, "-u 5", "-u 300")
		}
		t.shell = "ulimit " + pick(limits...)
	}
	if t.shell != "" {
		t.name = "under " + t.shell
	}
	return t
}

// running is a run.
type running struct {
	trial
	cmd   *exec.Cmd
	said  string
	began time.Time
	done  chan struct{}
	took  time.Duration
	code  int
	hung  bool
	held  error    // somebody outlived it, with its output open
	deeds []string // what was done to it, and when
}

// one makes one run and judges it.
func (s *soak) one(n int, r *rand.Rand) {
	run := s.start(s.users[0], draw(n, r))
	if run.signal != 0 {
		run.strike()
	}
	run.end()
	ok := run.code == 7
	if !run.clean {
		ok = run.signal != 0 || run.code == 7 || run.code == 125
	}
	s.judge(run, ok)
}

func (s *soak) start(u *user, t trial) *running {
	run := &running{trial: t, began: time.Now(), done: make(chan struct{})}
	shell := "exec \"$@\""
	if t.shell != "" {
		shell = t.shell + " && " + shell
	}
	args := []string{"-c", shell, "bash", s.nono, "run"}
	if t.policy != "" {
		args = append(args, "-c", t.policy, "--approve")
	} else {
		args = append(args, "--allow-cwd")
	}
	run.cmd = exec.Command("/bin/bash", append(args, "--", "/bin/sh", "-c", t.agent)...)
	run.cmd.Dir, run.cmd.Env = u.project(), u.environ()
	wait, err := begin(run.cmd)
	if err != nil {
		run.said = err.Error()
		close(run.done)
		return run
	}
	go func() {
		run.said, run.held = wait()
		close(run.done)
	}()
	return run
}

// begin starts a command. Its result waits for the end, and has what was said; the error is of
// somebody who outlives the command for long, with its output open. How it ended is in its state.
func begin(cmd *exec.Cmd) (wait func() (string, error), err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = w, w
	err = errors.Join(cmd.Start(), w.Close())
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	var said bytes.Buffer
	read := make(chan error)
	go func() {
		_, err := said.ReadFrom(r)
		read <- err
	}()
	return func() (string, error) {
		_ = cmd.Wait()
		_ = r.SetReadDeadline(time.Now().Add(10 * time.Second))
		err := <-read
		return said.String(), errors.Join(err, r.Close())
	}, nil
}

// strike waits for the victim, then for the moment, and sends the signal. A run may end before.
func (r *running) strike() {
	if r.await() == 0 {
		return
	}
	time.Sleep(r.after)
	if pid := r.await(); pid != 0 {
		r.send(pid, r.signal)
	}
}

// await is the victim's number as soon as there is one, or 0 when the run has ended.
func (r *running) await() int {
	for {
		select {
		case <-r.done:
			return 0
		case <-time.After(time.Millisecond):
		}
		if pid := r.find(); pid != 0 {
			return pid
		}
	}
}

// send sends one of the run's processes a signal.
func (r *running) send(pid int, signal syscall.Signal) {
	r.deeds = append(r.deeds, fmt.Sprintf("%s was sent %q after %s", nameOf(pid), signal,
		time.Since(r.began).Round(time.Millisecond)))
	_ = syscall.Kill(pid, signal)
}

// find is the victim's number, or 0.
func (r *running) find() int {
	core := r.cmd.Process.Pid
	if r.victim == "nono" {
		return core
	}
	for _, child := range machine.Children(core) {
		switch name := nameOf(child); {
		case name == r.victim:
			return child
		case r.victim == "agent" && name == "nono-init":
			if inside := machine.Children(child); len(inside) > 0 {
				return inside[0]
			}
		}
	}
	return 0
}

// end waits for the end. The limit is for a hang.
func (r *running) end() {
	select {
	case <-r.done:
	case <-time.After(2 * time.Minute):
		r.hung = true
		_ = r.cmd.Process.Kill()
		<-r.done
	}
	r.took = time.Since(r.began)
	r.code = 126
	if r.cmd.ProcessState != nil {
		ws, _ := r.cmd.ProcessState.Sys().(syscall.WaitStatus)
		if r.code = ws.ExitStatus(); ws.Signaled() {
			r.code = 128 + int(ws.Signal())
		}
	}
}

// judge counts a run, and notes what is wrong with it.
func (s *soak) judge(r *running, ok bool) {
	for _, dump := range []string{"goroutine ", "fatal error:", "panic:"} {
		ok = ok && !strings.Contains(r.said, dump)
	}
	ok = ok && !r.hung && r.held == nil && !(r.clean && warned(r.said))
	// A clean run says what it is in: figures of the other tier would be taken for this one's.
	ok = ok && !(r.clean && strings.Contains(r.said, "tier B") != (s.tier == "B"))
	if !ok {
		s.fail("%s", r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[fmt.Sprintf("%-28s ended with %d", r.name, r.code)]++
	if s.longest == nil || r.took > s.longest.took {
		s.longest = r
	}
}

// String is what was run, what was done to it, and how it ended.
func (r *running) String() string {
	text := fmt.Sprintf("%s (policy %q, agent %q; %s), after %s with %d:\n%s", r.name, r.policy,
		r.agent, strings.Join(r.deeds, "; "), r.took.Round(time.Millisecond), r.code, r.said)
	if r.held != nil {
		text += fmt.Sprintf("somebody outlived it: %v\n", r.held)
	}
	return text
}

// warned reports a warning, which would be of what a former run left in the way: all but that other
// runs have the same project, which is so on purpose.
func warned(said string) bool {
	for line := range strings.Lines(said) {
		if strings.Contains(line, "warning") && !strings.Contains(line, "may write where this one may") {
			return true
		}
	}
	return false
}

// descendants are the names of all that runs beneath a process.
func descendants(of int) []string {
	var names []string
	for _, pid := range machine.Children(of) {
		names = append(names, nameOf(pid))
		names = slices.Concat(names, descendants(pid))
	}
	return names
}

func nameOf(pid int) string {
	args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	first, _, _ := strings.Cut(string(args), "\x00")
	return filepath.Base(first)
}
