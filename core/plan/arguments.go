package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/plan/merge"
	"github.com/nono-run/nono/sdk/policy"
)

// arguments are what credentials add to the command: of those of which the agent has something.
// Some programs learn only so where to send requests.
func (m *maker) arguments(p *Plan) []string {
	var all []string
	for i := range m.in.Policy.Credentials {
		c := &m.in.Policy.Credentials[i]
		if len(c.Arguments) == 0 || !p.Gives(c.ID) {
			continue
		}
		url, err := p.baseURL(c)
		own := slices.Clone(c.Arguments)
		for i, a := range own {
			if !strings.Contains(a, policy.BaseURL) {
				continue
			}
			if err != nil {
				m.problem(diag.Errorf("the address of %s cannot stand among the arguments: %v",
					c.Service, err), c.Source)
				return nil
			}
			own[i] = strings.ReplaceAll(a, policy.BaseURL, url)
		}
		if c.Source.Origin == policy.OriginProfile { // whoever typed its name did not type them
			m.notice(c.Source, "", "to use the key of %s, the command is given further arguments: %s",
				c.Service, strings.Join(own, " "))
		}
		all = append(all, own...)
	}
	return all
}

// Gives reports whether the agent is given something for a credential: a socket or a variable. For
// one that has no key it is not.
func (p *Plan) Gives(credential policy.RuleID) bool {
	return slices.ContainsFunc(p.Listeners, func(l Listener) bool { return l.For == credential }) ||
		slices.ContainsFunc(p.Env, func(v Variable) bool { return v.Rule == credential })
}

// baseURL is what the credential's variable says, for everybody to see.
func (p *Plan) baseURL(c *policy.Credential) (string, error) {
	i := slices.IndexFunc(p.Env, func(v Variable) bool {
		return v.Name == c.URLVariable && v.Rule == c.ID
	})
	if i < 0 {
		return "", fmt.Errorf("nothing sets %s", c.URLVariable)
	}
	var text strings.Builder
	for _, part := range p.Env[i].Value {
		if part.Secret != "" || part.Host != "" {
			return "", fmt.Errorf("layer %s keeps %s secret", p.Env[i].Layer, c.URLVariable)
		}
		if l, ok := merge.Find(p.Listeners, p.Env[i].Layer, part.Listener); ok {
			text.WriteString(l.Dialled())
		}
		text.WriteString(part.Literal)
	}
	return text.String(), nil
}
