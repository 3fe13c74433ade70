package show

import (
	"strings"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// credentialText names the services that are used with a key: "credentials anthropic, openai"; ""
// for none.
func (p *page) credentialText() string {
	var names []string
	for _, c := range p.Credentials {
		if p.Gives(c.ID) {
			names = append(names, c.Service)
		}
	}
	switch len(names) {
	case 0:
		return ""
	case 1:
		return "credential " + policy.Printable(names[0])
	}
	return "credentials " + policy.Printable(strings.Join(names, ", "))
}

// credentials prints the services that are used with a key, where their keys go and where those are
// from.
func (pr *printer) credentials() {
	p := pr.plan
	if len(p.Credentials) == 0 {
		return
	}
	rules := map[policy.RuleID]plan.Rule{}
	for _, r := range p.Rules {
		rules[r.ID] = r
	}
	var rows [][]string
	for _, c := range p.Credentials {
		r := rules[c.ID]
		held := r.By
		if r.Held != sdk.Enforced {
			held = strings.ToUpper(string(r.Held)) + ": " + r.Why
		}
		rows = append(rows, []string{c.Service, c.Upstream, pr.source(r), held})
		for _, more := range []struct{ name, what string }{
			{"methods", strings.Join(c.Methods, " ")}, {"paths", strings.Join(c.Paths, " ")},
		} {
			if more.what != "" {
				rows = append(rows, []string{"", "only the " + more.name + " " + more.what})
			}
		}
	}
	pr.section("credentials", rows)
}
