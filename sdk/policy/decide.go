package policy

import (
	"cmp"
	"path"
	"slices"
	"strings"
	"sync"
)

// Op is what somebody wants to do with a path.
type Op string

// The operations. Listing a directory is reading it; creating, renaming and deleting beneath one is
// writing it.
const (
	OpRead    Op = "read"
	OpWrite   Op = "write"
	OpExecute Op = "execute"
)

// Decision is the answer to "may this path be read, written, executed".
type Decision struct {
	Allowed bool
	// Rule is the most specific rule that decided; it points into the policy. It is nil where no rule
	// speaks of the path.
	Rule *PathRule
	// Why is the reason in a few words.
	Why string
}

// Decider answers questions about one policy. It is built once, in one go through the rules; then a
// question costs as much as the path it asks about is deep, however many rules there are.
type Decider struct {
	free string // why no path is restricted, where none is

	paths map[string]*pathEntry
	// variables are the rules about variables, which most deciders are never asked about.
	variables func() *variableRules

	hosts hostRules
	keys  map[string]string // variables that a real key may be in, and the service that it is for
}

// NewDecider returns the decisions that p makes. They point into p, which must not change any more.
func NewDecider(p *Policy) *Decider {
	environment := p.Environment
	d := &Decider{
		paths:     make(map[string]*pathEntry, len(p.Filesystem)),
		variables: sync.OnceValue(func() *variableRules { return newVariableRules(environment) }),
		hosts:     newHostRules(p),
		keys:      keyVariables(p),
	}
	for _, off := range p.Disabled {
		if off.Kind == KindFilesystem {
			d.free = "no path is restricted: " + off.Source.String()
			break
		}
	}
	paths := make([]pathEntry, len(p.Filesystem)) // all at once: a run makes a dozen deciders
	for i := range p.Filesystem {
		r := &p.Filesystem[i]
		entryOf(d.paths, r.Path, &paths[i]).add(r)
	}
	return d
}

// entryOf is what entries hold under a key: the fresh one where there is none yet.
func entryOf[E any](entries map[string]*E, key string, fresh *E) *E {
	e, ok := entries[key]
	if !ok {
		e = fresh
		entries[key] = e
	}
	return e
}

// pathEntry is what the rules that name one path say.
type pathEntry struct {
	denial, protection *PathRule   // the one to name
	partial            []*PathRule // denials that do not speak of all that lies beneath
	// grants holds one grant of each access and type, the one to name first; one is place for what
	// most have.
	grants []*PathRule
	one    [1]*PathRule
}

func (e *pathEntry) add(r *PathRule) {
	switch r.Access {
	case Protect:
		e.protection = sharper(e.protection, r)
	case Allow, Read, Write, Unix:
		same := func(g *PathRule) bool { return g.Access == r.Access && g.Type == r.Type }
		if i := slices.IndexFunc(e.grants, same); i >= 0 {
			if sharper(e.grants[i], r) != r {
				return
			}
			e.grants = slices.Delete(e.grants, i, i+1)
		}
		if len(e.grants) == 0 {
			e.grants = e.one[:0]
		}
		at := slices.IndexFunc(e.grants, func(g *PathRule) bool { return sharper(g, r) == r })
		if at < 0 {
			at = len(e.grants)
		}
		e.grants = slices.Insert(e.grants, at, r)
	case Deny:
		if len(r.Lifted) > 0 {
			e.partial = append(e.partial, r)
			return
		}
		e.denial = sharper(e.denial, r)
	default: // an access that nobody knows is never taken for a grant
		e.denial = sharper(e.denial, r)
	}
}

// denies is the denial to name of a path at or beneath the entry's.
func (e *pathEntry) denies(name string) *PathRule {
	denial := e.denial
	for _, r := range e.partial {
		if r.speaksOf(name) {
			denial = sharper(denial, r)
		}
	}
	return denial
}

// Path decides about one path, which is absolute, clean and free of links, as the paths of the
// rules are. The order of the rules means nothing:
//
//   - a denial, from wherever and at whatever depth, beats every grant; of what was lifted out of
//     it it does not speak;
//   - a protection takes writing away, at its path and beneath, and nothing else;
//   - otherwise the grants unite: what one of them gives is given.
//
// The rule that is named is the one with the longest path, because that is the line the user has to
// change. A grant of something that was missing gives nothing, for there is nothing that could be
// shown; a denial of something missing denies nevertheless.
//
// The decision is about paths of the host. What the sandbox has of its own (/proc, /dev, a private
// HOME and /tmp) is not in a policy.
func (d *Decider) Path(name string, op Op) Decision {
	switch op {
	case OpRead, OpWrite, OpExecute:
	default:
		return Decision{Why: "not an operation: " + string(op)}
	}
	if !path.IsAbs(name) || path.Clean(name) != name {
		return Decision{Why: "not an absolute, clean path"}
	}
	if d.free != "" {
		return Decision{Allowed: true, Why: d.free}
	}
	var denial, protection, grant, lesser *PathRule
	for at := name; ; at = parent(at) { // the longest path comes first, and its rule is to be named
		if e, ok := d.paths[at]; ok {
			denial = cmp.Or(denial, e.denies(name))
			protection = cmp.Or(protection, e.protection)
			for _, r := range e.grants {
				if r.gives(name, op) {
					grant = cmp.Or(grant, r)
				} else {
					lesser = cmp.Or(lesser, r)
				}
			}
		}
		if at == "/" {
			break
		}
	}
	switch {
	case denial != nil && denial.Source.Asked():
		return Decision{Rule: denial, Why: "denied"}
	case denial != nil:
		return Decision{Rule: denial, Why: "denied by default"}
	case protection != nil && op == OpWrite && grant != nil:
		return Decision{Rule: protection, Why: "protected: may be read, not written"}
	case grant != nil:
		return Decision{Allowed: true, Rule: grant, Why: "granted"}
	case lesser != nil:
		return Decision{Rule: lesser, Why: lesser.withholds(name, op)}
	}
	return Decision{Why: "no rule grants it"}
}

// parent is the directory that a clean, absolute path other than / lies in.
func parent(name string) string { return name[:max(1, strings.LastIndexByte(name, '/'))] }

// Within reports whether name is dir or lies beneath it. Both are absolute and clean. /ab does not
// lie within /a.
func Within(name, dir string) bool {
	if dir == "/" {
		return strings.HasPrefix(name, "/")
	}
	rest, ok := strings.CutPrefix(name, dir)
	return ok && dir != "" && (rest == "" || rest[0] == '/')
}

// gives reports whether a grant that covers name allows op on it.
func (r *PathRule) gives(name string, op Op) bool {
	switch {
	case r.Type == Missing:
		return false
	case r.Type != Directory && name != r.Path: // a file has nothing beneath it
		return false
	}
	switch op {
	case OpRead:
		return r.Access.Grants()
	case OpWrite:
		return r.Access.Writable()
	case OpExecute:
		return r.Access == Allow || r.Access == Read
	}
	return false
}

// withholds says why a grant that covers name does not allow op on it.
func (r *PathRule) withholds(name string, op Op) string {
	switch {
	case r.Type == Missing:
		return "granted, but it did not exist when the policy was read"
	case r.Type != Directory && name != r.Path:
		return "only the file above it is granted"
	case r.Access == Unix:
		return "a socket that may be connected to, and no more"
	case op == OpWrite:
		return "granted for reading only"
	default:
		return "granted for reading and writing, not for execution"
	}
}

// sharper returns the rule to name out of two that say the same about a path: the longer path; then
// what the user wrote rather than a default; then the id, only so that the order of the rules makes
// no difference.
func sharper(a, b *PathRule) *PathRule {
	switch {
	case a == nil:
		return b
	case len(a.Path) != len(b.Path):
		if len(a.Path) > len(b.Path) {
			return a
		}
		return b
	case a.Source.Asked() != b.Source.Asked():
		if a.Source.Asked() {
			return a
		}
		return b
	case a.ID <= b.ID:
		return a
	}
	return b
}

// VariableDecision is the answer to "does the agent get this variable".
type VariableDecision struct {
	// Allowed means that the agent has the variable: inherited, or with the value that Rule gives
	// ([EnvRule.Gives]).
	Allowed bool
	// Rule decided; it points into the policy. It is nil where no rule speaks of the name.
	Rule *EnvRule
	Why  string
}

// variableRules are the rules about variables.
type variableRules struct {
	names    map[string]*variableEntry
	prefixes map[string]*variableEntry // by what stands before the "*" of a pattern
	longest  int                       // of the prefixes
}

func newVariableRules(rules []EnvRule) *variableRules {
	v := &variableRules{
		names:    make(map[string]*variableEntry, len(rules)),
		prefixes: map[string]*variableEntry{},
	}
	entries := make([]variableEntry, len(rules))
	for i := range rules {
		r := &rules[i]
		if prefix, ok := r.pattern(); ok {
			entryOf(v.prefixes, prefix, &entries[i]).add(r)
			v.longest = max(v.longest, len(prefix))
		} else {
			entryOf(v.names, r.Name, &entries[i]).add(r)
		}
	}
	return v
}

// variableEntry is what the rules that have one name, or one pattern, say. Each is the one to name.
type variableEntry struct {
	set, passed, asked *EnvRule // asked is what the user himself passes
	refused, never     *EnvRule // what the user denies, and what a default does
}

func (e *variableEntry) add(r *EnvRule) {
	switch r.Action {
	case EnvSet, EnvSecret:
		e.set = stronger(e.set, r)
	case EnvPass:
		e.passed = stronger(e.passed, r)
		if r.Source.Asked() {
			e.asked = stronger(e.asked, r)
		}
	case EnvDeny:
		if r.Source.Asked() {
			e.refused = stronger(e.refused, r)
		} else {
			e.never = stronger(e.never, r)
		}
	default: // an action that nobody knows passes nothing
		e.refused = stronger(e.refused, r)
	}
}

// unite adds what the rules of another entry say.
func (e *variableEntry) unite(o *variableEntry) {
	e.passed = stronger(e.passed, o.passed)
	e.asked = stronger(e.asked, o.asked)
	e.refused = stronger(e.refused, o.refused)
	e.never = stronger(e.never, o.never)
}

// Variable decides about one environment variable. The order of the rules means nothing:
//
//   - a value that is set is set: a denial forbids inheriting, and nothing is inherited here;
//   - a denial that the user wrote beats everything that passes the name;
//   - a default denial is beaten by the exact name in the user's own policy, and by no pattern;
//   - otherwise a name is inherited if a rule passes it.
//
// With layers that set a variable too, core/plan finds the conflict; a layer is not in a policy.
func (d *Decider) Variable(name string) VariableDecision {
	if e, ok := d.variables().names[name]; ok && e.set != nil && name != "" {
		return VariableDecision{Allowed: true, Rule: e.set, Why: "set"}
	}
	return d.Inherited(name)
}

// Inherited decides about the user's own value of a variable. It is [Decider.Variable] but for a
// value that is set: that says nothing of the user's own.
func (d *Decider) Inherited(name string) VariableDecision {
	if name == "" {
		return VariableDecision{Why: "no rule passes it"}
	}
	if service, ok := d.keys[name]; ok {
		return VariableDecision{Why: "your key of " + service + " may be in it, which stays outside"}
	}
	rules := d.variables()
	var all variableEntry
	if e, ok := rules.names[name]; ok {
		all = *e
	}
	exact := all.asked
	for n := 0; n <= min(len(name), rules.longest); n++ {
		if e, ok := rules.prefixes[name[:n]]; ok {
			all.unite(e)
		}
	}
	switch {
	case all.refused != nil:
		return VariableDecision{Rule: all.refused, Why: "denied"}
	case exact != nil:
		return VariableDecision{Allowed: true, Rule: exact, Why: "passed by its exact name"}
	case all.never != nil:
		return VariableDecision{
			Rule: all.never, Why: "never inherited, unless your policy passes exactly this name",
		}
	case all.passed != nil:
		return VariableDecision{Allowed: true, Rule: all.passed, Why: "passed"}
	}
	return VariableDecision{Why: "no rule passes it"}
}

// pattern is what stands before the "*" of a pattern.
func (r *EnvRule) pattern() (prefix string, ok bool) {
	prefix, ok = strings.CutSuffix(r.Name, "*")
	return prefix, ok && !r.Gives()
}

// stronger returns the rule to name out of two that say the same about a variable: the later
// origin, then the longer name, then the id.
func stronger(a, b *EnvRule) *EnvRule {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.Source.Origin.rank() != b.Source.Origin.rank():
		if a.Source.Origin.rank() > b.Source.Origin.rank() {
			return a
		}
		return b
	case len(a.Name) != len(b.Name):
		if len(a.Name) > len(b.Name) {
			return a
		}
		return b
	case a.ID <= b.ID:
		return a
	}
	return b
}

// rank is the origin's place in the order in which sources are read; a later one wins.
func (o Origin) rank() int {
	order := []Origin{
		OriginBase, OriginDefault, OriginConfig, OriginProfile, OriginFile, OriginCommand, OriginFlag,
	}
	for i, known := range order {
		if o == known {
			return i
		}
	}
	return -1
}
