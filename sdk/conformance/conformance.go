// Package conformance is the contract of a layer as checks: what is promised, and how to see
// whether it is kept. A check calls the layer as core would, and needs no core.
//
//	subject := conformance.Subject{Connect: start, Settings: settings, Dir: dir}
//	for _, check := range conformance.Checks() {
//		if err := check.Hold(ctx, subject); err != nil {
//			fmt.Println(check.Says, err, check.Contract)
//		}
//	}
//
// Two use it. Package layertest holds a layer in Go to it, in the test's own process. `nono plugin
// verify` holds a program to it, in any language, and adds what only core can see: whether the
// answer can be merged with the others, holds each rule and shows no more than was granted, and
// what the process leaves behind.
package conformance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/host"
	"github.com/nono-run/nono/sdk/hostfile"
)

// Host is how a layer is called, in process or as a process of its own.
type Host interface {
	Describe(ctx context.Context) (sdk.Description, error)
	OpenSession(ctx context.Context, h host.Handler) error
	Plan(ctx context.Context, req *sdk.PlanRequest) (*sdk.PlanResponse, error)
	Start(
		ctx context.Context, req *sdk.StartRequest, listeners map[string]host.Listener,
	) (*sdk.StartResponse, error)
	Finish(ctx context.Context, req *sdk.FinishRequest) (*sdk.FinishResponse, error)
	Forget(ctx context.Context, req *sdk.ForgetRequest) (*sdk.ForgetResponse, error)
	// Beats is how many beats the layer has answered.
	Beats() uint64
	// Kill ends the layer at once, in whatever it is doing.
	Kill()
	// Close ends it in good order. It may be called more than once.
	Close()
}

// Subject is the layer that is held to the contract.
type Subject struct {
	// Connect starts the layer in a fresh process.
	Connect func(ctx context.Context) (Host, error)
	// Settings are the layer's settings in each call, as a JSON object; empty means none.
	Settings []byte
	// Lookup reads the user's variables that the layer asks for; nil if there are none.
	Lookup func(name string) (string, bool)
	// Dir is a directory for the files that the requests are about.
	Dir string
}

// Check is one promise of the contract.
type Check struct {
	// Says is the promise in a few words.
	Says string
	// Contract is what the contract says of it, for the author of a layer that breaks it.
	Contract string
	// Basic says that the checks after it say nothing where it fails.
	Basic bool

	hold func(*trial) error
}

// Nothing is why a check says nothing about a layer.
type Nothing struct {
	Why string
	// Untried says that it applies and cannot be tried here; else it does not apply.
	Untried bool
}

func (n *Nothing) Error() string { return n.Why }

// Hold tries the promise. The error says how it was broken, or is a [*Nothing].
func (c Check) Hold(ctx context.Context, s Subject) error {
	dir, err := os.MkdirTemp(s.Dir, "")
	if err != nil {
		return &Nothing{Why: err.Error(), Untried: true}
	}
	if dir, err = hostfile.Resolve(dir); err != nil {
		return &Nothing{Why: err.Error(), Untried: true}
	}
	s.Dir = dir // of this trial alone
	t := &trial{ctx: ctx, Subject: s}
	defer t.end()
	return c.hold(t)
}

// A trial is one check under way.
type trial struct {
	Subject
	ctx   context.Context
	hosts []*layer
}

func (t *trial) end() {
	for _, h := range t.hosts {
		h.Close()
	}
}

// A layer is one process of the layer, described and with its session open.
type layer struct {
	Host
	is      sdk.Description
	asked   atomic.Int32
	stopped atomic.Pointer[string]
}

// begin starts a fresh process.
func (t *trial) begin() (*layer, error) {
	h, err := t.Connect(t.ctx)
	if err != nil {
		return nil, err
	}
	l := &layer{Host: h}
	t.hosts = append(t.hosts, l)
	if l.is, err = h.Describe(t.ctx); err != nil {
		return nil, fmt.Errorf("calling Describe: %w", err)
	}
	if l.is.Lifetime == sdk.Ephemeral {
		return l, nil
	}
	if err := h.OpenSession(t.ctx, handler{l}); err != nil {
		return nil, fmt.Errorf("opening its session: %w", err)
	}
	return l, nil
}

// handler is a host without a user, and with nobody inside.
type handler struct{ layer *layer }

// Event implements host.Handler.
func (handler) Event(sdk.Event) {}

// Progress implements host.Handler.
func (handler) Progress(string, uint64, uint64) {}

// Stop implements host.Handler.
func (h handler) Stop(reason string) { h.layer.stopped.Store(&reason) }

// Ask implements host.Handler.
func (h handler) Ask(context.Context, string, bool) (string, error) {
	h.layer.asked.Add(1)
	return "", fmt.Errorf("%w: the layer is being verified", sdk.ErrNobody)
}

// Dial implements host.Handler.
func (handler) Dial(context.Context, uint16) (*os.File, error) {
	return nil, errors.New("nobody listens inside")
}

// until waits for something with a limit that only a failure comes near.
func (t *trial) until(done func() bool) bool {
	deadline := time.After(patience)
	for !done() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-deadline:
			return false
		case <-t.ctx.Done():
			return false
		}
	}
	return true
}

// patience is how long the layer is given for what it does by itself.
const patience = 5 * time.Second

// Interface guard.
var _ host.Handler = handler{}
