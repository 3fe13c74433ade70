package attack

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/nono-run/nono/sdk/policy"
)

// signs begin the line of a finding.
var signs = map[Result]string{
	Held: "held", NotHeld: "NOT HELD", Open: "open", Inapplicable: "not applicable",
}

// Write prints a report as a table for a person, a line for each attack, and what it comes to.
func (r *Report) Write(to io.Writer) {
	fmt.Fprintf(to, "tier %s, Landlock %d\n", r.Tier, r.Landlock)
	for _, session := range slices.Sorted(maps.Keys(r.Refused)) {
		fmt.Fprintf(to, "not tried with %s, where nono starts nothing: %s\n", session, policy.Printable(r.Refused[session]))
	}
	for _, f := range r.Findings {
		fmt.Fprintf(to, "%-14s  %s  %s: %s\n", signs[f.Result], f.Threat, f.Tried, policy.Printable(f.because()))
	}
	fmt.Fprintf(to, "%d held, %d open in this tier, %d not applicable here, %d NOT HELD\n",
		r.Count(Held), r.Count(Open), r.Count(Inapplicable), r.Count(NotHeld))
}

// because is the reason for a result.
func (f *Finding) because() string {
	switch {
	case f.Why != "":
		return f.Why
	case f.By != "":
		return f.By
	}
	return "answered with " + f.Inside
}
