package session

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/launch"
	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/core/launch/streams"
	"github.com/nono-run/nono/core/layerhost"
	"github.com/nono-run/nono/core/limits"
	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// An Early is nono-init on its way to where it needs a recipe, and what had to be looked at before
// it was started. Its namespaces, its own start and its first steps take as long as to read the
// policy does, and nothing in that changes them: so they are begun as soon as it is known that
// there is to be a run.
//
// It is nono's own program, and is told nothing. If there is no run after all, End ends it.
type Early struct {
	options  EarlyOptions
	bin      string // where nono's own programs are
	streams  streams.Set
	problems diag.Problems
	prepared error // why nono-init was not even started

	// done is closed when it is known how far the host lets nono-init come, or why there is none.
	done   chan struct{}
	stop   context.CancelFunc
	failed error

	init *launch.Init
	host recipe.Host
	// fallback is why it is started for tier B, where it is.
	fallback *plan.Fallback
}

// EarlyOptions are what nono-init is started with.
type EarlyOptions struct {
	UID                   int
	Stdin, Stdout, Stderr *os.File // nil where there is to be no agent
	// Terminal says that the agent is to have a terminal of the session's.
	Terminal bool
	// HostNetwork says that the agent is likely to be left in the host's network. Where the policy
	// says otherwise, nono-init is started once more.
	HostNetwork bool
}

// Begin starts nono-init. What is in the way of that, the run says.
func Begin(o EarlyOptions) *Early {
	e := &Early{options: o, done: make(chan struct{}), stop: func() {}}
	if e.prepared = e.prepare(); e.prepared != nil {
		close(e.done)
		return e
	}
	e.start()
	return e
}

// prepare is what comes before the first process.
func (e *Early) prepare() (err error) {
	if err := limits.Check(e.options.UID); err != nil {
		return err
	}
	if e.bin, err = layerhost.Locate(); err != nil {
		return err
	}
	if e.streams, err = examineStreams(e.options); err != nil {
		return err
	}
	e.problems, err = forbidCores() // which whatever is started inherits
	return err
}

// start starts nono-init in namespaces of its own, or without any where this host does not give
// them. To start it is how that is found out.
func (e *Early) start() {
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	go func() {
		defer close(e.done)
		e.failed = e.startIn(ctx, recipe.TierA)
		var refused *launch.UnavailableError
		if errors.As(e.failed, &refused) && refused.Next == recipe.TierB {
			e.fallback = &plan.Fallback{Reason: refused.Reason, Try: refused.Try}
			e.failed = e.startIn(ctx, recipe.TierB)
		}
		if e.failed != nil {
			e.failed = e.withoutTier(e.failed)
		}
	}()
}

// startIn starts nono-init for a tier, and waits for how far it comes.
func (e *Early) startIn(ctx context.Context, tier recipe.Tier) error {
	init, err := launch.Start(ctx, launch.Options{
		Terminal:    e.options.Terminal,
		Path:        e.bin + "/nono-init",
		Tier:        tier,
		HostNetwork: e.options.HostNetwork,
		Streams:     e.streams,
	})
	if err != nil {
		return err
	}
	found, err := init.Tier(ctx)
	if err == nil && found.Tier != tier {
		err = diag.Errorf("nono-init was started for tier %q, and has %q", tier, found.Tier)
	}
	if err != nil {
		return errors.Join(err, init.Close())
	}
	e.init, e.host = init, found
	return nil
}

// withoutTier says why there is no sandbox at all. Where both tiers were refused, both reasons are
// told: what helps against one of them is enough.
func (e *Early) withoutTier(err error) error {
	var refused *launch.UnavailableError
	if e.fallback == nil || !errors.As(err, &refused) || refused.Reason == e.fallback.Reason {
		return HostProblem(err)
	}
	return diag.Errorf(hostRefuses+"%s; and without namespaces: %s",
		e.fallback.Reason, refused.Reason).Try("%s\nor: %s", e.fallback.Try, refused.Try)
}

// wait waits until nono-init has said how far this host goes.
func (e *Early) wait(ctx context.Context) error {
	select {
	case <-e.done:
		return errors.Join(e.prepared, e.failed)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// endLimit is how long the end of a nono-init is waited for that has not come to its first
// instruction: what its program lies on may not answer. It goes with this process.
const endLimit = 2 * time.Second

// End ends nono-init, and waits for that. It may be called more than once, and by the one who began
// it as well as by the run that has taken it.
func (e *Early) End() error {
	e.stop()
	select {
	case <-e.done:
	case <-time.After(endLimit):
		return errors.New("it has not begun yet")
	}
	if e.init == nil {
		return nil
	}
	return e.init.Close()
}

func kernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// takeInit takes the nono-init that was started before the policy was read. The network is the one
// thing about it that a policy may want otherwise.
func (r *run) takeInit(ctx context.Context) error {
	wanted := r.earlyOptions()
	if r.early.options.HostNetwork != wanted.HostNetwork {
		r.endInit()
		r.early = Begin(wanted)
	}
	if err := r.early.wait(ctx); err != nil {
		return err
	}
	found := r.early.host
	r.init, r.fallback = r.early.init, r.early.fallback
	if found.Tier == recipe.TierB {
		r.unsupervised = unsupervised(found.Notify)
	}
	r.host = sdk.Host{
		Tier:        sdk.Tier(found.Tier),
		LandlockABI: found.LandlockABI,
		Kernel:      kernelRelease(),
		UID:         r.req.UID,
		GID:         r.req.GID,
		Home:        r.req.Dirs.Home,
	}
	return nil
}

// earlyOptions are what nono-init is started with for this policy. A plan is made for no agent, and
// its streams are nono's.
func (r *run) earlyOptions() EarlyOptions {
	o := EarlyOptions{
		UID: r.req.UID, Terminal: r.req.Terminal != nil,
		HostNetwork: r.req.Config.Policy.IsDisabled(policy.KindNetwork),
	}
	if !r.dry {
		o.Stdin, o.Stdout, o.Stderr = r.req.Stdin, r.req.Stdout, r.req.Stderr
	}
	return o
}
