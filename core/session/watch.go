package session

import (
	"context"
	"syscall"
	"time"

	"github.com/nono-run/nono/core/launch"
	"github.com/nono-run/nono/sdk"
)

// An end is how a run came to its end: for which reason, how the agent ended, where that is known,
// and what went wrong, if that is why.
type end struct {
	reason sdk.EndReason
	exit   launch.Exit
	err    error
}

// watch waits for the end: the agent's own, a signal's, or that of a layer that must not be lost.
func (r *run) watch(ctx context.Context, sig *signals) end {
	ended := make(chan end, 1)
	go func() {
		exit, err := r.init.Wait()
		ended <- end{sdk.EndExited, exit, err}
	}()
	overdue := make(chan string, 1)
	defer sig.Forward(r.init, r.grace(), overdue)()
	timeUp, stop := r.timeUp()
	defer stop()

	var of end
	select {
	case its := <-ended:
		// An agent that misses a lost layer may end of that. Then the layer's loss is the news.
		if lost := r.lost(); lost != nil {
			return end{reason: sdk.EndLayerLost, err: lost}
		}
		if replaced := r.replaced(); replaced != nil {
			return end{reason: sdk.EndStopped, err: replaced}
		}
		return its
	case err := <-r.losses:
		of = end{reason: sdk.EndLayerLost, err: err}
	case err := <-r.stops:
		of = end{reason: sdk.EndStopped, err: err}
	case <-r.steady.Done():
		of = end{reason: sdk.EndStopped, err: r.replaced()}
	case <-timeUp:
		of = end{reason: sdk.EndStopped, err: r.outOfTime()}
	case why := <-overdue:
		// Before it is told: whoever reads that may have stopped.
		r.init.Kill()
		r.req.Out.Line("ended the command: %s", why)
		of = end{reason: sdk.EndSignalled, exit: launch.Exit{Signal: syscall.SIGKILL}}
	case <-ctx.Done(): // by whoever called
		of = end{reason: sdk.EndSignalled, err: context.Cause(ctx)}
		select {
		case err := <-r.stops: // by a layer, in the moment in which the gate was opened
			of = end{reason: sdk.EndStopped, err: err}
		default:
		}
	}
	r.init.Kill()
	<-ended
	return of
}

func (r *run) grace() time.Duration {
	if r.req.Grace == 0 {
		return DefaultGrace
	}
	return r.req.Grace
}

// lost reports the loss of a resident layer that nobody has dealt with yet.
func (r *run) lost() error {
	select {
	case err := <-r.losses:
		return err
	default:
		return nil
	}
}

// lose is told of a resident layer that is gone while it was needed.
func (r *run) lose(err error) {
	select {
	case r.losses <- err:
	default:
	}
}

// endInside ends everything inside. It may be called more than once.
func (r *run) endInside() {
	if r.init != nil {
		r.init.End()
	}
}

// endInit waits for the end of nono-init, and so of its namespaces, as well.
func (r *run) endInit() {
	if err := r.early.End(); err != nil {
		r.req.Log.Debug("ending nono-init", "error", err)
	}
}
