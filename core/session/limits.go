package session

import (
	"fmt"
	"syscall"
	"time"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/sdk/policy"
)

// limitRules are the user's limits as rules that core holds.
func limitRules(l config.Limits) []base.Limit {
	var all []base.Limit
	add := func(id policy.RuleID, at policy.Source, by, says string, args ...any) {
		rule := policy.Rule{ID: id, Source: at, Says: fmt.Sprintf(says, args...)}
		all = append(all, base.Limit{Rule: rule, By: by})
	}
	if l.Time > 0 {
		add(base.RuleTime, l.TimeAt, "ended by nono", "a run takes no longer than %s", l.Time)
	}
	if l.OpenFiles > 0 {
		add(base.RuleOpenFiles, l.OpenFilesAt, "resource limit",
			"a process has no more than %d files open", l.OpenFiles)
	}
	return all
}

// timeUp is sent to when the run has had its time; where nobody limits that, never. The agent is
// asked to end a grace before.
func (r *run) timeUp() (up <-chan time.Time, stop func()) {
	l := r.req.Config.Limits
	if l.Time == 0 {
		return nil, func() {}
	}
	asked := time.AfterFunc(l.Time-min(r.grace(), l.Time/2), func() {
		_ = r.init.Signal(syscall.SIGTERM) // it may have ended just now
	})
	timer := time.NewTimer(l.Time)
	return timer.C, func() {
		asked.Stop()
		timer.Stop()
	}
}

// outOfTime is how a run ends that has had its time.
func (r *run) outOfTime() error {
	l := r.req.Config.Limits
	return diag.Errorf("the run was ended: it has had its %s", l.Time).At(l.TimeAt)
}
