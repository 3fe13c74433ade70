package policy

import (
	"path"
	"strings"
)

// Op is what somebody wants to do with a path.
type Op string

// The operations. Listing a directory is reading it; creating, renaming and deleting beneath one is writing it.
const (
	OpRead    Op = "read"
	OpWrite   Op = "write"
	OpExecute Op = "execute"
)

// Decision is the answer to "may this path be read, written, executed".
type Decision struct {
	Allowed bool
	// Rule is the most specific rule that decided; it points into the policy. It is nil where no rule speaks of the path.
	Rule *PathRule
	// Why is the reason in a few words.
	Why string
}

// Path decides about one path, which is absolute, clean and free of links, as the paths of the rules are. The order of the rules
// means nothing:
//
//   - a denial, from wherever and at whatever depth, beats every grant;
//   - a protection takes writing away, at its path and beneath, and nothing else;
//   - otherwise the grants unite: what one of them gives is given.
//
// The rule that is named is the one with the longest path, because that is the line the user has to change. A grant of something
// that was missing gives nothing, for there is nothing that could be shown; a denial of something missing denies nevertheless.
//
// The decision is about paths of the host. What the sandbox has of its own (/proc, /dev, a private HOME and /tmp) is not in a policy.
func (p *Policy) Path(name string, op Op) Decision {
	switch op {
	case OpRead, OpWrite, OpExecute:
	default:
		return Decision{Why: "not an operation: " + string(op)}
	}
	if !path.IsAbs(name) || path.Clean(name) != name {
		return Decision{Why: "not an absolute, clean path"}
	}
	for _, d := range p.Disabled {
		if d.Kind == KindFilesystem {
			return Decision{Allowed: true, Why: "no path is restricted: " + d.Source.String()}
		}
	}
	var denial, protection, grant, lesser *PathRule
	for i := range p.Filesystem {
		r := &p.Filesystem[i]
		if !Within(name, r.Path) {
			continue
		}
		switch r.Access {
		case Protect:
			protection = sharper(protection, r)
		case Allow, Read, Write:
			if r.gives(name, op) {
				grant = sharper(grant, r)
			} else {
				lesser = sharper(lesser, r)
			}
		case Deny:
			denial = sharper(denial, r)
		default: // an access that nobody knows is never taken for a grant
			denial = sharper(denial, r)
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

// Within reports whether name is dir or lies beneath it. Both are absolute and clean. /ab does not lie within /a.
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
	case op == OpWrite:
		return "granted for reading only"
	default:
		return "granted for reading and writing, not for execution"
	}
}

// sharper returns the rule to name out of two that say the same about a path: the longer path; then what the user wrote
// rather than a default; then the id, only so that the order of the rules makes no difference.
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
	// Allowed means that the agent has the variable: inherited, or with the value of Rule where its action is [EnvSet].
	Allowed bool
	// Rule decided; it points into the policy. It is nil where no rule speaks of the name.
	Rule *EnvRule
	Why  string
}

// Variable decides about one environment variable. The order of the rules means nothing:
//
//   - a value that is set is set: a denial forbids inheriting, and nothing is inherited here;
//   - a denial that the user wrote beats everything that passes the name;
//   - a default denial is beaten by the exact name in the user's own policy, and by no pattern;
//   - otherwise a name is inherited if a rule passes it.
//
// With layers that set a variable too, core/plan finds the conflict; a layer is not in a policy.
func (p *Policy) Variable(name string) VariableDecision {
	var set, refused, never, exact, passed *EnvRule
	for i := range p.Environment {
		r := &p.Environment[i]
		if !r.Matches(name) {
			continue
		}
		switch r.Action {
		case EnvSet:
			set = stronger(set, r)
		case EnvPass:
			passed = stronger(passed, r)
			if r.Name == name && r.Source.Asked() {
				exact = stronger(exact, r)
			}
		case EnvDeny:
			if r.Source.Asked() {
				refused = stronger(refused, r)
			} else {
				never = stronger(never, r)
			}
		default: // an action that nobody knows passes nothing
			refused = stronger(refused, r)
		}
	}
	switch {
	case set != nil:
		return VariableDecision{Allowed: true, Rule: set, Why: "set"}
	case refused != nil:
		return VariableDecision{Rule: refused, Why: "denied"}
	case exact != nil:
		return VariableDecision{Allowed: true, Rule: exact, Why: "passed by its exact name"}
	case never != nil:
		return VariableDecision{Rule: never, Why: "never inherited, unless your policy passes exactly this name"}
	case passed != nil:
		return VariableDecision{Allowed: true, Rule: passed, Why: "passed"}
	}
	return VariableDecision{Why: "no rule passes it"}
}

// Matches reports whether the rule speaks of this variable. Only pass and deny know patterns; no name is the empty string.
func (r *EnvRule) Matches(name string) bool {
	if name == "" {
		return false
	}
	if prefix, ok := strings.CutSuffix(r.Name, "*"); ok && r.Action != EnvSet {
		return strings.HasPrefix(name, prefix)
	}
	return r.Name == name
}

// stronger returns the rule to name out of two that say the same about a variable: the later origin, then the longer name, then the id.
func stronger(a, b *EnvRule) *EnvRule {
	switch {
	case a == nil:
		return b
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
	for i, known := range []Origin{OriginBase, OriginDefault, OriginConfig, OriginProfile, OriginFile, OriginCommand, OriginFlag} {
		if o == known {
			return i
		}
	}
	return -1
}
