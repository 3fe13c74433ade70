package session

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/nono-run/nono/core/aside"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/launch"
	"github.com/nono-run/nono/core/launch/streams"
	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/remembered"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
)

// A run is one session while it is under way. What of its state one part of the work alone knows is
// declared beside that part.
type run struct {
	req *Request
	dry bool // nothing is asked, made or run: `nono plan`
	// refuse calls the start off.
	refuse context.CancelCauseFunc
	time   *stopwatch

	early   *Early
	bin     string // where nono's own programs are
	streams streams.Set
	dir     *runDir
	init    *launch.Init
	host    sdk.Host

	policy policy.Policy // the configuration's, with what the command and PATH need
	tools
	surroundings
	moved
	withoutNamespaces
	problems diag.Problems // warnings, to be shown with the plan's

	members []*member
	idle    []*member // those that turned out to have nothing to do, and are let go
	// situation is what the run's answers are remembered under; see situated.
	situation remembered.Digest
	verification

	places places.View
	plan   *plan.Plan
	supervision
	copied
	aside *aside.Kept // what cannot be protected here

	storing
	log     journal  // what happened in the session
	signing *signing // of its log; nil where that is not signed
	heldTo  string   // the hash of the stored plan, once the agent may run

	asker  *asker
	opened chan struct{} // closed when the gate is open: the agent runs
	// losses and stops are what ends an agent that has not ended itself. Whoever comes first is the
	// reason; nobody waits.
	losses chan error
	stops  chan error

	names  *names   // what the command asked for where no layer answers for names; nil where one does
	denied denied   // what a network layer did not let it reach
	totals totals   // what a credential layer has counted
	lines  []string // of the layers' reports

	// created is when the command was given, began when the gate was opened, and ended when the agent
	// was gone.
	created, began, ended time.Time
}

// open settles what can be settled without a process, beside the start of nono-init if that has not
// begun yet, and then starts the layers.
//
// Before the gate is opened, a layer may call the start off, with refuse.
func open(
	ctx context.Context, refuse context.CancelCauseFunc, req *Request, dry bool,
) (*run, error) {
	watch := startWatch(req.Began)
	watch.Lap("policy")
	r := &run{
		req: req, dry: dry, refuse: refuse, time: watch,
		storing: storing{
			placed: make(chan struct{}),
			ending: map[string]string{"reason": string(sdk.EndStartFailed)},
		},
		asker: newAsker(req.Stdin, req.Stderr, dry), opened: make(chan struct{}),
		losses: make(chan error, 1), stops: make(chan error, 1),
		created: req.Began,
	}
	if r.created.IsZero() {
		r.created = time.Now()
	}
	if r.early = req.Early; r.early == nil {
		r.early = Begin(r.earlyOptions())
	}
	err := r.groundwork()
	if err == nil && !dry {
		err = r.finishDead(ctx)
	}
	r.time.Lap("command")
	if err == nil {
		err = r.startProcesses(ctx)
	}
	r.time.Lap("processes")
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// close ends what is left. It may be called at any point after open has begun.
func (r *run) close() {
	r.asker.Yield("the run is over")
	r.endInside()
	// The kernel takes a millisecond or two to take a process apart.
	var processes sync.WaitGroup
	processes.Go(r.endInit)
	for _, m := range slices.Concat(r.members, r.idle) {
		processes.Go(m.close)
	}
	if !r.recorded {
		processes.Wait() // they use what is removed with the session
	}
	r.letCopiesGo()
	for _, o := range r.letDirectoriesGo() { // of a run that did not come to its end
		if says, try := o.Text(r.req.Dirs.Home); says != "" {
			r.req.Out.Problem(diag.Warningf("%s", says).Try("%s", try))
		}
	}
	r.letSocketsGo()
	r.removeScratch()
	for _, p := range r.private {
		p.Close()
	}
	r.letCachesGo()
	r.names.close()
	r.steady.Close()
	if r.stored != nil {
		r.settle()
	}
	processes.Wait()
	if r.dir == nil {
		return
	}
	if err := r.dir.Remove(); err != nil {
		r.req.Out.Problem(stuckProblem(r.dir.Path, err))
	}
}
