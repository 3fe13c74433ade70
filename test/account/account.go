//go:build linux

// Package account is the account of somebody who runs agents on a test's machine: a home with a
// project in it, and an environment.
//
//	u := account.New(t, base+"/bin")
//	r := u.Succeeds(u.Command("nono", "run", "--allow-cwd", "--", "true"))
package account

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/nono-run/nono/test/machine"
)

// User is whose account it is.
type User struct {
	T *testing.T
	// Home and Project are directories, without links in their names; Runtime is $XDG_RUNTIME_DIR.
	Home, Project, Runtime string
	// Path is the user's PATH.
	Path string
	// Env is what the user's environment holds besides.
	Env []string
}

// New makes an account for a test, whose PATH begins with a directory.
func New(t *testing.T, programs string) *User {
	t.Helper()
	home, err := os.MkdirTemp(machine.Base(), ".nt-")
	if err != nil {
		t.Fatal(err)
	}
	runtime, err := os.MkdirTemp("/tmp", "ntr-") // short: it becomes part of a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, dir := range []string{home, runtime} {
			if err := machine.RemoveAll(dir); err != nil {
				t.Errorf("removing %s: %v", dir, err)
			}
		}
	})
	if home, err = filepath.EvalSymlinks(home); err != nil {
		t.Fatal(err)
	}
	u := &User{
		T: t, Home: home, Project: home + "/proj", Runtime: runtime,
		Path: programs + ":/usr/local/bin:/usr/bin:/bin",
	}
	u.Write("proj/.keep", "")
	return u
}

// Write makes a file beneath the home, which only its owner reads.
func (u *User) Write(name, content string) string {
	u.T.Helper()
	name = filepath.Join(u.Home, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		u.T.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		u.T.Fatal(err)
	}
	return name
}

// A Result is how a command ended.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// String implements fmt.Stringer.
func (r Result) String() string {
	return fmt.Sprintf("exit code %d\n--- stdout\n%s--- stderr\n%s", r.Code, r.Stdout, r.Stderr)
}

// Patience is how long any command may take.
const Patience = 2 * time.Minute

// Command is a program that the user starts in the project.
func (u *User) Command(args ...string) *exec.Cmd {
	u.T.Helper()
	ctx, cancel := context.WithTimeout(u.T.Context(), Patience)
	u.T.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = u.Project
	cmd.Env = append([]string{
		"HOME=" + u.Home, "PATH=" + u.Path, "LANG=C.UTF-8", "TERM=dumb",
		"XDG_RUNTIME_DIR=" + u.Runtime,
	}, u.Env...)
	return cmd
}

// Finish runs a command to its end.
func (u *User) Finish(cmd *exec.Cmd) Result {
	u.T.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		u.T.Fatal(err)
	}
	return Result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// Succeeds runs a command to its end, which has to be a good one.
func (u *User) Succeeds(cmd *exec.Cmd) Result {
	u.T.Helper()
	r := u.Finish(cmd)
	if r.Code != 0 {
		u.T.Fatal(r)
	}
	return r
}
