package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nono-run/nono/sdk/policy"
)

// settle finds what the -c file asks for, and refuses the run unless it is approved.
//
// Such a file may lie in a repository that a stranger wrote. By itself it may name the command and its arguments, grant beneath its
// own directory, tighten anything, and set plain variables. What the user's own configuration or flags give already is not asked for
// again. All else is, a line each; and what a file says that no approval makes valid was refused before (later.go).
func (l *loader) settle() {
	for i, t := range l.texts {
		if !t.foreign {
			continue
		}
		var asks []Ask
		asks = append(asks, l.pathAsks(t)...)
		asks = append(asks, l.variableAsks(t)...)
		asks = append(asks, l.layerAsks(l.trees[i])...)
		if s, ok := l.trees[i].attrs["best_effort"]; ok && s.yes {
			asks = append(asks, Ask{"to go on where a rule cannot be held (best_effort)", s.at})
		}
		slices.SortStableFunc(asks, func(a, b Ask) int {
			if a.Source.Line != b.Source.Line {
				return a.Source.Line - b.Source.Line
			}
			return a.Source.Column - b.Source.Column
		})
		l.cfg.Asks = asks
		if l.Approve {
			continue
		}
		for i, ask := range asks {
			refused := l.fail(ask.Source, "%s asks %s, and that is not approved", t.shown, ask.Says)
			if i == len(asks)-1 { // once, when all have been read: it is about the file
				refused = refused.Try("if you trust this file, run again with --approve")
			}
			refused.add(l)
		}
	}
}

// pathAsks are the grants that reach beyond the file's own directory, and the protections that it lifts even within.
func (l *loader) pathAsks(t *text) []Ask {
	given := l.grants(func(r *rule) bool { return r.Source.Origin != t.origin })
	var asks []Ask
	for i := range l.rules {
		r := &l.rules[i]
		switch {
		case r.Source.Origin != t.origin || !r.Access.Grants():
		case l.lifts[i]:
			asks = append(asks, Ask{fmt.Sprintf("to write %s, which is protected", l.homely(r.Path)), r.Source})
		case policy.Within(r.Path, t.dir), gives(given, r):
		default:
			asks = append(asks, Ask{fmt.Sprintf("to %s %s", verb[r.Access], l.homely(r.Path)), r.Source})
		}
	}
	return asks
}

var verb = map[policy.Access]string{policy.Allow: "read, change and run", policy.Read: "read", policy.Write: "read and change"}

// grants decides by the chosen grants alone. Denials are left out: they hold in any case, and what is granted and denied is not granted
// anew by being granted twice.
func (l *loader) grants(chosen func(*rule) bool) *policy.Decider {
	p := &policy.Policy{}
	for i := range l.rules {
		if l.rules[i].Access.Grants() && chosen(&l.rules[i]) {
			p.Filesystem = append(p.Filesystem, l.rules[i].PathRule)
		}
	}
	return policy.NewDecider(p)
}

// gives reports whether p gives all that the grant r would.
func gives(p *policy.Decider, r *rule) bool {
	need := map[policy.Access][]policy.Op{
		policy.Allow: {policy.OpRead, policy.OpWrite, policy.OpExecute},
		policy.Read:  {policy.OpRead, policy.OpExecute},
		policy.Write: {policy.OpRead, policy.OpWrite},
	}
	for _, op := range need[r.Access] {
		if !p.Path(r.Path, op).Allowed {
			return false
		}
	}
	return true
}

// variableAsks are the variables that the file passes, and those that it sets although nothing may inherit them.
func (l *loader) variableAsks(t *text) []Ask {
	var given policy.Policy
	for _, r := range l.env {
		if r.Source.Origin != t.origin {
			given.Environment = append(given.Environment, r)
		}
	}
	decide := policy.NewDecider(&given)
	var asks []Ask
	for i := range l.env {
		r := &l.env[i]
		switch {
		case r.Source.Origin != t.origin:
		case r.Action == policy.EnvPass && !passes(&given, decide, r.Name):
			asks = append(asks, Ask{"to see your variable " + r.Name, r.Source})
		case r.Action == policy.EnvSet && denies(&given, r.Name):
			asks = append(asks, Ask{fmt.Sprintf("to set %s, which changes what programs do", r.Name), r.Source})
		}
	}
	return asks
}

// passes reports whether p passes all that a name or a pattern means.
func passes(p *policy.Policy, decide *policy.Decider, name string) bool {
	prefix, pattern := strings.CutSuffix(name, "*")
	if !pattern {
		return decide.Variable(name).Allowed
	}
	for _, r := range p.Environment {
		if wider, ok := strings.CutSuffix(r.Name, "*"); ok && r.Action == policy.EnvPass && strings.HasPrefix(prefix, wider) {
			return true
		}
	}
	return false
}

func denies(p *policy.Policy, name string) bool {
	return slices.ContainsFunc(p.Environment, func(r policy.EnvRule) bool { return r.Action == policy.EnvDeny && r.Matches(name) })
}

// layerAsks are the programs that the file brings, and all that it says of layers but to switch one on.
func (l *loader) layerAsks(root *tree) []Ask {
	var asks []Ask
	for _, b := range root.blocks {
		switch b.name {
		case "plugin":
			asks = append(asks, Ask{fmt.Sprintf("to use the program %s, which runs outside the sandbox", l.homely(l.cfg.plugins[b.label].Path)), b.at})
		case "layer":
			asks = append(asks, l.oneLayerAsks(b)...)
		}
	}
	return asks
}

func (l *loader) oneLayerAsks(b *tree) []Ask {
	var asks []Ask
	if it, ok := b.one("plugin"); ok {
		asks = append(asks, Ask{fmt.Sprintf("to run the plugin %s as the layer %s, outside the sandbox", it.text, b.label), it.at})
	} else if layer, _ := l.cfg.Layer(b.label); layer.Kind == policy.KindCustom {
		asks = append(asks, Ask{fmt.Sprintf("to run the layer %s, outside the sandbox", b.label), b.at})
	}
	if s, ok := b.attrs["enabled"]; ok && !s.yes {
		asks = append(asks, Ask{fmt.Sprintf("to switch off the layer %s", b.label), s.at})
	}
	for _, name := range sortedNames(b.rest) {
		at, _ := l.cfg.SettingSource(b.label, name)
		asks = append(asks, Ask{fmt.Sprintf("to set %s of the layer %s", quote(name), b.label), at})
	}
	return asks
}
