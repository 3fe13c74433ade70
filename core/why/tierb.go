package why

import (
	"github.com/nono-run/nono/core/plan/merge"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// This file answers for a host on which nothing can be mounted: tier B. The agent sees the host's
// own files there, and Landlock's rules alone say what it may do with them.

// walledIn reports whether the plan is for such a host.
func (a *Asker) walledIn() bool { return a.plan.Host.Tier == sdk.TierB }

// seeRules holds an answer against Landlock's rules.
func (q *question) seeRules() {
	given, by := q.given()
	switch {
	case q.answer.Allowed && !given:
		q.deny(ByView, q.answer.Rule,
			"what is granted there cannot be given on this host without what is denied beside it")
	case q.answer.Allowed || !given:
	case by.For.Kind() == policy.KindBase:
		own := q.ruleByID(by.For)
		q.allow(own, own.Says)
	default:
		held := q.answer.Rule
		q.allow(q.ruleByID(by.For), "a rule grants it")
		if held != nil {
			q.note("%s says %s, which nothing holds on this host: it is kept aside, "+
				"and what became of it is told at the end", held.Source, held.Says)
		}
	}
}

// given reports whether a rule at the place or above gives what the operation takes, and which.
func (q *question) given() (bool, merge.Grant) {
	right := q.right()
	for _, g := range q.plan.Landlock {
		if policy.Within(q.place(), g.Path) && merge.Within(right, g.Rights) {
			return true, g
		}
	}
	return false, merge.Grant{}
}

// right is what the operation takes.
func (q *question) right() fragment.Right {
	switch op := q.op.decides(); {
	case op == policy.OpWrite:
		return fragment.RightWrite
	case op == policy.OpExecute:
		return fragment.RightExecute
	case q.op == List || q.entry.Type == policy.Directory:
		return fragment.RightList
	}
	return fragment.RightRead
}
