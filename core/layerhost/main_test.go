package layerhost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/host"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/wire"
)

// TestMain makes this test binary two programs more: a layer, when a test starts it as one, and
// other processes that tests need. What a layer does is in its name, which core hands it as its
// own: nono-layer-die-plan.
func TestMain(m *testing.M) {
	switch os.Getenv("NONO_TEST_ROLE") {
	case "host":
		hostRole()
	case "intruder":
		intruderRole()
	}
	if os.Getenv(wire.CookieKey) != "" {
		mode := os.Getenv("NONO_TEST_MODE") // set by a script
		if mode == "" {
			mode = strings.TrimPrefix(filepath.Base(os.Args[0]), layerPrefix)
		}
		layerRole(mode)
	}
	os.Exit(m.Run())
}

func layerRole(mode string) {
	signal.Reset() // as in a program of its own
	switch mode {
	case "die-begin":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "exit-begin":
		fmt.Fprintln(os.Stderr, "there is no such thing as a free layer")
		os.Exit(3)
	case "hang-begin":
		time.Sleep(time.Hour)
	case "deaf":
		// Neither lifeline nor signals: only force ends it.
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
		fmt.Println("1|1|tcp|127.0.0.1:1|grpc|") // refused, after which it must still go
		time.Sleep(time.Hour)
	case "stray":
		fmt.Println("Loading configuration ...")
		fmt.Println("a|b|c|d|e")
		fmt.Print("no newline at the end")
	case "stray-flood":
		for range 2000 {
			fmt.Println(strings.Repeat("x", 500))
		}
	case "tcp":
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		fmt.Printf("1|1|tcp|%s|grpc|\n", l.Addr())
		time.Sleep(time.Hour)
	case "elsewhere":
		// The run's directory, where other layers have theirs.
		at := filepath.Join(filepath.Dir(os.Getenv("PLUGIN_UNIX_SOCKET_DIR")), "socket")
		if _, err := net.Listen("unix", at); err != nil {
			panic(err)
		}
		fmt.Printf("1|1|unix|%s|grpc|\n", at)
		time.Sleep(time.Hour)
	case "link":
		// A name in its own directory that leads out of it.
		at := filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), "socket")
		if err := os.Symlink("/tmp/anything", at); err != nil {
			panic(err)
		}
		fmt.Printf("1|1|unix|%s|grpc|\n", at)
		time.Sleep(time.Hour)
	case "impostor":
		impostor()
	case "grandchild", "grandchild-die-plan":
		// It holds stdout and stderr for longer than anybody wants to wait.
		c := exec.Command("/bin/sleep", "60")
		c.Stdout, c.Stderr = os.Stdout, os.Stderr
		if err := c.Start(); err != nil {
			panic(err)
		}
		sdk.Logger().Info("grandchild", "pid", c.Process.Pid)
		mode = strings.TrimPrefix(mode, "grandchild-")
	}
	if mode == "commands" {
		sdk.Main(commander{&testLayer{mode: mode}})
	}
	sdk.Main(&testLayer{mode: mode})
}

// impostor has another process, a child of its own, listen on the socket that it announces.
func impostor() {
	dir := os.Getenv("PLUGIN_UNIX_SOCKET_DIR")
	if os.Getenv("NONO_TEST_IMPOSTOR") == "" {
		c := exec.Command("/proc/self/exe")
		c.Args[0] = layerPrefix + "impostor"
		c.Env = append(os.Environ(), "NONO_TEST_IMPOSTOR=1")
		c.Stderr = os.Stderr
		if err := c.Start(); err != nil {
			panic(err)
		}
		at := filepath.Join(dir, "socket")
		for _, err := os.Lstat(at); err != nil; _, err = os.Lstat(at) {
			time.Sleep(time.Millisecond)
		}
		fmt.Printf("1|1|unix|%s|grpc|\n", at)
		time.Sleep(time.Hour)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "early"))
	if err != nil {
		panic(err)
	}
	// It has its name before it listens; only now it has this one.
	if err := os.Rename(filepath.Join(dir, "early"), filepath.Join(dir, "socket")); err != nil {
		panic(err)
	}
	for {
		// Never closed: a connection that ends would be refused for that.
		if _, err := l.Accept(); err != nil {
			panic(err)
		}
	}
}

// testLayer misbehaves in one call, as its mode says.
type testLayer struct{ mode string }

func (l *testLayer) at(call string) {
	switch l.mode {
	case "die-" + call:
		fmt.Fprintln(os.Stderr, "my last words")
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		time.Sleep(time.Hour)
	case "hang-" + call:
		time.Sleep(time.Hour)
	case "stop-" + call:
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		time.Sleep(time.Hour)
	case "panic-" + call:
		panic("the layer panics in " + call)
	}
}

// Describe implements sdk.Layer.
func (l *testLayer) Describe() sdk.Description {
	if l.mode == "build" {
		sdk.Build = "another"
	}
	l.at("describe")
	if l.mode == "commands" {
		return sdk.Description{
			Name: l.mode, Version: "1", Kind: policy.KindCustom, Lifetime: sdk.Resident,
			Subcommands: []sdk.Subcommand{{Path: "any", Help: "any"}},
		}
	}
	d := sdk.Description{Name: l.mode, Version: "1", Kind: policy.KindCustom, Lifetime: sdk.Resident}
	switch l.mode {
	case "script":
		d.Name = "test/script"
	case "foreign":
		d.Name = "test/foreign"
	case "name":
		d.Name = "somebody-else"
	case "kind":
		d.Kind = policy.KindNetwork
	case "newer":
		d.NeedsNono = "99.1.0"
	case "older":
		d.NeedsNono = "0.1.0" // which a version before its release has, too
	case "no-version":
		d.NeedsNono = "latest"
	case "linger", "linger-on":
		d.Lifetime = sdk.Bracket
	case "grandchild-die-plan":
	}
	if l.mode == "die-plan" && strings.Contains(os.Args[0], "grandchild") {
		d.Name = "grandchild-die-plan"
	}
	return d
}

// Plan implements sdk.Layer.
func (l *testLayer) Plan(ctx context.Context, req *sdk.PlanRequest) (*sdk.PlanResponse, error) {
	l.at("plan")
	resp := &sdk.PlanResponse{}
	switch l.mode {
	case "refuse":
		return nil, errors.New("no, says the layer")
	case "log":
		sdk.Logger().Warn("a line", "number", 7)
		fmt.Println("printed")
	case "large":
		resp.Coverage = []sdk.Coverage{{Rule: "custom.a", Held: sdk.Enforced, By: strings.Repeat("x", wire.MaxMessage)}}
	case "proc":
		resp.Fragment.Steps = []fragment.Step{fragment.Pseudo{Path: "/proc", Type: fragment.Procfs}}
	case "progress":
		for i := range uint64(10) {
			if err := req.Session.Progress("working", i, 10); err != nil {
				return nil, err
			}
			time.Sleep(300 * time.Millisecond)
		}
	case "ask":
		switch answer, err := req.Session.Ask(ctx, "may I?"); {
		case err != nil:
			return nil, err
		case answer == "hang":
			time.Sleep(time.Hour)
		}
	case "env":
		for _, v := range os.Environ() {
			resp.Fragment.Steps = append(resp.Fragment.Steps, fragment.Env{Name: "V", Value: fragment.Text(v)})
		}
	}
	return resp, ctx.Err()
}

// Start implements sdk.Starter.
func (l *testLayer) Start(_ context.Context, req *sdk.StartRequest) (*sdk.StartResponse, error) {
	l.at("start")
	go func() {
		time.Sleep(50 * time.Millisecond)
		l.at("armed")
		if l.mode == "stop" {
			if err := req.Session.Stop("enough"); err != nil {
				panic(err)
			}
		}
	}()
	resp := &sdk.StartResponse{State: []byte("state")}
	switch l.mode {
	case "linger":
		resp.Rest = func(context.Context) { time.Sleep(100 * time.Millisecond) }
	case "linger-on":
		resp.Rest = func(context.Context) { time.Sleep(time.Hour) }
	}
	return resp, nil
}

// Finish implements sdk.Starter.
func (l *testLayer) Finish(_ context.Context, req *sdk.FinishRequest) (*sdk.FinishResponse, error) {
	l.at("finish")
	if l.mode == "tell" {
		for range manyEvents {
			if err := req.Session.Event(sdk.Event{Name: "told"}); err != nil {
				return nil, err
			}
		}
	}
	return &sdk.FinishResponse{Lines: []string{string(req.State)}}, nil
}

// manyEvents is how many events the mode "tell" has in Finish.
const manyEvents = 100

// commander is a testLayer with commands.
type commander struct{ *testLayer }

// Run implements sdk.Commander.
func (commander) Run(ctx context.Context, req *sdk.SubcommandRequest) error {
	switch req.Path {
	case "show":
		here, err := os.Getwd()
		fmt.Println(here, req.Dir, req.StateDir, len(req.Args), req.Flags, req.HostVariables, os.Getenv("HOST_VARIABLE"))
		for _, v := range os.Environ() {
			fmt.Println(v)
		}
		return err
	case "stored":
		fmt.Println(req.Session.Run.SessionID, req.Session.Run.Dir, req.Session.End.ExitCode, string(req.Session.State))
		return nil
	case "read":
		in, err := io.ReadAll(os.Stdin)
		fmt.Printf("read %q\n", in)
		return err
	case "ask":
		_, err := req.Ask(ctx, "who?")
		return err
	case "exit":
		return &sdk.ExitError{Code: 7}
	case "wait":
		fmt.Println("waiting")
		<-ctx.Done()
		fmt.Println("was told to end")
		return ctx.Err()
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("waiting")
		time.Sleep(time.Hour)
	case "die":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		time.Sleep(time.Hour)
	}
	return errors.New("it went wrong")
}

// Interface guards.
var (
	_ sdk.Starter   = (*testLayer)(nil)
	_ sdk.Commander = commander{}
)

// What tests share
// -----------------------------------------------------------------------------------------------------

// short are deadlines for layers that are known to hang.
func short() Deadlines {
	d := DefaultDeadlines()
	d.Describe, d.Plan, d.StartCall, d.Finish = time.Second, time.Second, time.Second, time.Second
	d.Beat = host.Beat{Interval: 100 * time.Millisecond, Silence: time.Second}
	return d
}

// runDir is a directory with a short name, and not the test's own, whose name may be too long for a
// socket.
func runDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		left, _ := os.ReadDir(dir)
		for _, e := range left {
			t.Errorf("%s is left in the run directory", e.Name())
		}
		_ = os.RemoveAll(dir)
	})
	return dir
}

// builtin is a layer of that mode; it is this test binary.
func builtin(t *testing.T, mode string) Spec {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	deadlines := short()
	if mode == "honest" { // what it takes long for is the machine's work
		deadlines = DefaultDeadlines()
		deadlines.Beat.Interval = short().Beat.Interval
	}
	return Spec{
		Kind: policy.KindCustom, Name: mode, Binary: &Binary{Name: mode, Path: exe, Builtin: true}, Dir: runDir(t), Deadlines: deadlines,
		Build: sdk.Build,
	}
}

// begin starts a layer that is expected to start.
func begin(t *testing.T, s Spec) *Layer {
	t.Helper()
	// The start is never what is too slow, but the machine may be.
	s.Deadlines.Start = time.Minute
	l, err := Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Close()
		if alive(l.PID()) {
			t.Errorf("process %d is left", l.PID())
		}
	})
	return l
}

// planned takes a layer through Describe, Session and Plan.
func planned(t *testing.T, l *Layer, h host.Handler) (*sdk.PlanResponse, error) {
	t.Helper()
	if _, err := l.Describe(t.Context()); err != nil {
		return nil, err
	}
	if err := l.OpenSession(t.Context(), h); err != nil {
		return nil, err
	}
	return l.Plan(t.Context(), &sdk.PlanRequest{Run: tierA})
}

// tierA is the least that a request says of its run, and exited how it went.
var (
	tierA  = sdk.Run{SessionID: "s", Host: sdk.Host{Tier: sdk.TierA}}
	exited = sdk.End{Reason: sdk.EndExited}
)

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// gone waits until a process that is nobody's child here is gone.
func gone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); running(pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatalf("process %d is still there", pid)
		}
	}
}

// running reports whether a process exists and is more than a zombie that waits for somebody else
// to reap it.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	return len(rest) > 0 && rest[0] != 'Z'
}

// recorder is a handler that remembers.
type recorder struct {
	answer  func() string
	mu      sync.Mutex
	stopped []string
}

func (r *recorder) Event(sdk.Event)                 {}
func (r *recorder) Progress(string, uint64, uint64) {}
func (r *recorder) Ask(context.Context, string, bool) (string, error) {
	if r.answer == nil {
		return "", sdk.ErrNobody
	}
	return r.answer(), nil
}

func (r *recorder) Dial(context.Context, uint16) (*os.File, error) {
	return nil, errors.New("nothing is inside")
}

func (r *recorder) Stop(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = append(r.stopped, reason)
}

// logged is a logger, and what was written to it.
func logged() (hclog.Logger, func() string) {
	var mu sync.Mutex
	var buf bytes.Buffer
	l := hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: &buf, Mutex: &mu, DisableTime: true})
	return l, func() string {
		mu.Lock()
		defer mu.Unlock()
		return buf.String()
	}
}
