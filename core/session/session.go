package session

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/launch"
	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/show"
	"github.com/nono-run/nono/sdk"
)

// DefaultGrace is how long the agent has to end by itself after it was asked to; then it is ended.
const DefaultGrace = 10 * time.Second

// Plan makes the plan of a run and stops there. Nothing is asked of the user and nothing is
// changed.
func Plan(ctx context.Context, req *Request) (*plan.Plan, error) {
	ctx, sig := interruptible(ctx)
	defer sig.Stop()
	ctx, refuse := context.WithCancelCause(ctx)
	defer refuse(nil)
	r, err := open(ctx, refuse, req, true)
	if err != nil {
		return nil, cause(ctx, err)
	}
	defer r.close()
	if err := r.makePlan(ctx); err != nil {
		return nil, cause(ctx, err)
	}
	return r.plan, nil
}

// Run runs the command and returns its exit code. An error means that nono refused or failed; it
// may have an exit code of its own (see [Error]).
func Run(ctx context.Context, req *Request) (int, error) {
	// Until the agent runs, a signal ends the start.
	ctx, sig := interruptible(ctx, req.ofTerminal()...)
	defer sig.Stop()
	// So does a layer.
	ctx, refuse := context.WithCancelCause(ctx)
	defer refuse(nil)

	r, err := open(ctx, refuse, req, false)
	if err != nil {
		return 0, cause(ctx, err)
	}
	defer r.close()
	if err := r.makePlan(ctx); err != nil {
		return 0, cause(ctx, err)
	}
	r.announce()
	ended := r.run(ctx, sig)
	// The kernel lets a watch go only after some ten milliseconds, beside what is done from here on.
	go r.steady.Close()
	// Before Finish, however the run went: a start that is called off while the gate opens may have an
	// agent all the same.
	r.endInside()
	r.beginSigning()
	r.takeTerminalBack()
	r.bringBack()
	if !r.began.IsZero() {
		r.ended = time.Now()
	}
	r.tellEnd(ended)
	finishErr := joined(r.lostCopies(), r.finish(sig, sdk.End{
		Reason: ended.reason, ExitCode: ended.exit.Code, Signal: ended.exit.Signal,
		Started: r.began, Ended: r.ended,
	}))
	r.report(ended.exit)
	code, err := r.outcome(ended.exit, cause(ctx, ended.err), finishErr)
	r.conclude(ended, code, err)
	return code, err
}

// outcome is nono's own exit code, or its error: what ended the run, and where it ended well, what
// went wrong after that.
func (r *run) outcome(exit launch.Exit, err, finishErr error) (int, error) {
	if err == nil && exit.Status() == 0 {
		return 0, finishErr
	}
	if finishErr != nil {
		// And no more than that: how the run ended is still told by what ended it.
		r.req.Out.Error(finishErr)
	}
	if err != nil {
		return 0, err
	}
	return exit.Status(), nil
}

// joined is the problems of two errors.
func joined(a, b error) error {
	var problems diag.Problems
	for _, err := range []error{a, b} {
		if err != nil {
			problems = append(problems, asProblems(err)...)
		}
	}
	return problems.Err()
}

// run is the part of a run that has a process to lose: from the plan to the end of the agent.
func (r *run) run(ctx context.Context, sig *signals) end {
	err := r.arm(ctx)
	if err == nil {
		err = r.openGate(ctx, sig)
	}
	if err != nil {
		return end{reason: sdk.EndStartFailed, err: err}
	}
	if err := r.serveTerminal(sig); err != nil {
		return end{reason: sdk.EndStopped, err: err}
	}
	defer r.remember()()
	defer r.pruneCaches(ctx)()
	return r.watch(ctx, sig)
}

// arm makes all stand but the agent: the sandbox, the record of the session, and each layer that
// has something to arm. The agent runs no instruction before every resident layer is armed.
func (r *run) arm(ctx context.Context) error {
	// nono-init has the most to do, so what is to be kept is written beside it.
	prepare := func() error { return r.prepare(ctx) }
	var met error // of other sessions
	write := func() error {
		err := r.store(ctx)
		if err == nil {
			met = r.meetOthers()
		}
		return err
	}
	if err := atOnce([]func() error{prepare, write, r.keepAside}); err != nil {
		return err
	}
	// From here on the session exists, and somebody finishes it.
	r.recorded = true
	if met != nil {
		return met
	}
	if err := r.recordKeeper(); err != nil {
		return err
	}
	r.time.Lap("sandbox")
	err := r.startLayers(ctx)
	r.req.Progress.Done()
	if err != nil {
		return err
	}
	if err := r.lost(); err != nil {
		return err
	}
	return errors.Join(r.replaced(), r.recheck())
}

// openGate lets the agent run.
func (r *run) openGate(ctx context.Context, sig *signals) error {
	// From here on there may be an agent, long before we hear of it: the next signal is for it.
	sig.Hold()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	r.time.Lap("arming")
	foreground := r.yieldTerminal()
	r.heldTo = r.planHash.String()
	r.log.tell(EventGate, map[string]string{"plan": r.heldTo})
	if err := r.init.Go(ctx, foreground); err != nil {
		return execProblem(err)
	}
	r.began = time.Now()
	if err := r.streams.LetGo(); err != nil {
		r.req.Log.Warn("starting the agent", "error", err)
	}
	close(r.opened)
	r.time.Lap("exec")
	r.req.Out.Detail("%s", r.time)
	return nil
}

// cause prefers the reason for which the run was called off to the errors that calling it off led
// to.
func cause(ctx context.Context, err error) error {
	if why := context.Cause(ctx); why != nil && !errors.Is(why, context.Canceled) {
		return why
	}
	return err
}

// announce prints the start line and the notices.
func (r *run) announce() {
	out := r.req.Out
	for _, n := range r.plan.Notices {
		out.Problem(n.Problem())
	}
	for line := range strings.SplitSeq(show.Summary(r.plan), "\n") {
		out.Line("%s", line)
	}
}

// report says how the run ended, where that is not plain. Of a run that failed there is no exit,
// but there may be files, and layers' lines, to tell of.
func (r *run) report(exit launch.Exit) {
	out := r.req.Out
	for _, line := range r.lines {
		out.Line("%s", line)
	}
	r.left = r.remains(exit)
	r.left.Tell(out, r.req.Dirs.Home)
	if exit.Code != 0 && exit.Signal == 0 {
		out.Line("the command ended with %d; %s", exit.Code, show.Hint(r.plan))
		if hint := r.names.hint(r.plan.Through); hint != "" {
			out.Line("%s", hint)
		}
		for _, line := range r.denied.lines(r.plan) {
			out.Line("%s", line)
		}
	}
}
