package plan

import (
	"slices"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/plan/proof"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// doubt holds the layers to what they say. A denial or a protection that is told to be enforced
// must not be undone by the view: by a layer that forgot it, by another one that shows the same
// files at a second place, or by a directory above that the agent could rename. It is the proof of
// nono's own files, [Plan.Prove], asked about the user's.
//
// Where Landlock gives nothing at the place that a bind shows, the layer has held a denial that
// way. A protection it cannot hold alone: it does not see who changes a file's mode, times or
// attributes.
func (m *maker) doubt(p *Plan) {
	reach, err := p.reach()
	if err != nil {
		return // Prove says so
	}
	behind := func(r proof.Reach) proof.Reach { return r }
	if len(p.Landlock) > 0 && !p.walled() {
		wall := proof.NewRights(p.rights())
		behind = func(r proof.Reach) proof.Reach { return proof.Behind(r, wall) }
	}
	var doubted diag.Problems
	for _, r := range p.Rules {
		restricts := r.Access == policy.Deny || r.Access == policy.Protect
		if !restricts || r.Held != sdk.Enforced || r.Type == policy.Missing {
			continue
		}
		way, err := hostfile.Follow(m.in.Look, r.Path)
		if err != nil || way.Path != r.Path {
			continue // it changed meanwhile; nono-init refuses to mount what is not what was planned with
		}
		t := proof.Target{Route: way, Hidden: true, What: "denied"}
		if r.Access == policy.Protect {
			t = proof.Target{Route: way, What: "protected"}
		}
		if !r.Source.Asked() {
			t.Lent = m.in.Own.Lent // of what is denied by default, core lends these
		}
		for _, l := range r.Lifted {
			t.Lent = append(slices.Clone(t.Lent), l.Path)
		}
		has := reach(t)
		if r.Access == policy.Deny {
			has = behind(has)
		}
		if err := proof.Hold(has, t); err != nil {
			doubted = append(doubted, diag.Errorf(
				"layer %s says that %q is enforced, and it is not: %s", r.Layer, r.Says, err).
				Try("narrow the grant that shows it there; if there is none, it is a flaw of a layer").
				At(r.Source))
		}
	}
	if more := len(doubted) - mostDoubts; more > 0 {
		doubted = append(doubted[:mostDoubts],
			diag.Errorf("and %d more rules are said to be enforced, and are not", more))
	}
	m.problems = append(m.problems, doubted...)
}

// mostDoubts is how many rules are told one by one: a layer that forgets one usually forgets all.
const mostDoubts = 10
