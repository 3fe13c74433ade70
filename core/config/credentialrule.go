package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/sdk/policy"
)

// settleCredentials makes of each service that is used a rule.
func (r *reader) settleCredentials() {
	if l := r.layers[string(policy.KindCredentials)]; l != nil && l.Off != nil {
		r.variables.dropSecrets()
		return // as if nothing had asked for them
	}
	for _, name := range slices.Sorted(maps.Keys(r.uses)) {
		var all []*language.Tree
		if s := r.lists[serviceOf(name)]; s != nil {
			all = append(all, s.tree.Blocks[0])
		}
		var at policy.Source
		isOwn, isForeign := false, false
		for _, u := range r.uses[name] {
			at = u.at
			isOwn = isOwn || !u.foreign
			if u.tree != nil {
				all = append(all, u.tree)
				isForeign = isForeign || u.foreign && len(u.tree.Attributes) > 0
			}
		}
		c, ok := r.makeCredential(name, at, united(all))
		if !ok {
			continue
		}
		r.foreignUse[name] = !isOwn || isForeign
		r.credentials = append(r.credentials, c)
		r.contraryVariables(&c)
	}
}

// united are the attributes that hold: of several lines about one the last.
func united(trees []*language.Tree) map[string]*language.Value {
	values := map[string]*language.Value{}
	for _, t := range trees {
		if slices.ContainsFunc(places, func(name string) bool { return t.Attributes[name] != nil }) {
			for _, name := range append([]string{"format"}, places...) {
				delete(values, name)
			}
		}
		maps.Copy(values, t.Attributes)
	}
	return values
}

// makeCredential is the rule that the attributes make.
func (r *reader) makeCredential(
	name string, at policy.Source, values map[string]*language.Value,
) (policy.Credential, bool) {
	before := len(r.problems)
	c := policy.Credential{
		ID: policy.RuleID("credentials." + name), Source: at, Service: name,
	}
	one := func(name string) (language.Item, bool) {
		if v := values[name]; v != nil && len(v.Items) == 1 {
			return v.Items[0], true
		}
		return language.Item{}, false
	}
	if it, ok := one("upstream"); ok {
		c.Upstream = r.serviceURL(it)
	} else {
		r.add(problem(at, "where requests with the key of %s go is not said", name).
			Try(`write upstream = "https://..." into its block`))
	}
	c.Keys = r.keySources(&c, values["source"], values["identity"])
	c.Place = r.keyPlace(&c, values, one)
	if it, ok := one("prefix"); ok {
		if !keyPrefix.MatchString(it.Text) {
			r.add(problem(it.Source, "a prefix is at most 40 letters, digits, - and _"))
		}
		c.Prefix = it.Text
	}
	if v := values["env"]; v != nil {
		c.KeyVariable = r.credentialVariable(v.Fields["key"])
		c.URLVariable = r.credentialVariable(v.Fields["base_url"])
		c.LoginVariable = r.credentialVariable(v.Fields["login_url"])
		if path := v.Fields["login_path"]; path != nil {
			if c.LoginPath = path.Items[0].Text; !plainPath.MatchString(c.LoginPath) {
				r.add(problem(path.Source, "%s is no path behind an address",
					quote(shortened(c.LoginPath))).Try(`write login_path = "/simple"`))
			}
		}
		all := slices.DeleteFunc([]string{c.KeyVariable, c.LoginVariable, c.URLVariable},
			func(name string) bool { return name == "" })
		slices.Sort(all)
		if len(slices.Compact(slices.Clone(all))) < len(all) {
			r.add(problem(v.Source, "one variable cannot have the key and the address"))
		}
	}
	r.gitHosts(&c, values["git"])
	if it, ok := one("git_user"); ok {
		c.GitUser = it.Text
		if it.Text == "" || !isLine(it.Text) || strings.Contains(it.Text, ":") {
			r.add(problem(it.Source, "%s cannot be a user whose password the key is",
				quote(shortened(it.Text))))
		}
	}
	r.narrowed(&c, values)
	r.keyTest(&c, values["test"])
	if v := values["optional"]; v != nil {
		c.Optional = v.Yes
	}
	r.keyArguments(&c, values["arguments"])
	return c, len(r.problems) == before
}

// keyArguments are appended to the command while the key is used.
func (r *reader) keyArguments(c *policy.Credential, v *language.Value) {
	if v == nil {
		return
	}
	for _, it := range v.Items {
		rest := strings.ReplaceAll(it.Text, policy.BaseURL, "")
		switch {
		case !isWord(it.Text):
			r.add(problem(it.Source, "arguments holds a NUL byte, which no argument can"))
		case strings.Contains(rest, "{{"):
			r.add(problem(it.Source, "%s stands for nothing", quote(shortened(it.Text))).
				Try("of what is in double braces, an argument may have " + policy.BaseURL))
		case rest != it.Text && c.URLVariable == "":
			r.add(problem(it.Source, "no variable of %s says where to send requests", c.Service).
				Try(`name one: env = { base_url = "NAME" }`))
		}
		c.Arguments = append(c.Arguments, it.Text)
	}
}

// credentialVariable is a variable of the agent's.
func (r *reader) credentialVariable(v *language.Value) string {
	if v == nil {
		return ""
	}
	it := v.Items[0]
	if !isVariable(it.Text) {
		r.add(problem(it.Source, "%s is not the name of a variable", quote(shortened(it.Text))).
			Try("a name is letters, digits and underscores, and does not start with a digit"))
	}
	return it.Text
}

// contraryVariables refuses a variable that the policy gives the agent otherwise too: with the real
// key in it, or with something that is no stand-in. No fallback does so either, whichever key it
// stands in for.
func (r *reader) contraryVariables(c *policy.Credential) {
	rules := r.variables.rules()
	for _, service := range slices.Sorted(maps.Keys(r.fallbacks)) {
		rules = append(rules, r.fallbacks[service].environment...)
	}
	for _, rule := range rules {
		given := rule.Action != policy.EnvDeny && slices.Contains(c.Variables(), rule.Name)
		if rule.Source.Asked() && (given || isKeyOf(&rule, c)) {
			r.add(problem(rule.Source, "%s would give the agent what the credential %s keeps outside (%s)",
				rule.Name, c.Service, c.Source).Try("remove one of the two"))
		}
	}
}
