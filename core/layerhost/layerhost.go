// Package layerhost finds layers' programs, runs them, calls them and ends them.
//
//	dir, err := layerhost.Locate()
//	binary, err := layerhost.Find("landlock", layerhost.Places{Builtin: dir, Plugins: plugins})
//	layer, err := layerhost.Start(ctx, layerhost.Spec{
//		Kind: policy.KindFilesystem, Name: "landlock", Binary: binary, Dir: runDir,
//	})
//	defer layer.Close()
//	description, err := layer.Describe(ctx)
//	answer, err := layer.Plan(ctx, request)
//
// A layer is a go-plugin process that this package does not trust to behave: it may print on
// stdout, hang in any call, die at any moment, answer with too much or with nonsense, leave
// processes behind, or be spoken to by a process that is not core. Each of these ends in one
// [*Failure] that names the layer, the call and the reason, and in no process left. It is trusted
// with the user's rights, though: it is native code.
//
// Layers may be started, called and ended from several goroutines at once. One layer's calls follow
// each other.
//
// # What ends a layer
//
// Its lifeline: closing it, or core's death, is EOF at the layer's end. The kernel's parent-death
// signal does the same for a layer that does not look. What then still lives is killed with all of
// its process group.
package layerhost

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"github.com/hashicorp/go-version"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/host"
	"github.com/nono-run/nono/sdk/peer"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/wire"
)

// Spec says which layer to start, and how.
type Spec struct {
	// Kind and Name are what the layer must say of itself. An empty kind, for a layer that is only
	// listed, takes any.
	Kind   policy.Kind
	Name   string
	Binary *Binary
	// Dir is the run's private directory, with a short name; the layer's socket lives in it for a
	// moment.
	Dir string
	// Deadlines is DefaultDeadlines where it is zero.
	Deadlines Deadlines
	// Build is core's own build id. A built-in layer must have the same one.
	Build string
	// Logger gets the layer's lines, and at trace level those of go-plugin. Its level is told to
	// the layer.
	Logger hclog.Logger
}

// Deadlines bound how long a layer may take. Progress that it reports extends the one of the call
// in progress.
type Deadlines struct {
	Start     time.Duration // from fork to the first connection
	Describe  time.Duration
	Plan      time.Duration
	StartCall time.Duration // the call that arms it
	Finish    time.Duration
	Beat      host.Beat
}

// DefaultDeadlines are those of a real run.
func DefaultDeadlines() Deadlines {
	return Deadlines{
		Start: 10 * time.Second, Describe: 5 * time.Second, Plan: 30 * time.Second,
		StartCall: 30 * time.Second, Finish: 30 * time.Second,
		Beat: host.Beat{Interval: 10 * time.Second, Silence: 30 * time.Second},
	}
}

// Layer is a running layer.
type Layer struct {
	spec    Spec
	logger  hclog.Logger
	plugin  *plugin.Client
	process *process
	creds   *peer.Creds
	client  *host.Client
	stream  *host.Stream
	tail    tail

	mu     sync.Mutex
	clock  *clock // of the call in progress; nil when there is none
	asking int    // how many questions of its are open
	ending bool   // core wants it to end
	// lingers says that it is kept without being needed, and resumed that it is called again.
	lingers, resumed bool
	failure          *Failure
	lost             chan struct{}
	ended            sync.Once
}

// Start runs a layer and connects to it.
func Start(ctx context.Context, spec Spec) (*Layer, error) {
	if err := spec.Binary.Permitted(); err != nil {
		return nil, err // in its own words, and not as a failure of the layer's
	}
	if spec.Deadlines == (Deadlines{}) {
		spec.Deadlines = DefaultDeadlines()
	}
	if spec.Logger == nil {
		spec.Logger = hclog.NewNullLogger()
	}
	l := &Layer{spec: spec, logger: spec.Logger.Named(spec.Name), lost: make(chan struct{})}
	// Its number is known only when it runs, and nothing connects before.
	l.creds = peer.Credentials(func(p peer.Process) error { return peer.Is(l.process.pid)(p) })
	l.plugin = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion:  wire.ProtocolVersion,
			MagicCookieKey:   wire.CookieKey,
			MagicCookieValue: wire.CookieValue,
		},
		Plugins:          plugin.PluginSet{wire.PluginName: called{}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		RunnerFunc:       l.newRunner,
		SkipHostEnv:      true,
		StartTimeout:     2 * spec.Deadlines.Start, // ours comes first
		Stderr:           &l.tail,
		SyncStdout:       lineLogger(l.logger, "stdout"),
		SyncStderr:       lineLogger(l.logger, "stderr"),
		Logger:           quiet{Logger: spec.Logger, layer: filepath.Base(spec.Name), lines: l.logger},
		GRPCDialOptions: append(
			host.DialOptions(l.creds), grpc.WithStreamInterceptor(l.withoutUnused)),
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: spec.Dir},
	})
	conn, err := call(ctx, l, "start", spec.Deadlines.Start, l.connect)
	if err != nil {
		l.Close()
		return nil, err
	}
	l.client = host.NewClient(conn, l.process.line)
	go l.watch()
	return l, nil
}

func (l *Layer) newRunner(_ hclog.Logger, cmd *exec.Cmd, dir string) (runner.Runner, error) {
	// go-plugin has just made the directory, for this layer alone and with mode 0700; it is ours to
	// remove.
	p, err := newProcess(l.spec.Name, l.spec.Binary, cmd, dir, l.logger)
	if err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ending {
		return nil, errors.Join(errors.New("it was ended before it was started"), os.Remove(dir))
	}
	l.process = p
	return p, nil
}

// connect starts the process and returns when the connection stands. go-plugin has no context: when
// ctx ends, the process does, and go-plugin notices that.
func (l *Layer) connect(ctx context.Context) (*grpc.ClientConn, error) {
	stop := context.AfterFunc(ctx, l.kill)
	defer stop()
	protocol, err := l.plugin.Client()
	if err != nil {
		return nil, err
	}
	client, ok := protocol.(*plugin.GRPCClient)
	if !ok {
		return nil, fmt.Errorf("go-plugin made a %T", protocol)
	}
	// gRPC connects beside: it has begun by now.
	state := client.Conn.GetState()
	for state == connectivity.Connecting && client.Conn.WaitForStateChange(ctx, state) {
		state = client.Conn.GetState()
	}
	// The socket has served its purpose. Without a name nobody else finds it, and a lost connection
	// cannot be replaced by another's.
	if err := os.RemoveAll(l.process.dir); err != nil {
		return nil, fmt.Errorf("removing its socket: %w", err)
	}
	if state != connectivity.Ready {
		if refused := l.creds.Refused(); refused != nil {
			return nil, refused
		}
		return nil, fmt.Errorf("connecting to it failed (%s)", state)
	}
	return client.Conn, nil
}

// The streams that go-plugin opens on each connection.
const (
	brokerStream = "/plugin.GRPCBroker/StartStream"
	stdioStream  = "/plugin.GRPCStdio/StreamStdio"
)

// withoutUnused leaves streams of go-plugin's closed that nobody uses. The contract has no use for
// the broker. What is printed comes through the other one, but not of a built-in layer, where the
// SDK sees to that. To go-plugin it is as if the layer did not have them.
func (l *Layer) withoutUnused(
	ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string,
	open grpc.Streamer, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	if method == brokerStream || method == stdioStream && l.spec.Binary.Builtin {
		return nil, status.Error(codes.Unimplemented, "nobody uses it")
	}
	return open(ctx, desc, conn, method, options...)
}

// Describe asks the layer what it is, and checks that it is the one that was meant.
func (l *Layer) Describe(ctx context.Context) (sdk.Description, error) {
	limit := l.spec.Deadlines.Describe
	return call(ctx, l, "Describe", limit, func(ctx context.Context) (sdk.Description, error) {
		d, err := l.client.Describe(ctx)
		if err == nil {
			err = l.spec.Meant(d)
		}
		return d, err
	})
}

// Said is what the layer answered to Describe, for [host.Recall].
func (l *Layer) Said() ([]byte, error) { return l.client.Said() }

// Planned is what the layer answered to Plan, for [host.RecallPlan].
func (l *Layer) Planned() ([]byte, error) { return l.client.Planned() }

// Meant checks that a description is of the layer that was meant.
func (s *Spec) Meant(d sdk.Description) error {
	switch {
	case !s.Binary.Nameless && d.Name != s.Name:
		return &host.BadAnswer{Err: fmt.Errorf("it says that its name is %q", d.Name)}
	case s.Kind != "" && d.Kind != s.Kind:
		return &host.BadAnswer{
			Err: fmt.Errorf("it is a %s layer, and was to be the %s layer", d.Kind, s.Kind),
		}
	case s.Binary.Builtin && d.Build != s.Build:
		return &Failure{Layer: s.Name, Call: "Describe", What: fmt.Sprintf(
			"it is from another build (%s) than nono itself (%s); "+
				"install all of nono's programs together", d.Build, s.Build)}
	}
	return suffices(s.Name, d.NeedsNono)
}

// suffices reports a layer that needs a newer nono. A version that is not yet released counts as
// the release.
func suffices(layer, need string) error {
	if need == "" {
		return nil
	}
	wanted, err := version.NewSemver(need)
	if err != nil {
		return &host.BadAnswer{Err: fmt.Errorf("the version of nono that it needs is %q", need)}
	}
	have, err := version.NewSemver(sdk.Version)
	if err == nil && have.Core().LessThan(wanted) {
		return &Failure{Layer: layer, Call: "Describe", What: fmt.Sprintf(
			"it needs nono %s or later, and this is nono %s", need, sdk.Version)}
	}
	return err
}

// OpenSession opens the stream of a bracket or resident layer, before its first call.
func (l *Layer) OpenSession(ctx context.Context, h host.Handler) error {
	limit := l.spec.Deadlines.Describe
	_, err := call(ctx, l, "Session", limit, func(context.Context) (struct{}, error) {
		// The stream lives as long as the layer, and not only as long as this call.
		stream, err := l.client.OpenSession(
			context.WithoutCancel(ctx), progress{h, l}, l.spec.Deadlines.Beat)
		if err != nil {
			return struct{}{}, err
		}
		l.mu.Lock()
		l.stream = stream
		l.mu.Unlock()
		go l.watchStream(stream)
		return struct{}{}, nil
	})
	return err
}

// progress keeps the clock of the call in progress.
type progress struct {
	host.Handler
	layer *Layer
}

// Progress implements host.Handler.
func (p progress) Progress(text string, done, total uint64) {
	p.layer.mu.Lock()
	if p.layer.clock != nil {
		p.layer.clock.Extend()
	}
	p.layer.mu.Unlock()
	p.Handler.Progress(text, done, total)
}

// Ask implements host.Handler.
func (p progress) Ask(ctx context.Context, text string, hidden bool) (string, error) {
	p.layer.asked(1)
	defer p.layer.asked(-1)
	return p.Handler.Ask(ctx, text, hidden)
}

// Plan asks for the layer's share of the plan.
func (l *Layer) Plan(ctx context.Context, req *sdk.PlanRequest) (*sdk.PlanResponse, error) {
	limit := l.spec.Deadlines.Plan
	return call(ctx, l, "Plan", limit, func(ctx context.Context) (*sdk.PlanResponse, error) {
		return l.client.Plan(ctx, req)
	})
}

// Start arms the layer; listeners are the sockets of its listener steps, by name, and stay the
// caller's.
func (l *Layer) Start(
	ctx context.Context, req *sdk.StartRequest, listeners map[string]host.Listener,
) (*sdk.StartResponse, error) {
	limit := l.spec.Deadlines.StartCall
	return call(ctx, l, "Start", limit, func(ctx context.Context) (*sdk.StartResponse, error) {
		return l.client.Start(ctx, req, listeners)
	})
}

// Finish lets the layer release what it took. What the layer told in it the handler has had then.
func (l *Layer) Finish(ctx context.Context, req *sdk.FinishRequest) (*sdk.FinishResponse, error) {
	limit := l.spec.Deadlines.Finish
	return call(ctx, l, "Finish", limit, func(ctx context.Context) (*sdk.FinishResponse, error) {
		return l.settled(ctx)(l.client.Finish(ctx, req))
	})
}

// FinishStored calls Finish for a session whose core is dead, from what was stored; see
// [host.Client.FinishStored].
func (l *Layer) FinishStored(
	ctx context.Context, run []byte, end *sdk.End, state []byte,
) (*sdk.FinishResponse, error) {
	limit := l.spec.Deadlines.Finish
	return call(ctx, l, "Finish", limit, func(ctx context.Context) (*sdk.FinishResponse, error) {
		return l.settled(ctx)(l.client.FinishStored(ctx, run, end, state))
	})
}

// settled waits for what the layer told before it answered: that comes on another stream.
func (l *Layer) settled(
	ctx context.Context,
) func(*sdk.FinishResponse, error) (*sdk.FinishResponse, error) {
	return func(answer *sdk.FinishResponse, err error) (*sdk.FinishResponse, error) {
		l.mu.Lock()
		stream := l.stream
		l.mu.Unlock()
		if err != nil || stream == nil {
			return answer, err
		}
		return answer, stream.Settle(ctx)
	}
}

// Forget has the layer drop what it keeps for sessions.
func (l *Layer) Forget(
	ctx context.Context, req *sdk.ForgetRequest,
) (*sdk.ForgetResponse, error) {
	limit := l.spec.Deadlines.Finish
	return call(ctx, l, "Forget", limit, func(ctx context.Context) (*sdk.ForgetResponse, error) {
		return l.client.Forget(ctx, req)
	})
}

// Beats is how many beats of its session the layer has answered.
func (l *Layer) Beats() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stream == nil {
		return 0
	}
	return l.stream.Beats()
}

// Lost is closed when the layer is gone, or hangs, without having been ended.
func (l *Layer) Lost() <-chan struct{} { return l.lost }

// Err says why, once the layer is lost.
func (l *Layer) Err() error {
	if f := l.found(); f != nil {
		return f
	}
	return nil
}

// PID is the layer's process.
func (l *Layer) PID() int { return l.process.pid }

// Release ends the layer and does not wait for it.
func (l *Layer) Release() {
	l.letGo()
	go l.Close()
}

// Linger lets the layer do what it has left to do, nobody waiting for it, and ends it a moment
// after it says that it has, or after most, unless it is resumed. Its loss means nothing any more.
func (l *Layer) Linger(most, moment time.Duration) {
	l.mu.Lock()
	l.ending, l.lingers = true, true
	stream := l.stream
	l.mu.Unlock()
	go func() {
		select {
		case <-stream.Rested():
			select {
			case <-stream.Done():
			case <-l.process.exited:
			case <-time.After(moment):
			}
		case <-stream.Done():
		case <-l.process.exited:
		case <-time.After(most):
		}
		l.mu.Lock()
		resumed := l.resumed
		l.lingers = false
		l.mu.Unlock()
		if !resumed {
			l.Close()
		}
	}()
}

// Resume reports whether the layer lingers, with something left to do or not. Then it can be called
// again, and is ended by Close alone.
func (l *Layer) Resume() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resumed = l.resumed || l.lingers
	return l.resumed
}

// Close ends the layer and returns when nothing of it is left. It may be called more than once.
func (l *Layer) Close() {
	l.letGo()
	l.ended.Do(func() {
		if l.process != nil {
			l.process.stop()
		}
		// With the process gone this only ends go-plugin's goroutines and the connection.
		l.plugin.Kill()
		if l.process != nil {
			if err := os.RemoveAll(l.process.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
				l.logger.Warn("removing the layer's directory", "error", err)
			}
		}
	})
}

// letGo says that the end is meant, and tells the layer.
func (l *Layer) letGo() {
	l.mu.Lock()
	l.ending = true
	p := l.process
	l.mu.Unlock()
	if p != nil {
		p.end()
	}
}

// Kill ends the process at once, in the middle of whatever it is doing. It was meant: the layer
// does not count as lost.
func (l *Layer) Kill() {
	l.letGo()
	l.kill()
}

// Clung reports, after Close, that the layer did not end with its lifeline and had to be killed.
func (l *Layer) Clung() bool { return l.process != nil && l.process.clung }

// kill ends the process at once.
func (l *Layer) kill() {
	l.mu.Lock()
	p := l.process
	l.ending = l.ending || p == nil
	l.mu.Unlock()
	if p != nil {
		p.kill()
	}
}

// watch notices the process's end.
func (l *Layer) watch() {
	<-l.process.exited
	l.lose("", errors.New("it is gone"))
}

// watchStream notices the end of the session.
func (l *Layer) watchStream(s *host.Stream) {
	<-s.Done()
	l.lose("", s.Err())
}

// lose records that the layer is lost, once, unless that was meant.
func (l *Layer) lose(callName string, err error) {
	failure := l.explain(callName, err)
	l.mu.Lock()
	meant := l.ending
	if !meant && l.failure == nil {
		l.failure = failure
		close(l.lost)
	}
	l.mu.Unlock()
	// One that hangs, or that has closed its session, is of no further use, and may still do harm.
	l.kill()
}

// called tells go-plugin that there is one gRPC service; its calls are made by host.Client on the
// connection itself.
type called struct{ plugin.NetRPCUnsupportedPlugin }

// GRPCServer implements plugin.GRPCPlugin.
func (called) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("core serves nothing to a layer")
}

// GRPCClient implements plugin.GRPCPlugin.
func (called) GRPCClient(
	_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn,
) (any, error) {
	return conn, nil
}

// Interface guards.
var (
	_ plugin.GRPCPlugin = called{}
	_ host.Handler      = progress{}
)
