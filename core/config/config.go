// Package config turns HCL and flags into a [policy.Policy]: the first thing a run does, and what all the rest follows from.
//
//	loaded, err := config.Load(config.Options{
//		File: "agent.hcl", Dir: "/home/ada/proj", Home: "/home/ada",
//		ConfigDir: "/home/ada/.config/nono", TempDir: "/tmp", UID: 1000, Lookup: os.LookupEnv,
//		Flags: []config.Flag{{Name: "read", Value: "/etc/ssl/cert.pem"}},
//	})
//
// An error is of type [diag.Problems], with the line or the flag at fault in each.
//
// What Load returns does not change any more. What is found out later, such as what the typed command
// needs, amends the policy ([policy.Policy.With]) and not the configuration.
//
// # Sources
//
// In this order: the built-in default profile, the user's own config.hcl, the file named by -c, the flags. Lists unite; of single
// values the last wins. Nothing is picked up from the current directory by itself. Every rule keeps its source.
//
// # What is settled here
//
// The language is in grammar.go, as a table. Paths come out absolute and with their links resolved, so that everything downstream
// compares names and never looks again. Default protections are written relative to a project and come out as rules about paths
// that exist. What a file from elsewhere asks for beyond its own directory is refused unless it is approved (approve.go). All of
// this happens before any process is started, and touches nothing: the same for `nono plan`.
//
// # What is checked later
//
// A layer's own settings: [Config.Settings], when the layer has described itself. That a plan keeps nono's own files out of
// the agent's reach: core/plan.
package config

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/profiles"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// Options is all that a policy is made from. Nothing else is looked at but the file system.
type Options struct {
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
	// Lookup reads a variable of the user's environment.
	Lookup func(name string) (string, bool)
	// Flags are those that are rules, in the order in which they were typed.
	Flags []Flag
	// Approve grants what the file asks for.
	Approve bool
}

// Flag is a flag that is a rule: allow, read, write, allow-cwd, env, disable.
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
	// Arguments are appended to whatever is run.
	Arguments []string

	Policy policy.Policy

	// Layers are the layer blocks, merged from all sources, the kinds of nono first. A kind without a block has no entry; see [Config.Running].
	Layers []Layer

	// Documents are the files that were loaded, without the built-in profile.
	Documents []sdk.Document
	// Files are the names that these were found by: who can replace a link on the way to one of them
	// decides what the next run loads, as much as who can write the file itself.
	Files []string

	// Asks is what the -c file asks for beyond what it may do by itself. All of it has been approved.
	Asks []Ask
	// Absent are paths that the default profile protects, in what the agent may write, and that do not exist. Nothing is ever made on the
	// host to hold such a place; so what can be done is to look, at the end, whether the agent made one.
	Absent []string

	// Notices are warnings: none of them stops a run.
	Notices diag.Problems

	// BestEffort lets a run go on with rules that cannot be held; BestEffortSource is its line.
	BestEffort       bool
	BestEffortSource policy.Source

	plugins map[string]Plugin
	texts   map[string]*text // by the name under which hcl knows them
}

// Plugin is the plugin block of this name; its zero value if there is none.
func (c *Config) Plugin(name string) Plugin { return c.plugins[name] }

// Plugins are all plugin blocks, by name.
func (c *Config) Plugins() []Plugin {
	var all []Plugin
	for _, name := range sortedNames(c.plugins) {
		all = append(all, c.plugins[name])
	}
	return all
}

// Ask is one thing that a file asks for, said in a few words.
type Ask struct {
	Says   string
	Source policy.Source
}

// loader is one call of Load. Its fields fill up in the order of the steps there.
type loader struct {
	Options
	home  string // resolved
	vars  expander
	paths resolver

	texts    []*text
	trees    []*tree
	problems diag.Problems

	rules    []rule
	patterns []pattern
	globs    []glob
	hidden   []hidden
	lifts    map[int]bool // the rules, by index, that lift a protection
	env      []policy.EnvRule
	programs []program
	blocks   map[policy.Kind][]policy.Source // the lines that ask something of a kind
	secrets  map[string][]byte

	cfg *Config
}

// Load reads all sources and returns the policy, or every problem that it found.
func Load(o Options) (Loaded, error) {
	l := &loader{
		Options: o, vars: newExpander(o), paths: resolver{seen: map[string]*place{}},
		blocks: map[policy.Kind][]policy.Source{}, lifts: map[int]bool{},
		secrets: map[string][]byte{},
		cfg:     &Config{plugins: map[string]Plugin{}, texts: map[string]*text{}},
	}
	// Each step needs what those before it found, and reports all that it finds itself: a user wants to mend a file once, and
	// not to be told of problems that only follow from others.
	for _, step := range []func(*loader){
		(*loader).canonical,
		(*loader).read,        // the files, checked against the language
		(*loader).refuseLater, // what is understood and cannot be honoured yet
		(*loader).build,       // rules, variables, layers, from files and flags
		(*loader).protect,     // the default protections, as rules
		(*loader).settle,      // what the -c file asks for
		(*loader).prove,       // nothing that an agent can change decides what the next one may do
		(*loader).finish,
	} {
		step(l)
		if l.problems.Failed() {
			l.sort()
			return Loaded{Texts: l.shownTexts()}, l.problems
		}
	}
	return Loaded{Config: l.cfg, Secrets: l.secrets, Texts: l.shownTexts()}, nil
}

// shownTexts are the texts as a printer wants them.
func (l *loader) shownTexts() diag.Texts {
	texts := make(diag.Texts, len(l.texts))
	for i, t := range l.texts {
		texts[i] = diag.Text{Origin: t.origin, File: t.shown, Content: t.src}
	}
	return texts
}

// sort puts the problems into the order in which the sources are read; flags keep theirs.
func (l *loader) sort() {
	slices.SortStableFunc(l.problems, func(a, b diag.Problem) int {
		return cmp.Or(
			cmp.Compare(order(a.Source.Origin), order(b.Source.Origin)),
			cmp.Compare(a.Source.Line, b.Source.Line), cmp.Compare(a.Source.Column, b.Source.Column),
		)
	})
}

func order(o policy.Origin) int {
	return slices.Index([]policy.Origin{policy.OriginDefault, policy.OriginConfig, policy.OriginFile, policy.OriginFlag}, o)
}

// canonical makes the directories that other paths are compared with comparable.
func (l *loader) canonical() {
	home, err := l.paths.resolve(l.Home)
	if err != nil || !filepath.IsAbs(l.Home) {
		l.problems = append(l.problems, diag.Errorf("cannot find the home directory %q", l.Home).Try("set HOME to its absolute path"))
		return
	}
	l.home = home.path
}

// read loads the files there are. The default profile is part of the program; the user's config.hcl may be missing; a file that was
// named may not.
func (l *loader) read() {
	l.texts = append(l.texts, &text{origin: policy.OriginDefault, shown: builtinFile, src: profiles.Default})
	if t := l.ownConfig(); t != nil {
		l.texts = append(l.texts, t)
	}
	if t := l.namedFile(); t != nil {
		l.texts = append(l.texts, t)
	}
	for _, t := range l.texts {
		if t.origin == policy.OriginDefault {
			l.trees = append(l.trees, builtinTree())
		} else {
			tree, problems := parse(t)
			l.problems = append(l.problems, problems...)
			l.trees = append(l.trees, tree)
		}
		l.cfg.texts[t.name()] = t
		if t.path != "" {
			l.cfg.Documents = append(l.cfg.Documents, t.document())
			l.cfg.Files = append(l.cfg.Files, t.named)
		}
	}
}

// build turns the trees, and then the flags, into rules.
func (l *loader) build() {
	for i, t := range l.texts {
		l.top(l.trees[i])
		for _, b := range l.trees[i].blocks {
			l.block(t, b)
		}
	}
	for _, f := range l.Flags {
		l.flag(f)
	}
	l.expandGlobs()
	l.refuseHidden()
	l.layers()
}

func (l *loader) top(root *tree) {
	if s, ok := root.attrs["command"]; ok {
		if len(s.items) == 0 || s.items[0].text == "" {
			l.fail(s.at, "command names no program").Try(`write command = ["python", "my_agent.py"]`).add(l)
		}
		l.cfg.Command, l.cfg.CommandSource = words(s.items), s.at
	}
	l.cfg.Arguments = append(l.cfg.Arguments, words(root.list("arguments"))...)
	if s, ok := root.attrs["best_effort"]; ok {
		l.cfg.BestEffort, l.cfg.BestEffortSource = s.yes, s.at
	}
	for _, name := range []string{"command", "arguments"} {
		for _, it := range root.list(name) {
			if !isWord(it.text) {
				l.fail(it.at, "%s holds a NUL byte, which no argument can", name).add(l)
			}
		}
	}
}

func (l *loader) block(t *text, b *tree) {
	switch b.name {
	case "filesystem":
		l.filesystem(t, b)
	case "environment":
		l.environment(b)
	case "plugin":
		l.plugin(t, b)
	case "layer": // merged when all have been read
	case "network", "trust", "limits": // empty: refuseLater has seen to it
	default:
		panic(fmt.Sprintf("the language has a block %q that nothing reads", b.name))
	}
	if kind, ok := kindOfBlock[b.name]; ok && t.origin != policy.OriginDefault {
		l.blocks[kind] = append(l.blocks[kind], b.at)
	}
}

var kindOfBlock = map[string]policy.Kind{"filesystem": policy.KindFilesystem, "network": policy.KindNetwork, "trust": policy.KindTrust}

// flag adds one flag, with the same meaning as the same rule in a file.
func (l *loader) flag(f Flag) {
	at := policy.Source{Origin: policy.OriginFlag, Flag: "--" + f.Name + " " + f.Value}
	switch f.Name {
	case "allow-cwd":
		at.Flag = "--allow-cwd"
		l.path(&text{origin: policy.OriginFlag, dir: l.Dir}, policy.Allow, item{text: l.Dir, at: at}, literally)
	case "allow", "read", "write":
		l.path(&text{origin: policy.OriginFlag, dir: l.Dir}, policy.Access(f.Name), item{text: f.Value, at: at}, expanded)
	case "env":
		l.envFlag(f.Value)
	case "disable": // settled with the layer blocks, which it beats
	default:
		l.fail(at, "--%s is not a rule", f.Name).add(l)
	}
}

// finish gives the rules their ids and says what the user should know.
func (l *loader) finish() {
	paths := make([]policy.PathRule, len(l.rules))
	for i := range l.rules {
		paths[i] = l.rules[i].PathRule
	}
	l.cfg.Policy = l.cfg.Policy.With(paths, l.env)
	l.notices()
}

// failure is a problem that is being put together.
type failure struct{ diag.Problem }

// fail starts a problem at a line or a flag; add makes it count.
func (l *loader) fail(at policy.Source, format string, args ...any) failure {
	return failure{diag.Errorf(format, args...).At(at)}
}

// Try adds what to do about it.
func (f failure) Try(format string, args ...any) failure {
	return failure{f.Problem.Try(format, args...)}
}

func (f failure) add(l *loader) { l.problems = append(l.problems, f.Problem) }

func (l *loader) notice(at policy.Source, format string, args ...any) {
	l.cfg.Notices = append(l.cfg.Notices, diag.Warningf(format, args...).At(at))
}

func words(items []item) []string {
	out := make([]string, len(items))
	for i, it := range items {
		out[i] = it.text
	}
	return out
}

func compare(a, b string) int { return cmp.Compare(a, b) }

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// inOrder lists attributes as they stand in the file: hcl keeps them in a map.
func inOrder(attrs hcl.Attributes) []*hcl.Attribute {
	list := make([]*hcl.Attribute, 0, len(attrs))
	for _, a := range attrs {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b *hcl.Attribute) int { return cmp.Compare(a.Range.Start.Byte, b.Range.Start.Byte) })
	return list
}
