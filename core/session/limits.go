package session

import (
	"fmt"
	"syscall"
	"time"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/limits"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/sdk/policy"
)

// limitRules are the user's limits as rules that core holds.
func (r *run) limitRules() []base.Limit {
	l := r.req.Config.Limits
	var all []base.Limit
	add := func(id policy.RuleID, at policy.Source, by, why, says string, args ...any) {
		rule := policy.Rule{ID: id, Source: at, Says: fmt.Sprintf(says, args...)}
		all = append(all, base.Limit{Rule: rule, By: by, Why: why})
	}
	if l.Time > 0 {
		add(base.RuleTime, l.TimeAt, "ended by nono", "", "a run takes no longer than %s", l.Time)
	}
	if l.OpenFiles > 0 {
		add(base.RuleOpenFiles, l.OpenFilesAt, "resource limit", "",
			"a process has no more than %d files open", l.OpenFiles)
	}
	if l.Processes > 0 {
		add(base.RuleProcessMax, l.ProcessesAt, "resource limit", r.noProcessLimit(),
			"no more than %d processes and threads run inside", l.Processes)
	}
	return all
}

// noProcessLimit is why this host holds no limit on processes; empty if it does.
func (r *run) noProcessLimit() string {
	if r.req.Config.Limits.Processes == 0 {
		return ""
	}
	if r.walled() {
		return "without user namespaces the kernel counts all of your processes together"
	}
	return limits.NoProcessLimit(r.host.Kernel)
}

// timeUp is sent to when the run has had its time; where nobody limits that, never. The agent is
// asked to end a grace before.
func (r *run) timeUp() (up <-chan time.Time, stop func()) {
	l := r.req.Config.Limits
	if l.Time == 0 {
		return nil, func() {}
	}
	asked := time.AfterFunc(l.Time-min(r.grace(), l.Time/2), func() {
		if r.init.Signal(syscall.SIGTERM) != nil {
			return // it has ended just now
		}
		r.req.Out.Problem(diag.Warningf("the agent is asked to end: the run may take %s", l.Time).
			At(l.TimeAt))
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
