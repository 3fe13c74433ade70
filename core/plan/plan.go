// Package plan turns what the layers returned into the one plan that a run carries out, and proves what must hold about it.
//
// [Make] is pure but for looking at the host's files through [hostfile.Look]. It adds core's base fragment to those of the layers,
// merges them, checks that every rule that must be held is held, protects nono's own files, and at the end proves that
// protection with [Plan.Prove]:
//
//	p, err := plan.Make(plan.Input{Session: id, Host: host, Command: cmd, Policy: pol, Layers: shares, Own: own, ...})
//	if err != nil {
//		return err // diag.Problems: every problem, each with its line
//	}
//	if err := p.MakeOwn(); err != nil { ... }            // nono's own directories that an agent could otherwise make first
//	r, err := p.Recipe(secrets, os.LookupEnv, hostfile.Host) // now with secrets: never stored, never printed
//
// # Merging
//
// The order of layers and of steps means nothing; a test permutes them. Mounts are sorted by path, parents first. At one path the
// stronger step wins, whoever sent it:
//
//	mask > file > read-only bind > writable bind > tmpfs
//
// A tmpfs is the weakest, because it is what a layer puts where nothing is granted (a private home, the root itself). Within
// one strength the stricter flags win: no-exec if one says so, devices only if all say so, a mask readable only if all say so.
// Anything else that differs is a conflict, and the error names both lines. A symbolic link says that a path is a name for
// another place, which unites with nothing: beside any other step, masks apart, it is a conflict, and no step may lie beneath
// one. What lies beneath a mask is dropped: a denial beats every grant, at any depth. So is a bind that shows what its parent
// shows already, with the same rights, unless something mounted beneath it needs it to stay where it is.
//
// What core mounts below /proc and /dev belongs to core: a layer can mask single files of it and change nothing else.
//
// # Secrets
//
// A plan is printed, stored and compared. It holds the names of secrets and of the user's variables, never their values; those
// enter with [Plan.Recipe], and a recipe is never stored.
package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// Core is the name under which core itself stands where a layer's name is expected: for the base fragment, for rules that no
// layer answers for, and for the secrets of --env.
const Core = "nono"

// Plan is what a run will do, complete and in order, with nothing secret in it.
type Plan struct {
	Session   string              `json:"session"`
	Host      sdk.Host            `json:"host"`
	Command   sdk.Command         `json:"command"`
	Layers    []Layer             `json:"layers"`
	Disabled  []policy.Disabled   `json:"disabled,omitempty"`
	Rules     []Rule              `json:"rules"`
	Mounts    fragment.List       `json:"mounts"`
	Env       []Variable          `json:"env"`
	Landlock  []fragment.Landlock `json:"landlock,omitempty"`
	Seccomp   []fragment.Seccomp  `json:"seccomp"`
	Listeners []Listener          `json:"listeners,omitempty"`
	Dialers   []Dialer            `json:"dialers,omitempty"`
	// Make are directories of nono's own that do not exist yet and that a grant would let the agent make: parents first.
	Make    []string `json:"make,omitempty"`
	Notices []Notice `json:"notices,omitempty"`
}

// Layer is one layer that took part.
type Layer struct {
	Kind    policy.Kind `json:"kind"`
	Name    string      `json:"name"`
	Version string      `json:"version"`
	Path    string      `json:"path,omitempty"`
	// Digest is the SHA-256 of a layer that is not built in, in hexadecimal.
	Digest  string `json:"digest,omitempty"`
	BuiltIn bool   `json:"built_in,omitempty"`
	// Why says why the layer runs: "always", or the block that asked for it.
	Why string `json:"why"`
}

// Rule is one rule of the policy or of the base fragment, with how far it is held.
type Rule struct {
	ID     policy.RuleID `json:"id"`
	Says   string        `json:"says"`
	Source policy.Source `json:"source"`
	// Access, Path, Name and Type are a filesystem rule's.
	Access policy.Access   `json:"access,omitempty"`
	Path   string          `json:"path,omitempty"`
	Name   string          `json:"name,omitempty"`
	Type   policy.FileType `json:"type,omitempty"`
	// Layer is who answers for the rule.
	Layer string   `json:"layer"`
	Held  sdk.Held `json:"held"`
	By    string   `json:"by,omitempty"`
	Why   string   `json:"why,omitempty"`
	// Required says that the run is refused unless the rule is enforced.
	Required bool `json:"required,omitempty"`
}

// Variable is one variable of the agent's environment.
type Variable struct {
	Name  string         `json:"name"`
	Value fragment.Value `json:"value"`
	Rule  policy.RuleID  `json:"rule,omitempty"`
	// Layer is whose secrets the value's secret parts name.
	Layer string `json:"layer"`
}

// Listener is a listener step with its port picked, and the layer that serves on it.
type Listener struct {
	fragment.Listener
	Layer string `json:"layer"`
}

// Dialer is the ports of the loopback inside that a layer may connect to.
type Dialer struct {
	Layer string   `json:"layer"`
	Ports []uint16 `json:"ports"`
}

// Notice is something the user should know before the agent starts; it does not stop the run.
type Notice struct {
	Text   string        `json:"text"`
	Detail string        `json:"detail,omitempty"`
	Source policy.Source `json:"source,omitzero"`
}

// Problem is the notice as the user is shown it.
func (n Notice) Problem() diag.Problem {
	return diag.Problem{Severity: diag.Warning, Summary: n.Text, Detail: n.Detail, Source: n.Source}
}

// Share is one layer and what it answered.
type Share struct {
	Layer
	Response *sdk.PlanResponse
	// HostVariables are those of the user's variables that the layer declared, and was told.
	HostVariables []string
	// Setting finds the line of one of the layer's settings, for a diagnostic; nil if it has none.
	Setting func(attribute string) policy.Source
}

// Own is what belongs to nono itself. Every path is absolute; it need not exist, and links in it are followed.
type Own struct {
	// Programs are nono's own executables' directories, and the executables. None can be changed or replaced from inside.
	Programs []string
	// Directories are nono's configuration, state, data, cache and runtime directories. They are not even readable from inside.
	Directories []string
	// Documents are the policy files that this run was made from. They can be read where they are granted, and not be changed.
	Documents []string
}

// Input is all that a plan is made from.
type Input struct {
	Session string
	Host    sdk.Host
	Command sdk.Command
	Policy  policy.Policy
	// BestEffort turns a rule that is not held from a refusal into a notice.
	BestEffort bool
	Layers     []Share
	Own        Own
	// Environ is the user's environment, as os.Environ returns it. Only names, and the directories of PATH, reach the plan.
	Environ []string
	// PathPrefix are directories put first in PATH; Shims are directories left out of it.
	PathPrefix []string
	Shims      []string
	// GitIdentity is the content of the small ~/.gitconfig shown in a private home; see [GitIdentity].
	GitIdentity []byte
	// Notices are warnings from before: of the policy, of the toolchain.
	Notices []diag.Problem
	// Controls are directories that are never shown, as [Controls] finds them.
	Controls []string
	// Look looks at a file of the host; [hostfile.Host] unless a test stands in.
	Look hostfile.Look
}

// maxMounts is where a plan becomes absurd: a thousand binds already cost 50 ms, and more is a glob that went wrong.
const maxMounts = 2000

// Make merges the layers' shares and core's own into a plan. An error is of type [diag.Problems] and lists everything found.
func Make(in Input) (*Plan, error) {
	m := newMaker(in)
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
		Command:  in.Command,
		Layers:   m.layerList(),
		Disabled: in.Policy.Disabled,
	}
	v := m.mounts(p)
	if m.problems.Failed() {
		return nil, m.problems // what follows asks what is in the view
	}
	p.Mounts = v.list()
	p.Landlock = m.landlock(v)
	p.Listeners = m.listeners()
	p.Dialers = m.dialers()
	p.Env = m.environment(v, p.Listeners)
	p.Seccomp = m.seccomp()
	p.Rules = m.coverage(p.Mounts)
	m.doubtGrants(v)
	m.doubt(p)
	p.Notices = m.allNotices()
	if m.problems.Failed() {
		return nil, m.problems
	}
	// The protection is proved about the plan as it will be carried out, by code that did not make it.
	if err := p.Prove(in.Own, in.Look); err != nil {
		return nil, diag.Problems{diag.Errorf("checking the plan: %s", err).
			Try("this is a flaw of nono or of a layer; please report it with the output of `nono plan`")}
	}
	return p, nil
}

// A maker carries what the parts of Make share: the input, who wrote which rule, and what was found so far.
type maker struct {
	in       Input
	decide   *policy.Decider
	layers   []Share
	rules    map[policy.RuleID]policy.Rule
	paths    map[policy.RuleID]policy.PathRule
	base     []baseRule
	reserved map[string]bool // where core's own mounts stand, which no layer replaces
	problems diag.Problems
	notices  []Notice
}

func newMaker(in Input) *maker {
	m := &maker{
		in:       in,
		decide:   policy.NewDecider(&in.Policy),
		layers:   slices.Clone(in.Layers),
		rules:    map[policy.RuleID]policy.Rule{},
		paths:    map[policy.RuleID]policy.PathRule{},
		reserved: map[string]bool{},
	}
	// The order in which layers were started means nothing. Their own order is that of the Plan calls, and within a kind that
	// of names.
	slices.SortFunc(m.layers, func(a, b Share) int {
		if d := kindOrder(a.Kind) - kindOrder(b.Kind); d != 0 {
			return d
		}
		return strings.Compare(a.Name, b.Name)
	})
	for _, r := range in.Policy.Rules() {
		m.rules[r.ID] = r
	}
	for _, r := range in.Policy.Filesystem {
		m.paths[r.ID] = r
	}
	m.base = m.baseRules()
	for _, r := range m.base {
		m.rules[r.id] = policy.Rule{ID: r.id, Source: policy.Source{Origin: policy.OriginBase}, Says: r.says}
	}
	for _, n := range in.Notices {
		m.notices = append(m.notices, Notice{Text: n.Summary, Detail: n.Detail, Source: n.Source})
	}
	return m
}

func kindOrder(k policy.Kind) int {
	return slices.Index([]policy.Kind{
		policy.KindTrust, policy.KindCredentials, policy.KindNetwork, policy.KindSnapshot, policy.KindCustom, policy.KindFilesystem,
	}, k)
}

func (m *maker) layerList() []Layer {
	list := make([]Layer, len(m.layers))
	for i, s := range m.layers {
		list[i] = s.Layer
	}
	return list
}

// layer is the share of the layer that holds a kind, if one runs. Custom layers hold no rules of the policy.
func (m *maker) layer(k policy.Kind) (Share, bool) {
	i := slices.IndexFunc(m.layers, func(s Share) bool { return s.Kind == k })
	if i < 0 {
		return Share{}, false
	}
	return m.layers[i], true
}

func (m *maker) disabled(k policy.Kind) bool { return m.in.Policy.IsDisabled(k) }

// problem records a problem, at its line where there is one.
func (m *maker) problem(p diag.Problem, at policy.Source) {
	if at != (policy.Source{}) {
		p = p.At(at)
	}
	m.problems = append(m.problems, p)
}

func (m *maker) notice(at policy.Source, detail, format string, args ...any) {
	m.notices = append(m.notices, Notice{Text: fmt.Sprintf(format, args...), Detail: detail, Source: at})
}

// allNotices is each notice once; two layers may have noticed the same.
func (m *maker) allNotices() []Notice {
	var out []Notice
	for _, n := range m.notices {
		if !slices.Contains(out, n) {
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

func (m *maker) originOf(s fragment.Step, by string) origin {
	r, ok := m.rules[s.Rule()]
	switch {
	case ok && r.Source.Origin != policy.OriginBase:
		return origin{r.Source, fmt.Sprintf("%s (layer %s)", r.Source, by)}
	case by == Core:
		return origin{text: "nono itself"}
	}
	return origin{text: "layer " + by}
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
