package show

import (
	"fmt"
	"strings"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// snapshotText is what is recorded first: "snapshot of ~/proj, ~/notes"; "" if nothing is.
func (p *page) snapshotText() string {
	var roots []string
	for _, r := range p.Snapshot.Paths {
		roots = append(roots, policy.Printable(p.short(r.Path)))
	}
	if len(roots) == 0 {
		return ""
	}
	if more := len(roots) - summaryGrants; more > 0 {
		roots = append(roots[:summaryGrants], fmt.Sprintf("and %d more", more))
	}
	return "snapshot of " + strings.Join(roots, ", ")
}

// snapshot prints what is recorded, and what of it is not stored. What every snapshot leaves out is
// counted, and shown with -v.
func (pr *printer) snapshot() {
	p := pr.plan
	rules := map[policy.RuleID]plan.Rule{}
	for _, r := range p.Rules {
		rules[r.ID] = r
	}
	row := func(id policy.RuleID, word, what string) []string {
		r := rules[id]
		held := r.By
		if r.Held != sdk.Enforced {
			held = strings.ToUpper(string(r.Held)) + ": " + r.Why
		}
		return []string{word, what, pr.source(r), held}
	}
	var rows [][]string
	for _, s := range p.Snapshot.Paths {
		rows = append(rows, row(s.ID, "record", p.short(s.Path)))
	}
	standard := 0
	for _, e := range p.Snapshot.Exclude {
		if e.Source.Origin == policy.OriginDefault && !pr.verbose {
			standard++
			continue
		}
		rows = append(rows, row(e.ID, "exclude", e.Pattern))
	}
	if standard > 0 {
		rows = append(rows, []string{
			fmt.Sprintf("and %d patterns of the default profile (-v lists them)", standard),
		})
	}
	if k := p.Snapshot.Keep; k != nil {
		rows = append(rows, row(k.ID, "keep", rules[k.ID].Says))
	}
	pr.section("snapshot", rows)
}
