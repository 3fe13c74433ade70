//go:build linux

// Package credentials holds the credential layer against the providers' own clients and against
// attacks: nono as it is built, with the services as they are built in, on a machine whose internet
// is package internet's. There the providers' names lead to package testllm. Whatever an attack
// tries it tries without the layer as well, where it works.
//
// What people install to talk to a provider is not built here: `make sdks` installs it.
package credentials

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nono-run/nono/test/internet"
	"github.com/nono-run/nono/test/machine"
	"github.com/nono-run/nono/testllm"
)

// baseVariable names the directory with what was built before the tests: nono's programs in bin/.
const baseVariable = "NONO_CREDENTIALS_TESTS"

var base = os.Getenv(baseVariable)

func TestMain(m *testing.M) { internet.Main(m, prepare) }

// prepare builds everything where there is still a network.
func prepare() (env []string, clean func(), err error) {
	dir, err := os.MkdirTemp(machine.Base(), ".nt-")
	if err != nil {
		return nil, nil, err
	}
	remove := func() { _ = machine.RemoveAll(dir) }
	for _, args := range [][]string{
		{dir + "/bin/", "./cmd/...", "./test/credentials/client"},
		{dir + "/bin/nono", "-ldflags=-E main.entry", "./cmd/nono"}, // as `make build` does
	} {
		cmd := exec.Command("go", append([]string{"build", "-buildvcs=false", "-o"}, args...)...)
		cmd.Dir = "../.."
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			remove()
			return nil, nil, fmt.Errorf("building %v: %w\n%s", args, err, out)
		}
	}
	return []string{baseVariable + "=" + dir}, remove, nil
}

// providers is an internet in which both providers are a stand-in.
func providers(t *testing.T, o testllm.Options) (*internet.Internet, *testllm.Server) {
	t.Helper()
	i := internet.Here(t)
	llm := testllm.New(o)
	for name, address := range map[string]string{
		"api.openai.com": "6.6.6.70", "api.anthropic.com": "6.6.6.71",
	} {
		i.Authority.Set(name, netip.MustParseAddr(address))
		i.Web.Handle(name, llm)
	}
	return i, llm
}

// A user is somebody who runs agents on the machine.
type user struct {
	t             *testing.T
	Home, Project string
	runtime       string
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

// write makes a file beneath the home, with what only its owner reads.
func (u *user) write(name, content string) string {
	u.t.Helper()
	name = filepath.Join(u.Home, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		u.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
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
		"HOME=" + u.Home, "PATH=" + base + "/bin:/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8",
		"TERM=dumb", "XDG_RUNTIME_DIR=" + u.runtime,
	}, u.Env...)
	return cmd
}

// inside is a program run by nono with flags, and the words after them.
func (u *user) inside(flags string, args ...string) *exec.Cmd {
	u.t.Helper()
	run := append([]string{base + "/bin/nono", "run", "-s", "--allow-cwd"}, strings.Fields(flags)...)
	return u.command(append(append(run, "--"), args...)...)
}

// succeeds runs a command to its end, which has to be a good one.
func (u *user) succeeds(cmd *exec.Cmd) result {
	u.t.Helper()
	r := u.finish(cmd)
	if r.Code != 0 {
		u.t.Fatal(r)
	}
	return r
}

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

// A conversation is with a program that runs.
type conversation struct {
	u    *user
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Scanner
	errs *bytes.Buffer
}

// begin starts a program that answers each line with a line.
func (u *user) begin(cmd *exec.Cmd) *conversation {
	u.t.Helper()
	c := &conversation{u: u, cmd: cmd, errs: &bytes.Buffer{}}
	cmd.Stderr = c.errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		u.t.Fatal(err)
	}
	if c.in, err = cmd.StdinPipe(); err != nil {
		u.t.Fatal(err)
	}
	c.out = bufio.NewScanner(out)
	if err := cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	return c
}

func (c *conversation) line() string {
	c.u.t.Helper()
	if !c.out.Scan() {
		c.u.t.Fatalf("it says no more: %v\n%s", c.out.Err(), c.errs)
	}
	return c.out.Text()
}

func (c *conversation) ask(line string) string {
	c.u.t.Helper()
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		c.u.t.Fatal(err)
	}
	return c.line()
}

// over ends its input, and waits for its end.
func (c *conversation) over() {
	c.u.t.Helper()
	_ = c.in.Close()
	if err := c.cmd.Wait(); err != nil {
		c.u.t.Errorf("it ends with %v\n%s", err, c.errs)
	}
}
