package config

import (
	"slices"
	"strings"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/profile"
	"github.com/nono-run/nono/sdk/lazyregexp"
	"github.com/nono-run/nono/sdk/policy"
)

// A secret is a variable of the agent's with a real key in it, for a program that can do nothing
// with a stand-in. The agent can read it and send it wherever it reaches, so each run says so, and
// names what would keep the key outside.

// secret reads one: the name is the variable's, and the text where the key is.
func (r *reader) secret(it language.Item) {
	rule := policy.EnvRule{Action: policy.EnvSecret, Name: it.Key, Source: it.Source}
	if !r.isVariableRule(rule) {
		return
	}
	if it.Key == "PATH" {
		r.add(problem(it.Source, "PATH is composed by nono, and is no secret"))
		return
	}
	from, ok := r.keySource(it.Key, it, nil)
	if !ok {
		return
	}
	rule.From = from
	r.variables.add(rule, nil)
	r.lines[policy.KindCredentials] = append(r.lines[policy.KindCredentials], it.Source)
}

// account is what a key in the keyring is called by those who name it without a scheme.
var account = lazyregexp.New(`^[A-Za-z0-9_]+$`)

// secretFlag reads --env-credential NAME,..., which are names in the keyring and in capitals those
// of the variables, and --env-credential VARIABLE=SOURCE. What stands behind the = is in no source,
// which is printed: it may be the key itself.
func (r *reader) secretFlag(f Flag) {
	item := func(name, from, typed string) language.Item {
		at := policy.Source{Origin: policy.OriginFlag, Flag: "--" + f.Name + " " + typed}
		return language.Item{Key: name, Text: from, Source: at}
	}
	if name, from, ok := strings.Cut(f.Value, "="); ok {
		r.secret(item(name, from, name))
		return
	}
	for name := range strings.SplitSeq(f.Value, ",") {
		name = strings.TrimSpace(name)
		variable, isVariable := strings.CutPrefix(name, "env://")
		switch {
		case isVariable:
			r.secret(item(variable, name, name))
		case account.MatchString(name):
			r.secret(item(strings.ToUpper(name), "keyring://"+name, name))
		default:
			// It may be the key itself, which is not to be shown.
			r.add(problem(policy.Source{Origin: policy.OriginFlag, Flag: "--" + f.Name},
				"this does not say which variable has a key, and where that is").
				Try("write --%s VARIABLE=keyring://NAME, or the NAME alone", f.Name))
		}
	}
}

// tellSecrets says of each secret that a real key is inside.
func (r *reader) tellSecrets(rules []policy.EnvRule) {
	for _, rule := range rules {
		if rule.Action != policy.EnvSecret {
			continue
		}
		outside := "a credential block"
		if service := r.serviceOfVariable(rule.Name); service != "" {
			outside = "--credential " + service
		}
		r.notice(rule.Source, "%s is a real key inside, which the agent can read and send away; "+
			"%s would keep it outside and give a token", rule.Name, outside)
	}
}

// serviceOfVariable is the service whose clients read a variable; "" where none is known.
func (r *reader) serviceOfVariable(name string) string {
	from := profile.Services{Own: r.ownDir("services")}
	names, _ := from.Names() // what cannot be listed is not offered
	for _, service := range names {
		s := r.service(from, service, policy.Source{}, false, &report{})
		if s == nil {
			continue
		}
		env := s.tree.Blocks[0].Attributes["env"]
		if env == nil || env.Fields["key"] == nil {
			continue
		}
		if env.Fields["key"].Items[0].Text == name {
			return service
		}
	}
	return ""
}

// isKeyOf reports whether a secret is the key of a credential.
func isKeyOf(rule *policy.EnvRule, c *policy.Credential) bool {
	from := rule.From
	return rule.Action == policy.EnvSecret &&
		slices.ContainsFunc(c.Keys, func(k policy.KeySource) bool {
			return k.Type == from.Type && k.Name == from.Name && slices.Equal(k.Args, from.Args)
		})
}
