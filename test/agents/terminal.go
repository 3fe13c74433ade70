package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nono-run/nono/test/hosts"
)

// terminal is one of tmux's, with a program in it. What that ended with a shell writes to a file:
// tmux now and then misses the end of one.
type terminal struct{ dir, ended string }

// startTerminal starts a program at a terminal of its own, in a directory. Of tmux's variables it
// gets none where it is given some. The terminal and its program are on such a host.
func startTerminal(dir string, env, command []string, on hosts.Host) (*terminal, error) {
	t := &terminal{dir, dir + ".ended"}
	if env != nil {
		command = slices.Concat([]string{"env", "-i"}, env, command)
	}
	command = append([]string{"sh", "-c", `"$@"; echo $? >"$0"; exec sleep 1000`, t.ended}, command...)
	start := []string{"new-session", "-d", "-x", "100", "-y", "40", "--"}
	cmd := t.command(append(start, command...)...)
	if on != (hosts.Host{}) {
		if err := on.Wrap(cmd); err != nil {
			return nil, err
		}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("starting tmux: %w\n%s", err, out)
	}
	return t, nil
}

// tmux tells the terminal's own server something.
func (t *terminal) tmux(args ...string) ([]byte, error) {
	return t.command(args...).CombinedOutput()
}

// command is tmux with the terminal's own server.
func (t *terminal) command(args ...string) *exec.Cmd {
	name := filepath.Base(filepath.Dir(t.dir)) + "-" + filepath.Base(t.dir)
	cmd := exec.Command("tmux", append([]string{"-L", name, "-f", "/dev/null"}, args...)...)
	cmd.Dir = t.dir
	cmd.Env = append(os.Environ(), "TMUX=")
	return cmd
}

// close ends the program too.
func (t *terminal) close() {
	_, _ = t.tmux("kill-server")
	_ = os.Remove(t.ended)
}

// look waits until a look says that it is time to go on.
func (t *terminal) look(what string, at func() ([]byte, bool, error)) error {
	var screen []byte
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(time.Second / 5) {
		var there bool
		var err error
		if screen, there, err = at(); err != nil {
			return fmt.Errorf("it ended: %w\n%s", err, screen)
		}
		if there {
			return nil
		}
	}
	return fmt.Errorf("after %v %s:\n%s", limit, what, screen)
}

// await waits until the screen says something.
func (t *terminal) await(text string) error {
	return t.look(fmt.Sprintf("its screen does not say %q", text), func() ([]byte, bool, error) {
		screen, err := t.tmux("capture-pane", "-p")
		there := bytes.Contains(screen, []byte(text))
		if err != nil || there {
			return screen, there, err
		}
		status, err := t.status()
		if err == nil && status != "" {
			err = fmt.Errorf("with %s", status)
		}
		return screen, false, err
	})
}

// status is what the program ended with; "" while it runs.
func (t *terminal) status() (string, error) {
	status, err := os.ReadFile(t.ended)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(status)), err
}

// awaitEnd waits until the program has ended, with 0.
func (t *terminal) awaitEnd() error {
	return t.look("it has not ended", func() ([]byte, bool, error) {
		screen, err := t.tmux("capture-pane", "-p")
		if err != nil {
			return screen, false, err
		}
		status, err := t.status()
		if err == nil && status != "" && status != "0" {
			err = fmt.Errorf("with %s", status)
		}
		return screen, status == "0", err
	})
}

// enter types a line. What comes in one piece with its end some agents take for something pasted.
func (t *terminal) enter(line string) error {
	if out, err := t.tmux("send-keys", "-l", line); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	if err := t.await(line); err != nil {
		return err
	}
	time.Sleep(time.Second / 2)
	if out, err := t.tmux("send-keys", "Enter"); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}
