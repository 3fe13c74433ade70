package plan

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/kinds"
	"github.com/nono-run/nono/core/plan/authorize"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/plan/merge"
	"github.com/nono-run/nono/core/plan/protect"
	"github.com/nono-run/nono/core/plan/view"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// The most of what a run is made from. A rule costs about 0.1 ms of a start and a mount as much, so
// these are starts of one or two seconds; what goes beyond is a list that a program wrote, and
// should have been a rule about a directory.
const (
	MaxRules  = 8192
	MaxMounts = 12288
)

// Make merges the layers' shares and core's own into a plan. An error is of type [diag.Problems]
// and lists everything found.
func Make(in Input) (*Plan, error) {
	m, err := newMaker(in)
	if err != nil {
		return nil, err
	}
	m.checkInput()
	m.checkLayers()
	m.collectDiagnostics()
	if m.problems.Failed() {
		// What a broken fragment would merge to is not worth the user's time.
		return nil, m.problems
	}

	p := &Plan{
		Session:  in.Session,
		Host:     in.Host,
		Fallback: in.Fallback,
		Command:  in.Command,
		Layers:   m.layerList(),
		Disabled: in.Policy.Disabled,
		Network:  in.Policy.Network,

		Credentials: in.Policy.Credentials,
		Snapshot:    in.Policy.Snapshot,
		Trust:       in.Policy.Trust,
		Verified:    in.Verified,
		Homes:       in.Homes,
		Through:     m.through(),
	}
	sight := m.files(p)
	if m.problems.Failed() {
		return nil, m.problems // what follows asks what is in the view
	}
	if in.Settled != nil && len(p.Mounts) > 0 && len(p.Make) == 0 {
		in.Settled(mountsOf(p))
	}
	v := p.View()
	p.Listeners = m.listeners()
	p.Dialers = merge.Dialers(m.steps.Dialers)
	p.Names = m.namesByTCP(p.Listeners)
	m.checkSockets()
	p.Env = m.environment(sight, p.Listeners)
	p.Command.Args = slices.Concat(p.Command.Args, m.arguments(p))
	p.Calls, p.Supervised = m.base.Calls, m.base.Supervised
	p.Seccomp = merge.Filters(m.own.Filters, m.steps.Filters)
	m.reportConflicts()
	p.Rules = m.coverage(v)
	p.Lost = m.merger.Losses()
	m.authorize(v)
	m.doubt(p)
	p.Notices = m.allNotices()
	if m.problems.Failed() {
		return nil, m.problems
	}
	// The protection is proved about the plan as it will be carried out, by code that did not make
	// it.
	if err := p.Prove(in.Own, in.Look); err != nil {
		return nil, diag.Problems{diag.Errorf("checking the plan: %s", err).
			Try("this is a flaw of nono or of a layer; please report it with the output of `nono plan`")}
	}
	return p, nil
}

// A maker carries what the parts of Make share: the input, who wrote which rule, and what was found
// so far.
type maker struct {
	in     Input
	layers []Share
	listed []policy.Rule // all rules of the policy
	rules  map[policy.RuleID]policy.Rule
	paths  map[policy.RuleID]policy.PathRule
	decide *policy.Decider
	grants map[string]bool // the paths of all grants that are there
	base   base.Share
	// verified are the protections of verified files.
	verified map[policy.RuleID]bool
	closed   bool // nothing leads out of the session's network
	// own and steps are the steps of core and of the layers by what they do.
	own, steps merge.Steps
	merger     merge.Merger
	problems   diag.Problems
	notices    []Notice
}

func newMaker(in Input) (*maker, error) {
	in.Look = hostfile.Once(in.Look)
	m := &maker{
		in:     in,
		layers: slices.Clone(in.Layers),
		paths:  make(map[policy.RuleID]policy.PathRule, len(in.Policy.Filesystem)),
		decide: policy.NewDecider(&in.Policy),
		grants: map[string]bool{},

		verified: map[policy.RuleID]bool{},
	}
	for _, f := range in.Verified {
		m.verified[f.Rule] = true
	}
	m.merger.Asked = m.asked
	// The order in which layers were started means nothing. Their own order is that of the Plan
	// calls, and within a kind that of names.
	slices.SortFunc(m.layers, func(a, b Share) int {
		return cmp.Or(kinds.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
	})
	var err error
	own := base.Input{
		Host: in.Host, Policy: &in.Policy, Through: m.through(), GitIdentity: in.GitIdentity,
		Known: in.Known, Hosts: in.Hosts,
		Lent: in.Lent, Homes: in.Homes, Links: in.Links, Limits: in.Limits, Look: in.Look,
		Directories: in.Directories, Supervised: in.Supervised,
		Unsupervised: in.Unsupervised,
	}
	own.Resolver, own.Port53 = m.resolver()
	m.closed = own.Closed()
	m.base, err = base.Compose(own)
	if err != nil {
		return nil, asProblems(err)
	}
	m.listed = in.Policy.Rules()
	m.rules = make(map[policy.RuleID]policy.Rule, len(m.listed)+len(m.base.Rules))
	for _, of := range [][]policy.Rule{m.listed, m.base.Rules} {
		for _, r := range of {
			m.rules[r.ID] = r
		}
	}
	for _, r := range in.Policy.Filesystem {
		m.paths[r.ID] = r
		if r.Access.Grants() && r.Type != policy.Missing {
			m.grants[r.Path] = true
		}
	}
	for _, n := range in.Notices {
		m.notices = append(m.notices, Notice{Text: n.Summary, Detail: n.Detail, Source: n.Source})
	}
	return m, nil
}

func asProblems(err error) diag.Problems {
	var p diag.Problem
	if !errors.As(err, &p) {
		p = diag.Errorf("%s", err)
	}
	return diag.Problems{p}
}

func (m *maker) layerList() []Layer {
	list := make([]Layer, len(m.layers))
	for i, s := range m.layers {
		list[i] = s.Layer
	}
	return list
}

// layer is the share of the layer that holds a kind, if one runs. Custom layers hold no rules of
// the policy.
func (m *maker) layer(k policy.Kind) (Share, bool) {
	i := slices.IndexFunc(m.layers, func(s Share) bool { return s.Kind == k })
	if i < 0 {
		return Share{}, false
	}
	return m.layers[i], true
}

// through lists the layers that carry traffic: that of the network, and whoever serves a socket
// inside or dials one. At the sockets of nono's own credential layer each leads to one service,
// which is said with the credentials.
func (m *maker) through() []string {
	var names []string
	for _, s := range m.layers {
		if s.Kind == policy.KindCredentials && s.BuiltIn {
			continue
		}
		carries := s.Kind == policy.KindNetwork
		if s.Response != nil {
			steps := s.Response.Fragment.Steps
			carries = carries || slices.ContainsFunc(steps, func(step fragment.Step) bool {
				_, serves := step.(fragment.Listener)
				_, dials := step.(fragment.Dialer)
				return serves || dials
			})
		}
		if carries {
			names = append(names, s.Name)
		}
	}
	return names
}

func (m *maker) disabled(k policy.Kind) bool { return m.in.Policy.IsDisabled(k) }

// files settles what the agent has of the files.
func (m *maker) files(p *Plan) view.Sight {
	if p.walled() {
		return m.walledFiles(p)
	}
	v := m.mounts(p)
	if m.problems.Failed() {
		return v
	}
	p.Mounts = v.Mounts()
	p.Landlock = m.merger.Rights(m.steps.Rights, v)
	return v
}

// mounts merges all mount steps into the view, and adds what protects nono's own files to it.
func (m *maker) mounts(p *Plan) view.View {
	m.gather()
	asked := slices.Concat(m.own.Mounts, m.steps.Mounts)
	v := m.merger.Mounts(asked, ofCore(m.base.Fixed), ofCore(m.base.Fill))
	m.tellYielded()
	m.reportConflicts()
	if m.problems.Failed() {
		return v // each conflict would be found again below
	}
	targets, err := m.in.Own.Targets(m.in.Look)
	if err != nil {
		m.problem(diag.Errorf("finding nono's own files: %s", err), policy.Source{})
		return v
	}
	protected := protect.Add(protect.Input{
		View: v, Targets: targets, Controls: m.in.Controls, Policy: &m.in.Policy,
		Links: m.in.Links, Layer: Core, Look: m.in.Look,
		Merge: func(v view.View, more []view.Mount) view.View {
			return m.merger.Mounts(append(slices.Clone(v.Mounts()), more...), nil, nil)
		},
	})
	for _, found := range protected.Problems {
		m.report(found)
	}
	m.reportConflicts()
	v = m.freeze(protected.View.Collapse())
	p.Make = m.toMake(protected.Make, v)
	m.checkSize(v)
	m.checkDirectory(v)
	return v
}

// toMake adds the directories that are lent and do not exist yet, with those above them.
func (m *maker) toMake(dirs []string, v view.View) []string {
	for _, l := range m.in.Lent {
		if at, ok := v.At(l.Inside); !ok || at.Rule() != base.RuleCaches {
			continue
		}
		dirs = m.missing(dirs, l.Dir)
	}
	slices.SortFunc(dirs, view.ComparePaths)
	return slices.Compact(dirs)
}

// missing adds a directory that does not exist yet, with those above it.
func (m *maker) missing(dirs []string, dir string) []string {
	for ; dir != "/"; dir = path.Dir(dir) {
		if e, err := m.in.Look(dir); err != nil || e.Type != policy.Missing {
			break
		}
		dirs = append(dirs, dir)
	}
	return dirs
}

// checkSize refuses a view of too many mounts, and names the layer that most of them come from if
// it is not the one that holds the rules about files.
func (m *maker) checkSize(v view.View) {
	n := len(v.Mounts())
	if n <= MaxMounts {
		return
	}
	of := map[string]int{}
	for _, s := range v.Mounts() {
		of[s.Layer]++
	}
	for _, s := range m.layers {
		if s.Kind != policy.KindFilesystem && of[s.Name] > n/2 {
			m.problem(diag.Errorf("layer %s asks for %d mounts, and at most %d can be made",
				s.Name, of[s.Name], MaxMounts), s.Source)
			return
		}
	}
	var most policy.Source // the line that needs most of them
	needs := map[policy.Source]int{}
	for _, s := range v.Mounts() {
		if at := m.sourceOf(s.Rule()); at.Origin != "" && at.Asked() {
			if needs[at]++; needs[at] > needs[most] {
				most = at
			}
		}
	}
	m.problem(diag.Errorf("this plan needs %d mounts, and at most %d can be made", n, MaxMounts).
		Try("grant or deny whole directories rather than what lies in them"), most)
}

// gather sorts all steps by what they do.
func (m *maker) gather() {
	shares := make([]merge.Share, len(m.layers))
	for i, s := range m.layers {
		shares[i] = merge.Share{Layer: s.Name, Fragment: s.Response.Fragment}
	}
	var err, ownErr error
	m.steps, err = merge.Gather(shares)
	m.own, ownErr = merge.Gather([]merge.Share{{Layer: Core, Fragment: m.base.Fragment}})
	if err := errors.Join(err, ownErr); err != nil {
		m.problem(diag.Errorf("%s", err), policy.Source{})
	}
}

// tellYielded says where a layer's step for a rule of the user's stands where core has its own,
// which stays: swapping a layer must never take a part of the base fragment away.
func (m *maker) tellYielded() {
	for _, s := range m.merger.Yielded {
		if m.asked(s.Rule()) {
			m.notice(m.sourceOf(s.Rule()), "",
				"%s inside is always nono's own; layer %s cannot put the host's there", s.At(), s.Layer)
		}
	}
}

func ofCore(steps []fragment.Mount) []view.Mount {
	mounts := make([]view.Mount, len(steps))
	for i, s := range steps {
		mounts[i] = view.Mount{Mount: s, Layer: Core}
	}
	return mounts
}

func (m *maker) listeners() []Listener {
	all, err := m.merger.Listeners(m.own.Listeners, m.steps.Listeners)
	if err != nil {
		m.problem(diag.Errorf("%s", err), policy.Source{})
	}
	return all
}

// environment is every variable the agent gets, sorted: what the policy passes and sets, what core
// composes, what layers add.
func (m *maker) environment(sight view.Sight, listeners []Listener) []Variable {
	asked, defaults, problems := base.Environment{
		Policy: &m.in.Policy, Decide: m.decide, Environ: m.in.Environ, Home: m.in.Host.Home,
		PathPrefix: m.in.PathPrefix, Instead: m.in.Instead,
		Dir: m.in.Command.Dir, DirName: m.in.DirName,
		Writable: func(dir string) bool {
			return fragment.CheckPath(dir) == nil && sight.Writes(dir)
		},
		Closed: m.closed, Doors: m.doors(listeners), Bundle: m.in.Bundle,
		Visible:     func(file string) bool { return m.visible(sight, file) },
		Directories: m.in.Directories, Lent: m.in.Lent, Homes: m.in.Homes, Reaches: m.layersReach(),
	}.Variables()
	for _, p := range problems {
		m.report(p)
	}
	for _, e := range m.steps.Variables {
		for _, part := range e.Value {
			if part.Listener == "" {
				continue
			}
			if _, ok := merge.Find(listeners, e.Layer, part.Listener); !ok {
				m.flaw(e.Layer, e.Rule, "%s uses the listener %q, which the layer does not have",
					e.Name, part.Listener)
			}
		}
	}
	return m.merger.Variables(append(variables(asked), m.steps.Variables...), variables(defaults))
}

func variables(steps []base.Variable) []Variable {
	vars := make([]Variable, len(steps))
	for i, e := range steps {
		vars[i] = Variable{
			Name: e.Name, Value: e.Value, Rule: e.For, Layer: cmp.Or(e.Layer, Core),
		}
	}
	return vars
}

// visible reports whether a file or a directory of the host is there inside, by its name.
func (m *maker) visible(sight view.Sight, name string) bool {
	if fragment.CheckPath(name) != nil {
		return false
	}
	route, err := hostfile.Follow(m.in.Look, name)
	if err != nil || route.Entry.Type == policy.Missing {
		return false
	}
	for _, link := range route.Links() {
		if !sight.Leads(link.Path) {
			return false
		}
	}
	shown, _ := sight.Shows(route.Path)
	return shown
}

// authorize holds what the layers give the agent against what the policy does.
func (m *maker) authorize(v view.View) {
	m.problems = append(m.problems, authorize.Check(authorize.Input{
		View: v, Rights: m.steps.Rights, Own: m.own.Rights, Variables: m.steps.Variables,
		Core: Core, Decide: m.decide, Home: m.in.Host.Home,
		Told: func(layer, name string) bool {
			return slices.Contains(m.share(layer).HostVariables, name)
		},
		Blame: func(o merge.Origin) policy.Source {
			return cmp.Or(m.sourceOf(o.Rule), m.share(o.Layer).Source)
		},
	})...)
}

// share is the share of a layer.
func (m *maker) share(name string) Share {
	i := slices.IndexFunc(m.layers, func(s Share) bool { return s.Name == name })
	if i < 0 {
		return Share{}
	}
	return m.layers[i]
}

// problem records a problem, at its line where there is one.
func (m *maker) problem(p diag.Problem, at policy.Source) {
	m.problems = append(m.problems, p.At(at))
}

// report records what a part of the plan found out: a warning is a notice.
func (m *maker) report(p diag.Problem) {
	if p.Severity == diag.Warning {
		m.notice(p.Source, p.Detail, "%s", p.Summary)
		return
	}
	m.problem(p, p.Source)
}

// mostConflicts is how many conflicts of the same two layers are told one by one.
const mostConflicts = 5

// reportConflicts tells of what the merge could not unite, at the line that the user wrote if there
// is one, or else at that which brought in a layer that is not nono's own.
func (m *maker) reportConflicts() {
	type pair struct{ one, other string }
	told := map[pair]int{}
	var pairs []pair
	for _, c := range m.merger.Conflicts {
		between := pair{min(c.One.Layer, c.Other.Layer), max(c.One.Layer, c.Other.Layer)}
		if told[between]++; told[between] == 1 {
			pairs = append(pairs, between)
		}
		if told[between] > mostConflicts {
			continue
		}
		one, other := m.originOf(c.One), m.originOf(c.Other)
		at := cmp.Or(
			m.askedSource(c.One), m.askedSource(c.Other),
			m.share(c.One.Layer).Source, m.share(c.Other.Layer).Source,
			one.source, other.source,
		)
		m.problem(diag.Errorf("%s", c.Text).
			Try("the one comes from %s\nthe other comes from %s\ntake one of them out",
				one.text, other.text), at)
	}
	for _, between := range pairs {
		if more := told[between] - mostConflicts; more > 0 {
			m.problem(diag.Errorf("layers %s and %s contradict each other in %d more steps",
				between.one, between.other, more), policy.Source{})
		}
	}
	m.merger.Conflicts = nil
}

// askedSource is the line of a step's rule if the user wrote it.
func (m *maker) askedSource(o merge.Origin) policy.Source {
	if !m.asked(o.Rule) {
		return policy.Source{}
	}
	return m.sourceOf(o.Rule)
}

func (m *maker) notice(at policy.Source, detail, format string, args ...any) {
	m.notices = append(m.notices, Notice{
		Text: fmt.Sprintf(format, args...), Detail: detail, Source: at,
	})
}

// allNotices is each notice once; two layers may have noticed the same.
func (m *maker) allNotices() []Notice {
	var out []Notice
	seen := map[Notice]bool{}
	for _, n := range m.notices {
		if !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	return out
}

// origin is where a step comes from: the line of its rule, or the layer that sent it.
type origin struct {
	source policy.Source
	text   string
}

func (m *maker) originOf(o merge.Origin) origin {
	r, ok := m.rules[o.Rule]
	switch {
	case ok && r.Source.Origin != policy.OriginBase:
		return origin{r.Source, fmt.Sprintf("%s (layer %s)", r.Source, o.Layer)}
	case o.Layer == Core:
		return origin{text: "nono itself"}
	}
	return origin{text: "layer " + o.Layer}
}

// asked reports whether the user wrote the rule that a step is there for.
func (m *maker) asked(id policy.RuleID) bool {
	r, ok := m.rules[id]
	return ok && r.Source.Asked()
}

// sourceOf is the line of a rule; the zero Source if it has none.
func (m *maker) sourceOf(id policy.RuleID) policy.Source {
	r := m.rules[id]
	if r.Source.Origin == policy.OriginBase {
		return policy.Source{}
	}
	return r.Source
}
