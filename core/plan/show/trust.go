package show

import (
	"fmt"
	"strings"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// trust prints whose signatures are looked at. The names that every run looks at are counted, and
// shown with -v; the files that were verified stand among what is protected.
func (pr *printer) trust() {
	var rows [][]string
	standard := 0
	for _, r := range pr.plan.Rules {
		switch {
		case r.ID.Kind() != policy.KindTrust:
		case r.Source.Origin == policy.OriginDefault && r.Held == sdk.Enforced && !pr.verbose:
			if strings.HasPrefix(string(r.ID), "trust.files.") {
				standard++
			}
		default:
			held := r.By
			if r.Held != sdk.Enforced {
				held = strings.ToUpper(string(r.Held)) + ": " + r.Why
			}
			rows = append(rows, []string{r.Says, pr.source(r), held})
		}
	}
	if standard > 0 {
		rows = append(rows, []string{
			fmt.Sprintf("and %d names of the default profile (-v lists them)", standard),
		})
	}
	pr.section("trust", rows)
}
