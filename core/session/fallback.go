package session

import (
	"slices"
	"strings"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/fact"
)

// settleFallbacks makes the policy what it is for this run, when the credential layer has said for
// which services no source has a key: what stands in for those keys holds, and for no other. A
// layer that was started for what does not hold has nothing to do, and is let go.
func (r *run) settleFallbacks(facts []fact.Fact) {
	var missing []string
	for _, f := range facts {
		if f, ok := f.(fact.CredentialMissing); ok && !slices.Contains(missing, f.Service) {
			missing = append(missing, f.Service)
			r.tellFallback(f)
		}
	}
	r.policy = r.policy.Settled(missing)
	idle := func(m *member) bool { return m.block.Idle(&r.policy) }
	for _, m := range r.members {
		if idle(m) {
			m.release()
			r.idle = append(r.idle, m)
		}
	}
	r.members = slices.DeleteFunc(r.members, idle)
}

// tellFallback says that something stands in for a key. Nobody has named what that is on the
// command line, and a login is a real key.
func (r *run) tellFallback(missing fact.CredentialMissing) {
	for i := range r.policy.Credentials {
		c := &r.policy.Credentials[i]
		if c.Service != missing.Service || !c.Fallback.StandsIn() {
			continue
		}
		told := diag.Warningf("no source has the key of %s, so its fallback holds", c.Service).
			At(c.Source)
		var names []string
		for _, g := range c.Fallback.Granted() {
			names = append(names, diag.Homely(g.Path, r.host.Home))
			told.Source = g.Source
		}
		if len(names) > 0 {
			told.Summary += ": a real key in " + strings.Join(names, ", ") +
				" is inside, for the agent to use and to pass on"
		}
		told.Detail = missing.Why
		r.problems = append(r.problems, told)
	}
}
