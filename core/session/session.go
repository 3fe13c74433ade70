package session

import (
	"context"
	"errors"
	"strings"
	"syscall"
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
	reason, exit, err := r.run(ctx, sig)
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
	r.tellEnd(reason, exit, err)
	end := sdk.End{
		Reason: reason, ExitCode: exit.Code, Signal: exit.Signal, Started: r.began, Ended: r.ended,
	}
	finishErr := joined(r.lostCopies(), r.finish(sig, end))
	r.report(exit)
	code, err := r.outcome(exit, cause(ctx, err), finishErr)
	r.conclude(reason, exit, code, err)
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
func (r *run) run(ctx context.Context, sig *signals) (sdk.EndReason, launch.Exit, error) {
	// nono-init has the most to do, so what is to be kept is written beside it.
	prepare := func() error { return r.prepare(ctx) }
	var taken error
	write := func() error {
		err := r.store(ctx)
		if err == nil {
			taken = r.meetOthers()
		}
		return err
	}
	if err := atOnce([]func() error{prepare, write, r.keepAside}); err != nil {
		return sdk.EndStartFailed, launch.Exit{}, err
	}
	// From here on the session exists, and somebody finishes it.
	r.recorded = true
	if taken != nil {
		return sdk.EndStartFailed, launch.Exit{}, taken
	}
	if err := r.recordKeeper(); err != nil {
		return sdk.EndStartFailed, launch.Exit{}, err
	}
	r.time.Lap("sandbox")
	err := r.startLayers(ctx)
	r.req.Progress.Done()
	if err != nil {
		return sdk.EndStartFailed, launch.Exit{}, err
	}
	// No instruction of the agent before every resident layer is armed.
	if err := r.lost(); err != nil {
		return sdk.EndStartFailed, launch.Exit{}, err
	}
	if err := errors.Join(r.replaced(), r.recheck()); err != nil {
		return sdk.EndStartFailed, launch.Exit{}, err
	}
	// From here on there may be an agent, long before we hear of it: the next signal is for it.
	sig.Hold()
	if err := context.Cause(ctx); err != nil {
		return sdk.EndStartFailed, launch.Exit{}, err
	}
	r.time.Lap("arming")
	foreground := r.yieldTerminal()
	r.heldTo = r.planHash.String()
	r.log.tell(EventGate, map[string]string{"plan": r.heldTo})
	if err := r.init.Go(ctx, foreground); err != nil {
		return sdk.EndStartFailed, launch.Exit{}, execProblem(err)
	}
	r.began = time.Now()
	if err := r.streams.LetGo(); err != nil {
		r.req.Log.Warn("starting the agent", "error", err)
	}
	close(r.opened)
	r.time.Lap("exec")
	r.req.Out.Detail("%s", r.time)
	if err := r.serveTerminal(sig); err != nil {
		return sdk.EndStopped, launch.Exit{}, err
	}
	defer r.remember()()
	defer r.pruneCaches(ctx)()
	return r.watch(ctx, sig)
}

// watch waits for the end: the agent's own, a signal's, or that of a layer that must not be lost.
func (r *run) watch(ctx context.Context, sig *signals) (sdk.EndReason, launch.Exit, error) {
	type end struct {
		exit launch.Exit
		err  error
	}
	ended := make(chan end, 1)
	go func() {
		exit, err := r.init.Wait()
		ended <- end{exit, err}
	}()
	overdue := make(chan string, 1)
	defer sig.Forward(r.init, r.grace(), overdue)()
	timeUp, stop := r.timeUp()
	defer stop()

	var reason sdk.EndReason
	var exit launch.Exit
	var err error
	select {
	case e := <-ended:
		// An agent that misses a lost layer may end of that. Then the layer's loss is the news.
		if lost := r.lost(); lost != nil {
			return sdk.EndLayerLost, launch.Exit{}, lost
		}
		if replaced := r.replaced(); replaced != nil {
			return sdk.EndStopped, launch.Exit{}, replaced
		}
		return sdk.EndExited, e.exit, e.err
	case err = <-r.losses:
		reason = sdk.EndLayerLost
	case err = <-r.stops:
		reason = sdk.EndStopped
	case <-r.steady.Done():
		reason, err = sdk.EndStopped, r.replaced()
	case <-timeUp:
		reason, err = sdk.EndStopped, r.outOfTime()
	case why := <-overdue:
		// Before it is told: whoever reads that may have stopped.
		r.init.Kill()
		r.req.Out.Line("ended the command: %s", why)
		reason, exit = sdk.EndSignalled, launch.Exit{Signal: syscall.SIGKILL}
	case <-ctx.Done(): // by whoever called
		reason, err = sdk.EndSignalled, context.Cause(ctx)
		select {
		case err = <-r.stops: // by a layer, in the moment in which the gate was opened
			reason = sdk.EndStopped
		default:
		}
	}
	r.init.Kill()
	<-ended
	return reason, exit, err
}

func (r *run) grace() time.Duration {
	if r.req.Grace == 0 {
		return DefaultGrace
	}
	return r.req.Grace
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
