package layerhost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/conformance"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/host"
	"github.com/nono-run/nono/sdk/layerpb"
	"github.com/nono-run/nono/sdk/layertest"
	"github.com/nono-run/nono/sdk/peer"
	"github.com/nono-run/nono/sdk/wire"
)

// TestLife takes an honest layer through all its calls, which is the positive control of every test
// below.
func TestLife(t *testing.T) {
	l := begin(t, builtin(t, "honest"))
	if _, err := planned(t, l, &recorder{}); err != nil {
		t.Fatal(err)
	}
	started, err := l.Start(t.Context(), &sdk.StartRequest{Run: tierA}, nil)
	if err != nil {
		t.Fatal(err)
	}
	report, err := l.Finish(t.Context(), &sdk.FinishRequest{Run: tierA, End: exited, State: started.State})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(report.Lines, []string{"state"}) {
		t.Errorf("reported %q", report.Lines)
	}
	l.Close()
	select {
	case <-l.Lost():
		t.Errorf("it was ended, and counts as lost: %v", l.Err())
	default:
	}
}

func TestKeepsTheContract(t *testing.T) {
	layertest.Suite(t, conformance.Subject{Connect: func(context.Context) (conformance.Host, error) {
		return begin(t, builtin(t, "honest")), nil
	}})
}

// TestFailures has layers fail in each call. Each ends in one failure that names the call and the
// reason, and in no process.
func TestFailures(t *testing.T) {
	calls := []string{"describe", "plan", "start", "finish"}
	for _, call := range calls {
		for how, want := range map[string]string{
			"die":   `killed by signal 9`,
			"hang":  `it hangs: there was no answer within 1s`,
			"stop":  `it hangs`,
			"panic": `exited with code 2`,
		} {
			mode := how + "-" + call
			t.Run(mode, func(t *testing.T) {
				t.Parallel()
				l := begin(t, builtin(t, mode))
				err := upTo(t, l, call)
				var f *Failure
				if !errors.As(err, &f) {
					t.Fatalf("%v is no failure", err)
				}
				if f.Layer != mode || !strings.EqualFold(f.Call, call) || !strings.Contains(f.What, want) {
					t.Errorf("got %q, want %q in %s", f, want, call)
				}
				if how == "die" && !slices.Contains(f.Stderr, "my last words") {
					t.Errorf("its last words are missing: %q", f.Stderr)
				}
				if how == "panic" && (len(f.Stderr) == 0 || f.Stderr[0] != "panic: the layer panics in "+call) {
					t.Errorf("the panic is missing: %q", f.Stderr)
				}
			})
		}
	}
}

// upTo makes the calls of a run in their order, up to one, and returns that one's error.
func upTo(t *testing.T, l *Layer, last string) error {
	t.Helper()
	ctx := t.Context()
	var state []byte
	for _, step := range []struct {
		name string
		call func() error
	}{
		{"describe", func() error { _, err := l.Describe(ctx); return err }},
		{"session", func() error { return l.OpenSession(ctx, &recorder{}) }},
		{"plan", func() error {
			_, err := l.Plan(ctx, &sdk.PlanRequest{Run: tierA})
			return err
		}},
		{"start", func() error {
			r, err := l.Start(ctx, &sdk.StartRequest{Run: tierA}, nil)
			if err == nil {
				state = r.State
			}
			return err
		}},
		{"finish", func() error {
			_, err := l.Finish(ctx, &sdk.FinishRequest{Run: tierA, End: exited, State: state})
			return err
		}},
	} {
		err := step.call()
		if step.name == last {
			return err
		}
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
	}
	return fmt.Errorf("there is no call %s", last)
}

// TestLost has armed layers go. That is noticed, with the reason, and what is left of them is
// ended.
func TestLost(t *testing.T) {
	for mode, want := range map[string]string{
		"die-armed":   "killed by signal 9",
		"panic-armed": "exited with code 2",
		"stop-armed":  "it hangs: nothing was heard of it",
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			l := begin(t, builtin(t, mode))
			if err := upTo(t, l, "start"); err != nil {
				t.Fatal(err)
			}
			select {
			case <-l.Lost():
			case <-time.After(time.Minute):
				t.Fatal("nobody noticed")
			}
			if !strings.Contains(l.Err().Error(), want) {
				t.Errorf("got %q, want %q", l.Err(), want)
			}
			gone(t, l.PID())
		})
	}
}

// TestQuietLayerIsNotLost is the control of TestLost: a layer that has nothing to say answers its
// beats, for longer than the silence that would end it.
func TestQuietLayerIsNotLost(t *testing.T) {
	s := builtin(t, "honest")
	s.Deadlines = short()
	l := begin(t, s)
	if err := upTo(t, l, "start"); err != nil {
		t.Fatal(err)
	}
	for l.Beats() < 15 { // one each 100 ms, and the silence is a second
		select {
		case <-l.Lost():
			t.Fatal(l.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// slow is a handler that takes its time with each event.
type slow struct {
	recorder
	events atomic.Int64
}

func (s *slow) Event(sdk.Event) {
	time.Sleep(time.Millisecond)
	s.events.Add(1)
}

// What a layer tells in Finish the handler has had when Finish returns, however slow it is.
func TestFinishSettles(t *testing.T) {
	l := begin(t, builtin(t, "tell"))
	h := &slow{}
	if _, err := planned(t, l, h); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Start(t.Context(), &sdk.StartRequest{Run: tierA}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Finish(t.Context(), &sdk.FinishRequest{Run: tierA, End: exited}); err != nil {
		t.Fatal(err)
	}
	if n := h.events.Load(); n != manyEvents {
		t.Errorf("the handler had %d events of %d", n, manyEvents)
	}
}

func TestStopIsPassedOn(t *testing.T) {
	l := begin(t, builtin(t, "stop"))
	h := &recorder{}
	if _, err := planned(t, l, h); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Start(t.Context(), &sdk.StartRequest{Run: tierA}, nil); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		h.mu.Lock()
		stopped := slices.Clone(h.stopped)
		h.mu.Unlock()
		if slices.Equal(stopped, []string{"enough"}) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("stopped: %q", stopped)
		}
	}
}

// TestBadStarts has layers that do not come up as they must.
func TestBadStarts(t *testing.T) {
	for mode, want := range map[string]string{
		"die-begin":  "killed by signal 9",
		"exit-begin": "exited with code 3",
		"hang-begin": "it hangs: there was no answer within",
		"tcp":        "tcp address 127.0.0.1:",
		"elsewhere":  "not in its own directory",
		"link":       "is no socket",
		"impostor":   "is at the other end of the socket",
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := builtin(t, mode)
			if mode == "hang-begin" {
				s.Deadlines.Start = time.Second
			}
			_, err := Start(t.Context(), s)
			_ = os.Remove(filepath.Join(s.Dir, "socket")) // elsewhere's
			var f *Failure
			if !errors.As(err, &f) || !strings.Contains(f.What, want) {
				t.Fatalf("got %v, want %q", err, want)
			}
			if mode == "exit-begin" {
				shown := f.Problem().String()
				if !strings.Contains(shown, "there is no such thing as a free layer") {
					t.Errorf("the reason it gave is missing: %s", shown)
				}
			}
		})
	}
}

func TestBadAnswers(t *testing.T) {
	for mode, want := range map[string]string{
		"build":      "from another build (another)",
		"name":       `its name is "somebody-else"`,
		"kind":       "it is a network layer",
		"newer":      "it needs nono 99.1.0 or later, and this is nono " + sdk.Version,
		"no-version": `the version of nono that it needs is "latest"`,
		"large":      "too large",
		"proc":       "only core may send this step",
		"refuse":     "no, says the layer",
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			_, err := planned(t, begin(t, builtin(t, mode)), &recorder{})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("got %v, want %q", err, want)
			}
		})
	}
}

func TestLayerForAnOlderNono(t *testing.T) {
	if _, err := planned(t, begin(t, builtin(t, "older")), &recorder{}); err != nil {
		t.Error(err)
	}
}

func TestRequestTooLarge(t *testing.T) {
	l := begin(t, builtin(t, "honest"))
	if err := upTo(t, l, "session"); err != nil {
		t.Fatal(err)
	}
	for size, ok := range map[int]bool{wire.MaxMessage - 1<<20: true, wire.MaxMessage + 1<<20: false} {
		run := tierA
		run.Settings = make([]byte, size)
		_, err := l.Plan(t.Context(), &sdk.PlanRequest{Run: run})
		if (err == nil) != ok {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestProgressExtendsTheDeadline(t *testing.T) {
	// Ten steps of 300 ms, where a second is allowed.
	if _, err := planned(t, begin(t, builtin(t, "progress")), &recorder{}); err != nil {
		t.Fatal(err)
	}
}

// TestAQuestionStopsTheClock: the user may think for longer than the layer may take.
func TestAQuestionStopsTheClock(t *testing.T) {
	h := &recorder{answer: func() string {
		time.Sleep(2 * short().Plan)
		return "yes"
	}}
	if _, err := planned(t, begin(t, builtin(t, "ask")), h); err != nil {
		t.Fatal(err)
	}
	// And it goes on afterwards.
	h = &recorder{answer: func() string { return "hang" }}
	_, err := planned(t, begin(t, builtin(t, "ask")), h)
	if err == nil || !strings.Contains(err.Error(), "it hangs") {
		t.Errorf("got %v", err)
	}
}

func TestStrayOutputDoesNoHarm(t *testing.T) {
	for _, mode := range []string{"stray", "stray-flood"} {
		t.Run(mode, func(t *testing.T) {
			log, text := logged()
			s := builtin(t, mode)
			s.Logger = log
			l := begin(t, s)
			if _, err := planned(t, l, &recorder{}); err != nil {
				t.Fatal(err)
			}
			l.Close()
			if mode == "stray" && !strings.Contains(text(), "no newline at the end") {
				t.Errorf("what it printed is not in the log: %s", text())
			}
		})
	}
}

func TestLogLinesKeepLevelAndFields(t *testing.T) {
	log, text := logged()
	s := builtin(t, "log")
	s.Logger = log
	l := begin(t, s)
	if _, err := planned(t, l, &recorder{}); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if !regexp.MustCompile(`\[WARN\] +log: a line: .*number=7`).MatchString(text()) {
		t.Errorf("the layer's line is missing: %s", text())
	}
	if strings.Contains(text(), "plugin process exited") {
		t.Errorf("go-plugin's own lines are there: %s", text())
	}
}

func TestCleanEnvironment(t *testing.T) {
	t.Setenv("NONO_TEST_CANARY", "sings")
	resp, err := planned(t, begin(t, builtin(t, "env")), &recorder{})
	if err != nil {
		t.Fatal(err)
	}
	known := regexp.MustCompile(`^(NONO_LAYER|NONO_LIFELINE|NONO_LOG|PLUGIN_[A-Z_]+)=`)
	for _, s := range resp.Fragment.Steps {
		if v := s.(fragment.Env).Value[0].Literal; !known.MatchString(v) {
			t.Errorf("the layer has %s", v)
		}
	}
	if len(resp.Fragment.Steps) == 0 {
		t.Error("the layer has no environment at all, so this test sees nothing")
	}
}

// TestGrandchildHoldsStderr: what a layer leaves behind neither keeps core waiting nor lives on.
func TestGrandchildHoldsStderr(t *testing.T) {
	log, text := logged()
	s := builtin(t, "grandchild")
	s.Logger = log
	l := begin(t, s)
	if _, err := planned(t, l, &recorder{}); err != nil {
		t.Fatal(err)
	}
	pid := grandchild(t, text)
	if !running(pid) {
		t.Fatal("the grandchild never ran")
	}
	closed := make(chan struct{})
	go func() { l.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(30 * time.Second): // the grandchild would hold it for a minute
		t.Error("Close waits for the grandchild")
	}
	gone(t, pid)
}

func TestGrandchildOfADeadLayer(t *testing.T) {
	log, text := logged()
	s := builtin(t, "grandchild-die-plan")
	s.Logger = log
	_, err := planned(t, begin(t, s), &recorder{})
	if err == nil || !strings.Contains(err.Error(), "killed by signal 9") {
		t.Errorf("got %v", err)
	}
	gone(t, grandchild(t, text))
}

func grandchild(t *testing.T, log func() string) int {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if m := regexp.MustCompile(`grandchild: .*pid=(\d+)`).FindStringSubmatch(log()); m != nil {
			pid, err := strconv.Atoi(m[1])
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatalf("no grandchild in the log: %s", log())
	return 0
}

// TestIntruder: another process of the same user connects before core does. It is refused, and the
// layer serves core all the same.
func TestIntruder(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var intruded string
	beforeConnect = func(socket string) {
		c := exec.Command(exe)
		c.Env = append(os.Environ(), "NONO_TEST_ROLE=intruder", "NONO_TEST_SOCKET="+socket)
		out, err := c.CombinedOutput()
		intruded = fmt.Sprintf("%s%v", out, err)
	}
	t.Cleanup(func() { beforeConnect = nil })
	l := begin(t, builtin(t, "honest"))
	if !strings.HasPrefix(intruded, "refused") {
		t.Errorf("the intruder: %s", intruded)
	}
	if _, err := planned(t, l, &recorder{}); err != nil {
		t.Errorf("core, after the intruder: %v", err)
	}
}

// intruderRole calls a layer that is not its child.
func intruderRole() {
	anybody := peer.Credentials(func(peer.Process) error { return nil })
	conn, err := grpc.NewClient("unix:"+os.Getenv("NONO_TEST_SOCKET"), host.DialOptions(anybody)...)
	if err == nil {
		ctx, cancel := contextWithTimeout()
		defer cancel()
		_, err = layerpb.NewLayerClient(conn).Describe(ctx, &layerpb.DescribeRequest{})
	}
	if err == nil {
		fmt.Print("served")
	} else {
		fmt.Printf("refused: %v", err)
	}
	os.Exit(0)
}

func TestSocketIsUnlinked(t *testing.T) {
	s := builtin(t, "honest")
	var socket string
	beforeConnect = func(at string) { socket = at }
	t.Cleanup(func() { beforeConnect = nil })
	begin(t, s)
	if filepath.Dir(filepath.Dir(socket)) != s.Dir {
		t.Errorf("the socket was at %s", socket)
	}
	if _, err := os.Lstat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestLongRunDirectory(t *testing.T) {
	s := builtin(t, "honest")
	s.Dir = filepath.Join(s.Dir, strings.Repeat("d", 80))
	if err := os.Mkdir(s.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), s)
	if err == nil || !strings.Contains(err.Error(), "too long for a socket") {
		t.Errorf("got %v", err)
	}
	_ = os.Remove(s.Dir)
}

func TestInParallel(t *testing.T) {
	var wg sync.WaitGroup
	for range 6 {
		s := builtin(t, "honest")
		wg.Go(func() {
			l, err := Start(t.Context(), s)
			if err != nil {
				t.Error(err)
				return
			}
			defer l.Close()
			if _, err := l.Describe(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestReleaseDoesNotWait(t *testing.T) {
	l := begin(t, builtin(t, "honest"))
	l.Release()
	gone(t, l.PID())
}

// TestLinger: a layer that has something left to do when Start has returned is ended when it is
// done, when it takes too long, and when the run is over; it is never lost.
func TestLinger(t *testing.T) {
	for _, c := range []struct {
		mode  string
		most  time.Duration
		close bool
	}{
		{"linger", time.Hour, false}, {"linger-on", time.Millisecond, false}, {"linger-on", time.Hour, true},
	} {
		l := begin(t, builtin(t, c.mode))
		if _, err := planned(t, l, &recorder{}); err != nil {
			t.Fatal(err)
		}
		resp, err := l.Start(t.Context(), &sdk.StartRequest{Run: layertest.Request(nil).Run}, nil)
		if err != nil || !resp.Lingers {
			t.Fatalf("%+v, %v", resp, err)
		}
		l.Linger(c.most, 0)
		if c.close {
			if !alive(l.PID()) {
				t.Error("it is gone before it was ended") // the control
			}
			l.Close()
		}
		gone(t, l.PID())
		select {
		case <-l.Lost():
			t.Errorf("%s: %v", c.mode, l.Err())
		default:
		}
	}
}

// TestLingeringLayerIsCalledAgain: one that lingers can be called, whether it has something left to
// do or not, and is ended only by Close then. One whose moment is over cannot.
func TestLingeringLayerIsCalledAgain(t *testing.T) {
	start := func(mode string, moment time.Duration) *Layer {
		t.Helper()
		l := begin(t, builtin(t, mode))
		if _, err := planned(t, l, &recorder{}); err != nil {
			t.Fatal(err)
		}
		req := &sdk.StartRequest{Run: layertest.Request(nil).Run}
		if _, err := l.Start(t.Context(), req, nil); err != nil {
			t.Fatal(err)
		}
		l.Linger(time.Hour, moment)
		return l
	}
	for _, mode := range []string{"linger", "linger-on"} {
		l := start(mode, time.Hour)
		if mode == "linger" {
			<-l.stream.Rested()
		}
		if !l.Resume() {
			t.Fatalf("%s: it cannot be called", mode)
		}
		req := &sdk.FinishRequest{
			Run: layertest.Request(nil).Run, End: sdk.End{Reason: sdk.EndExited},
		}
		if _, err := l.Finish(t.Context(), req); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
		if !alive(l.PID()) {
			t.Errorf("%s: it was ended", mode)
		}
		l.Close()
		gone(t, l.PID())
	}
	l := start("linger", 0)
	gone(t, l.PID())
	if l.Resume() {
		t.Error("it is gone, and could be called")
	}
}

// TestDeafLayer does not look at its lifeline.
func TestDeafLayer(t *testing.T) {
	log, _ := logged()
	s := builtin(t, "deaf")
	s.Logger = log
	if _, err := Start(t.Context(), s); err == nil {
		t.Error("it was started")
	}
}

// TestCallerGivesUp: a cancelled context is not a failure of the layer's.
func TestCallerGivesUp(t *testing.T) {
	l := begin(t, builtin(t, "hang-describe"))
	ctx, cancel := contextWithTimeout()
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := l.Describe(ctx)
	var f *Failure
	if err == nil || errors.As(err, &f) {
		t.Errorf("got %v", err)
	}
}

func TestFailureIsOneProblem(t *testing.T) {
	f := &Failure{Layer: "acme/egress", Call: "Plan", What: "it was killed", Stderr: []string{"first\x1b[2J", "second"}}
	want := diag.Problem{Severity: diag.Error, Summary: "layer acme/egress, Plan: it was killed", Detail: "its last words:\nfirst\x1b[2J\nsecond"}
	if got := f.Problem(); got != want {
		t.Errorf("got %+v", got)
	}
	if strings.Contains(f.Problem().String(), "\x1b") {
		t.Error("a layer can write to the terminal")
	}
}
