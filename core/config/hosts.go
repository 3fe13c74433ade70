package config

import (
	"cmp"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/profile"
	"github.com/nono-run/nono/sdk/hostname"
	"github.com/nono-run/nono/sdk/policy"
)

// A list of hosts is a file with a network block, in which stand hosts and nothing else: a network
// profile, or one of the groups that those are put together from. Its rules keep the lines of the
// list; whose word they are is said by the line that names it.

// hostGroups are the groups that there are.
var hostGroups = profile.Hosts{}.Groups()

// listGrammar is what may stand in a list.
var listGrammar = &language.Block{
	Blocks: map[string]*language.Block{
		"network": {
			Help: "hosts, and groups of them",
			Attributes: map[string]language.Attribute{
				"groups": {Shape: language.StringList}, "allow": {Shape: language.StringList},
				"deny": {Shape: language.StringList}, "opaque": {Shape: language.StringList},
			},
		},
	},
}

// listName is what a list is named by: a profile and a group may have one name.
type listName struct{ kind, name string }

func profileOf(it language.Item) listName { return listName{"profile", it.Text} }
func groupOf(it language.Item) listName   { return listName{"group", it.Text} }

// hostLists are the lists that a run names.
type hostLists map[listName]*source

// sources are the lists in an order that is always the same.
func (l hostLists) sources() []*source {
	names := slices.SortedFunc(maps.Keys(l), func(a, b listName) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name))
	})
	all := make([]*source, len(names))
	for i, name := range names {
		all[i] = l[name]
	}
	return all
}

// hostLists reads the lists that sources and flags name.
func (h *host) hostLists(r *report, sources []*source) hostLists {
	lists := hostLists{}
	ask := func(name listName, at policy.Source) {
		if _, known := lists[name]; known || name == (listName{"group", profile.Learned}) {
			return
		}
		if s := h.hostList(name, at, r); s != nil {
			lists[name] = s
		}
	}
	groups := func(t *language.Tree) {
		for _, it := range t.List("groups") {
			ask(groupOf(it), it.Source)
		}
	}
	for _, s := range sources {
		if t := s.network(); t != nil {
			groups(t)
			if it, ok := t.One("profile"); ok {
				ask(profileOf(it), it.Source)
			}
		}
	}
	for _, f := range h.Flags {
		if f.Name == "network-profile" {
			ask(profileOf(f.item()), f.source())
		}
	}
	for _, s := range lists.sources() {
		if t := s.network(); t != nil {
			groups(t)
		}
	}
	h.services(r, sources, lists)
	return lists
}

// network is the network block of a source; nil where it has none.
func (s *source) network() *language.Tree {
	if s.tree == nil {
		return nil
	}
	for _, t := range s.tree.Blocks {
		if t.Name == string(policy.KindNetwork) {
			return t
		}
	}
	return nil
}

// ownDir is a directory in nono's own configuration.
func (h *host) ownDir(name string) string { return filepath.Join(h.ConfigDir, name) }

// hostList is the list of a name, parsed; nil if there is none or it cannot be, which is reported.
func (h *host) hostList(name listName, at policy.Source, r *report) *source {
	from := profile.Hosts{Own: h.ownDir("networks")}
	find := from.Network
	if name.kind == "group" {
		find = from.Group
	}
	p, err := find(name.name)
	if err != nil {
		r.add(sourced(err, at))
		return nil
	}
	return h.readList(p, at, r, listGrammar)
}

// readList parses a list by its grammar; nil if it cannot be, which is reported.
func (h *host) readList(
	p profile.Profile, at policy.Source, r *report, grammar *language.Block,
) *source {
	s := &source{Text: diag.Text{Origin: policy.OriginProfile, File: p.File, Content: p.Text}}
	if p.Origin == profile.Own {
		s.File = h.homely(p.File)
		if err := h.place(s, p.File, false); err != nil {
			r.add(sourced(h.unreadable(s.File, err), at))
			return nil
		}
		if s.foreign {
			r.add(problem(at, "%s leads out of your own configuration, to where others may write it",
				s.File).Try("put the list itself there"))
			return nil
		}
	}
	tree, problems := language.Parse(s.Text, grammar)
	r.problems = append(r.problems, problems...)
	if tree == nil {
		return nil
	}
	s.tree = tree
	left := maxRules
	s.bound(r, &left)
	return s
}

// named is a list as the policy names it.
type named struct {
	// group is what its rules are told to come by: "profile minimal".
	group string
	// by is the line that names it, and at the one that names the list itself, which may be another
	// list's.
	by, at policy.Source
}

// listed adds the rules of a list, or of one whose place another has taken: then its denials alone.
func (r *reader) listed(name listName, as named, replaced bool) {
	if name == (listName{"group", profile.Learned}) {
		if !replaced {
			r.net.learned = append(r.net.learned, learned{as})
		}
		return
	}
	t := r.lists[name].network()
	if t == nil {
		return
	}
	r.hostRules(t, func(language.Item) hostRule {
		return hostRule{by: as.by, replaced: replaced, HostRule: policy.HostRule{Group: as.group}}
	})
	for _, it := range t.List("groups") {
		r.listed(groupOf(it), named{as.group, as.by, it.Source}, replaced)
	}
}

// Packages is what the user's package managers say.
type Packages struct {
	// Hosts are where they fetch from.
	Hosts []string
	// Variables tell the agent's own ones so.
	Variables []PackageVariable
	// Says is what is to be told of it; it may be "".
	Says string
}

// PackageVariable is a variable that a package manager reads.
type PackageVariable struct {
	Manager, Name, Value string
	// Secret says that the value is left out, for a password or a key may be in it.
	Secret bool
}

// learned is a line that names the group whose hosts the user's package managers say.
type learned struct{ named }

// learnedAsks is what a file asks for that names that group: whatever is in it, for that the user's
// own settings say.
func (r *reader) learnedAsks(s *source) []Ask {
	given := func(l learned) bool { return !r.isForeign(l.by) }
	if slices.ContainsFunc(r.net.learned, given) {
		return nil
	}
	for _, l := range r.net.learned {
		if s.wrote(l.by) {
			return []Ask{{
				"to reach the hosts that your package managers fetch from", l.by,
				wants("group", profile.Learned),
			}}
		}
	}
	return nil
}

// learn asks for the hosts of that group, where a line names it, and adds them to the policy.
func (r *reader) learn(cfg *Config) {
	if len(r.net.learned) == 0 || cfg.Policy.IsDisabled(policy.KindNetwork) {
		return
	}
	at := r.net.learned[0]
	if r.Packages == nil {
		r.add(problem(at.by, "nobody is there to ask package managers for their hosts").
			Try("name the hosts in allow = [...]"))
		return
	}
	said, err := r.Packages(&cfg.Policy)
	if err != nil {
		r.add(sourced(err, at.by))
		return
	}
	if said.Says != "" {
		r.notice(at.by, "the hosts of the group %s: %s", profile.Learned, said.Says)
	}
	begun := len(r.net.hosts)
	for _, host := range said.Hosts {
		rule := hostRule{by: at.by}
		rule.Action, rule.Source, rule.Group = policy.HostAllow, at.at, at.group
		r.learnedHost(rule, host)
	}
	if len(r.net.hosts) > begun {
		cfg.Policy.Network = r.reached()
	}
	cfg.Policy = cfg.Policy.With(nil, r.learnedVariables(&cfg.Policy, at.by, said.Variables))
}

// learnedVariables are rules that tell the agent's package managers what the user's say, where the
// user says nothing of the variable. They are defaults, so a layer's value takes their place.
func (r *reader) learnedVariables(
	pol *policy.Policy, at policy.Source, learned []PackageVariable,
) []policy.EnvRule {
	decide := policy.NewDecider(pol)
	var rules []policy.EnvRule
	for _, v := range learned {
		switch {
		case r.speaksOf(pol, decide, v.Name):
		case v.Secret:
			r.notice(at, "%s is not set inside, so the agent's %s does not know where yours fetches from: "+
				"a password or a key stands in the address, or may, and stays outside; "+
				"give it as a credential (docs/credentials.md, private registries)", v.Name, v.Manager)
		default:
			rules = append(rules, policy.EnvRule{
				Action: policy.EnvSet, Name: v.Name, Value: v.Value,
				Source: policy.Source{
					Origin: policy.OriginCommand, Flag: "learned from " + v.Manager + "'s settings",
				},
			})
		}
	}
	return rules
}

// speaksOf reports whether the user says something of a variable himself, or a credential gives it.
// npm reads its variables in capitals as well.
func (r *reader) speaksOf(pol *policy.Policy, decide *policy.Decider, name string) bool {
	for _, spelled := range []string{name, strings.ToUpper(name)} {
		d := decide.Variable(spelled)
		if d.Rule == nil || !d.Rule.Source.Asked() {
			continue
		}
		if _, ok := r.Lookup(spelled); ok || d.Rule.Action != policy.EnvPass {
			return true
		}
	}
	return slices.ContainsFunc(pol.Credentials, func(c policy.Credential) bool {
		names := c.Variables()
		if c.Fallback != nil {
			for _, rule := range c.Fallback.Environment {
				names = append(names, rule.Name)
			}
		}
		return slices.ContainsFunc(names,
			func(n string) bool { return strings.EqualFold(n, name) })
	})
}

// learnedHost adds a rule about a host of a package manager's. One that no rule can name is told:
// it is no line of the policy's that is wrong.
func (r *reader) learnedHost(rule hostRule, host string) {
	p, err := hostname.ParsePattern(host)
	switch {
	case err != nil || strings.Contains(host, "*"):
		r.notice(rule.by, "a package manager fetches from %s, which is no host that can be allowed",
			quote(shortened(host)))
	case p.Host == "localhost":
		r.notice(rule.by, "a package manager fetches from %s, which is the sandbox's own inside; "+
			"loopback = [PORT] leads to this machine's", host)
	default:
		r.addHost(rule, host)
	}
}
