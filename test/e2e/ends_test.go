//go:build linux

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/test/hosts"
	"github.com/nono-run/nono/test/machine"
)

func TestExitCodes(t *testing.T) {
	u := newUser(t)
	u.write("plain", "a text\n")
	u.write("text", "a text\n")
	u.write("noloader", "#!/not/there\n")
	u.write("script", "#!/bin/sh\nexit 9\n")
	u.write("bad.hcl", "filesistem {}\n")
	for _, name := range []string{"text", "noloader", "script"} {
		if err := os.Chmod(u.path(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	sh := func(program string) []string { return []string{"run", "--allow-cwd", "--", "sh", "-c", program} }
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"success", sh("exit 0"), 0, ""},
		{"the agent's own", sh("exit 3"), 3, "the command ended with 3"},
		{"the agent's own, large", sh("exit 255"), 255, "the command ended with 255"},
		{"the agent's own, as if it were ours", sh("exit 125"), 125, "the command ended with 125"},
		{"a script's", []string{"run", "--allow-cwd", "--", "./script"}, 9, ""},
		{"SIGTERM", sh("kill -TERM $$"), 143, ""},
		{"SIGKILL", sh("kill -KILL $$"), 137, ""},
		{"SIGSEGV", sh("kill -SEGV $$"), 139, ""},
		{"not in PATH", []string{"run", "--allow-cwd", "--", "no-such-command"}, 127, "no-such-command"},
		{"no such file", []string{"run", "--allow-cwd", "--", "./no-such-file"}, 127, "no-such-file"},
		{"not executable", []string{"run", "--allow-cwd", "--", "./plain"}, 126, "not executable"},
		{"no program", []string{"run", "--allow-cwd", "--", "./text"}, 126, "neither a program"},
		{"no interpreter", []string{"run", "--allow-cwd", "--", "./noloader"}, 126, "/not/there"},
		{"a directory", []string{"run", "--allow-cwd", "--", "./"}, 126, ""},
		{"a bad policy", []string{"run", "-c", "bad.hcl", "--", "true"}, 125, "bad.hcl:1"},
		{"a bad flag", []string{"run", "--no-such-flag", "--", "true"}, 125, "no-such-flag"},
		{"no command", []string{"run", "--allow-cwd"}, 125, "nothing to run"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := u.in(t).guard(c.args...).end()
			if r.Code != c.code || !strings.Contains(r.Stderr, c.says) {
				t.Errorf("want %d and %q\n%s", c.code, c.says, r)
			}
		})
	}
}

// obstinate is an agent that ends for no signal that can be caught.
const obstinate = "trap '' TERM INT HUP QUIT; echo up; while :; do sleep 0.1; done"

func TestSignals(t *testing.T) {
	// Each catches what it is sent, says so, and ends with a code of its own.
	caught := func(name string, code int) string {
		return fmt.Sprintf("trap 'echo caught; exit %d' %s; echo up; while :; do sleep 0.1; done", code, name)
	}
	for _, c := range []struct {
		name  string
		agent string
		send  []syscall.Signal
		code  int
		out   string
	}{
		{"SIGTERM ends the agent", ran, []syscall.Signal{syscall.SIGTERM}, 143, "up\n"},
		{"SIGTERM can be caught", caught("TERM", 3), []syscall.Signal{syscall.SIGTERM}, 3, "up\ncaught\n"},
		{"SIGTERM ignored, for as long as the grace lasts", obstinate, []syscall.Signal{syscall.SIGTERM}, 137, "up\n"},
		{"SIGINT is the agent's", caught("INT", 4), []syscall.Signal{syscall.SIGINT}, 4, "up\ncaught\n"},
		{"SIGINT twice", "trap 'echo heard' INT; echo up; while :; do sleep 0.1; done", []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, 137, "up\nheard\n"},
		{"SIGHUP is forwarded", caught("HUP", 5), []syscall.Signal{syscall.SIGHUP}, 5, "up\ncaught\n"},
		{"SIGHUP ignored, for as long as the grace lasts", obstinate, []syscall.Signal{syscall.SIGHUP}, 137, "up\n"},
		{"SIGQUIT is forwarded", caught("QUIT", 6), []syscall.Signal{syscall.SIGQUIT}, 6, "up\ncaught\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			u.Program = "nono-short" // with a grace of two seconds
			u.useEcho("")
			g := u.guard(configured("sh", "-c", c.agent)...)
			g.wait(&g.out, "up")
			for i, s := range c.send {
				if i > 0 { // two signals of one kind at the same time are one
					g.wait(&g.out, "heard")
				}
				g.signal(s)
			}
			r := g.end()
			if r.Code != c.code || r.Stdout != c.out {
				t.Errorf("want %d and %q\n%s", c.code, c.out, r)
			}
			// However it ended, the resident layer was told.
			if !strings.Contains(r.Stderr, "echo was armed") || strings.Contains(r.Stderr, "error:") {
				t.Errorf("it was no orderly end\n%s", r)
			}
		})
	}
}

// TestSignalsPassedOn: a signal that means nothing to nono is the agent's. One that comes before the
// agent is there ends no start.
func TestSignalsPassedOn(t *testing.T) {
	u := newUser(t)
	passed := []syscall.Signal{
		syscall.SIGABRT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM, syscall.SIGCONT, syscall.SIGVTALRM,
		syscall.SIGWINCH, syscall.SIGIO, syscall.SIGPWR, 35, 50, 64,
	}
	u.write("prog.py", `
import os, signal, sys
def got(number, frame):
    os.write(1, b"got %d\n" % number)
for s in map(int, sys.argv[1:]):
    signal.signal(s, got)
os.write(1, b"up\n")
sys.stdin.readline()
sys.exit(5)
`)
	args := []string{"run", "--allow-cwd", "--", "/usr/bin/python3", "prog.py"}
	for _, s := range passed {
		args = append(args, fmt.Sprint(int(s)))
	}
	g := u.guarded(args...)
	in := g.openInput()
	g.start()
	g.until("started anything", func() bool { return len(descendants(g.pid)) > 0 })
	g.signal(syscall.SIGWINCH)
	g.wait(&g.out, "up\n")
	for _, s := range passed {
		g.signal(s)
		g.wait(&g.out, fmt.Sprintf("got %d\n", s))
	}
	in.Close()
	if r := g.end(); r.Code != 5 {
		t.Errorf("want 5\n%s", r)
	}
}

// TestSignalAtTheGate sends a signal when the agent runs and core may not have heard of it yet. It
// is the agent's, as any later one.
func TestSignalAtTheGate(t *testing.T) {
	for range 10 {
		u := newUser(t)
		g := u.guard("run", "--allow-cwd", "--", "bash", "-c", "trap 'exit 3' TERM; touch up; while :; do sleep 0.1; done")
		init := g.appears("nono-init")
		for len(machine.Children(init)) == 0 && len(g.done) == 0 {
			time.Sleep(50 * time.Microsecond)
		}
		g.signal(syscall.SIGSTOP) // so that it does not hear of the agent now
		// By a file: what it writes goes through core.
		g.until("up", func() bool { return u.exists("up") })
		g.signal(syscall.SIGTERM)
		g.signal(syscall.SIGCONT)
		if r := g.end(); r.Code != 3 {
			t.Errorf("want 3\n%s", r)
		}
	}
}

// TestNohup: a signal that nono was started with ignored is none to it, nor to the agent.
func TestNohup(t *testing.T) {
	u := newUser(t)
	g := u.guarded("run", "--allow-cwd", "--", "sh", "-c", "echo up; read line; exit 3")
	// As nohup does, and as a shell does for what it runs in the background.
	g.Args = append([]string{g.Args[0], "/bin/sh", "-c", `trap "" HUP INT; exec "$@"`, "sh"}, g.Args[1:]...)
	in := g.openInput()
	g.start()
	g.wait(&g.out, "up")
	g.signal(syscall.SIGHUP)
	g.signal(syscall.SIGINT)
	time.Sleep(200 * time.Millisecond) // for a signal that should not arrive
	in.Close()
	if r := g.end(); r.Code != 3 {
		t.Errorf("want 3\n%s", r)
	}
}

// TestSignalDuringTheStart ends a start at many moments. Nothing is left, and the code is the
// signal's, whether the agent had begun or not.
func TestSignalDuringTheStart(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		for moment := range 8 {
			u := newUser(t)
			u.useEcho("")
			// The first at which nono, and not yet Go's runtime alone, has the signal: the policy was read.
			g := u.guard(configured("sh", "-c", "exec sleep 60")...)
			g.until("made its directory", func() bool { return len(u.runDirs()) > 0 })
			time.Sleep(time.Duration(moment) * 10 * time.Millisecond)
			g.signal(s)
			r := g.end()
			if r.Code != 128+int(s) {
				t.Errorf("%v: want %d\n%s", s, 128+int(s), r)
			}
		}
	}
	t.Run("plan", func(t *testing.T) {
		u := newUser(t)
		u.write("agent.hcl", layerConfig("echo", "test/echo", u.early("echo", "hang-begin"), ""))
		g := u.guard(append([]string{"plan"}, configured("true")[1:]...)...)
		g.until("started anything", func() bool { return len(descendants(g.pid)) > 0 })
		g.signal(syscall.SIGINT)
		if r := g.end(); r.Code != 130 {
			t.Errorf("want 130\n%s", r)
		}
	})
}

// TestNoRunAfterAll: nono-init is there before the policy is settled, and gone when it is refused,
// or when nono is ended while it still asks its user.
func TestNoRunAfterAll(t *testing.T) {
	for name, host := range map[string]hosts.Host{"A": {}, "B": {NoNamespaces: true}} {
		begin := func(t *testing.T) (*terminal, *guarded) {
			u := newUser(t)
			u.write("~/data/x", "")
			u.write("agent.hcl", asking)
			tty := newTerminal(t)
			g := u.guarded("run", "-c", "agent.hcl")
			hosts.On(t, g.Cmd, host)
			tty.run(g)
			g.wait(&g.out, "allow this")
			g.until("started nono-init", func() bool { _, there := g.child("nono-init"); return there })
			return tty, g
		}
		t.Run(name+", refused", func(t *testing.T) {
			tty, g := begin(t)
			tty.types(t, "n\n")
			if r := g.end(); r.Code != 125 {
				t.Errorf("want 125\n%s", r)
			}
		})
		t.Run(name+", interrupted", func(t *testing.T) {
			_, g := begin(t)
			g.signal(syscall.SIGINT)
			if r, report := g.over(); report.Gone < 0 {
				t.Errorf("some of %q did not go\n%s", report.Left, r)
			}
		})
	}
}

func TestLeftBehind(t *testing.T) {
	for _, n := range []int{0, 1, 3, 200} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			u := newUser(t)
			// Each in a session of its own and deaf to signals, as a daemon is; and the agent's output stays
			// open in all of them.
			u.write("prog.py", `
import os, signal, sys
n = int(sys.argv[1])
r, w = os.pipe()
for i in range(n):
    if os.fork() == 0:
        os.setsid()
        for s in signal.SIGTERM, signal.SIGHUP, signal.SIGINT:
            signal.signal(s, signal.SIG_IGN)
        os.write(w, b"x")
        while True:
            signal.pause()
for i in range(n):
    os.read(r, 1)
sys.exit(4)
`)
			r := u.guard("run", "--allow-cwd", "--", "/usr/bin/python3", "prog.py", fmt.Sprint(n)).end()
			said := ""
			for line := range strings.Lines(r.Stderr) {
				if strings.Contains(line, "left behind") {
					said = strings.TrimSpace(line)
				}
			}
			if r.Code != 4 || (said == "") != (n == 0) {
				t.Fatalf("want 4 and to be told what was left\n%s", r)
			}
			var count int
			if _, err := fmt.Sscanf(said, "nono: ended %d process", &count); n > 0 && (err != nil || count != n) {
				t.Errorf("%d were left, and it says %q", n, said)
			}
		})
	}
}

// TestInitKilled kills the first process inside, from outside. Nobody knows how the agent did, so
// that its code is not made up.
func TestInitKilled(t *testing.T) {
	u := newUser(t)
	u.useEcho("")
	t.Run("during the start", func(t *testing.T) {
		u := u.in(t)
		for moment := range 8 {
			g := u.guard(configured("sh", "-c", ran)...)
			pid := g.appears("nono-init")
			time.Sleep(time.Duration(moment) * 4 * time.Millisecond)
			_ = syscall.Kill(pid, syscall.SIGKILL)
			g.refusedOnce("nono-init", "killed")
		}
	})
	t.Run("while the agent runs", func(t *testing.T) {
		g := u.in(t).guard(append([]string{"run", "-v"}, configured("sh", "-c", ran)[1:]...)...)
		g.wait(&g.out, "up")
		g.wait(&g.err, "nono: started in") // see TestInitStopped
		pid, there := g.child("nono-init")
		if !there {
			t.Fatal("there is no nono-init")
		}
		_ = syscall.Kill(pid, syscall.SIGKILL)
		g.refusedOnce("nono-init ended: signal: killed")
	})
}

// TestInitStopped stops it instead, which is how a hang looks from outside.
func TestInitStopped(t *testing.T) {
	t.Run("during the start", func(t *testing.T) {
		t.Parallel()
		u := newUser(t)
		g := u.guard("run", "--allow-cwd", "--", "sh", "-c", ran)
		_ = syscall.Kill(g.appears("nono-init"), syscall.SIGSTOP)
		u.neverRan(g.refusedOnce("nono-init did not answer within"))
	})
	t.Run("while the agent runs", func(t *testing.T) { // there is nobody to hand a signal to, and it is obeyed all the same
		t.Parallel()
		u := newUser(t)
		u.Program = "nono-short"
		g := u.guard("run", "-v", "--allow-cwd", "--", "sh", "-c", ran)
		// The agent may say that it is up before nono-init has told core so.
		g.wait(&g.out, "up")
		g.wait(&g.err, "nono: started in")
		pid, there := g.child("nono-init")
		if !there {
			t.Fatal("there is no nono-init")
		}
		_ = syscall.Kill(pid, syscall.SIGSTOP)
		g.signal(syscall.SIGTERM)
		if r := g.end(); r.Code != 137 || !strings.Contains(r.Stderr, "did not end within 2s of SIGTERM") {
			t.Errorf("want 137\n%s", r)
		}
	})
}

// TestSessionsSideBySide: what a start removes is what killed runs left, and never what belongs to
// one that lives.
func TestSessionsSideBySide(t *testing.T) {
	u := newUser(t)
	u.useEcho("")
	long := u.guard(configured("sh", "-c", ran)...)
	long.wait(&long.out, "up")
	lives := u.runDirs()
	if len(lives) != 1 {
		t.Fatalf("the run has %q", lives)
	}
	killed := u.guard(configured("sh", "-c", ran)...)
	killed.wait(&killed.out, "up")
	killed.signal(syscall.SIGKILL)
	killed.over()
	if dirs := u.runDirs(); len(dirs) != 2 {
		t.Fatalf("of one that lives and one that was killed there are %q", dirs)
	}
	u.succeeds(u.nono(configured("true")...))
	if dirs := u.runDirs(); !slices.Equal(dirs, lives) {
		t.Errorf("there are %q, and %q lives", dirs, lives)
	}
	long.signal(syscall.SIGTERM)
	if r := long.end(); r.Code != 143 {
		t.Errorf("want 143\n%s", r)
	}
}

// TestCoreKilled kills core at twenty moments of its start and of the run. Nothing outlives it, and
// what is left on disk is gone with the next start.
func TestCoreKilled(t *testing.T) {
	agent := "trap '' TERM HUP INT; for i in 1 2 3 4 5; do setsid sleep 1000 & done; sleep 1000"
	u := newUser(t)
	u.useEcho("")
	var moments []string
	for ms := range 5 {
		moments = append(moments, fmt.Sprintf("nono %dms", 4*ms))
	}
	for ms := range 10 {
		moments = append(moments, fmt.Sprintf("any %dms", 3*ms)) // from the first process that it started
	}
	for ms := range 5 {
		moments = append(moments, fmt.Sprintf("sleep %dms", 5*ms)) // the agent's first
	}

	var longest time.Duration
	stages := map[string]int{}
	for _, moment := range moments {
		g := u.guarded(configured("sh", "-c", agent)...)
		g.Env = append(g.Env, guardKill+"="+moment)
		r, report := g.start().over()
		if r.Code != 137 {
			t.Fatalf("core was not killed\n%s", r)
		}
		if report.Gone < 0 {
			t.Errorf("killed at %q, with %q: %v later there was still some of %q", moment, report.Ran, guardPatience, report.Left)
		}
		if dirs := u.runDirs(); len(dirs) > 1 {
			t.Errorf("%q are left: the next start removes none", dirs)
		}
		g.noNewMounts()
		longest = max(longest, report.Gone)
		stages[stage(report.Ran)]++
	}
	t.Logf("killed with %v; the slowest was gone after %v", stages, longest)
	for _, s := range []string{"layers", "agent"} {
		if stages[s] == 0 {
			t.Errorf("it was never killed with %s running: the moments are %v", s, stages)
		}
	}
	u.guard(configured("true")...).succeeds() // which looks that no run directory is left
}

// stage is how far a start had come, by what ran.
func stage(names []string) string {
	switch {
	case slices.Contains(names, "sleep"):
		return "agent"
	case len(names) > 0:
		return "layers"
	}
	return "nothing"
}

// TestUmask: whatever the user's umask is, a run works, is the agent's to feel, and leaves nothing
// that stops the next one.
func TestUmask(t *testing.T) {
	u := newUser(t)
	u.useEcho("") // a resident layer, with its socket
	for _, mask := range []string{"0777", "0700", "0477", "0277", "0000", "0027"} {
		g := u.guarded(configured("sh", "-c", "umask")...)
		g.Args = append([]string{g.Args[0], "/bin/sh", "-c", "umask " + mask + `; exec "$@"`, "sh"}, g.Args[1:]...)
		r := g.start().succeeds()
		if r.Stdout != mask+"\n" {
			t.Errorf("under %s the agent has %q", mask, r.Stdout)
		}
		for _, said := range []string{"warning", "cannot"} {
			if strings.Contains(r.Stderr, said) {
				t.Errorf("under %s: %s", mask, r)
			}
		}
	}
}

// TestPipes has the agent's streams be pipes: they are passed through as they are.
func TestPipes(t *testing.T) {
	u := newUser(t)
	text := bytes.Repeat([]byte("\x00\xff\r\n\x03\x04 all bytes\n"), 200_000)
	g := u.guarded("run", "-s", "--", "sh", "-c", "cat; echo done >&2")
	var out bytes.Buffer
	g.Stdin, g.Stdout = bytes.NewReader(text), &out
	r := g.start().succeeds()
	if !bytes.Equal(out.Bytes(), text) {
		t.Errorf("%d bytes came of %d", out.Len(), len(text))
	}
	if r.Stderr != "done\n" {
		t.Errorf("stderr has %q", r.Stderr)
	}
}

// TestOutputThatCannotBeWritten: the agent's output has nowhere to go. That is the agent's to deal
// with, and nobody hangs.
func TestOutputThatCannotBeWritten(t *testing.T) {
	t.Run("the reader is gone", func(t *testing.T) {
		u := newUser(t)
		g := u.guarded("run", "--", "sh", "-c", "yes")
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		g.Stdout = w
		g.start()
		w.Close()
		if _, err := r.Read(make([]byte, 100)); err != nil {
			t.Error(err)
		}
		r.Close()
		if r := g.end(); r.Code != 128+int(syscall.SIGPIPE) {
			t.Errorf("the agent should have ended of it\n%s", r)
		}
	})
	t.Run("nono's reader is gone too", func(t *testing.T) {
		u := newUser(t)
		u.useEcho("")
		g := u.guarded(append([]string{"run", "-v"}, configured("sh", "-c", "sleep 0.2; exit 5")[1:]...)...)
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		g.Stderr = w
		g.start()
		w.Close()
		if r := g.end(); r.Code != 5 {
			t.Errorf("nono should have ended as the agent did, and not of what it could not say itself\n%s", r)
		}
	})
	t.Run("nobody reads what nono says", func(t *testing.T) { // which keeps nothing inside alive
		u := newUser(t)
		u.Program = "nono-short"
		g := u.guarded("run", "--", "sh", "-c", obstinate)
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		g.Stderr = w
		g.start()
		g.wait(&g.out, "up")
		fd := int(w.Fd())
		if err := unix.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = unix.Write(fd, make([]byte, 1000))
		}
		for err = nil; err == nil; {
			_, err = unix.Write(fd, make([]byte, 1))
		}
		if err := unix.SetNonblock(fd, false); err != nil {
			t.Fatal(err)
		}
		w.Close()
		g.signal(syscall.SIGTERM)
		g.until("ended what is inside", func() bool { return len(descendants(g.pid)) == 0 })
		go func() { _, _ = io.Copy(io.Discard, r) }()
		if r := g.end(); r.Code != 137 {
			t.Errorf("want 137\n%s", r)
		}
	})
	t.Run("the disk is full", func(t *testing.T) {
		u := newUser(t)
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer full.Close()
		g := u.guarded("run", "--", "sh", "-c", "echo x && exit 0; exit 6")
		g.Stdout, g.Stderr = full, full
		if r := g.start().end(); r.Code != 6 {
			t.Errorf("the agent should have noticed\n%s", r)
		}
	})
	t.Run("nobody reads", func(t *testing.T) {
		u := newUser(t)
		g := u.guarded("run", "--", "sh", "-c", "echo up >&2; yes")
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		g.Stdout = w
		g.start()
		w.Close()
		g.wait(&g.err, "up")
		g.signal(syscall.SIGTERM)
		if r := g.end(); r.Code != 143 {
			t.Errorf("it should have ended\n%s", r)
		}
	})
	t.Run("no streams at all", func(t *testing.T) {
		u := newUser(t)
		u.write("start.sh", `exec "$@" <&- >&- 2>&-`)
		nono := u.command("run", "--allow-cwd", "--", "sh", "-c", "ls -l /proc/self/fd > fds; cat; echo x; exit 8")
		cmd := exec.Command("/bin/sh", append([]string{u.path("start.sh")}, nono.Args...)...)
		cmd.Dir, cmd.Env = nono.Dir, nono.Env
		err := cmd.Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 8 {
			t.Errorf("got %v, want code 8", err)
		}
		if fds := u.read("fds"); strings.Count(fds, "/dev/null") != 2 {
			t.Errorf("the agent has\n%s", fds)
		}
	})
}

// A terminal is a pseudo-terminal's master side: what a user types and sees.
type terminal struct {
	*os.File
	name string
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	// Not blocking, or closing it would wait for whoever reads it.
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	master := os.NewFile(uintptr(fd), "/dev/ptmx")
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	return &terminal{master, fmt.Sprintf("/dev/pts/%d", n)}
}

// run starts nono as a login shell would its foreground job: in a session that the terminal
// controls.
func (tty *terminal) run(g *guarded) {
	g.u.t.Helper()
	tty.runWith(g, true)
}

// runWith leaves standard error apart, if it is told so.
func (tty *terminal) runWith(g *guarded, stderr bool) {
	t := g.u.t
	t.Helper()
	side, err := os.OpenFile(tty.name, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	g.Stdin, g.Stdout = side, side
	if stderr {
		g.Stderr = side
	}
	if g.SysProcAttr == nil {
		g.SysProcAttr = &syscall.SysProcAttr{}
	}
	g.SysProcAttr.Setsid, g.SysProcAttr.Setctty = true, true
	g.start()
	side.Close()
	go func() { _, _ = io.Copy(&g.out, tty) }() // to the end, which is an error here
}

// settings are how the terminal treats what is typed.
func (tty *terminal) settings(t *testing.T) unix.Termios {
	t.Helper()
	raw, err := tty.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var s *unix.Termios
	var askErr error
	err = raw.Control(func(fd uintptr) { s, askErr = unix.IoctlGetTermios(int(fd), unix.TCGETS) })
	if err := errors.Join(err, askErr); err != nil {
		t.Fatal(err)
	}
	return *s
}

func (tty *terminal) types(t *testing.T, text string) {
	t.Helper()
	if _, err := tty.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func TestTerminal(t *testing.T) {
	const agent = `trap 'echo interrupted' INT; trap 'echo quit' QUIT; trap 'echo hung up >> log; exit 9' HUP
[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo terminal
while :; do read line && echo "read $line"; [ "$line" = end ] && exit 3; done`
	begin := func(t *testing.T) (*terminal, *guarded) {
		u := newUser(t)
		u.useEcho("") // a Ctrl-C is not for it
		tty := newTerminal(t)
		g := u.guarded(configured("bash", "-c", agent)...)
		tty.run(g)
		g.wait(&g.out, "terminal\r\n")
		return tty, g
	}
	t.Run("reads and writes", func(t *testing.T) {
		tty, g := begin(t)
		tty.types(t, "hello\n")
		g.wait(&g.out, "read hello\r\n")
		tty.types(t, "end\n")
		if r := g.end(); r.Code != 3 {
			t.Errorf("want 3\n%s", r)
		}
	})
	t.Run("Ctrl-C and Ctrl-\\ reach the agent", func(t *testing.T) {
		tty, g := begin(t)
		tty.types(t, "\x1c")
		g.wait(&g.out, "quit\r\n")
		tty.types(t, "\x03")
		g.wait(&g.out, "interrupted\r\n")
		tty.types(t, "end\n") // and it goes on, and so does the layer
		g.wait(&g.out, "read end\r\n")
		if r := g.end(); r.Code != 3 {
			t.Errorf("want 3\n%s", r)
		}
	})
	t.Run("Ctrl-C is the agent's, however often; a second SIGINT is the end", func(t *testing.T) {
		tty, g := begin(t)
		interrupted := func(times int) {
			g.until(fmt.Sprintf("is interrupted %d times", times), func() bool {
				return strings.Count(g.out.String(), "interrupted\r\n") == times
			})
		}
		for times := range 3 {
			tty.types(t, "\x03")
			interrupted(times + 1)
		}
		g.signal(syscall.SIGINT)
		interrupted(4)
		g.signal(syscall.SIGINT)
		if r := g.end(); r.Code != 137 {
			t.Errorf("want 137\n%s", r)
		}
	})
	t.Run("the terminal goes away", func(t *testing.T) {
		tty, g := begin(t)
		tty.Close()
		if r := g.end(); r.Code != 9 || g.u.read("log") != "hung up\n" {
			t.Errorf("the agent should have been told\n%s", r)
		}
	})
}
