// Package why answers one question about a plan: may the agent do this with that file of the
// user's, which line says so, and what is the nearest change that would let it?
//
//	asker := why.New(p, why.Host{Look: hostfile.Host, Reach: hostfile.ReachOf})
//	answer := asker.Ask("/home/ada/.ssh/id", why.Read)
//	fmt.Println(answer.Allowed, answer.Why, answer.Rule.Source)
//
// It decides nothing by itself. It asks the one decision (sdk/policy) about the plan's rules, and
// then what the view (core/plan/view) makes of it: a mount may give less than the decision, never
// more. The answer is about the user's own files. Where the session has something of its own in
// the same place (a private home, /tmp, /proc), the user's file is not there, and the answer says
// what is.
//
// The test of it is the kernel: test/e2e asks this package and a program inside the same thousands
// of questions.
package why

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/plan/merge"
	"github.com/nono-run/nono/core/plan/view"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// Op is what somebody wants to do with a file.
type Op string

// The operations. Of a directory, to read is to list it, and to write is to make something in it.
const (
	Read    Op = "read"
	Write   Op = "write"
	Execute Op = "execute"
	List    Op = "list"
	Create  Op = "create" // a file or a directory of this name
	Delete  Op = "delete" // or rename it away; of a directory, with all that lies in it
)

// Ops are all operations, in the order in which they are told.
var Ops = []Op{Read, Write, Execute, List, Create, Delete}

// decides is the operation of the decision's that is asked about.
func (op Op) decides() policy.Op {
	switch op {
	case Read, List:
		return policy.OpRead
	case Execute:
		return policy.OpExecute
	case Write, Create, Delete:
	}
	return policy.OpWrite
}

// ofEntry reports whether it is about a name in a directory, rather than about what has the name.
func (op Op) ofEntry() bool { return op == Create || op == Delete }

// By is who decides.
type By string

// Who decides.
const (
	ByPolicy By = "policy" // a rule, or that there is none
	ByView   By = "view"   // what the session has in that place
	ByHost   By = "host"   // the host's own permissions, for this user
	ByKernel By = "kernel" // inside: what a try found
)

// Answer is what there is to say about one question.
type Answer struct {
	// Path is what was asked about; Real is where its links lead, if that is elsewhere.
	Path    string `json:"path"`
	Real    string `json:"real,omitempty"`
	Op      Op     `json:"op"`
	Allowed bool   `json:"allowed"`
	By      By     `json:"by"`
	// Missing says that nothing has that name on the host.
	Missing bool `json:"missing,omitempty"`
	// Why is the reason in a few words, and Rule the rule that it follows from, if there is one.
	Why  string `json:"why"`
	Rule *Rule  `json:"rule,omitempty"`
	// Note is what else one should know; empty if nothing.
	Note string `json:"note,omitempty"`
	// Changes would together allow it; none where it is allowed, or where nothing would.
	Changes []Change `json:"changes,omitempty"`
}

// Rule is the rule that an answer follows from.
type Rule struct {
	ID     policy.RuleID `json:"id"`
	Says   string        `json:"says"`
	Source policy.Source `json:"source"`
}

// Host is what is asked of the host.
type Host struct {
	Look hostfile.Look
	// Own are nono's own directories: no change ever gives them.
	Own []string
	// Home is the user's home, which no change grants for the sake of one file in it.
	Home string
	// Reach says what the host lets this user do with a file, whatever nono allows.
	Reach func(path string) hostfile.Reach
}

// Asker answers questions about one plan.
type Asker struct {
	plan   *plan.Plan
	files  policy.Policy
	decide *policy.Decider
	// held decides without the denials and protections of what does not exist. There is nothing yet
	// that could be hidden or bound, so they keep nobody from making it.
	held *policy.Decider
	view view.View
	host Host
}

// New makes an asker of a plan.
func New(p *plan.Plan, host Host) *Asker {
	files := p.Files()
	held := held(files)
	return &Asker{p, files, policy.NewDecider(&files), policy.NewDecider(&held), p.View(), host}
}

// held is the rules without the denials and protections of what does not exist.
func held(files policy.Policy) policy.Policy {
	files.Filesystem = slices.DeleteFunc(slices.Clone(files.Filesystem), func(r policy.PathRule) bool {
		return r.Type == policy.Missing && !r.Access.Grants()
	})
	return files
}

// Ask answers one question. The name is absolute.
func (a *Asker) Ask(name string, op Op) Answer {
	q := question{Asker: a, op: op, answer: Answer{Path: name, Op: op}}
	q.settle()
	if !q.answer.Allowed && q.answer.By != ByHost {
		q.answer.Changes = q.nearest()
	}
	return q.answer
}

// Rules answers from rules alone, where there is no plan to ask: what they say about a path without
// links, and what would have to be changed in them. Nothing is looked at, and all is taken for
// there.
func Rules(files policy.Policy, name string, op Op, home string) Answer {
	there := func(string) (hostfile.Entry, error) {
		return hostfile.Entry{Type: policy.Directory}, nil
	}
	decide := policy.NewDecider(&files)
	a := &Asker{
		plan: &plan.Plan{}, files: files, decide: decide, held: decide,
		host: Host{Look: there, Home: home},
	}
	q := question{Asker: a, op: op, path: name, answer: Answer{Path: name, Op: op}}
	q.entry.Type = policy.Directory
	if d := q.decision(decide); d.Allowed {
		q.allow(q.ruleOf(d.Rule), d.Why)
	} else {
		q.deny(ByPolicy, q.ruleOf(d.Rule), d.Why)
		q.answer.Changes = q.nearest()
	}
	return q.answer
}

// question is one question while it is answered.
type question struct {
	*Asker
	op Op
	// path is what the name leads to on the host, and entry what stands there.
	path   string
	entry  hostfile.Entry
	answer Answer
	// instead are the changes that answer what the view takes away, where the rules do not.
	instead []Change
}

// place is the directory that has to be written for the operation, or the path itself.
func (q *question) place() string {
	if q.op.ofEntry() {
		return path.Dir(q.path)
	}
	return q.path
}

func (q *question) settle() {
	lost, err := q.follow()
	if err != nil {
		q.deny(ByHost, nil, "you cannot look there yourself: "+reason(err))
		return
	}
	if q.path != path.Clean(q.answer.Path) {
		q.answer.Real = q.path
	}
	q.answer.Missing = q.entry.Type == policy.Missing
	q.decideAndSee()
	if lost != "" && q.answer.Allowed {
		q.deny(ByView, nil, fmt.Sprintf("its name leads through the link %s, which is not inside", lost))
		q.note("ask for it by the name %s", q.path)
	}
	q.asTheHostAllows()
}

// follow finds what the name leads to, and the first link on the way that does not exist inside.
func (q *question) follow() (lost string, err error) {
	name, last := q.answer.Path, ""
	if base := path.Base(name); q.op.ofEntry() && base != "." && base != ".." && base != "/" {
		// The name itself is made or removed, and not what it leads to.
		name, last = path.Dir(strings.TrimRight(name, "/")), base
	}
	route, err := hostfile.Follow(q.host.Look, name)
	if err != nil {
		return "", err
	}
	for _, link := range route.Links() {
		if lost == "" && !q.shows(link.Path) {
			lost = link.Path
		}
	}
	q.path, q.entry = route.Path, route.Entry
	if last != "" {
		q.path = path.Join(route.Path, last)
		q.entry, err = q.host.Look(q.path)
	}
	return lost, err
}

// shows reports whether a link of the host's is there inside.
func (q *question) shows(link string) bool {
	if q.walledIn() {
		return true // Landlock does not ask who follows a link
	}
	switch m := q.view.Cover(link).Mount.(type) {
	case fragment.Bind:
		return m.Source() == m.Path
	case fragment.Link, fragment.Hold:
		return m.At() == link
	}
	_, made := q.view.At(link)
	return made
}

func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// decideAndSee asks the decision, and then what the view makes of it.
func (q *question) decideAndSee() {
	d := q.decision(q.decide)
	if q.op == Create {
		asked := d
		if d = q.decision(q.held); d.Allowed && !asked.Allowed {
			q.note("%s says %s, and nothing is there to hold: what is made there is not kept from the agent",
				asked.Rule.Source, says(asked.Rule))
		}
	}
	if d.Allowed {
		q.allow(q.ruleOf(d.Rule), d.Why)
	} else {
		q.deny(ByPolicy, q.ruleOf(d.Rule), d.Why)
	}
	q.see()
}

// decision is what the rules say. To make or remove a name takes the right to write its directory;
// and what has the name must not be kept by a rule.
func (q *question) decision(decide *policy.Decider) policy.Decision {
	itself := decide.Path(q.path, q.op.decides())
	if !q.op.ofEntry() {
		return itself
	}
	in := decide.Path(q.place(), policy.OpWrite)
	if !in.Allowed || itself.Rule == nil {
		return in
	}
	return itself
}

// see holds an answer against the mounts.
func (q *question) see() {
	if q.walledIn() {
		q.seeRules()
		return
	}
	if q.ofCore() {
		return
	}
	cover := q.view.Cover(q.place())
	switch m := cover.Mount.(type) {
	case fragment.Bind:
		q.seeBind(cover, m)
	case fragment.Copy:
		q.seeCopy(m)
	case fragment.Mask:
		q.note("inside it is %s", view.Describe(m))
		q.unlessDenied(cover)
	case fragment.File, fragment.Link, fragment.Hold, fragment.Pseudo:
		q.note("inside, %s is there: %s", m.At(), view.Describe(m))
		q.unlessDenied(cover)
	case fragment.Tmpfs:
		q.seeOwn(cover, m)
	case nil:
		q.deny(ByView, nil, "nothing is there inside")
	}
}

// ofCore answers about what core makes for every session, where no rule speaks of the host's.
func (q *question) ofCore() bool {
	cover := q.view.Cover(q.path)
	switch {
	case policy.Within(q.path, "/proc"):
		_, own := cover.Mount.(fragment.Pseudo)
		may := own && q.op.decides() == policy.OpRead
		q.own(may, cover, "the session has a /proc of its own, which shows its own processes")
	case policy.Within(q.path, "/dev") && cover.Layer == plan.Core:
		b, device := cover.Mount.(fragment.Bind)
		may := device && !q.op.ofEntry() && q.op != Execute && (q.op != Write || b.Writable)
		q.own(may, cover, "the session has a /dev of its own, with the devices that harm nobody")
	default:
		return false
	}
	return true
}

// own settles an answer about what the session has of its own.
func (q *question) own(may bool, cover view.Mount, text string) {
	rule := q.mountRule(cover)
	if may {
		q.allow(rule, text)
	} else {
		q.deny(ByView, rule, text)
	}
}

// seeBind holds an answer against something of the host's that is shown.
func (q *question) seeBind(cover view.Mount, b fragment.Bind) {
	if b.Source() != b.Path {
		q.note("inside, %s is there", b.Source())
		q.unlessDenied(cover)
		return
	}
	if !q.answer.Allowed {
		return
	}
	given := true
	switch q.op.decides() {
	case policy.OpWrite:
		given = b.Writable
	case policy.OpExecute:
		given = !b.NoExec
	case policy.OpRead:
	}
	if !given {
		q.unlessDenied(cover)
		return
	}
	if q.walled() {
		q.deny(ByView, q.mountRule(cover), "Landlock gives less there than the mount does")
		return
	}
	if q.op.ofEntry() {
		q.seeEntry()
	}
}

// walled reports whether the second wall is narrower than the first: no Landlock rule at the place
// or above gives the right.
func (q *question) walled() bool {
	if len(q.plan.Landlock) == 0 {
		return false
	}
	var right fragment.Right
	switch q.op.decides() {
	case policy.OpRead:
		right = fragment.RightRead
	case policy.OpWrite:
		right = fragment.RightWrite
	case policy.OpExecute:
		right = fragment.RightExecute
	}
	return !slices.ContainsFunc(q.plan.Landlock, func(g merge.Grant) bool {
		return policy.Within(q.place(), g.Path) && slices.Contains(g.Rights, right)
	})
}

// seeEntry holds the making or removing of a name against what is mounted there: a mount point
// cannot be removed or replaced, nor can a directory that one lies in.
func (q *question) seeEntry() {
	if at, ok := q.view.At(q.path); ok {
		q.deny(ByView, q.mountRule(at), "it is where a rule begins, and held in its place")
		q.instead = q.release(at)
		return
	}
	if q.view.AnyBeneath(q.path) {
		for _, m := range q.view.Mounts() {
			if policy.Within(m.At(), q.path) {
				q.deny(ByView, q.mountRule(m), m.At()+" lies in it, and is held in its place")
				q.instead = q.release(m)
				return
			}
		}
	}
	if q.op == Create && q.entry.Type != policy.Missing {
		q.note("something is there already")
	}
}

// seeCopy holds an answer against a copy of a file.
func (q *question) seeCopy(c fragment.Copy) {
	if q.op == Execute && c.NoExec {
		q.deny(ByView, q.ruleByID(c.For), "a copy of it is inside, and may not be executed")
		return
	}
	if q.answer.Allowed {
		q.note("a copy of it is inside; what the agent changes in it is brought back at the end")
	}
}

// seeOwn holds an answer against a directory that the session has for itself: nothing of the
// host's is in it.
func (q *question) seeOwn(cover view.Mount, t fragment.Tmpfs) {
	if c, ok := q.view.Cover(q.path).Mount.(fragment.Copy); ok {
		q.deny(ByView, q.ruleByID(c.For),
			"a copy of it is inside: whatever becomes of that, your own file stays")
		return
	}
	what := "nothing of yours is there inside"
	switch {
	case q.view.HostBeneath(q.path):
		what = "inside, it only leads to what is granted beneath it"
	case t.Path != "/" && t.Mode&0o200 != 0:
		what = fmt.Sprintf("inside, %s is the session's own, gone when it ends", t.Path)
	}
	if q.answer.Allowed {
		q.deny(ByView, q.mountRule(cover), what)
		if c, ok := q.grant(); ok {
			q.instead = []Change{c}
		}
		return
	}
	q.note("%s", what)
}

// unlessDenied turns an answer into a denial by a mount, unless the decision has denied already.
func (q *question) unlessDenied(cover view.Mount) {
	if !q.answer.Allowed {
		return
	}
	rule := q.mountRule(cover)
	why := "the session has something else there"
	switch {
	case rule != nil && rule.ID == base.RuleSelf:
		why = "it is nono's own, or what decides about the next run"
	case rule != nil && rule.Source.Origin == policy.OriginBase:
		why = rule.Says
	case cover.Layer != plan.Core:
		why = fmt.Sprintf("layer %s gives less than the rules do", cover.Layer)
	}
	q.deny(ByView, rule, why)
}

// asTheHostAllows takes back what the host itself does not let this user do.
func (q *question) asTheHostAllows() {
	if !q.answer.Allowed || q.answer.By != ByPolicy {
		return
	}
	reach := q.host.Reach(q.place())
	switch op := q.op.decides(); {
	case q.entry.Type == policy.Missing && q.op != Create:
	case op == policy.OpRead && !reach.Read:
		q.deny(ByHost, q.answer.Rule, "granted, and you may not read it yourself")
	case op == policy.OpWrite && reach.ReadOnly:
		q.deny(ByHost, q.answer.Rule, "granted, and its file system is mounted read-only")
	case op == policy.OpWrite && !reach.Write:
		q.deny(ByHost, q.answer.Rule, "granted, and you may not write it yourself")
	case q.op == Execute && q.entry.Type == policy.Regular && !q.entry.Executable:
		q.deny(ByHost, q.answer.Rule, "granted, and its mode lets nobody execute it")
	}
}

func (q *question) allow(r *Rule, why string) {
	q.answer.Allowed, q.answer.By, q.answer.Rule, q.answer.Why = true, ByPolicy, r, why
}

func (q *question) deny(by By, r *Rule, why string) {
	q.answer.Allowed, q.answer.By, q.answer.Rule, q.answer.Why = false, by, r, why
}

// note adds something to know.
func (q *question) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if q.answer.Note != "" {
		text = q.answer.Note + "; " + text
	}
	q.answer.Note = text
}

// says is a rule in a few words.
func says(r *policy.PathRule) string { return string(r.Access) + " " + policy.Printable(r.Path) }

func (q *question) ruleOf(r *policy.PathRule) *Rule {
	if r == nil {
		return nil
	}
	return &Rule{r.ID, says(r), r.Source}
}

// mountRule is the rule that a mount is there for.
func (q *question) mountRule(m view.Mount) *Rule {
	if m.Mount == nil {
		return nil
	}
	return q.ruleByID(m.Rule())
}

func (q *question) ruleByID(id policy.RuleID) *Rule {
	for _, r := range q.plan.Rules {
		if r.ID == id {
			return &Rule{r.ID, r.Says, r.Source}
		}
	}
	return nil
}
