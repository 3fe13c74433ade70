//go:build linux

package e2e

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// pane is a terminal that understands what programs draw: tmux.
type pane struct {
	t      *testing.T
	socket string
}

// newPane starts a shell in tmux, with nono in its PATH.
func newPane(t *testing.T, u *user) *pane {
	t.Helper()
	p := &pane{t, filepath.Join(u.runtime, "tmux")}
	cmd := u.command()
	// A shell that the server leaves behind writes no history into a home that is being removed.
	env := append(cmd.Env, "PATH="+u.Programs+":/usr/local/bin:/usr/bin:/bin", "TERM=screen", "SHELL=/bin/bash", "HISTFILE=")
	shell := "PS1='" + prompt + "' exec bash --norc --noprofile" // one that is not asked for anything drops it
	args := []string{"-S", p.socket, "-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "-c", u.Project, shell}
	start := exec.Command("tmux", args...)
	start.Env, start.Dir = env, u.Project
	if out, err := start.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the screen:\n%s", p.screen())
		}
		server, _ := strconv.Atoi(strings.TrimSpace(p.tmux("display-message", "-p", "#{pid}")))
		beneath := descendants(server)
		_ = exec.Command("tmux", "-S", p.socket, "kill-server").Run()
		endsWithTerminal(t, beneath)
	})
	p.shows(prompt)
	return p
}

// reader writes a program that tells when it has the terminal, and what it reads there, and returns
// the command for it. What is typed earlier is read by the shell, with its own settings.
func reader(u *user) string {
	u.write("reader.py", `import signal, sys
signal.signal(signal.SIGCONT, lambda *_: print("it goes on", flush=True))
print("it reads", flush=True)
for line in iter(sys.stdin.readline, ""):
    print("got", line, end="", flush=True)
`)
	return "/usr/bin/python3 reader.py"
}

func (p *pane) tmux(args ...string) string {
	p.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", p.socket}, args...)...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("tmux %q: %v: %s", args, err, out)
	}
	return string(out)
}

// keys presses keys, by tmux's names for them.
func (p *pane) keys(keys ...string) {
	p.t.Helper()
	p.tmux(append([]string{"send-keys"}, keys...)...)
}

// enter types a line.
func (p *pane) enter(text string) {
	p.t.Helper()
	p.tmux("send-keys", "-l", text)
	p.keys("Enter")
}

func (p *pane) screen() string { return p.tmux("capture-pane", "-p") }

// until waits until the screen is so. Each look is a process.
func (p *pane) until(what string, is func(screen string) bool) {
	p.t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if is(p.screen()) {
			return
		}
	}
	p.t.Fatalf("never came true: %s", what)
}

// shows waits until a text is on the screen, which has no blanks at the end of a line.
func (p *pane) shows(text string) {
	p.t.Helper()
	text = strings.TrimRight(text, " ")
	p.until("the screen shows "+text, func(screen string) bool { return strings.Contains(screen, text) })
}

// back waits for a shell's prompt after all else.
func (p *pane) back(prompt string) {
	p.t.Helper()
	own := strings.TrimSpace(prompt)
	p.until("the shell is back", func(screen string) bool { return strings.HasSuffix(strings.TrimSpace(screen), own) })
}

// ends waits for the shell's prompt, and a clear screen.
func (p *pane) ends() {
	p.t.Helper()
	p.back(prompt)
	own := strings.TrimSpace(prompt)
	p.enter("clear")
	p.until("the screen is clear", func(screen string) bool { return strings.TrimSpace(screen) == own })
}

// TestPrograms drives programs that own the whole screen, and shells, as a user would.
func TestPrograms(t *testing.T) {
	for _, c := range []struct {
		program string
		drive   func(u *user, p *pane)
	}{
		{"vim", func(u *user, p *pane) {
			p.enter("nono -s run --allow-cwd -- vim -u NONE -N text")
			p.shows("~")
			p.keys("i")
			p.shows("-- INSERT --")
			p.tmux("send-keys", "-l", "hello")
			p.keys("Escape")
			p.tmux("resize-window", "-x", "97", "-y", "31")
			p.enter(":echo 'columns ' . &columns . ' lines ' . &lines")
			p.shows("columns 97 lines 31")
			p.keys("C-z")
			p.shows("Stopped")
			p.enter("echo $((40+2))")
			p.shows("\n42")
			p.enter("fg")
			p.shows("~")
			p.enter(":wq")
			p.ends()
			if got := u.read("text"); got != "hello\n" {
				u.t.Errorf("vim wrote %q", got)
			}
		}},
		{"less", func(_ *user, p *pane) {
			p.enter("nono -s run -- sh -c 'seq 1000 | less'")
			p.shows("23\n:")
			p.keys("G")
			p.shows("1000\n(END)")
			p.keys("q")
			p.ends()
			p.enter("nono -s run -- seq 1000 | less") // which is not inside, and has the keys
			p.shows("23\n:")
			p.keys("G")
			p.shows("1000\n(END)")
			p.keys("q")
			p.ends()
		}},
		{"top", func(_ *user, p *pane) {
			p.enter("nono -s run -- top")
			p.shows("nono-in") // as much of it as there is room for
			p.keys("q")
			p.ends()
		}},
		{"python3", func(_ *user, p *pane) {
			p.enter("nono -s run -- /usr/bin/python3 -q")
			p.shows(">>>")
			p.enter("6*7")
			p.shows("\n42")
			p.enter("import time; time.sleep(1000)")
			p.shows("sleep(1000)")
			p.keys("C-c")
			p.shows("KeyboardInterrupt")
			p.keys("C-z")
			p.shows("Stopped")
			p.enter("fg")
			p.enter("'a' + 'b'")
			p.shows("'ab'")
			p.keys("C-d")
			p.ends()
		}},
		{"fish", func(u *user, p *pane) {
			p.enter("SHELL=$(command -v fish) nono -s shell --allow-cwd")
			p.shows("Welcome to fish")
			p.enter("echo (math 40 + 2)")
			p.shows("\n42")
			p.enter(reader(u))
			p.shows("it reads")
			p.enter("to it")
			p.shows("to it\ngot to it")
			p.keys("C-z")
			p.shows("stopped")
			p.enter("fg")
			p.shows("it goes on")
			p.keys("C-d")
			p.enter("echo (math 40 + 3)")
			p.shows("\n43")
			if screen := p.screen(); strings.Contains(strings.ToLower(screen), "warning") {
				u.t.Errorf("fish complains:\n%s", screen)
			}
			p.enter("exit")
			p.ends()
		}},
		{"bash", func(u *user, p *pane) {
			// What is typed does not look like the prompt that is waited for.
			p.enter("PS1='in''side$ ' nono -s shell --allow-cwd --env PS1='in''side$ '")
			p.shows("inside$ ")
			if screen := p.screen(); strings.Contains(screen, "no job control") {
				u.t.Errorf("bash complains:\n%s", screen)
			}
			p.enter(reader(u))
			p.shows("it reads")
			p.enter("to it")
			p.shows("to it\ngot to it")
			p.keys("C-z")
			p.shows("Stopped")
			p.enter("fg")
			p.shows("it goes on")
			p.enter("once more")
			p.shows("once more\ngot once more")
			p.keys("C-c")
			p.shows("KeyboardInterrupt")
			p.back("inside$ ")
			p.enter("suspend")
			p.back(prompt)
			p.enter("fg")
			p.enter("echo $((40+2))")
			p.shows("\n42")
			p.keys("C-d")
			p.ends()
		}},
	} {
		t.Run(c.program, func(t *testing.T) {
			for _, needed := range []string{"tmux", c.program} {
				if _, err := exec.LookPath(needed); err != nil {
					t.Skipf("there is no %s here", needed)
				}
			}
			u := newUser(t)
			c.drive(u, newPane(t, u))
		})
	}
}

// TestPassphrase: ssh-keygen asks, and shows nothing of what is typed; also where no stream of its is a
// terminal.
func TestPassphrase(t *testing.T) {
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("there is no ssh-keygen here")
	}
	for name, redirected := range map[string]string{"a terminal": "", "none": " </dev/null >said 2>&1"} {
		t.Run(name, func(t *testing.T) {
			u, y := newUser(t), newTTY(t)
			y.bash(u)
			before := y.settings(t)
			y.enter("nono -s run --allow-cwd -- ssh-keygen -q -t ed25519 -f key" + redirected + "\n")
			const passphrase = "correct-horse"
			y.expect("passphrase")
			becomes(t, "nono serves it", y.served)
			y.enter(passphrase + "\n")
			y.expect("again")
			y.enter(passphrase + "\n")
			if shown := y.expect(prompt); strings.Contains(shown, passphrase) {
				t.Errorf("it was shown: %q", shown)
			}
			if out, err := exec.Command("ssh-keygen", "-y", "-P", "", "-f", u.path("key")).CombinedOutput(); err == nil {
				t.Errorf("the key has no passphrase: %s", out)
			}
			if out, err := exec.Command("ssh-keygen", "-y", "-P", passphrase, "-f", u.path("key")).CombinedOutput(); err != nil {
				t.Errorf("the key has another passphrase: %v: %s", err, out)
			}
			if after := y.settings(t); after != before {
				t.Errorf("the settings were not put back:\n%+v\n%+v", before, after)
			}
		})
	}
}
