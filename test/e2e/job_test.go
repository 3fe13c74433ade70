//go:build linux

package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/test/machine"
)

// ticker is a program that writes a line into a file for as long as it runs, from a session of its
// own, where no signal of a terminal reaches it.
const ticker = `setsid sh -c 'while :; do echo >>ticks; sleep 0.01; done' </dev/null >/dev/null 2>&1 & `

// ticks is how often it has.
func (u *user) ticks() int {
	info, err := os.Stat(u.path("ticks"))
	if err != nil {
		return 0
	}
	return int(info.Size())
}

// Agents that start programs in a loop are bash's: dash uses vfork, and where Ctrl-Z stops the child
// in the middle of that, the parent cannot stop, with or without nono.

// standsStill and runs are what a ticker does.
func (u *user) standsStill() {
	u.t.Helper()
	before := u.ticks()
	time.Sleep(300 * time.Millisecond)
	if after := u.ticks(); after != before {
		u.t.Errorf("something inside runs on: %d ticks, then %d", before, after)
	}
}

func (u *user) runs() {
	u.t.Helper()
	before := u.ticks()
	becomes(u.t, "the ticker runs", func() bool { return u.ticks() > before })
}

// TestStopped is Ctrl-Z, bg, jobs and fg at a shell: nono and everything inside stop and go on as
// one job, and the terminal is the shell's meanwhile, with its settings.
func TestStopped(t *testing.T) {
	u, y := newUser(t), newTTY(t)
	y.bash(u)
	before := y.settings(t)
	u.write("agent", ticker+`trap 'echo size $(stty size)' WINCH; stty -echo; echo up
while :; do sleep 0.02; if [ -e ask ]; then rm ask; read line; echo "got <$line>"; fi; done`)
	y.enter("nono -s run --allow-cwd -- bash agent\n")
	y.expect("up")
	u.runs()
	for n := range 3 {
		y.enter("\x1a")
		y.expect("Stopped")
		y.expect(prompt)
		u.standsStill()
		if now := y.settings(t); now.Lflag&unix.ECHO == 0 && now.Lflag&unix.ICANON != 0 {
			t.Errorf("the shell has the agent's settings: %+v", now)
		}
		y.run("jobs", "Stopped")
		y.run("bg", "nono -s run")
		u.runs()
		y.run("echo for $((1+1))", "for 2")
		y.enter("fg\n")
		becomes(t, "the agent has the terminal", y.served) // nobody tells a job that runs
		u.write("ask", "")
		y.enter("one\n")
		y.expect("got <one>")

		y.enter("\x1a")
		y.expect("Stopped")
		y.expect(prompt)
		y.resize(100, uint16(40+n))
		y.enter("fg\n")
		y.expect(fmt.Sprintf("size %d 100", 40+n))

		y.enter("\x1a")
		y.expect("Stopped")
		y.expect(prompt)
		u.write("ask", "")
		y.run("bg", "nono -s run")
		y.jobs("tty input") // for it reads
		u.standsStill()
		y.enter("fg\n")
		becomes(t, "the agent has the terminal", y.served)
		y.enter("two\n")
		y.expect("got <two>")
	}
	y.enter("\x03")
	y.expect(prompt)
	y.run("echo $((2+2))", "4")
	if after := y.settings(t); after != before {
		t.Errorf("the settings were not put back:\n%+v\n%+v", before, after)
	}
}

// TestStoppedByOthers: nono stops with everything inside when it is told to from outside, and when
// the agent stops itself; what had been stopped inside before stays so.
func TestStoppedByOthers(t *testing.T) {
	u, y := newUser(t), newTTY(t)
	y.bash(u)
	u.write("agent", ticker+`setsid sleep 1000 & until grep -q sleep /proc/$!/comm; do :; done; kill -STOP $!; until grep -q '^State:.T' /proc/$!/status; do :; done; echo $! >asleep; echo up
while :; do read line; case $line in
stop) kill -STOP $$; echo goes on;;
state) while read -r name state _; do [ "$name" = State: ] && echo "it is $state"; done </proc/$(cat asleep)/status;;
esac; done`)
	y.enter("nono -s run --allow-cwd -- bash agent\n")
	y.expect("up")
	y.enter("state\n")
	y.expect("it is T")

	y.enter("stop\n")
	y.expect("Stopped")
	y.expect(prompt)
	u.standsStill()
	y.enter("fg\n")
	y.expect("goes on")
	u.runs()
	y.enter("state\n")
	y.expect("it is T")

	y.signalNono(syscall.SIGTSTP)
	y.expect("Stopped")
	y.expect(prompt)
	u.standsStill()
	y.enter("fg\n")
	becomes(t, "the agent has the terminal", y.served)
	y.enter("state\n")
	y.expect("it is T")

	// Nobody can be told of a SIGSTOP; the agent runs on, and has the terminal again after it.
	y.signalNono(syscall.SIGSTOP)
	y.expect("Stopped")
	y.expect(prompt)
	y.enter("fg\n")
	becomes(t, "the agent has the terminal", y.served)
	y.enter("state\n")
	y.expect("it is T")
	y.enter("\x03")
	y.expect(prompt)
}

// nono is the nono that was started at the terminal.
func (y *tty) nono() int {
	y.t.Helper()
	var pid int
	becomes(y.t, "there is a nono", func() bool {
		for _, p := range descendants(y.leader.Process.Pid) {
			if p.name() == "nono" || p.name() == "nono-short" {
				pid = p.PID
				return true
			}
		}
		return false
	})
	return pid
}

func (y *tty) signalNono(s syscall.Signal) {
	y.t.Helper()
	if err := syscall.Kill(y.nono(), s); err != nil {
		y.t.Fatal(err)
	}
}

// TestPassword: what is typed into another program an agent in the background never reads, which is
// what one with the terminal itself does.
func TestPassword(t *testing.T) {
	const secret = "correct-horse"
	const asks = 5
	const ask = `touch go; for ((n = 1; n <= %d; n++)); do echo "ask-$n"; read -s password; echo; echo "[$password]"; done`
	// attempt types a password into another program, more than once. It types more ends of lines than are read, for somebody else may have had the first.
	attempt := func(u *user, y *tty, asks int, enough func() bool) {
		u.write("ask", fmt.Sprintf(ask, asks))
		y.enter("bash ask\n")
		for n := 0; n < asks && !enough(); n++ {
			y.expect(fmt.Sprintf("ask-%d", n+1))
			becomes(t, "the terminal is silent", func() bool { return y.settings(t).Lflag&unix.ECHO == 0 })
			y.enter(secret + "\n")
			for !strings.Contains(y.screen(), "]") {
				time.Sleep(20 * time.Millisecond)
				y.enter("\n")
			}
			y.expect("]")
		}
	}
	t.Run("control", func(t *testing.T) {
		u, y := newUser(t), newTTY(t)
		y.bash(u)
		// As nono's agent once was: with the terminal as its standard input, in a session of its own.
		y.run("setsid sh -c 'until [ -e go ]; do sleep 0.01; done; while tty -s; do head -c 1; done > got' </dev/tty 2>/dev/null &")
		// On a busy machine it comes late to the terminal, so it has more of them to read.
		attempt(u, y, 20*asks, func() bool { return u.stole(secret) })
		becomes(t, "an agent with the terminal itself has of the password", func() bool { return u.stole(secret) })
	})
	for name, start := range map[string]string{
		"in the background":        "nono -s run --allow-cwd -- sh -c 'while :; do head -c 1; done > got' &",
		"in its own session":       "nono -s run --allow-cwd -- sh -c 'setsid head -c 1000 </dev/tty > got; setsid head -c 1000 <&0 >> got; while :; do sleep 1; done' &",
		"by the terminal's name":   "nono -s run --allow-cwd -- sh -c 'exec </dev/pts/0; while :; do setsid -f head -c 1 >> got; sleep 0.05; done' &",
		"ignoring the kernel's no": "nono -s run --allow-cwd -- /usr/bin/python3 -c '" + stubborn + "' &",
	} {
		t.Run(name, func(t *testing.T) {
			u, y := newUser(t), newTTY(t)
			y.bash(u)
			y.run(start)
			attempt(u, y, asks, func() bool { return false })
			y.run("kill -9 %1; wait; echo $((1+2))", "3")
			if u.stole(secret) {
				t.Errorf("the agent read of the password: %q", u.read("got"))
			}
		})
	}
	t.Run("after Ctrl-Z", func(t *testing.T) {
		u, y := newUser(t), newTTY(t)
		y.bash(u)
		y.enter("nono -s run --allow-cwd -- sh -c 'echo u\"\"p; exec head -c 1000 > got'\n")
		y.expect("up")
		y.enter("\x1a")
		y.expect("Stopped")
		y.expect(prompt)
		attempt(u, y, asks, func() bool { return false })
		y.run("kill -9 %1; wait; echo $((1+2))", "3")
		if u.stole(secret) {
			t.Errorf("the agent read of the password: %q", u.read("got"))
		}
	})
}

// stole says whether something of a secret is in the file that the agent writes.
func (u *user) stole(secret string) bool {
	got, err := os.ReadFile(u.path("got"))
	return err == nil && strings.ContainsAny(string(got), secret)
}

// stubborn reads whatever the kernel answers, and takes the terminal's foreground for itself.
const stubborn = `
import os, signal, time
signal.signal(signal.SIGTTIN, signal.SIG_IGN); signal.signal(signal.SIGTTOU, signal.SIG_IGN)
got = open("got", "wb", 0)
while True:
    try: os.tcsetpgrp(0, os.getpgrp()); got.write(os.read(0, 1))
    except OSError: time.sleep(0.01)
`

// TestBackground: in the background an agent is stopped when it reads, changes settings, or writes
// where that is not wanted; and gets the terminal by fg.
func TestBackground(t *testing.T) {
	u, y := newUser(t), newTTY(t)
	y.bash(u)
	y.enter("nono -s run -- sh -c 'read line; echo \"got <$line>\"' &\n")
	y.expect(prompt)
	y.jobs("tty input")
	y.enter("fg\n")
	becomes(t, "the agent has the terminal", y.served)
	y.enter("hello\n")
	y.expect("got <hello>")
	y.expect(prompt)

	y.enter("nono -s run -- sh -c 'stty -echo; stty echo; echo do\"\"ne' &\n")
	y.expect(prompt)
	y.jobs("tty output")
	y.enter("fg\n")
	y.expect("done")
	y.expect(prompt)

	y.run("stty tostop")
	y.enter("nono -s run --allow-cwd -- sh -c 'echo do\"\"ne; echo >wrote' &\n")
	y.expect(prompt)
	y.jobs("tty output")
	y.mu.Lock()
	shown := string(y.shown)
	y.mu.Unlock()
	if n := strings.Count(shown, "done"); n != 1 {
		t.Errorf("it wrote: %q", shown)
	}
	y.enter("fg\n")
	y.expect("done")
	y.expect(prompt)
	y.run("stty -tostop")

	y.enter("nono -s run -- sh -c 'echo do\"\"ne' &\n") // and otherwise it just writes
	y.expect("done")
	y.run("wait")
}

// jobs waits until the shell's list of jobs has a text. It hears of a process when the last of its
// threads has stopped.
func (y *tty) jobs(text string) {
	y.t.Helper()
	becomes(y.t, "a job is "+text, func() bool {
		y.enter("jobs -l; echo $((1+1)).\n")
		list := y.expect("2.")
		y.expect(prompt)
		return strings.Contains(list, text)
	})
}

// TestOneJob: a pipeline, and a shell that waits for nono, stop and go on together with it.
func TestOneJob(t *testing.T) {
	for name, command := range map[string]string{
		"a script":        `sh -c 'nono -s run --allow-cwd -- bash agent; echo end $?'`,
		"the pipe's head": `nono -s run --allow-cwd -- bash agent 2>&1 | sed -u s/up/upp/`,
		"the pipe's tail": `echo | nono -s run --allow-cwd -- bash agent`,
	} {
		t.Run(name, func(t *testing.T) {
			u, y := newUser(t), newTTY(t)
			y.bash(u)
			before := y.settings(t)
			u.write("agent", ticker+`echo u""p; read line </dev/tty; echo "got <$line>"`)
			y.enter(command + "\n")
			y.expect("up")
			becomes(t, "the agent has the terminal", y.served) // it has asked for it
			y.enter("\x1a")
			y.expect("Stopped")
			y.expect(prompt)
			u.standsStill()
			y.enter("fg\n")
			becomes(t, "the agent has the terminal", y.served)
			y.enter("hello\n")
			y.expect("got <hello>")
			y.expect(prompt)
			if after := y.settings(t); after != before {
				t.Errorf("the settings were not put back:\n%+v\n%+v", before, after)
			}
		})
	}
}

// TestPipeline: whoever reads the terminal beside nono keeps its keys.
func TestPipeline(t *testing.T) {
	u, y := newUser(t), newTTY(t)
	y.bash(u)
	y.enter("nono -s run -- sh -c 'echo from inside; sleep 1000' | (read key </dev/tty; echo \"key <$key>\"; cat)\n")
	time.Sleep(300 * time.Millisecond) // for who would take the key too early
	y.enter("for the reader\n")
	y.expect("key <for the reader>")
	y.expect("from inside")
	y.enter("\x03")
	y.expect(prompt)
	y.enter(`seq 3 | nono -s run -- sh -c 'cat; read line </dev/tty; echo "got <$line>"'` + "\n")
	y.expect("3")
	becomes(t, "the agent has the terminal, which it asked for", y.served)
	y.enter("hello\n")
	y.expect("got <hello>")
	y.expect(prompt)
}

// TestSettings: however it ends, the terminal is as it was.
func TestSettings(t *testing.T) {
	const raw = `stty raw -echo; echo u""p; `
	for _, c := range []struct {
		name, agent string
		end         func(y *tty)
	}{
		{"the agent is killed", raw + `kill -9 $$`, nil},
		{"nono is killed", raw + `sleep 1000`, func(y *tty) { y.signalNono(syscall.SIGKILL) }},
		{"nono-init is killed", raw + `sleep 1000`, func(y *tty) {
			for _, pid := range machine.Children(y.nono()) {
				if p, ok := processAt(pid); ok && p.name() == "nono-init" {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			}
		}},
		{"nono is terminated", raw + `sleep 1000`, func(y *tty) { y.signalNono(syscall.SIGTERM) }},
		{
			"the agent stops the output and is deaf", `trap '' TERM INT HUP; ` + raw +
				`/usr/bin/python3 -c 'import termios; termios.tcflow(1, termios.TCOOFF)'; while :; do sleep 0.1; done; `,
			func(y *tty) {
				time.Sleep(200 * time.Millisecond)
				y.signalNono(syscall.SIGTERM)
			},
		},
	} {
		for _, shell := range []string{"/bin/bash", "/bin/dash"} {
			t.Run(c.name+" under "+shell, func(t *testing.T) {
				u, y := newUser(t), newTTY(t)
				u.Program = "nono-short"
				u.write("agent", c.agent)
				args := map[string][]string{"/bin/bash": {"--norc", "--noprofile", "-i"}, "/bin/dash": {"-i"}}[shell]
				y.shell(u, shell, args...)
				before := y.settings(t)
				y.enter("nono-short -s run --allow-cwd -- bash agent\n")
				y.expect("up")
				if c.end != nil {
					c.end(y)
				}
				y.expect(prompt)
				becomes(t, "the settings are put back", func() bool { return y.settings(t) == before || shell == "/bin/bash" && !y.served() })
				y.run("echo $((20+3))", "23")
			})
		}
	}
}

// TestDeaf: a terminal that takes no output keeps nono from nothing. It ends when it is told to.
func TestDeaf(t *testing.T) {
	u := newUser(t)
	u.Program = "nono-short"
	tty := newTerminal(t)
	side, err := os.OpenFile(tty.name, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer side.Close()
	cmd := u.command("run", "--allow-cwd", "--", "yes")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = side, side, side
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	becomes(t, "the terminal is full", func() bool { return tty.full(t) })
	_ = cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	select {
	case <-done: // how it ended is in its state
	case <-time.After(limit):
		t.Fatal("nono hangs")
	}
	if code := cmd.ProcessState.ExitCode(); code != 143 {
		t.Errorf("it ended with %d", code)
	}
}

// full reports whether a terminal takes no more, as nobody reads it.
func (tty *terminal) full(t *testing.T) bool {
	side, err := unix.Open(tty.name, unix.O_WRONLY|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(side)
	ready := []unix.PollFd{{Fd: int32(side), Events: unix.POLLOUT}}
	for range 20 { // for a while: whoever fills it may be slow
		if n, _ := unix.Poll(ready, 0); n > 0 {
			return false
		}
		time.Sleep(5 * time.Millisecond)
	}
	return true
}

// TestLateStop: a shell that asked too early whether it has the terminal, and was given it before it
// stopped itself for that, is not taken for one that was stopped.
func TestLateStop(t *testing.T) {
	const stops = `
while os.tcgetpgrp(0) != os.getpgrp(): time.sleep(0.001)
os.kill(0, signal.SIGTTIN)
print("it has the termi" + "nal", flush=True)
`
	for name, begins := range map[string]string{
		"in the group that it was given": "",
		"in another one": `
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
other = os.fork()
if other == 0: time.sleep(1000)
os.setpgid(other, other)
os.setpgid(0, other)
os.tcsetpgrp(0, other)
`,
	} {
		t.Run(name, func(t *testing.T) {
			u, y := newUser(t), newTTY(t)
			u.write("agent", "import os, signal, time\n"+begins+stops)
			y.bash(u)
			y.run("nono -s run --allow-cwd -- python3 agent", "it has the terminal")
		})
	}
}

// TestHangUp: when the terminal is gone the agent is told, and one that does not listen is at the end
// of what it reads.
func TestHangUp(t *testing.T) {
	for name, agent := range map[string]string{
		"told":                 `trap 'echo told >>log; exit' HUP; echo up >log; while :; do read line; done`,
		"deaf":                 `trap '' HUP; echo up >log; while read line; do :; done; echo told >>log`,
		"deaf and reading raw": `trap '' HUP; stty raw; echo up >log; while [ -n "$(dd bs=1 count=1 2>/dev/null | tr -d '\\0' | wc -c | grep 1)" ]; do :; done; echo told >>log`,
	} {
		t.Run(name, func(t *testing.T) {
			u, y := newUser(t), newTTY(t)
			u.write("agent", agent)
			shell := y.bash(u)
			y.enter("nono -s run --allow-cwd -- bash agent\n")
			becomes(t, "it is up", func() bool { return u.exists("log") })
			nono := y.nono()
			y.slave.Close()
			y.Close()
			becomes(t, "the agent is told", func() bool { return strings.Contains(u.read("log"), "told") })
			_ = shell.Wait()
			// The shell does not wait for nono, and its user's files are about to be removed.
			becomes(t, "nono ends", func() bool { return gone(nono) })
		})
	}
}

// TestSeparate: where there is no terminal, none is made, and where nobody could continue nono it
// does not stop.
func TestSeparate(t *testing.T) {
	u, y := newUser(t), newTTY(t)
	y.bash(u)
	y.run(`setsid -w nono -s run -- sh -c 'read x; echo "no terminal: <$x>"' </dev/null`, "no terminal: <>")
	y.run(`nohup nono -s run -- sh -c 'echo unhu""ng >&2' >out 2>&1; cat out`, "unhung")
	// The user's terminal as the streams of a process that it does not control.
	y.run(`setsid -w nono -s run -- sh -c 'tty; kill -TSTP $$; echo goes on; stty size'`, "/dev/pts/0", "goes on", "24 80")
}

// TestEmptyDescriptor: nothing of the user's terminal is inside, whatever is open there.
func TestEmptyDescriptor(t *testing.T) {
	u, y := newUser(t), newTTY(t)
	y.bash(u)
	y.run("tty >mine")
	mine := strings.TrimSpace(u.read("mine"))
	y.run(`nono -s run --allow-cwd -- sh -c 'ls -l /proc/[0-9]*/fd /dev/pts >fds 2>&1'`)
	if fds := u.read("fds"); strings.Contains(fds, mine) && mine != "/dev/pts/0" || !strings.Contains(fds, "/dev/pts/0") {
		t.Errorf("inside is open\n%s", fds)
	}
	number, _ := strconv.Atoi(strings.TrimPrefix(mine, "/dev/pts/"))
	y.run(fmt.Sprintf(`nono -s run -- sh -c 'test -e /dev/pts/%d || echo no""ne'`, number+1), "none")
	// The session's terminals are bounded: they are the machine's.
	y.run(`nono -s run -- /usr/bin/python3 -c '
import os
n = 0
try:
    while True: os.openpty(); n += 1
except OSError as e: print("after", n, e.strerror)'`, "after 63 No space left on device")
}
