package session

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/launch"
	"github.com/nono-run/nono/core/limits"
	"github.com/nono-run/nono/core/toolchain"
	"github.com/nono-run/nono/sdk/policy"
)

// problemOf shows an error as a problem at a line, unless it has one of its own.
func problemOf(err error, at policy.Source) diag.Problem {
	var p diag.Problem
	var told interface{ Problem() diag.Problem }
	switch {
	case errors.As(err, &p):
	case errors.As(err, &told):
		p = told.Problem()
	default:
		p = diag.Errorf("%s", err)
	}
	if p.Source == (policy.Source{}) {
		p.Source = at
	}
	if p.Detail == "" {
		p.Detail = limits.Advice(err)
	}
	return p
}

// asProblems is any error as a list of problems.
func asProblems(err error) diag.Problems {
	var list diag.Problems
	if errors.As(err, &list) {
		return list
	}
	return diag.Problems{problemOf(err, policy.Source{})}
}

// hostRefuses begins the problem of a host without a sandbox.
const hostRefuses = "this host cannot enforce the sandbox: "

// RefusedByHost is the problem of a host on which there is no sandbox, without the words that all
// of them begin with, if an error of this package's says so.
func RefusedByHost(err error) (diag.Problem, bool) {
	for _, p := range asProblems(err) {
		if reason, ok := strings.CutPrefix(p.Summary, hostRefuses); ok {
			p.Summary = reason
			return p, true
		}
	}
	return diag.Problem{}, false
}

// HostProblem says why there is no sandbox on this host, where an error is about that.
func HostProblem(err error) error {
	var unavailable *launch.UnavailableError
	if errors.As(err, &unavailable) {
		return diag.Errorf("%s%s", hostRefuses, unavailable.Reason).
			Try("%s", unavailable.Try)
	}
	return err
}

// commandProblem shows what is wrong with a command at the line that names it, where nobody typed
// it.
func (r *run) commandProblem(err error) error {
	var wrong *toolchain.Error
	if errors.As(err, &wrong) && wrong.Problem.Source == (policy.Source{}) {
		wrong.Problem = wrong.Problem.At(r.req.ArgsSource)
	}
	return err
}

// stepProblem shows a failed step of the launcher with the layer and the rule that it is there for.
func (r *run) stepProblem(err error) error {
	var step *launch.StepError
	if !errors.As(err, &step) {
		return HostProblem(err)
	}
	advice := limits.Advice(err)
	if errors.Is(err, syscall.EACCES) && r.req.UID == 0 {
		advice = "inside, root has no power over the files of others: " +
			"run nono as the user whose they are"
	}
	layer, ok := r.plan.LayerOf(step.Step, step.Path)
	if !ok {
		return diag.Errorf("building the sandbox: %s", step.Text).Try("%s", advice)
	}
	p := diag.Errorf("building the sandbox: layer %s: %s", layer, step.Text)
	if rule, ok := r.policy.Find(step.Rule); ok {
		return p.At(rule.Source).
			Try("%s", cmp.Or(advice, fmt.Sprintf("it is there for %q", rule.Says)))
	}
	for _, m := range r.members {
		if m.description.Name == layer {
			p = p.At(m.block.Source)
		}
	}
	return p.Try("%s", advice)
}

// execProblem gives a command that could not be executed the exit code of that.
func execProblem(err error) error {
	var failed *launch.ExecError
	if !errors.As(err, &failed) {
		return err
	}
	return &Error{Code: failed.Status(), Err: failed}
}
