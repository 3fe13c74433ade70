//go:build linux

// Package network holds the network layer against real clients and real attacks: nono as it is
// built, run by an ordinary user, on a machine whose internet is package internet's. Whatever a
// test tries it tries without nono as well, where it works: a denial that would have happened
// anyway shows nothing.
package network

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nono-run/nono/test/internet"
	"github.com/nono-run/nono/test/machine"
)

// baseVariable names the directory with what was built before the tests.
const baseVariable = "NONO_NETWORK_TESTS"

// base has bin/ with nono's programs, agent and prober, the attackers, nono-layer-gateway, the
// example of a vendor's layer; clients/ as it lies here; and venv/, Python with what people
// install.
var base = os.Getenv(baseVariable)

func TestMain(m *testing.M) { internet.Main(m, prepare) }

// prepare builds everything where there is still a network.
func prepare() (env []string, clean func(), err error) {
	dir, err := os.MkdirTemp(machine.Base(), ".nt-")
	if err != nil {
		return nil, nil, err
	}
	remove := func() { _ = machine.RemoveAll(dir) }
	defer func() {
		if err != nil {
			remove()
		}
	}()
	if err := os.CopyFS(dir+"/clients", os.DirFS("clients")); err != nil {
		return nil, nil, err
	}
	python := make(chan error, 1)
	go func() { python <- makeEnvironment(dir + "/venv") }()
	for _, b := range [][]string{
		{"../..", dir + "/bin/", "./cmd/..."},
		{"../..", dir + "/bin/nono", "./cmd/nono", "-ldflags=-E main.entry"}, // as `make build` does
		{"../..", dir + "/bin/agent", "./test/network/agent"},
		{"../..", dir + "/bin/prober", "./test/e2e/prober"},
		{"../../examples/gateway", dir + "/bin/nono-layer-gateway", "."},
	} {
		if err := build(b[0], b[1], b[2], b[3:]...); err != nil {
			return nil, nil, err
		}
	}
	tests := exec.Command("go", "test", "-c", "-o", dir+"/bin/gateway.test", ".")
	tests.Dir = "../../examples/gateway"
	if out, err := tests.CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("building the gateway's tests: %w\n%s", err, out)
	}
	// A machine that lacks it lacks two rows of a table.
	if lacks := <-python; lacks != nil {
		err = os.WriteFile(dir+"/no-venv", []byte(lacks.Error()), 0o600)
	}
	return []string{baseVariable + "=" + dir}, remove, err
}

func build(in, to, pkg string, flags ...string) error {
	args := append([]string{"build", "-buildvcs=false", "-o", to}, flags...)
	cmd := exec.Command("go", append(args, pkg)...)
	cmd.Dir = in
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s in %s: %w\n%s", pkg, in, err, out)
	}
	return nil
}

// makeEnvironment installs Python's two HTTP libraries that people use.
func makeEnvironment(dir string) error {
	for _, command := range [][]string{
		{"/usr/bin/python3", "-m", "venv", dir},
		{dir + "/bin/pip", "install", "-q", "--disable-pip-version-check", "requests", "httpx"},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), err, out)
		}
	}
	return nil
}

// A user is somebody who runs agents on the machine.
type user struct {
	t       *testing.T
	Home    string
	Project string
	runtime string
	// Env is what the user's environment holds besides HOME and PATH.
	Env []string
}

func newUser(t *testing.T) *user {
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
	u := &user{t: t, Home: home, Project: home + "/proj", runtime: runtime}
	u.write("proj/.keep", "")
	return u
}

// write makes a file beneath the home.
func (u *user) write(name, content string) string {
	u.t.Helper()
	name = filepath.Join(u.Home, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		u.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		u.t.Fatal(err)
	}
	return name
}

// A result is how a command ended.
type result struct {
	Stdout, Stderr string
	Code           int
}

// String implements fmt.Stringer.
func (r result) String() string {
	return fmt.Sprintf("exit code %d\n--- stdout\n%s--- stderr\n%s", r.Code, r.Stdout, r.Stderr)
}

// patience is how long any run here may take.
const patience = 2 * time.Minute

// command is a program that the user starts in the project.
func (u *user) command(args ...string) *exec.Cmd {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), patience)
	u.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = u.Project
	cmd.Env = append([]string{
		"HOME=" + u.Home, "PATH=/usr/local/go/bin:/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "TERM=dumb",
		"XDG_RUNTIME_DIR=" + u.runtime,
	}, u.Env...)
	return cmd
}

// inside is the command that runs a program in the sandbox. A policy is the blocks besides the
// filesystem's.
func (u *user) inside(policy string, args ...string) *exec.Cmd {
	u.t.Helper()
	return u.insideReading(nil, policy, args...)
}

// insideReading grants directories to be read.
func (u *user) insideReading(dirs []string, policy string, args ...string) *exec.Cmd {
	u.t.Helper()
	var reads strings.Builder
	for _, dir := range append(dirs, base) {
		fmt.Fprintf(&reads, "%q, ", dir)
	}
	policy = fmt.Sprintf("filesystem {\n  allow = [%q]\n  read  = [%s]\n}\n%s", u.Project, reads.String(), policy)
	file := u.write("agent.hcl", policy)
	run := []string{base + "/bin/nono", "run", "-s", "-c", file, "--approve", "--"}
	return u.command(append(run, args...)...)
}

// finish runs a command to its end.
func (u *user) finish(cmd *exec.Cmd) result {
	u.t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		u.t.Fatal(err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}
