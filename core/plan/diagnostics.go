package plan

import (
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// Told is what the layer says of its settings and of rules, each with its line.
func (s Share) Told(p *policy.Policy) diag.Problems {
	if s.Response == nil || len(s.Response.Diagnostics) == 0 {
		return nil
	}
	lines := map[policy.RuleID]policy.Source{}
	for _, r := range p.Rules() {
		lines[r.ID] = r.Source
	}
	return s.told(func(id policy.RuleID) policy.Source { return lines[id] })
}

func (s Share) told(lineOf func(policy.RuleID) policy.Source) diag.Problems {
	var all diag.Problems
	for _, d := range s.Response.Diagnostics {
		at := lineOf(d.Rule)
		if d.Attribute != "" && s.Setting != nil {
			at = s.Setting(d.Attribute)
		}
		p := diag.Problem{Severity: diag.Error, Summary: d.Summary, Detail: d.Detail, Source: at}
		if at == (policy.Source{}) {
			p.Summary = "layer " + s.Name + ": " + d.Summary
		}
		// An unknown severity is an error: what nobody understands does not start.
		if d.Severity == sdk.SeverityWarning {
			p.Severity = diag.Warning
		}
		all = append(all, p)
	}
	return all
}

// collectDiagnostics turns what the layers said about settings and rules into problems and notices
// with their lines.
func (m *maker) collectDiagnostics() {
	for _, s := range m.layers {
		if s.Response == nil {
			continue
		}
		for _, p := range s.told(m.sourceOf) {
			m.report(p)
		}
	}
}
