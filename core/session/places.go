package session

import (
	"slices"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
)

// findPlaces works out what the agent sees of the files, if there is a filesystem layer to hold it. What
// is wrong there is told by core, whichever layer that is.
func (r *run) findPlaces() error {
	ofFiles := func(m *member) bool { return m.block.Kind == policy.KindFilesystem }
	if !slices.ContainsFunc(r.members, ofFiles) {
		return nil
	}
	var found []places.Problem
	r.places, found = places.Compute(places.Input{
		Policy: &r.policy, Home: r.host.Home, Dir: r.req.Dir, Lookup: r.req.Lookup, Look: hostfile.Host,
	})
	lines := map[policy.RuleID]policy.Source{}
	for _, rule := range r.policy.Filesystem {
		lines[rule.ID] = rule.Source
	}
	for _, p := range found {
		told := diag.Problem{Severity: diag.Warning, Summary: p.Summary, Detail: p.Detail, Source: lines[p.Rule]}
		if p.Fatal {
			told.Severity = diag.Error
		}
		r.problems = append(r.problems, told)
	}
	return r.problems.Err()
}
