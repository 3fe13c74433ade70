package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/sdk/policy"
)

// environment is which variables the agent has.
var environment = block{
	name: "environment",
	grammar: &language.Block{
		Help: "which variables the agent has, beside the harmless ones that every run passes",
		Attributes: map[string]language.Attribute{
			"pass": {
				Shape: language.StringList, Of: "NAME or PREFIX*",
				Help: "inherited from you; the agent sees their values",
			},
			"set": {Shape: language.Variables, Help: "given this value"},
			"secret": {
				Shape: language.Variables, Of: "source",
				Help: "a real key, which the agent sees: from keyring://NAME, env://NAME, file://PATH, " +
					`age://PATH or cmd://["program", "argument"]; a credential keeps it outside`,
			},
			"deny": {
				Shape: language.StringList, Of: "NAME or PREFIX*",
				Help: "never inherited, whatever passes them",
			},
		},
	},
	example: `
environment {
  pass = ["MY_SETTING", "MY_TOOL_*"]
  set  = { CI = "1" }
  deny = ["EDITOR"]

  # A real key, in the agent's hands. Each run warns of it: write a credential where you can.
  secret = { DEPLOY_TOKEN = "keyring://deploy" }
}
`,
	stranger: "variables of yours that it passes, keys of yours that it has in a variable, " +
		"and values for those that are never inherited",
	read: (*reader).environment,
	asks: (*reader).environmentAsks,
	flags: map[string]func(*reader, Flag){
		"env": (*reader).envFlag, "env-credential": (*reader).secretFlag,
	},
}

// variables are the rules about variables, in the order in which they were stated. A variable has
// one value: a later source that sets it, or that passes exactly this name, replaces an earlier
// one.
type variables struct {
	stated []stated
	values map[string]int // where a variable gets its value, in stated
}

// stated is one rule; the value of --env NAME=VALUE stands beside it and never in it.
type stated struct {
	policy.EnvRule
	secret   []byte
	replaced bool
}

func (v *variables) add(rule policy.EnvRule, secret []byte) {
	if rule.Action != policy.EnvDeny {
		if old, ok := v.values[rule.Name]; ok {
			v.stated[old].replaced = true
		}
		delete(v.values, rule.Name)
	}
	if rule.Gives() {
		if v.values == nil {
			v.values = map[string]int{}
		}
		v.values[rule.Name] = len(v.stated)
	}
	v.stated = append(v.stated, stated{EnvRule: rule, secret: secret})
}

// rules are those that hold.
func (v *variables) rules() []policy.EnvRule {
	rules := make([]policy.EnvRule, 0, len(v.stated))
	for _, s := range v.stated {
		if !s.replaced {
			rules = append(rules, s.EnvRule)
		}
	}
	return rules
}

// dropSecrets takes out what the layer of the credentials would give.
func (v *variables) dropSecrets() {
	for i := range v.stated {
		if v.stated[i].Action == policy.EnvSecret {
			v.stated[i].replaced = true
		}
	}
}

// secrets are the values of those that hold.
func (v *variables) secrets() map[string][]byte {
	secrets := map[string][]byte{}
	for _, s := range v.stated {
		if !s.replaced && s.Secret != "" {
			secrets[s.Secret] = s.secret
		}
	}
	return secrets
}

func (r *reader) environment(_ *source, t *language.Tree) {
	rules := r.environmentRules(t)
	r.variables.stated = slices.Grow(r.variables.stated, len(rules))
	for _, rule := range rules {
		r.variable(rule, nil)
	}
	for _, it := range t.List("secret") {
		r.secret(it)
	}
}

// environmentRules are the rules that a block says, but for secrets.
func (r *reader) environmentRules(t *language.Tree) []policy.EnvRule {
	rules := make([]policy.EnvRule, 0,
		len(t.List("pass"))+len(t.List("deny"))+len(t.List("set")))
	for _, it := range t.List("pass") {
		rules = append(rules, policy.EnvRule{
			Action: policy.EnvPass, Name: it.Text, Source: it.Source,
		})
	}
	for _, it := range t.List("deny") {
		rules = append(rules, policy.EnvRule{
			Action: policy.EnvDeny, Name: it.Text, Source: it.Source,
		})
	}
	for _, it := range t.List("set") {
		if !isWord(it.Text) {
			r.add(problem(it.Source, "the value of %s holds a NUL byte, which no variable can",
				it.Key))
			continue
		}
		rules = append(rules, policy.EnvRule{
			Action: policy.EnvSet, Name: it.Key, Value: it.Text, Source: it.Source,
		})
	}
	return rules
}

// envFlag reads --env NAME or --env NAME=VALUE. The value goes to core's memory and nowhere else:
// not into the rule, and not into its source, which is printed.
func (r *reader) envFlag(f Flag) {
	name, value, set := strings.Cut(f.Value, "=")
	at := policy.Source{Origin: policy.OriginFlag, Flag: "--env " + name}
	if !set {
		r.variable(policy.EnvRule{Action: policy.EnvPass, Name: name, Source: at}, nil)
		if _, ok := r.Lookup(name); !ok && isVariable(name) {
			r.notice(at, "%s is not set here, so there is nothing to pass", name)
		}
		return
	}
	if !isWord(value) {
		r.add(problem(at, "the value of %s holds a NUL byte, which no variable can", name))
		return
	}
	r.variable(policy.EnvRule{Action: policy.EnvSet, Name: name, Secret: "env." + name, Source: at},
		[]byte(value))
}

// variable adds a rule.
func (r *reader) variable(rule policy.EnvRule, secret []byte) {
	if r.isVariableRule(rule) {
		r.variables.add(rule, secret)
	}
}

// isVariableRule reports whether a rule names what can be a variable. It is a problem where not.
func (r *reader) isVariableRule(rule policy.EnvRule) bool {
	name := rule.Name
	if !rule.Gives() {
		name = strings.TrimSuffix(name, "*")
	}
	if !isVariable(name) && (name != "" || rule.Name == "") {
		p := problem(rule.Source, "%s is not the name of a variable", quote(rule.Name))
		if strings.Contains(rule.Name, "*") {
			p = p.Try("a * may stand at the end of a name that is passed or denied, and nowhere else")
		} else {
			p = p.Try("a name is letters, digits and underscores, and does not start with a digit")
		}
		r.add(p)
		return false
	}
	return true
}

// isVariable reports whether s can name a variable.
func isVariable(s string) bool { return s != "" && variableName(s) == s }

// environmentAsks are the variables that the file passes, and those that it sets although nothing
// may inherit them.
func (r *reader) environmentAsks(s *source, _ *language.Tree) []Ask {
	return r.variableAsks(s, r.variables.rules())
}

// variableAsks are those of some rules.
func (r *reader) variableAsks(s *source, asked []policy.EnvRule) []Ask {
	// What the other sources say, sorted by what is asked of it: a denial must be seen beneath a pass,
	// and a pattern is covered by a pattern alone.
	var given, patterns, denied policy.Policy
	for _, rule := range r.variables.rules() {
		if r.isForeign(rule.Source) {
			continue
		}
		given.Environment = append(given.Environment, rule)
		if rule.Action == policy.EnvDeny {
			denied.Environment = append(denied.Environment, rule)
		}
		if rule.Action == policy.EnvPass && strings.HasSuffix(rule.Name, "*") {
			patterns.Environment = append(patterns.Environment, rule)
		}
	}
	names, wider, never := policy.NewDecider(&given), policy.NewDecider(&patterns),
		policy.NewDecider(&denied)
	passed := func(name string) bool {
		if strings.HasSuffix(name, "*") {
			return wider.Variable(name).Allowed
		}
		return names.Variable(name).Allowed
	}
	var asks []Ask
	for _, rule := range asked {
		switch {
		case !s.wrote(rule.Source):
		case rule.Action == policy.EnvPass && !passed(rule.Name):
			asks = append(asks, Ask{
				"to see your variable " + rule.Name, rule.Source, wants("pass", rule.Name),
			})
		case rule.Action == policy.EnvSet && never.Variable(rule.Name).Rule != nil:
			asks = append(asks, Ask{
				fmt.Sprintf("to set %s to %s, which changes what programs do",
					rule.Name, shortly(rule.Value)), rule.Source,
				wants("set", rule.Name, rule.Value),
			})
		case rule.Action == policy.EnvSecret && !r.givesSecret(&rule):
			from := rule.From.String()
			asks = append(asks, Ask{
				fmt.Sprintf("to have your real key from %s in its variable %s", from, rule.Name),
				rule.Source, wants("secret", rule.Name, from),
			})
		}
	}
	return asks
}

// givesSecret reports whether the user's own configuration gives the same secret.
func (r *reader) givesSecret(rule *policy.EnvRule) bool {
	return slices.ContainsFunc(r.variables.stated, func(s stated) bool {
		return s.Action == policy.EnvSecret && s.Name == rule.Name && !r.isForeign(s.Source) &&
			s.From.String() == rule.From.String()
	})
}

// shortly is a value as it can be asked about: the beginning of a long one, in quotes.
func shortly(value string) string {
	const longest = 200
	if len(value) <= longest {
		return strconv.Quote(value)
	}
	return fmt.Sprintf("%q... (%d bytes)", value[:longest], len(value))
}
