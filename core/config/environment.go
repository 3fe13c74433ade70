package config

import (
	"slices"
	"strings"

	"github.com/nono-run/nono/sdk/policy"
)

// environment reads an environment block.
func (l *loader) environment(b *tree) {
	for _, it := range b.list("pass") {
		l.variable(policy.EnvRule{Action: policy.EnvPass, Name: it.text, Source: it.at})
	}
	for _, it := range b.list("deny") {
		l.variable(policy.EnvRule{Action: policy.EnvDeny, Name: it.text, Source: it.at})
	}
	for _, it := range b.list("set") {
		if !isWord(it.text) {
			l.fail(it.at, "the value of %s holds a NUL byte, which no variable can", it.key).add(l)
			continue
		}
		l.variable(policy.EnvRule{Action: policy.EnvSet, Name: it.key, Value: it.text, Source: it.at})
	}
}

// envFlag reads --env NAME or --env NAME=VALUE. The value goes to core's memory and nowhere else: not into the rule, and not
// into its source, which is printed.
func (l *loader) envFlag(given string) {
	name, value, set := strings.Cut(given, "=")
	at := policy.Source{Origin: policy.OriginFlag, Flag: "--env " + name}
	if !set {
		l.variable(policy.EnvRule{Action: policy.EnvPass, Name: name, Source: at})
		if _, ok := l.Lookup(name); !ok && isVariable(name) {
			l.notice(at, "%s is not set here, so there is nothing to pass", name)
		}
		return
	}
	if !isWord(value) {
		l.fail(at, "the value of %s holds a NUL byte, which no variable can", name).add(l)
		return
	}
	secret := "env." + name
	if l.variable(policy.EnvRule{Action: policy.EnvSet, Name: name, Secret: secret, Source: at}) {
		l.secrets[secret] = []byte(value)
	}
}

// variable adds a rule. A variable has one value: a later source that sets it, or that passes exactly this name, replaces an
// earlier value.
func (l *loader) variable(r policy.EnvRule) bool {
	name := r.Name
	if r.Action != policy.EnvSet {
		name = strings.TrimSuffix(name, "*")
	}
	if !isVariable(name) && (name != "" || r.Name == "") {
		f := l.fail(r.Source, "%s is not the name of a variable", quote(r.Name))
		if strings.Contains(r.Name, "*") {
			f = f.Try("a * may stand at the end of a name that is passed or denied, and nowhere else")
		} else {
			f = f.Try("a name is letters, digits and underscores, and does not start with a digit")
		}
		f.add(l)
		return false
	}
	if r.Action != policy.EnvDeny {
		l.env = slices.DeleteFunc(l.env, func(old policy.EnvRule) bool { return old.Action == policy.EnvSet && old.Name == r.Name })
		if r.Action == policy.EnvPass {
			delete(l.secrets, "env."+r.Name)
		}
	}
	l.env = append(l.env, r)
	return true
}

// isVariable reports whether s can name a variable.
func isVariable(s string) bool { return s != "" && variableName(s) == s }

// isWord reports whether s can be an argument or a value.
func isWord(s string) bool { return !strings.ContainsRune(s, 0) }
