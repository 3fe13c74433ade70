package session

import (
	"context"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/kinds"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// finish lets each layer that was armed release what it took: the rows of the Plan order backwards,
// and the layers of one row side by side. It always runs, and every layer is heard.
//
// However the run ended, this is done, so nothing that ended it ends this too. The layer host
// bounds each call, and the user can call it off.
func (r *run) finish(sig *signals, end sdk.End) error {
	ctx, callOff := context.WithCancelCause(context.Background())
	defer callOff(nil)
	defer r.req.Progress.Done()
	r.asker.TakeBack()
	sig.Handle(r.impatience(callOff))
	var problems diag.Problems
	for _, row := range slices.Backward(kinds.PlanOrder()) {
		problems = append(problems, r.finishRow(ctx, r.armed(row), end)...)
	}
	return problems.Err()
}

// armed are the layers of some kinds whose Start was called, so that Finish is owed.
func (r *run) armed(some []policy.Kind) []*member {
	return slices.DeleteFunc(r.membersOf(some), func(m *member) bool { return !m.armed })
}

// finishRow calls Finish of some layers at the same time, and takes their answers in order.
func (r *run) finishRow(ctx context.Context, members []*member, end sdk.End) diag.Problems {
	answers := make([]*sdk.FinishResponse, len(members))
	errs := make([]error, len(members))
	var wg sync.WaitGroup
	for i, m := range members {
		wg.Go(func() { answers[i], errs[i] = m.finish(ctx, r, end) })
	}
	wg.Wait()
	var problems diag.Problems
	for i, m := range members {
		switch {
		case errs[i] == nil:
			m.finished = true
			r.lines = append(r.lines, answers[i].Lines...)
		case context.Cause(ctx) != nil:
			r.tellFailed(m, context.Cause(ctx))
			problems = append(problems, diag.Errorf("layer %s was not waited for, "+
				"and may have left something behind: %s", m.binary.Name, context.Cause(ctx)))
		default:
			r.tellFailed(m, errs[i])
			problems = append(problems, asProblems(errs[i])...)
		}
	}
	return problems
}

func (r *run) tellFailed(m *member, err error) {
	r.log.tell(eventFailed, map[string]string{"layer": m.binary.Name, "why": err.Error()})
}

// impatience is what signals do while layers clean up: SIGTERM and the second Ctrl-C call it off.
// One Ctrl-C is what people type when they think that nothing happens, and is told what does; it
// ends the question that is open.
func (r *run) impatience(callOff context.CancelCauseFunc) func(syscall.Signal) {
	interrupted := false
	return func(s syscall.Signal) {
		r.asker.Interrupt()
		switch {
		case s == syscall.SIGTERM, s == syscall.SIGINT && interrupted:
			callOff(diag.Errorf("cleaning up was ended by %s", unix.SignalName(s)))
		case s == syscall.SIGINT:
			interrupted = true
			var names []string
			for _, m := range r.members {
				if m.armed {
					names = append(names, m.binary.Name)
				}
			}
			// Beside, for whoever reads it may have stopped, and the next signal must be heard.
			go r.req.Out.Line("%s cleans up; Ctrl-C again ends that too", strings.Join(names, ", "))
		}
	}
}
