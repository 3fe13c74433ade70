//go:build linux

package e2e

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// installEcho installs the echo layer for the user, as a script that counts its starts.
func (u *user) installEcho() {
	u.t.Helper()
	program := "~/.local/share/nono/plugins/test/echo/nono-layer-echo"
	u.write(program, fmt.Sprintf("#!/bin/sh\necho >> %s\nexec %s/nono-layer-echo\n", u.path("~/starts"), layers))
	if err := os.Chmod(u.path(program), 0o755); err != nil {
		u.t.Fatal(err)
	}
	u.locks(map[string]string{"test/echo": program})
}

// starts is how often the installed layer was started.
func (u *user) starts() int {
	if !u.exists("~/starts") {
		return 0
	}
	return strings.Count(u.read("~/starts"), "\n")
}

// TestLayerCommand runs a command of another vendor's layer, with its arguments and flags.
func TestLayerCommand(t *testing.T) {
	u := newUser(t)
	u.installEcho()
	for _, test := range []struct {
		args []string
		code int
		out  string
		err  string
	}{
		{[]string{"greet", "ada"}, 0, "hello ada\n", ""},
		{[]string{"greet", "--loud", "--with", "good morning", "ada", "grace"}, 0, "GOOD MORNING ADA AND GRACE\n", ""},
		{[]string{"greet", "--", "--loud"}, 0, "hello --loud\n", ""},
		{[]string{"runs", "count"}, 0, "0\n", ""},
		{[]string{"greet", "--lod", "ada"}, 125, "", "did you mean --loud?"},
		{[]string{"grete", "ada"}, 125, "", "did you mean `nono x test/echo greet`?"},
		{[]string{"runs", "count", "all"}, 125, "", "takes no arguments"},
		{[]string{"runs", "about"}, 125, "", "there is no finished session with layer test/echo"},
	} {
		r := u.nono(append([]string{"x", "test/echo"}, test.args...)...)
		if r.Code != test.code || r.Stdout != test.out || !strings.Contains(r.Stderr, test.err) {
			t.Errorf("%q: want code %d, %q and %q\n%s", test.args, test.code, test.out, test.err, r)
		}
	}
	u.refused(u.nono("x", "test/missing", "greet"), "there is no layer test/missing")

	// It runs where the user is, and is told no more than what a terminal needs.
	u.Env = append(u.Env, "CANARY=sings", "LC_TIME=C")
	r := u.succeeds(u.nono("x", "test/echo", "show", "a b", "\xff"))
	for _, want := range []string{
		"in " + u.Project + ", told " + u.Project, `argument "a b"`, `argument "\xff"`, "variable TERM=dumb", "variable LC_TIME=C",
	} {
		if !strings.Contains(r.Stdout, want) {
			t.Errorf("%q is missing\n%s", want, r)
		}
	}
	if strings.Contains(r.Stdout, "sings") {
		t.Errorf("the user's environment is there\n%s", r)
	}
	// A run of the layer and its command share the state.
	u.useEcho("")
	u.locks(nil)
	u.succeeds(u.nono(configured("true")...))
	u.installEcho()
	if r := u.succeeds(u.nono("x", "test/echo", "runs", "count")); r.Stdout != "1\n" {
		t.Errorf("want 1\n%s", r)
	}
	// And what the layer kept of the run is there for a command about it.
	s := u.finished(1, "exited")
	want := s.ID + " exited, state " + s.ID + ", directory " + s.Path + "/layers/test.echo\n"
	for _, word := range [][]string{nil, {s.ID[:4]}} {
		r := u.succeeds(u.nono(append([]string{"x", "test/echo", "runs", "about"}, word...)...))
		if r.Stdout != want {
			t.Errorf("want %s%s", want, r)
		}
	}
}

// TestLayerCommandAsks: a command has the terminal, and can ask there.
func TestLayerCommandAsks(t *testing.T) {
	begin := func(t *testing.T) (*terminal, *guarded) {
		u := newUser(t)
		u.installEcho()
		tty := newTerminal(t)
		g := u.guarded("x", "test/echo", "ask")
		tty.run(g)
		g.wait(&g.out, "what is the word? ")
		return tty, g
	}
	t.Run("and is answered", func(t *testing.T) {
		tty, g := begin(t)
		tty.types(t, "sesame\n")
		if r := g.end(); r.Code != 0 || !strings.Contains(r.Stdout, "the word has 6 letters") || strings.Contains(r.Stdout, "sesame") {
			t.Errorf("it was not told, or the word is on the screen\n%s", r)
		}
	})
	t.Run("and is interrupted", func(t *testing.T) {
		tty, g := begin(t)
		tty.types(t, "ses\x03")
		if r := g.end(); r.Code != 3 {
			t.Errorf("want the layer's own code\n%s", r)
		}
		if tty.settings(t).Lflag&syscall.ECHO == 0 {
			t.Error("the terminal no longer echoes")
		}
	})
	t.Run("where nobody is", func(t *testing.T) {
		u := newUser(t)
		u.installEcho()
		g := u.guarded("x", "test/echo", "ask")
		g.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		r := g.start().end()
		if r.Code != 3 || !strings.Contains(r.Stderr, "nobody can answer: there is no terminal") {
			t.Errorf("it was not told\n%s", r)
		}
	})
}

// TestLayerCommandsAreRemembered: help and completion start no process of the layer's, until its
// program is another one.
func TestLayerCommandsAreRemembered(t *testing.T) {
	u := newUser(t)
	u.installEcho()
	asks := map[string][]string{
		"greet       Greet somebody": {"help", "x", "test/echo"},
		"Greet somebody.":            {"x", "test/echo", "greet", "--help"},
		"nono x test/echo runs":      {"help", "x", "test/echo", "runs"},
		"ada\ngrace\n":               {"__complete", "x", "test/echo", "greet", ""},
		"test/echo\t":                {"__complete", "x", ""},
		"--loud\t":                   {"__complete", "x", "test/echo", "greet", "--lo"},
	}
	for range 2 {
		for want, args := range asks {
			if r := u.succeeds(u.nono(args...)); !strings.Contains(r.Stdout, want) {
				t.Errorf("%q: %q is missing\n%s", args, want, r)
			}
		}
	}
	if n := u.starts(); n != 1 {
		t.Errorf("the layer was started %d times", n)
	}
	// A command is a process, and no layer is asked what it is first.
	u.succeeds(u.nono("x", "test/echo", "greet", "ada"))
	if n := u.starts(); n != 2 {
		t.Errorf("with the command the layer was started %d times", n)
	}
	u.installEcho()
	u.succeeds(u.nono("help", "x", "test/echo"))
	if n := u.starts(); n != 3 {
		t.Errorf("with another program the layer was started %d times", n)
	}
	// What the memory holds is no more than a claim.
	memory := "~/.local/state/nono/remembered/layers/test.echo.json"
	for i, content := range []string{"", strings.Replace(u.read(memory), `"Described":"`, `"Described":"AAAA`, 1)} {
		u.write(memory, content)
		for range 2 {
			u.succeeds(u.nono("help", "x", "test/echo"))
		}
		if n := u.starts(); n != 4+i {
			t.Errorf("with a changed memory the layer was started %d times", n)
		}
	}
	for _, args := range [][]string{{"version"}, {"help", "run"}, {"run", "--allow-cwd", "--", "true"}} {
		u.succeeds(u.nono(args...))
	}
	if n := u.starts(); n != 5 {
		t.Errorf("a command of nono's own started the layer: %d", n)
	}
}
