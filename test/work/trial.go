package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/nono-run/nono/test/hosts"
	"github.com/nono-run/nono/test/machine"
)

// limit is how long one command may take. It is far more than any needs.
const limit = 3 * time.Minute

// A trial runs rows in one place, one after another.
type trial struct {
	tier tier
	nono string
	user string // the home of whoever tries the rows
	base string // holds the new home, and nothing else
}

// newTrial makes the place. It is not beneath /tmp, which the sandbox has of its own.
func newTrial(nono string, in tier) (*trial, error) {
	user, err := os.UserHomeDir()
	if err != nil {
		return nil, err
	}
	base, err := os.MkdirTemp(user, ".nono-work-")
	if err != nil {
		return nil, err
	}
	return &trial{tier: in, nono: nono, user: user, base: base}, nil
}

func (t *trial) close() {
	if err := machine.RemoveAll(t.base); err != nil {
		fmt.Fprintln(os.Stderr, "work:", err)
	}
}

func (t *trial) home() string    { return filepath.Join(t.base, "home") }
func (t *trial) project() string { return filepath.Join(t.home(), "project") }

// A result is what became of one row.
type result struct {
	tier        tier
	group, name string
	run         string
	lacks       string // what the machine does not have; nothing was compared then
	differs     *deviation
	note        string // why it is as outside in this tier, where it is not in the other
	outside     outcome
	inside      outcome
}

// An outcome is what one side did.
type outcome struct {
	code   int
	output string // both streams, as they came
	files  string // a line for each file of the project: type, permissions, name
	late   bool   // it had to be ended
}

// try runs a row outside and inside.
func (t *trial) try(group string, r row) (result, error) {
	x := result{tier: t.tier, group: group, name: r.name, run: r.run, differs: r.deviation(t.tier)}
	if t.tier == tierB && r.inB != nil && r.inB.none {
		x.note = r.inB.why
	}
	outside := []string{"sh", "-c", r.run}
	inside := []string{t.nono, "run", "-s", "--allow-cwd"}
	for _, v := range r.env {
		name, _, _ := strings.Cut(v, "=")
		inside = append(inside, "--env", name)
	}
	inside = append(append(append(inside, r.grant...), "--"), outside...)
	for _, side := range []struct {
		command []string
		on      hosts.Host
		to      *outcome
	}{{outside, hosts.Host{}, &x.outside}, {inside, t.tier.host(), &x.inside}} {
		lacks, err := t.prepare(r)
		if err != nil || lacks != "" {
			x.lacks = lacks
			return x, err
		}
		if *side.to, err = t.do(r, side.on, side.command); err != nil {
			return x, err
		}
		if x.outside.late {
			x.lacks = fmt.Sprintf("the time: outside it has not ended after %v", limit)
			return x, nil
		}
	}
	return x, nil
}

// prepare makes a new home and a new project, and what the row is given. It says what the machine
// lacks.
func (t *trial) prepare(r row) (string, error) {
	if err := machine.RemoveAll(t.home()); err != nil {
		return "", err
	}
	if err := os.MkdirAll(t.project(), 0o755); err != nil {
		return "", err
	}
	for _, program := range r.needs {
		o, err := t.do(r, hosts.Host{}, []string{"sh", "-c", "command -v " + program})
		if err != nil {
			return "", err
		}
		if o.code != 0 {
			return program, nil
		}
	}
	o, err := t.do(r, hosts.Host{}, []string{"sh", "-ec", r.given})
	if err != nil || o.code == 0 {
		return "", err
	}
	if said := strings.TrimSpace(o.output); said != "" {
		return said[strings.LastIndexByte(said, '\n')+1:], nil
	}
	return "what it starts from", nil
}

// do runs a command in the project, on such a host.
func (t *trial) do(r row, on hosts.Host, command []string) (outcome, error) {
	var output bytes.Buffer
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = t.project()
	cmd.Env = t.environment(r)
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that all of it can be ended
	cmd.WaitDelay = time.Second                           // for a daemon that keeps the output open
	if on != (hosts.Host{}) {
		// Such a host's users do not have root among them, and so nono does not trust root's /tmp.
		tmp := filepath.Join(t.base, "tmp")
		if err := os.MkdirAll(tmp, 0o700); err != nil {
			return outcome{}, err
		}
		cmd.Env = append(cmd.Env, "TMPDIR="+tmp)
		if err := on.Wrap(cmd); err != nil {
			return outcome{}, err
		}
	}
	if err := cmd.Start(); err != nil {
		return outcome{}, err
	}
	late := time.AfterFunc(limit, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	err := cmd.Wait()
	ended := !late.Stop()
	if ended {
		fmt.Fprintf(&output, "(ended after %v)\n", limit)
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) &&
		!errors.Is(err, exec.ErrWaitDelay) {
		return outcome{}, err
	}
	files, err := list(t.project())
	code := cmd.ProcessState.ExitCode()
	if code < 0 { // as a shell counts it
		code = 128 + int(cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
	}
	return outcome{code: code, output: output.String(), files: files, late: ended}, err
}

// environment is that of whoever tries the rows, with the row's home, and nothing that leads from a
// new home to the old one.
func (t *trial) environment(r row) []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{"HOME", "PATH", "PWD", "TMPDIR"}, name) ||
			strings.HasPrefix(name, "GIT_") || strings.HasPrefix(name, "XDG_")
	})
	home, path := t.user, filepath.SplitList(os.Getenv("PATH"))
	if !r.home {
		home = t.home()
		path = slices.DeleteFunc(path, func(dir string) bool {
			return strings.HasPrefix(dir, t.user+"/")
		})
	}
	for i, dir := range r.path {
		path = slices.Insert(path, i, filepath.Join(home, dir))
	}
	env = append(env, "HOME="+home, "PATH="+strings.Join(path, ":"), "PWD="+t.project(),
		"USER_HOME="+t.user, "LANG=C.UTF-8", "TZ=UTC")
	return append(env, r.env...)
}

// list is what there is in a directory, but for git's objects: their names follow from dates.
func list(dir string) (string, error) {
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == "objects" && strings.Contains(path, "/.git/") {
			return fs.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&all, "%v %s\n", info.Mode(), name)
		return nil
	})
	return all.String(), err
}
