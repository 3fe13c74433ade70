// Package layertest is the test kit for the author of a layer.
//
// [New] runs a layer in the test's own process, behind the real contract: what it returns has
// crossed gRPC and every check that core makes.
//
// [Conformance] holds a layer to every promise of the contract that can be seen in here. The deep
// half is `nono plugin verify PROGRAM`, for a program in any language.
//
// What a process does at its end (the lifeline, a panic) is not to be seen in here: a panic of the
// layer ends the test.
package layertest

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/conformance"
	"github.com/nono-run/nono/sdk/host"
	"github.com/nono-run/nono/sdk/lifeline"
	"github.com/nono-run/nono/sdk/peer"
	"github.com/nono-run/nono/sdk/policy"
)

// patience is how long the kit waits for anything. It is long, for a test machine may be busy;
// nothing waits for it in vain but a test that fails.
const patience = 30 * time.Second

// Host is how a layer is called, in process or as a process of its own.
type Host = conformance.Host

// Kit calls a layer for a test. Its methods end the test on an error; for an error that is
// expected, call Host.
type Kit struct {
	Host        Host
	Description sdk.Description
	// Dial answers the layer's Dial; nil refuses.
	Dial func(ctx context.Context, port uint16) (*os.File, error)
	// Answer answers the layer's questions; nil refuses.
	Answer func(text string, hidden bool) (string, error)

	t       testing.TB
	mu      sync.Mutex
	events  []sdk.Event
	stopped []string
	asked   int
	changed chan struct{}
}

// New serves the layer in process, for as long as the test runs.
func New(t testing.TB, l sdk.Layer) *Kit {
	t.Helper()
	h, err := connect(l)
	must(t, err)
	t.Cleanup(h.Close)
	return Over(t, h)
}

// Over is a kit over any host. It describes the layer, and opens its session if it has one.
func Over(t testing.TB, h Host) *Kit {
	t.Helper()
	k := &Kit{Host: h, t: t, changed: make(chan struct{})}
	d, err := h.Describe(t.Context())
	if err != nil {
		t.Fatalf("Describe: %v", err)
	}
	k.Description = d
	if d.Lifetime != sdk.Ephemeral {
		if err := h.OpenSession(t.Context(), handler{k}); err != nil {
			t.Fatalf("opening the session: %v", err)
		}
	}
	return k
}

// Request is a request with these settings and an empty policy, for a host of tier A.
func Request(settings map[string]any) *sdk.PlanRequest {
	req := conformance.Request("/home/test")
	req.Settings = encode(settings)
	return req
}

// encode is settings as a layer gets them.
func encode(settings map[string]any) []byte {
	if settings == nil {
		return []byte("{}")
	}
	raw, err := json.Marshal(settings)
	if err != nil {
		panic(err) // the test's own mistake
	}
	return raw
}

// Plan calls Plan. A filesystem layer gets the places that core would have worked out from the
// policy and from the files of this machine, unless the request has some already.
func (k *Kit) Plan(req *sdk.PlanRequest) *sdk.PlanResponse {
	k.t.Helper()
	resp, err := k.Host.Plan(k.t.Context(), placed(req, k.Description.Kind))
	if err != nil {
		k.t.Fatalf("Plan: %v", err)
	}
	return resp
}

// placed is the request with its places.
func placed(req *sdk.PlanRequest, kind policy.Kind) *sdk.PlanRequest {
	if kind != policy.KindFilesystem || len(req.Places.Places) > 0 {
		return req
	}
	with := *req
	with.Places = conformance.Places(req)
	return &with
}

// Start calls Start.
func (k *Kit) Start(req *sdk.StartRequest, listeners map[string]*os.File) *sdk.StartResponse {
	k.t.Helper()
	sockets := map[string]host.Listener{}
	for name, f := range listeners {
		sockets[name] = host.Listener{File: f}
	}
	resp, err := k.Host.Start(k.t.Context(), req, sockets)
	if err != nil {
		k.t.Fatalf("Start: %v", err)
	}
	return resp
}

// Finish calls Finish.
func (k *Kit) Finish(req *sdk.FinishRequest) *sdk.FinishResponse {
	k.t.Helper()
	resp, err := k.Host.Finish(k.t.Context(), req)
	if err != nil {
		k.t.Fatalf("Finish: %v", err)
	}
	return resp
}

// WaitEvent waits for an event of that name, and returns the first.
func (k *Kit) WaitEvent(name string) sdk.Event {
	k.t.Helper()
	deadline := time.After(patience)
	for {
		k.mu.Lock()
		for _, e := range k.events {
			if e.Name == name {
				k.mu.Unlock()
				return e
			}
		}
		changed, seen := k.changed, k.events
		k.mu.Unlock()
		select {
		case <-changed:
		case <-deadline:
			k.t.Fatalf("there was no event %q, but %v", name, seen)
		}
	}
}

// Stopped are the reasons for which the layer asked for the end of the agent.
func (k *Kit) Stopped() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string(nil), k.stopped...)
}

func (k *Kit) note(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f()
	close(k.changed)
	k.changed = make(chan struct{})
}

// handler is the kit as the session sees it.
type handler struct{ k *Kit }

// Event implements host.Handler.
func (h handler) Event(e sdk.Event) {
	h.k.note(func() { h.k.events = append(h.k.events, e) })
}

// Progress implements host.Handler.
func (h handler) Progress(string, uint64, uint64) {}

// Stop implements host.Handler.
func (h handler) Stop(reason string) {
	h.k.note(func() { h.k.stopped = append(h.k.stopped, reason) })
}

// Ask implements host.Handler.
func (h handler) Ask(_ context.Context, text string, hidden bool) (string, error) {
	h.k.note(func() { h.k.asked++ })
	if h.k.Answer == nil {
		return "", errors.New("nobody is there to answer")
	}
	return h.k.Answer(text, hidden)
}

// Dial implements host.Handler.
func (h handler) Dial(ctx context.Context, port uint16) (*os.File, error) {
	if h.k.Dial == nil {
		return nil, errors.New("nobody listens inside")
	}
	return h.k.Dial(ctx, port)
}

// local is a host in the same process.
type local struct {
	*host.Client
	stream *host.Stream
	close  func()
}

// connect serves the layer in process.
func connect(l sdk.Layer) (_ *local, err error) {
	var undo []func()
	stop := sync.OnceFunc(func() {
		for _, f := range slices.Backward(undo) {
			f()
		}
	})
	defer func() {
		if err != nil {
			stop()
		}
	}()
	// Not the test's own directory: its name may be too long for a socket's address.
	dir, err := os.MkdirTemp("", "layertest")
	if err != nil {
		return nil, err
	}
	undo = append(undo, func() { _ = os.RemoveAll(dir) })
	listener, err := net.Listen("unix", filepath.Join(dir, "layer"))
	if err != nil {
		return nil, err
	}
	line, child, err := lifeline.Pair()
	if err != nil {
		return nil, err
	}
	end, err := lifeline.Open(child, func() {})
	if err != nil {
		return nil, err
	}
	server := sdk.NewServer(l, end, peer.Is(os.Getpid()))
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // ends with Stop
	}()
	undo = append(undo, func() {
		_ = line.Close()
		_ = end.Close()
		server.Stop()
		<-served
	})
	conn, err := grpc.NewClient("unix:"+listener.Addr().String(),
		host.DialOptions(peer.Credentials(peer.Is(os.Getpid())))...)
	if err != nil {
		return nil, err
	}
	undo = append(undo, func() { _ = conn.Close() })
	return &local{Client: host.NewClient(conn, line), close: stop}, nil
}

// Close implements Host.
func (l *local) Close() { l.close() }

// Kill implements Host.
func (l *local) Kill() { l.close() }

// OpenSession implements Host.
func (l *local) OpenSession(ctx context.Context, h host.Handler) error {
	var err error
	beat := host.Beat{Interval: 50 * time.Millisecond, Silence: patience}
	l.stream, err = l.Client.OpenSession(ctx, h, beat)
	return err
}

// Beats implements Host.
func (l *local) Beats() uint64 {
	if l.stream == nil {
		return 0
	}
	return l.stream.Beats()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Interface guards.
var (
	_ Host         = (*local)(nil)
	_ host.Handler = handler{}
)
