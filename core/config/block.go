package config

import (
	"maps"
	"slices"

	"github.com/nono-run/nono/core/agentdir"
	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/policy"
)

// block is one block of the language, with all that is to be known about it. Each has a file of its
// own and a row in [blocks], so that a new one touches those and nothing else here.
type block struct {
	name string
	// kind is whose layer holds what the block says; empty if that is core, or another block's.
	kind policy.Kind
	// grammar is what may stand in it. It is complete, with what cannot be honoured yet, so that a
	// profile written for a later version fails at the line that this one cannot keep, and not at its
	// syntax.
	grammar *language.Block
	// example is a file that uses every attribute of it which can be honoured, and stranger what a
	// file from elsewhere needs approval for; both are for people, and empty where nothing of the
	// block is built yet.
	example, stranger string
	// refuse reports what the grammar has and this version cannot honour, where the grammar's own
	// marks do not say it all; nil if they do.
	refuse func(r *report, s *source, b *language.Tree)
	// read adds the rules that it gives to the draft; nil if it gives none.
	read func(r *reader, s *source, b *language.Tree)
	// asks is what the block asks for in a file that others may have written: what the user has to
	// approve. All sources have been read by then. nil if it asks for nothing.
	asks func(r *reader, s *source, b *language.Tree) []Ask
	// flags are those that say the same as an attribute of the block, by name.
	flags map[string]func(r *reader, f Flag)
}

// blocks is the whole policy language. The first is what stands outside of any block.
var blocks = []block{
	top,
	filesystem,
	network,
	credential,
	environment,
	snapshot,
	session,
	trust,
	limits,
	layer,
	plugin,
}

// grammar is the language in the terms of its parser.
var grammar = func() *language.Block {
	root := *blocks[0].grammar
	root.Blocks = map[string]*language.Block{}
	for _, b := range blocks[1:] {
		root.Blocks[b.name] = b.grammar
	}
	return &root
}()

// blockOf is the row of a block that was parsed.
func blockOf(t *language.Tree) block {
	return blocks[slices.IndexFunc(blocks, func(b block) bool { return b.name == t.Name })]
}

// draft is what blocks and flags have said. It grows while they are read, and what the default
// profile leaves open ("the .git/hooks of whatever is granted") becomes rules when all have been.
type draft struct {
	rules     []rule
	stated    map[statement]bool // the rules that are there
	lifts     []lift
	globs     []*glob
	matched   map[statement]bool // what the globs came to
	steps     int                // what is left of maxSteps
	defaults  defaults
	variables variables
	layers    map[string]*Layer
	plugins   map[string]Plugin
	programs  []program
	net       reachable
	// uses are what names a service that takes a key; the credentials are made of it, and the files
	// are those that keys are read from. foreignUse says of a service whether a file from elsewhere
	// has a say about it.
	uses        map[string][]use
	credentials []policy.Credential
	keyFiles    []keyFile
	foreignUse  map[string]bool
	// fallbacks are what holds in the place of a key, by the service; within is the service whose
	// fallback is being read.
	fallbacks map[string]*fallback
	within    string
	recording recording
	trusts    trusting
	// reported are names in a project that are told when they are new or changed, and paths.
	reported []string
	// links are those on the way to a denied or protected name of the default profile's that the agent
	// could replace.
	links []string
	// lines are those that say something of a kind, but for the default profile's.
	lines map[policy.Kind][]policy.Source

	command       []string
	commandSource policy.Source
	arguments     []string
	bestEffort    *language.Value
	noBuildCaches bool
	movable       []agentdir.Movable
	keep          Keep
	limited       Limits
}

// reader turns sources into a draft, on one host.
type reader struct {
	*host
	*report
	*draft
	lists   hostLists
	foreign []*source // those that ask
	open    []Request // what the user is still to be asked
}

// isForeign reports whether a rule comes from a file that others may have written: what such a file
// says gives no other one anything.
func (r *reader) isForeign(at policy.Source) bool {
	return slices.ContainsFunc(r.foreign, func(s *source) bool { return s.wrote(at) })
}

// read is the draft that all sources together make, and after them the flags.
func read(h *host, r *report, sources []*source, lists hostLists) *reader {
	in := &reader{host: h, report: r, lists: lists, draft: &draft{
		stated: map[statement]bool{}, matched: map[statement]bool{},
		layers: map[string]*Layer{}, plugins: map[string]Plugin{},
		lines: map[policy.Kind][]policy.Source{},
		uses:  map[string][]use{}, foreignUse: map[string]bool{},
		fallbacks: map[string]*fallback{},
	}}
	for _, s := range sources {
		if s.foreign {
			in.foreign = append(in.foreign, s)
		}
		top.read(in, s, s.tree)
		for _, t := range s.tree.Blocks {
			b := blockOf(t)
			if b.read != nil {
				b.read(in, s, t)
			}
			if b.kind != "" && s.Origin != policy.OriginDefault {
				in.lines[b.kind] = append(in.lines[b.kind], t.Source)
			}
		}
	}
	in.flags()
	in.expandGlobs()
	in.expandUserGlobs()
	in.liftDenials()
	in.refuseHidden()
	in.settleOpen()
	in.settleLayers()
	in.settleNetwork()
	in.settleCredentials()
	in.settleSnapshot()
	in.settleTrust()
	return in
}

// flags reads each flag with the meaning that the same rule has in a file.
func (r *reader) flags() {
	if len(r.Flags) > maxRules {
		r.add(diag.Errorf("there are %d flags that are rules, and no more than %d are taken",
			len(r.Flags), maxRules).
			Try("name the directory that many of them lie in"))
		return
	}
	known := map[string]func(*reader, Flag){}
	for _, b := range blocks {
		maps.Copy(known, b.flags)
	}
	for _, f := range r.Flags {
		if read, ok := known[f.Name]; ok {
			read(r, f)
		} else {
			r.add(problem(f.source(), "--%s is not a rule", f.Name))
		}
	}
}

// source is the flag as it was typed.
func (f Flag) source() policy.Source {
	typed := "--" + f.Name
	if f.Value != "" {
		typed += " " + f.Value
	}
	return policy.Source{Origin: policy.OriginFlag, Flag: typed}
}

// texts are the words of a list.
func texts(items []language.Item) []string {
	out := make([]string, len(items))
	for i, it := range items {
		out[i] = it.Text
	}
	return out
}
