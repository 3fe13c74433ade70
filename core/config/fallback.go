package config

import (
	"maps"
	"slices"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/sdk/policy"
)

// fallbackGrammar is what may stand in for a key. It only gives: what is to be denied or protected
// is to be so with the key as well.
var fallbackGrammar = &language.Block{
	Help: "what holds where no source has the key, such as the agent's own login, " +
		"which is then inside",
	Blocks: map[string]*language.Block{
		"filesystem": {
			Help:       filesystem.grammar.Help,
			Attributes: only(filesystem.grammar, "allow", "read", "write", "unix", "lift"),
		},
		"network": {
			Help:       network.grammar.Help,
			Attributes: only(network.grammar, "allow", "opaque"),
		},
		"environment": {
			Help:       environment.grammar.Help,
			Attributes: only(environment.grammar, "pass", "set"),
		},
	},
}

// only are some of a block's attributes.
func only(of *language.Block, names ...string) map[string]language.Attribute {
	all := maps.Clone(of.Attributes)
	maps.DeleteFunc(all, func(name string, _ language.Attribute) bool {
		return !slices.Contains(names, name)
	})
	return all
}

// fallback is what is said of one service's, but for the rules about files. Those are among the
// others in the draft, each with the service's name: what must hold of a grant must hold of one
// that is given in some runs only, and all is settled as if it were given.
type fallback struct {
	hosts       []hostRule
	environment []policy.EnvRule
}

// fallback reads what holds in the place of a service's key.
func (r *reader) fallback(s *source, service string, t *language.Tree) {
	f := r.fallbacks[service]
	if f == nil {
		f = &fallback{}
		r.fallbacks[service] = f
	}
	for _, inner := range t.Blocks {
		switch inner.Name {
		case filesystem.name:
			r.within = service
			r.filesystem(s, inner)
			r.within = ""
		case network.name:
			begun := len(r.net.hosts)
			r.hostRules(inner, func(it language.Item) hostRule { return hostRule{by: it.Source} })
			f.hosts = append(f.hosts, r.net.hosts[begun:]...)
			r.net.hosts = slices.Clip(r.net.hosts[:begun])
		case environment.name:
			for _, rule := range r.environmentRules(inner) {
				if r.isVariableRule(rule) {
					f.environment = append(f.environment, rule)
				}
			}
		}
	}
}

// settledFallback is a service's as the policy has it, when nothing is left to settle; nil for
// none.
func (r *reader) settledFallback(service string) *policy.Fallback {
	said := r.fallbacks[service]
	if said == nil {
		return nil
	}
	f := &policy.Fallback{Environment: said.environment}
	for i := range r.rules {
		if r.rules[i].fallback == service {
			f.Filesystem = append(f.Filesystem, r.rules[i].PathRule)
		}
	}
	for _, l := range r.lifts {
		if l.fallback == service {
			f.Lifts = append(f.Lifts, l.Lift)
		}
	}
	for _, h := range said.hosts {
		f.Hosts = append(f.Hosts, h.HostRule)
	}
	return f
}

// fallbackAsks are what a file from elsewhere gives in the place of a key. It is asked for like
// anything else that the file gives, and for this case alone.
func (r *reader) fallbackAsks(s *source, service string) []Ask {
	asks := append(r.pathAsks(s, service), r.liftAsks(s, service)...)
	if f := r.fallbacks[service]; f != nil {
		asks = append(asks, r.hostAsks(s, f.hosts)...)
		asks = append(asks, r.variableAsks(s, f.environment)...)
	}
	for i := range asks {
		asks[i].Says += ", where no source has the key of " + service
		for j, w := range asks[i].Wants {
			asks[i].Wants[j] = want("fallback", service, w)
		}
	}
	return asks
}
