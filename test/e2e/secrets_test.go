//go:build linux

package e2e

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestSecretsAreNowhere runs an agent with three secrets in its environment, the one of a layer,
// that of `--env NAME=VALUE`, and one that `--env NAME` passes on, and looks for them wherever a
// secret could be left: files, plans, logs, the arguments and the environment of every process.
func TestSecretsAreNowhere(t *testing.T) {
	u := newUser(t)
	u.useEcho("")
	typed := "typed-" + rand.Text()
	passed := "passed-" + rand.Text()
	u.Env = append(u.Env, "MY_TOKEN="+passed)
	flags := []string{"-v", "--env", "API_KEY=" + typed, "--env", "MY_TOKEN"}
	run := func(program string) []string {
		return append(append([]string{"run"}, flags...), configured("sh", "-c", program)[1:]...)
	}
	plan := append(append([]string{"plan"}, flags...), configured("true")[1:]...)

	// The agent tells what it was given, and waits to be looked at.
	g := u.guarded(run("echo $ECHO_TOKEN; echo $API_KEY $MY_TOKEN; read line; read line")...)
	in := g.openInput()
	g.start()
	g.wait(&g.out, passed)
	token, given, _ := strings.Cut(strings.TrimSpace(g.out.String()), "\n")
	if len(token) < 20 || given != typed+" "+passed {
		t.Fatalf("the agent did not get them: %q", g.out.String())
	}
	secrets := []string{token, typed, passed}

	t.Run("while it runs", func(t *testing.T) {
		u.in(t).nowhere(secrets)
		ps := descendants(g.Process.Pid)
		if len(ps) < 4 { // nono, the layer, nono-init, the agent
			t.Fatalf("only %q run", describeAll(ps))
		}
		for _, p := range ps {
			// What the user typed is in the arguments of the program that he typed it to.
			if p.PID != g.pid && mentions(strings.Join(p.Args, " "), secrets) {
				t.Errorf("it is in the arguments of %s", p)
			}
			if p.name() == "sh" || p.PID == g.pid { // the agent, whose they are, and nono, whose environment is the user's
				continue
			}
			env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.PID))
			if err == nil && mentions(string(env), secrets) {
				t.Errorf("it is in the environment of %s", p)
			}
			for _, f := range openFiles(p.PID) {
				if content, err := os.ReadFile(f); err == nil && mentions(string(content), secrets) {
					t.Errorf("%s of %s holds it", f, p)
				}
			}
		}
		if shown := g.err.String(); mentions(shown, secrets) || !strings.Contains(shown, "echo.armed") {
			t.Errorf("what is shown with -v: %s", shown)
		}
	})

	// A crash is the moment at which a program tells everything it knows.
	t.Run("when core crashes", func(t *testing.T) {
		g.signal(syscall.SIGSEGV)
		r, report := g.over()
		if !strings.Contains(r.Stderr, "SIGSEGV") || mentions(r.Stderr, secrets) {
			t.Errorf("what a crash prints: %s", r)
		}
		if report.Gone < 0 {
			t.Errorf("%q were left", report.Left)
		}
		u.in(t).nowhere(secrets)
	})
	in.Close()

	t.Run("in a plan", func(t *testing.T) {
		u := u.in(t)
		for _, args := range [][]string{plan, append(slices.Clone(plan[:1]), append([]string{"--json"}, plan[1:]...)...), append([]string{"run", "--dry-run"}, plan[1:]...)} {
			r := u.succeeds(u.nono(args...))
			if mentions(r.Stdout+r.Stderr, []string{typed, passed}) {
				t.Errorf("it is in the plan\n%s", r)
			}
			for _, name := range []string{"API_KEY", "MY_TOKEN", "ECHO_TOKEN"} {
				if !strings.Contains(r.Stdout, name) {
					t.Errorf("%s is not in the plan at all\n%s", name, r)
				}
			}
		}
		u.nowhere(secrets)
	})
	t.Run("after a run, good or bad", func(t *testing.T) {
		u := u.in(t)
		for _, program := range []string{"true", "exit 1", "kill -9 $$"} {
			r := u.guard(run(program)...).end()
			if mentions(r.Stdout+r.Stderr, secrets) {
				t.Errorf("it is said\n%s", r)
			}
		}
		r := u.guard(append(append([]string{"run"}, flags...), configured("./not-there")[1:]...)...).end()
		if mentions(r.Stdout+r.Stderr, secrets) || r.Code != 127 {
			t.Errorf("it is said\n%s", r)
		}
		u.nowhere(secrets)
	})
	t.Run("and a leak is found", func(t *testing.T) { // the control
		u := u.in(t)
		u.guard(run("echo $API_KEY > leak")...).succeeds()
		if found := u.mentioning([]string{typed}); !slices.Equal(found, []string{u.path("leak")}) {
			t.Errorf("the file that the agent wrote it to is not found: %q", found)
		}
	})
}

// nowhere fails the test if a file of the user's holds a secret.
func (u *user) nowhere(secrets []string) {
	u.t.Helper()
	for _, path := range u.mentioning(secrets) {
		u.t.Errorf("it is in %s", path)
	}
}

// mentioning are the files that hold a secret, or have it in their names: of the home directory and
// of the runtime directory.
func (u *user) mentioning(secrets []string) []string {
	return u.mentioningIn(secrets, u.Home, u.runtime)
}

func (u *user) mentioningIn(secrets []string, roots ...string) []string {
	for _, s := range secrets {
		secrets = append(secrets, inBase64(s)...)
	}
	var found []string
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case mentions(path, secrets):
				found = append(found, path)
			case d.Type().IsRegular():
				content, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				if mentions(string(content), secrets) {
					found = append(found, path)
				}
			}
			return nil
		})
		if err != nil {
			u.t.Error(err)
		}
	}
	return found
}

// inBase64 are the forms that a text has in base64, by how many bytes stand before it: what the ends
// share with what is beside them is left out.
func inBase64(s string) []string {
	var forms []string
	for before := range 3 {
		form := base64.RawStdEncoding.EncodeToString(append(make([]byte, before), s...))
		if (before+len(s))%3 != 0 {
			form = form[:len(form)-1]
		}
		forms = append(forms, form[(before*8+5)/6:])
	}
	return forms
}

func mentions(text string, secrets []string) bool {
	return slices.ContainsFunc(secrets, func(s string) bool { return strings.Contains(text, s) })
}

// openFiles are the files in memory that a process holds open: they have no name that a search
// would find.
func openFiles(pid int) []string {
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	return slices.DeleteFunc(fds, func(fd string) bool {
		target, err := os.Readlink(fd)
		return err != nil || !strings.HasPrefix(target, "/memfd:")
	})
}
