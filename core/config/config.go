// Package config turns HCL and flags into a [policy.Policy]: the first thing a run does, and what
// all the rest follows from.
//
//	loaded, err := config.Load(config.Options{
//		File: "agent.hcl", Dir: "/home/ada/proj", Home: "/home/ada",
//		ConfigDir: "/home/ada/.config/nono", TempDir: "/tmp", UID: 1000, Lookup: os.LookupEnv,
//		Flags: []config.Flag{{Name: "read", Value: "/etc/ssl/cert.pem"}},
//	})
//
// An error is of type [diag.Problems], with the line or the flag at fault in each.
//
// What Load returns does not change any more. What is found out later, such as what the typed
// command needs, amends the policy ([policy.Policy.With]) and not the configuration.
//
// # Sources
//
// In this order: the built-in default profile, the user's own config.hcl, the profiles that files
// extend and those asked for by --profile, the file named by -c, the flags. Lists unite; of single
// values the last wins. Nothing is picked up from the current directory by itself. Every rule keeps
// its source.
//
// # Blocks
//
// The language is a table of blocks, in block.go. Each has a file of its own that says what may
// stand in it, what rules it gives, and what it asks for. How a text is read is
// core/config/language's.
//
// # What is settled here
//
// Paths come out absolute and with their links resolved, so that everything downstream compares
// names and never looks again. Default protections are written relative to a project and come out
// as rules about paths that exist. What a file from elsewhere asks for beyond its own directory is
// refused unless it is approved (approve.go). All of this happens before any process is started,
// and touches nothing: the same for `nono plan`.
//
// # What is checked later
//
// A layer's own settings: [Config.Settings], when the layer has described itself. That a plan keeps
// nono's own files out of the agent's reach: core/plan.
package config

import (
	"bytes"
	"maps"
	"slices"

	"github.com/nono-run/nono/core/agentdir"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/kinds"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// Options is all that a policy is made from. Nothing else is looked at but the file system.
type Options struct {
	// Profiles are those that were asked for by --profile, names or paths, as they were typed.
	Profiles []string
	// File is the path given by -c, as it was typed; empty if there is none.
	File string
	// Dir is the current directory, canonical.
	Dir string
	// Home is the user's home directory.
	Home string
	// ConfigDir is nono's own: $XDG_CONFIG_HOME/nono.
	ConfigDir string
	// TempDir is what $TMPDIR stands for in a path.
	TempDir string
	UID     int
	// Own are nono's own directories, links resolved.
	Own []string
	// Lookup reads a variable of the user's environment.
	Lookup func(name string) (string, bool)
	// Flags are those that are rules, in the order in which they were typed.
	Flags []Flag
	// Called is the name that nono was called by, as the first of its arguments has it; it may be "".
	Called string
	// Approve grants what files from elsewhere ask for.
	Approve bool
	// Approved are the wants that were approved of such a file before, given its absolute path; nil
	// where nothing is remembered.
	Approved func(path string) ([]string, error)
	// Kept is where a layer keeps something of its own on this account, whatever a run says; "" where
	// it never did. nil where nobody knows.
	Kept func(layer string) (string, error)
	// Packages asks where the user's package managers fetch from, for a policy that names their hosts.
	// It may start programs of the user's, so it is asked last. nil where nobody can be asked.
	Packages func(*policy.Policy) (Packages, error)
	// Confirm asks the user about all that a file asks for, of which something is new; nil where
	// nobody can be asked.
	Confirm func(Request) (bool, error)
}

// Flag is a flag that is a rule: allow, read, write, deny, lift, allow-cwd, env, disable.
type Flag struct {
	Name  string
	Value string
}

// Loaded is what [Load] yields: three values that go three ways.
type Loaded struct {
	// Config is nil where Load failed.
	Config *Config
	// Secrets are the values of --env NAME=VALUE, by the name that the rule's Secret has. They are
	// here and in nothing else that Load returns.
	Secrets map[string][]byte
	// Texts are the files that were read, for whoever prints a problem; also where Load failed.
	Texts diag.Texts
}

// Config is what was read. It is not to be changed.
type Config struct {
	// Command is what the file runs where nothing was typed after --; CommandSource is its line.
	Command       []string
	CommandSource policy.Source
	// CommandForeign says that the line stands in a file that others may have written.
	CommandForeign bool
	// Arguments are appended to whatever is run.
	Arguments []string

	Policy policy.Policy

	// Layers are the layer blocks, merged from all sources, the kinds of nono first. A kind without a
	// block has no entry; see [Config.Running].
	Layers []Layer

	// Documents are the files that were loaded, without the built-in profile.
	Documents []sdk.Document
	// Files are the names that these were found by: who can replace a link on the way to one of them
	// decides what the next run loads, as much as who can write the file itself.
	Files []string

	// Asks is what files from elsewhere ask for beyond what they may do by themselves. All of it has
	// been approved.
	Asks []Ask
	// Notices are warnings: none of them stops a run.
	Notices diag.Problems

	// BestEffort lets a run go on with rules that cannot be held; BestEffortSource is its line.
	BestEffort       bool
	BestEffortSource policy.Source

	// Keep is what is kept of finished sessions.
	Keep Keep

	Limits Limits

	// UpstreamAuth is the user and the password for the upstream proxy of the policy; empty if it
	// takes none. It is nowhere else: not in the policy, and so neither in a plan nor in a log.
	UpstreamAuth sdk.Secret

	// NoBuildCaches says that nothing which tools build is kept for the next run.
	NoBuildCaches bool

	// Movable are directories that an agent can have others in the place of.
	Movable []agentdir.Movable

	// trusts is why signatures are looked at; the zero Source where they are not.
	trusts    policy.Source
	plugins   map[string]Plugin
	protector *protector // for Around
}

// Plugin is the plugin block of this name. Without a block there is only the name.
func (c *Config) Plugin(name string) Plugin {
	if p, ok := c.plugins[name]; ok {
		return p
	}
	return Plugin{Name: name}
}

// Plugins are all plugin blocks, by name.
func (c *Config) Plugins() []Plugin {
	var all []Plugin
	for _, name := range slices.Sorted(maps.Keys(c.plugins)) {
		all = append(all, c.plugins[name])
	}
	return all
}

// Layer is the merged block of this name.
func (c *Config) Layer(name string) (Layer, bool) {
	for _, l := range c.Layers {
		if l.Name == name {
			return l, true
		}
	}
	return Layer{}, false
}

// Running are the layers that this run has something to do for: those of the kinds that always run,
// that of the network where anything is reachable, that of the credentials where one is used, that
// of the snapshot where something is recorded, that of trust where something was ever signed or
// trusted on this account or the policy asks for more, and the custom layers that a block names;
// none that is switched off.
func (c *Config) Running() []Layer {
	var run []Layer
	for _, k := range kinds.Own() {
		l, ok := c.Layer(string(k.Name))
		if !ok {
			l = Layer{Name: string(k.Name), Kind: k.Name}
		}
		if (k.Always || c.Needs(k.Name) != (policy.Source{})) && l.Off == nil {
			run = append(run, l)
		}
	}
	for _, l := range c.Layers {
		if l.Kind == policy.KindCustom && l.Off == nil {
			run = append(run, l)
		}
	}
	return run
}

// Needs is the first line that gives a kind's layer something to do, or may come to; the zero
// Source where none does, or it always has.
func (c *Config) Needs(kind policy.Kind) policy.Source {
	if kind == policy.KindTrust {
		return c.trusts
	}
	return needs(&c.Policy, kind)
}

// needs is that line of a policy. What a fallback may come to reach takes a layer that is there
// when it is known.
func needs(p *policy.Policy, kind policy.Kind) policy.Source {
	switch {
	case kind == policy.KindCredentials && len(p.Credentials) > 0:
		return p.Credentials[0].Source
	case kind == policy.KindCredentials && len(p.Secrets()) > 0:
		return p.Secrets()[0].Source
	case kind == policy.KindSnapshot && p.Snapshot.IsOn():
		return p.Snapshot.Paths[0].Source
	case kind != policy.KindNetwork:
		return policy.Source{}
	}
	hosts := p.Network.Hosts
	for _, c := range p.Credentials {
		if c.Fallback != nil {
			hosts = append(slices.Clip(hosts), c.Fallback.Hosts...)
		}
	}
	for _, h := range hosts {
		if h.Action == policy.HostAllow {
			return h.Source
		}
	}
	for _, p := range p.Network.Ports {
		return p.Source
	}
	return policy.Source{}
}

// Idle reports whether a layer that was started turns out to have nothing to do, when it is settled
// what the policy is.
func (l Layer) Idle(settled *policy.Policy) bool {
	kind, ok := kinds.Of(l.Kind)
	// What trust has to say it has said by then.
	return ok && kind.Name != policy.KindCustom && kind.Name != policy.KindTrust && !kind.Always &&
		needs(settled, l.Kind) == (policy.Source{})
}

// Settings checks a layer's block against the settings that the layer declares, and returns them as
// a JSON object. Without a block the object is empty, and a setting that is required is a problem.
func (c *Config) Settings(name string, declared []sdk.Setting) ([]byte, diag.Problems) {
	l, _ := c.Layer(name)
	object, problems := l.settings.Decode(declared)
	for i, p := range problems {
		if p.Source == (policy.Source{}) {
			problems[i].Summary = "layer " + quote(name) + ": " + p.Summary
			problems[i].Source = l.Source
		}
	}
	return object, problems
}

// Sensitive are the places of the layer's settings that are not to be shown.
func (c *Config) Sensitive(name string, declared []sdk.Setting) []policy.Source {
	l, _ := c.Layer(name)
	var at []policy.Source
	for _, s := range declared {
		source, set := l.settings.Source(s.Name)
		if set && (s.Sensitive || slices.ContainsFunc(s.Settings,
			func(s sdk.Setting) bool { return s.Sensitive })) {
			at = append(at, source)
		}
	}
	return at
}

// SettingSource is where a setting of a layer stands, so that a layer's own complaint about it can
// be shown with its line.
func (c *Config) SettingSource(name, attribute string) (policy.Source, bool) {
	l, _ := c.Layer(name)
	return l.settings.Source(attribute)
}

// Load reads all sources and returns the policy, or every problem that it found.
//
// Each stage needs what those before it found, and reports all that it finds itself before the next
// begins: a user wants to mend a file once, and not to be told of problems that only follow from
// others.
func Load(o Options) (loaded Loaded, err error) {
	found := &report{}
	host := newHost(o, found)
	if err := found.err(); err != nil {
		return Loaded{}, err
	}
	sources := host.sources(found) // the files, held against the language
	lists := host.hostLists(found, sources)
	loaded.Texts = shown(slices.Concat(sources, lists.sources()))
	// Which of the layers' settings hold a secret only the layers can tell, and none was asked: a
	// refusal shows no line of theirs.
	defer func() {
		if err != nil {
			hideSettings(loaded.Texts, sources)
			for _, at := range found.hidden {
				loaded.Texts.Hide(at)
			}
		}
	}()
	if err := found.err(); err != nil {
		return loaded, err
	}
	refuseLater(found, sources) // what is understood and cannot be honoured yet
	if err := found.err(); err != nil {
		return loaded, err
	}
	draft := read(host, found, sources, lists) // what blocks and flags say, as rules
	if err := found.err(); err != nil {
		return loaded, err
	}
	protector := draft.protections() // the default protections, as rules
	if err := found.err(); err != nil {
		return loaded, err
	}
	asks := draft.approve(sources) // what files from elsewhere ask for
	if err := found.err(); err != nil {
		return loaded, err
	}
	draft.prove() // nothing that an agent can change decides what the next one may do
	if err := found.err(); err != nil {
		return loaded, err
	}
	cfg := draft.config(slices.Concat(sources, lists.sources()), asks, protector)
	if err := found.err(); err != nil { // what there is to tell may have been too much to look at
		return loaded, err
	}
	draft.confirm() // the last thing: nobody is asked about what is refused anyway
	if err := found.err(); err != nil {
		return loaded, err
	}
	draft.learn(cfg) // not before: it may start a program
	if err := found.err(); err != nil {
		return loaded, err
	}
	cfg.Notices = draft.notices
	loaded.Config = cfg
	loaded.Secrets = draft.variables.secrets()
	return loaded, nil
}

// config is the draft when nothing is left to settle.
func (r *reader) config(sources []*source, asks []Ask, protector *protector) *Config {
	paths := make([]policy.PathRule, 0, len(r.rules))
	for i := range r.rules {
		if r.rules[i].fallback == "" {
			paths = append(paths, r.rules[i].PathRule)
		}
	}
	for i := range r.credentials {
		c := &r.credentials[i]
		c.Fallback = r.settledFallback(c.Service)
	}
	begun := policy.Policy{
		Network: r.reached(), Credentials: r.credentials, Snapshot: r.recorded(),
		Trust: r.trusted(), Disabled: r.disabled(),
	}
	cfg := &Config{
		Command: r.command, CommandSource: r.commandSource, Arguments: r.arguments,
		Policy: begun.With(paths, r.variables.rules()),
		Layers: r.sorted(), plugins: r.plugins,
		Asks: asks, protector: protector, trusts: r.trusts.kept,
	}
	if u := r.net.upstream; u != nil {
		cfg.UpstreamAuth = sdk.NewSecret(u.auth)
	}
	cfg.CommandForeign = r.isForeign(r.commandSource)
	for _, s := range sources {
		if s.named != "" {
			cfg.Documents = append(cfg.Documents, s.document())
			cfg.Files = append(cfg.Files, s.named)
		}
	}
	cfg.Movable = r.movable
	cfg.NoBuildCaches, cfg.Keep, cfg.Limits = r.noBuildCaches, r.keep, r.limited
	if v := r.bestEffort; v != nil {
		cfg.BestEffort, cfg.BestEffortSource = v.Yes, v.Source
	}
	r.tell(cfg)
	cfg.Notices = r.notices
	return cfg
}

// shown are the sources as a printer wants them.
func shown(sources []*source) diag.Texts {
	texts := make(diag.Texts, len(sources))
	for i, s := range sources {
		texts[i] = s.Text
		texts[i].Content = bytes.Clone(s.Content) // its own: lines of it may be hidden
	}
	return texts
}

// hideSettings hides what files say in layers' own settings.
func hideSettings(texts diag.Texts, sources []*source) {
	for _, s := range sources {
		if s.tree == nil {
			continue
		}
		for _, b := range s.tree.Blocks {
			for _, name := range b.Settings.Names() {
				at, _ := b.Settings.Source(name)
				texts.Hide(at)
			}
		}
	}
}
