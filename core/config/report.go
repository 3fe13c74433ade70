package config

import (
	"cmp"
	"slices"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/policy"
)

// report collects what there is to tell the user: what stops the run, and what does not.
type report struct {
	problems diag.Problems
	notices  diag.Problems
	// hidden are lines that hold what is not to be shown.
	hidden []policy.Source
}

// problem starts a problem at a line or a flag.
func problem(at policy.Source, format string, args ...any) diag.Problem {
	return diag.Errorf(format, args...).At(at)
}

// add records a problem. The stage goes on, to find the others of its kind; the next does not
// begin.
func (r *report) add(p diag.Problem) { r.problems = append(r.problems, p) }

func (r *report) notice(at policy.Source, format string, args ...any) {
	r.notices = append(r.notices, diag.Warningf(format, args...).At(at))
}

// mostShown is how many problems are told. A stranger's file can have thousands.
const mostShown = 100

// err is the problems in the order in which the sources are read; flags keep theirs.
func (r *report) err() error {
	slices.SortStableFunc(r.problems, func(a, b diag.Problem) int {
		return cmp.Or(
			cmp.Compare(order(a.Source.Origin), order(b.Source.Origin)),
			cmp.Compare(a.Source.File, b.Source.File),
			cmp.Compare(a.Source.Line, b.Source.Line),
			cmp.Compare(a.Source.Column, b.Source.Column),
		)
	})
	if more := len(r.problems) - mostShown; more > 0 {
		last := r.problems[len(r.problems)-1]
		r.problems = append(r.problems[:mostShown], problem(last.Source,
			"there are %d more problems up to here", more))
	}
	return r.problems.Err()
}

func order(o policy.Origin) int {
	read := []policy.Origin{
		policy.OriginDefault, policy.OriginConfig, policy.OriginProfile, policy.OriginFile,
		policy.OriginFlag,
	}
	return slices.Index(read, o)
}

func quote(s string) string { return `"` + s + `"` }
