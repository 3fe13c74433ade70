package layerhost

import (
	"context"
	"fmt"

	"github.com/hashicorp/go-version"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/host"
)

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

// Interface guard.
var _ host.Handler = progress{}
