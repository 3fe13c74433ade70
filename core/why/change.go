package why

import (
	"path"
	"slices"

	"github.com/nono-run/nono/core/plan/view"
	"github.com/nono-run/nono/sdk/policy"
)

// Change is one thing to do to the policy, so that the answer becomes another.
type Change struct {
	Do Do `json:"do"`
	// Attribute and Path are what is to be added: to the filesystem block, or as a flag of that name.
	Attribute string `json:"attribute,omitempty"`
	Path      string `json:"path,omitempty"`
	// Host is what is to be added to the network block, in place of a path: a host with its port, or
	// a port alone for loopback.
	Host string `json:"host,omitempty"`
	// Rule is what is to be taken out; or to be made to say less, where its path is above Path.
	Rule *Rule `json:"rule,omitempty"`
}

// Do is what is to be done.
type Do string

// What can be done.
const (
	Add    Do = "add"
	Remove Do = "remove"
	Make   Do = "make" // the file, or the directory, before the run
)

// lift is the attribute that takes a default denial back.
const lift = "lift"

// mostChanges is how many rules may stand in the way of one file before it is no longer worth
// listing them.
const mostChanges = 8

// nearest finds the changes that together would allow what was asked: it makes one after the other
// in a copy of the rules, and asks the decision again. There are none where nothing would help.
func (q *question) nearest() []Change {
	own := func(dir string) bool { return policy.Within(q.path, dir) }
	if slices.ContainsFunc(q.host.Own, own) || policy.Within(q.path, "/proc") {
		return nil
	}
	if q.answer.By == ByView {
		return q.instead
	}
	switch {
	case q.op == Create && q.unwise():
		return q.make()
	case q.op == Delete && q.unwise():
		return nil
	}
	files := policy.Policy{Filesystem: slices.Clone(q.files.Filesystem)}
	if q.op == Create {
		files = held(files)
	}
	var all []Change
	for range mostChanges {
		d := q.decision(policy.NewDecider(&files))
		if d.Allowed {
			return all
		}
		c, ok := q.change(d)
		if !ok {
			return nil
		}
		all = append(all, c)
		files.Filesystem = c.in(files.Filesystem, q)
	}
	return nil
}

// change is the change that answers one decision.
func (q *question) change(d policy.Decision) (Change, bool) {
	switch {
	case d.Rule == nil || d.Rule.Access.Grants():
		return q.grant()
	case d.Rule.Access == policy.Protect && !d.Rule.Source.Asked():
		// To name a protected path is to lift the protection.
		return Change{Do: Add, Attribute: string(policy.Write), Path: d.Rule.Path}, true
	case d.Rule.Access == policy.Deny && d.Rule.Source.Liftable():
		at := q.place()
		if !policy.Within(at, d.Rule.Path) {
			at = q.path
		}
		return Change{Do: Add, Attribute: lift, Path: at}, true
	case !d.Rule.Source.Asked():
		return Change{}, false
	}
	return Change{Do: Remove, Path: q.path, Rule: q.ruleOf(d.Rule)}, true
}

// grant is the smallest grant that gives the operation: of what is there, or of the directory that
// something is to be made in or removed from. There is none of what is not there.
func (q *question) grant() (Change, bool) {
	at := q.place()
	e, err := q.host.Look(at)
	if err != nil || e.Type == policy.Missing || at == "/" {
		return Change{}, false
	}
	access := policy.Read
	switch {
	case q.op.decides() != policy.OpWrite:
	case q.op == Delete && q.granted(policy.Allow):
		// What is granted alike is no place of its own, which could not be removed.
		access = policy.Allow
	default:
		access = policy.Write
	}
	return Change{Do: Add, Attribute: string(access), Path: at}, true
}

// granted reports whether a grant of this kind names the path.
func (q *question) granted(access policy.Access) bool {
	return slices.ContainsFunc(q.files.Filesystem, func(r policy.PathRule) bool {
		return r.Access == access && r.Path == q.path
	})
}

// make are the changes for a name in a directory that nobody should grant for it, the home or the
// root, or that is not there itself: the user makes it, and grants that.
func (q *question) make() []Change {
	return []Change{
		{Do: Make, Path: q.path},
		{Do: Add, Attribute: string(policy.Write), Path: q.path},
	}
}

// unwise reports whether the directory of a name is not to be granted for its sake.
func (q *question) unwise() bool {
	in := q.place()
	e, err := q.host.Look(in)
	return in == "/" || in == q.host.Home || err != nil || e.Type == policy.Missing
}

// in makes the change in rules, which are the caller's own.
func (c Change) in(rules []policy.PathRule, q *question) []policy.PathRule {
	without := func(dropped func(policy.PathRule) bool) []policy.PathRule {
		return slices.DeleteFunc(slices.Clone(rules), dropped)
	}
	if c.Do == Remove {
		return without(func(r policy.PathRule) bool { return r.ID == c.Rule.ID })
	}
	if c.Attribute == lift {
		for i := range rules {
			r := &rules[i]
			denies := r.Access == policy.Deny && policy.Within(c.Path, r.Path)
			if denies && r.Source.Liftable() {
				r.Lifted = append(slices.Clone(r.Lifted), policy.Lift{Path: c.Path})
			}
		}
		return rules
	}
	e, err := q.host.Look(c.Path)
	if err != nil {
		return rules
	}
	unprotected := func(r policy.PathRule) bool {
		return r.Access == policy.Protect && !r.Source.Asked() && r.Path == c.Path
	}
	if c.Attribute == string(policy.Write) {
		rules = without(unprotected)
	}
	return append(rules, policy.PathRule{
		ID: "added", Source: policy.Source{Origin: policy.OriginFlag, Flag: "--" + c.Attribute},
		Access: policy.Access(c.Attribute), Path: c.Path, Type: e.Type,
	})
}

// release are the changes that would let go of what a mount holds in its place.
func (q *question) release(m view.Mount) []Change {
	i := slices.IndexFunc(q.files.Filesystem, func(r policy.PathRule) bool { return r.ID == m.Rule() })
	if i < 0 {
		return nil
	}
	r := &q.files.Filesystem[i]
	in := path.Dir(q.path)
	switch {
	case !r.Access.Grants() && r.Source.Asked():
		return []Change{{Do: Remove, Path: q.path, Rule: q.ruleOf(r)}}
	case r.Access.Writable() && r.Path == q.path && in != "/":
		// With its directory granted alike, it is no place of its own any more.
		return []Change{{Do: Add, Attribute: string(r.Access), Path: in}}
	}
	return nil
}
