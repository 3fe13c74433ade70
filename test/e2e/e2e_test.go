// Package e2e runs nono as a user does: the programs that `make build` builds, real commands, a
// real kernel. Nothing of nono is imported but for building it: bytejson, by which anybody
// reads what nono prints as JSON, and the table of attacks, which is no part of what it attacks.
//
// Each test gets a user of its own, a home with nothing in it, and a project. Whoever runs the
// tests runs them as an ordinary user and, for the few that say so, as root.
package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nono-run/nono/test/gobuild"
	"github.com/nono-run/nono/test/hosts"
	"github.com/nono-run/nono/test/machine"
)

// programs is the directory with nono, nono-init and the built-in layers; nono-short beside them
// has short deadlines. layers is the directory with the tests' own layers: nono-layer-echo,
// nono-layer-binds, nono-layer-rogue, nono-layer-greedy, nono-layer-keeper.
var programs, layers string

// attacker is the program that attacks.
var attacker string

func TestMain(m *testing.M) {
	hosts.Arrange()
	if mode := os.Getenv("E2E_HELPER"); mode != "" {
		os.Exit(helper(mode, os.Args[1:]))
	}
	os.Exit(buildAndRun(m))
}

// helpers are the programs that the test binary itself can be, when it is started with
// E2E_HELPER=NAME.
var helpers = map[string]func(args []string) int{}

// addHelper is called at the top of the file that has the helper.
func addHelper(mode string, run func(args []string) int) bool {
	helpers[mode] = run
	return true
}

func helper(mode string, args []string) int {
	run, ok := helpers[mode]
	if !ok {
		fmt.Fprintf(os.Stderr, "there is no helper %q\n", mode)
		return 2
	}
	return run(args)
}

func buildAndRun(m *testing.M) int {
	base, err := os.MkdirTemp(machine.Base(), ".nt-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(base)
	programs, layers = filepath.Join(base, "bin"), filepath.Join(base, "layers")
	attacker = filepath.Join(programs, "nono-attack")
	const root = "../.."
	if err := gobuild.Nono(root, programs); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, b := range [][2]string{
		{programs + "/nono-short", "./test/nono"},
		{layers + "/nono-layer-echo", "./test/layers/echo"},
		{layers + "/nono-layer-binds", "./test/layers/binds"},
		{layers + "/nono-layer-rogue", "./test/layers/rogue"},
		{layers + "/nono-layer-greedy", "./test/layers/greedy"},
		{layers + "/nono-layer-keeper", "./test/layers/keeper"},
		{layers + "/nono-layer-gate", "./test/layers/gate"},
	} {
		if err := gobuild.Build(root, b[0], b[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// A user is somebody who types nono's commands.
type user struct {
	t       *testing.T
	Home    string
	Project string // the current directory, beneath Home
	// Env is what the user's environment holds besides HOME, PATH and what keeps the tests apart.
	Env []string
	// Programs is the directory that nono is run from, and Program is which one: "nono", or
	// "nono-short".
	Programs, Program string
	// Host is the kind of host that nono finds itself on; nil is the machine as it is.
	Host    *hosts.Host
	runtime string
}

func newUser(t *testing.T) *user {
	t.Helper()
	home, err := os.MkdirTemp(machine.Base(), ".nt-")
	if err != nil {
		t.Fatal(err)
	}
	// Its own, and short: it becomes part of a socket's path.
	runtime, err := os.MkdirTemp("/tmp", "ntr-")
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
	home, err = filepath.EvalSymlinks(home)
	if err != nil {
		t.Fatal(err)
	}
	u := &user{t: t, Home: home, Project: filepath.Join(home, "proj"), Programs: programs, Program: "nono", runtime: runtime}
	u.mkdir(u.Project)
	u.locks(nil)
	return u
}

// path makes a name absolute: "~/x" is beneath Home, "x" in the project.
func (u *user) path(name string) string {
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		return filepath.Join(u.Home, rest)
	}
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(u.Project, name)
}

func (u *user) mkdir(name string) {
	u.t.Helper()
	if err := os.MkdirAll(u.path(name), 0o755); err != nil {
		u.t.Fatal(err)
	}
}

// write makes a file, and the directories above it.
func (u *user) write(name, content string) {
	u.t.Helper()
	u.mkdir(filepath.Dir(u.path(name)))
	if err := os.WriteFile(u.path(name), []byte(content), 0o644); err != nil {
		u.t.Fatal(err)
	}
}

func (u *user) read(name string) string {
	u.t.Helper()
	content, err := os.ReadFile(u.path(name))
	if err != nil {
		u.t.Fatal(err)
	}
	return string(content)
}

func (u *user) exists(name string) bool {
	_, err := os.Lstat(u.path(name))
	return err == nil
}

// command is nono with these arguments, not yet started.
func (u *user) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(u.Programs, u.Program), args...)
	cmd.Dir = u.Project
	cmd.Env = append([]string{
		"HOME=" + u.Home,
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"LANG=C.UTF-8",
		"TERM=dumb",
		"XDG_RUNTIME_DIR=" + u.runtime,
	}, u.Env...)
	if u.Host != nil {
		hosts.On(u.t, cmd, *u.Host)
	}
	return cmd
}

// result is how a command ended and what it said.
type result struct {
	Stdout, Stderr string
	Code           int
}

func (r result) String() string {
	return fmt.Sprintf("exit code %d\n--- stdout\n%s--- stderr\n%s", r.Code, r.Stdout, r.Stderr)
}

// nono runs a command to its end.
func (u *user) nono(args ...string) result {
	u.t.Helper()
	return u.finish(u.start("", args...))
}

// running is a command under way.
type running struct {
	*exec.Cmd
	out, err bytes.Buffer
	done     chan error
}

// start starts a command with this standard input.
func (u *user) start(stdin string, args ...string) *running {
	u.t.Helper()
	return u.begin(u.command(args...), stdin)
}

// begin starts a command that is not nono, or not directly.
func (u *user) begin(cmd *exec.Cmd, stdin string) *running {
	u.t.Helper()
	cmd.Stdin = strings.NewReader(stdin)
	return u.launch(cmd)
}

// launch starts a command whose standard input is set. Its other streams are collected, where they
// are not set.
func (u *user) launch(cmd *exec.Cmd) *running {
	u.t.Helper()
	r := &running{Cmd: cmd, done: make(chan error, 1)}
	if r.Stdout == nil {
		r.Stdout = &r.out
	}
	if r.Stderr == nil {
		r.Stderr = &r.err
	}
	// A background process of the agent that survived would keep the pipes open: that is a failure to
	// be seen, not to be waited for.
	r.WaitDelay = time.Minute
	if err := r.Start(); err != nil {
		u.t.Fatal(err)
	}
	go func() { r.done <- r.Wait() }()
	u.t.Cleanup(func() { _ = r.Process.Kill() })
	return r
}

// finish waits for a command's end. The limit is for a hang: nothing here takes a tenth of it.
func (u *user) finish(r *running) result {
	u.t.Helper()
	select {
	case err := <-r.done:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			u.t.Fatalf("running %v: %v\n%s%s", r.Args, err, r.out.String(), r.err.String())
		}
	case <-time.After(2 * time.Minute):
		_ = r.Process.Signal(syscall.SIGKILL)
		err := <-r.done
		u.t.Fatalf("%v hangs, and was killed: %v\n%s%s", r.Args, err, r.out.String(), r.err.String())
	}
	code := r.ProcessState.ExitCode()
	if ws, ok := r.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		code = 128 + int(ws.Signal())
	}
	return result{r.out.String(), r.err.String(), code}
}

// python runs a Python program in the project with the current directory granted.
func (u *user) python(program string, flags ...string) result {
	u.t.Helper()
	u.write("prog.py", program)
	return u.nono(append(append([]string{"run", "--allow-cwd"}, flags...), "--", "/usr/bin/python3", "prog.py")...)
}

// succeeds fails the test unless the command ended with 0.
func (u *user) succeeds(r result) result {
	u.t.Helper()
	if r.Code != 0 {
		u.t.Fatalf("it should have succeeded\n%s", r)
	}
	return r
}

// refused fails the test unless nono refused, saying each of these.
func (u *user) refused(r result, says ...string) result {
	u.t.Helper()
	if r.Code != 125 {
		u.t.Fatalf("it should have been refused\n%s", r)
	}
	for _, s := range says {
		if !strings.Contains(r.Stderr, s) {
			u.t.Errorf("the refusal does not say %q\n%s", s, r)
		}
	}
	return r
}
