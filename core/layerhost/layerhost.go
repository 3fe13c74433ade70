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
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"github.com/nono-run/nono/sdk/host"
	"github.com/nono-run/nono/sdk/peer"
	"github.com/nono-run/nono/sdk/policy"
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
	l.plugin = plugin.NewClient(l.clientConfig())
	conn, err := call(ctx, l, "start", spec.Deadlines.Start, l.connect)
	if err != nil {
		l.Close()
		return nil, err
	}
	l.client = host.NewClient(conn, l.process.line)
	go l.watch()
	return l, nil
}

// PID is the layer's process.
func (l *Layer) PID() int { return l.process.pid }
