package session

import (
	"slices"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
)

// wide says what to do about a policy that is too long.
const wide = "grant or deny whole directories rather than what lies in them"

// boundRules refuses a policy that is too long before anybody works on it.
func (r *run) boundRules() error {
	rules := r.policy.Filesystem
	if len(rules) <= plan.MaxRules {
		return nil
	}
	return diag.Errorf("the policy has %d rules about files, and at most %d can be held",
		len(rules), plan.MaxRules).At(rules[plan.MaxRules].Source).Try(wide)
}

// boundPlaces refuses a view that would need too many mounts, before a layer is asked for them. It
// names the line that needs most of them.
func boundPlaces(v places.View, lines map[policy.RuleID]policy.Source) error {
	n := len(v.Places) + len(v.Links)
	if n <= plan.MaxMounts {
		return nil
	}
	var most policy.Source
	needs := map[policy.Source]int{}
	for _, p := range v.Places {
		if at, ok := lines[p.Rule]; ok {
			if needs[at]++; needs[at] > needs[most] {
				most = at
			}
		}
	}
	return diag.Errorf("the rules about files need %d mounts, and at most %d can be made",
		n, plan.MaxMounts).At(most).Try(wide)
}

// findPlaces works out what the agent sees of the files, if there is a filesystem layer to hold
// it. What is wrong there is told by core, whichever layer that is.
func (r *run) findPlaces(look hostfile.Look) error {
	ofFiles := func(m *member) bool { return m.block.Kind == policy.KindFilesystem }
	if !slices.ContainsFunc(r.members, ofFiles) {
		return nil
	}
	additive, err := r.additive()
	if err != nil {
		return err
	}
	var found []places.Problem
	r.places, found = places.Compute(places.Input{
		Policy: &r.policy, Home: r.host.Home, Dir: r.req.Dir, DirName: r.req.DirName,
		Lookup: r.req.Lookup, Look: look, Additive: additive,
	})
	lines := map[policy.RuleID]policy.Source{}
	for _, rule := range r.policy.Filesystem {
		lines[rule.ID] = rule.Source
	}
	if err := boundPlaces(r.places, lines); err != nil {
		return err
	}
	for _, p := range found {
		if p.Yields && r.req.Config.BestEffort {
			continue // its rule's coverage says what is missing, and is told
		}
		told := diag.Problem{
			Severity: diag.Warning, Summary: p.Summary, Detail: p.Detail, Source: lines[p.Rule],
		}
		if p.Fatal {
			told.Severity = diag.Error
		}
		r.problems = append(r.problems, told)
	}
	return r.problems.Err()
}

// additive is what places are made from besides where they only ever add; nil in tier A.
func (r *run) additive() (*places.Additive, error) {
	if !r.walled() {
		return nil, nil
	}
	hidden, err := controls()
	if err != nil {
		return nil, err
	}
	return &places.Additive{
		List:   hostfile.Names,
		Hidden: append(hidden, r.req.Dirs.All()...),
		Fixed:  r.ownPrograms(),
	}, nil
}
