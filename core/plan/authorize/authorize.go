// Package authorize holds what layers ask for against what the policy grants. A layer may take away
// as much as it likes; what it gives the agent, the policy must give.
//
//	problems := authorize.Check(authorize.Input{
//		View: v, Rights: rights, Variables: vars, Decide: decider, ...
//	})
//
// It asks the one decision, and speaks of every layer alike, the built-in ones among them:
//
//   - a bind shows no file that the policy does not let the agent read, write or run, and opens
//     device files only where a rule is about devices;
//   - a Landlock right goes no further than that, nor beyond what the session has of its own there;
//   - a file of the layer's own, or another one of the host's, does not stand in the place of one
//     that the user granted;
//   - a variable that is denied is not passed on, and one that the user denies is not set.
//
// Free are the session's own things: empty directories, files where the user granted nothing,
// links, listeners, restrictions of any kind, variables that nobody denies.
package authorize

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/plan/merge"
	"github.com/nono-run/nono/core/plan/view"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// Input is what the layers ask for, and what decides about it.
type Input struct {
	// View is what the agent will see: a mount that lost the merge gives nothing.
	View view.View
	// Rights and Variables are the layers' own steps, none of core's.
	Rights    []merge.Right
	Variables []merge.Variable
	// Own are core's own rules, by which the session has something of its own where nothing can be
	// mounted.
	Own []merge.Right
	// Core is the name under which core's own mounts stand in the view.
	Core string
	// Told reports whether a layer declared one of the user's variables, and so was told its value.
	Told   func(layer, name string) bool
	Decide *policy.Decider
	// Blame is the line to show a problem at: that of a step's rule, or of the layer's block.
	Blame func(merge.Origin) policy.Source
	Home  string
}

// Check returns an error for each thing that goes beyond the policy.
func Check(in Input) diag.Problems {
	c := &checker{Input: in, found: map[string]int{}}
	for _, m := range in.View.Mounts() {
		if m.Layer == in.Core {
			continue
		}
		switch s := m.Mount.(type) {
		case fragment.Bind:
			c.bind(m, s)
		case fragment.Copy:
			// What is brought back is written.
			c.bind(m, fragment.Bind{Path: s.Path, Writable: true, NoExec: s.NoExec})
		case fragment.File:
			c.instead(m, "a file of its own")
		default: // the session's own, or a restriction
		}
	}
	for _, r := range in.Rights {
		c.right(r)
	}
	for _, v := range in.Variables {
		c.variable(v)
	}
	c.rest()
	return c.problems
}

type checker struct {
	Input
	problems diag.Problems
	found    map[string]int // how much of each layer
}

// most is how many things of one layer are told one by one.
const most = 10

func (c *checker) report(from merge.Origin, try, format string, args ...any) {
	p := diag.Errorf("layer %s %s", from.Layer, fmt.Sprintf(format, args...)).
		Try("%s", try).At(c.Blame(from))
	same := func(old diag.Problem) bool { return old.Summary == p.Summary }
	if slices.ContainsFunc(c.problems, same) {
		return // two steps that want the same
	}
	c.found[from.Layer]++
	if c.found[from.Layer] <= most {
		c.problems = append(c.problems, p)
	}
}

// rest tells how much of a layer was not told one by one.
func (c *checker) rest() {
	for _, layer := range slices.Sorted(maps.Keys(c.found)) {
		if more := c.found[layer] - most; more > 0 {
			c.problems = append(c.problems,
				diag.Errorf("layer %s asks for %d more things that the policy does not give", layer, more))
		}
	}
}

// access is what is asked of a path of the host.
type access struct{ read, write, execute, device bool }

// beyond is what of it the policy does not give, and the decision to name.
func (c *checker) beyond(a access, name string) (access, policy.Decision) {
	var over access
	var first policy.Decision
	refused := func(asked bool, op policy.Op) bool {
		d := c.Decide.Path(name, op)
		if !asked || d.Allowed {
			return false
		}
		if first.Why == "" {
			first = d
		}
		return true
	}
	over.read = refused(a.read, policy.OpRead)
	over.write = refused(a.write, policy.OpWrite)
	over.execute = refused(a.execute, policy.OpExecute)
	if a.device && !over.read && !aboutDevices(c.Decide.Path(name, policy.OpRead)) {
		over.device = true
		first = policy.Decision{Why: "no rule names a device there"}
	}
	return over, first
}

// aboutDevices reports whether what grants a path is about devices: it names one, or lies in /dev,
// or no path is restricted at all.
func aboutDevices(d policy.Decision) bool {
	if !d.Allowed {
		return false
	}
	return d.Rule == nil || d.Rule.Type == policy.Special || policy.Within(d.Rule.Path, "/dev")
}

// words lists the accesses for a sentence: "read and written".
func (a access) words() string {
	var all []string
	for _, w := range []struct {
		is   bool
		word string
	}{
		{a.read, "read"},
		{a.write, "written"},
		{a.execute, "executed"},
		{a.device, "opened as a device"},
	} {
		if w.is {
			all = append(all, w.word)
		}
	}
	return strings.Join(all, " and ")
}

func (c *checker) bind(m view.Mount, b fragment.Bind) {
	if b.Source() != b.Path && c.instead(m, "the host's "+b.Source()) {
		return
	}
	asked := access{read: true, write: b.Writable, execute: !b.NoExec, device: b.Devices}
	over, why := c.beyond(asked, b.Source())
	if over == (access{}) {
		return
	}
	if over.read {
		over.execute = false // said with it
	}
	at := ""
	if b.Source() != b.Path {
		at = " at " + b.Path
	}
	c.report(merge.OriginOf(m), c.grants(asked, b.Source(), why),
		"shows %s inside%s, to be %s: %s", b.Source(), at, over.words(), reason(why))
}

// reason is why a decision refuses, with the line that says so.
func reason(d policy.Decision) string {
	if d.Rule == nil {
		return d.Why
	}
	return fmt.Sprintf("%s, by %s", d.Why, d.Rule.Source)
}

// grants is the line that would give what was asked for.
func (c *checker) grants(a access, name string, why policy.Decision) string {
	const orElse = "; if you do not want that, take the layer out"
	if why.Rule != nil && !why.Rule.Access.Grants() {
		if why.Rule.Source.Asked() {
			return fmt.Sprintf("only without the line %s could it be%s", why.Rule.Source, orElse)
		}
		return "what is denied or protected by default no layer gives; take the layer out"
	}
	word := "read"
	switch {
	case a.write && a.execute:
		word = "allow"
	case a.write:
		word = "write"
	}
	short := diag.Homely(name, c.Home)
	return fmt.Sprintf("to grant it, write `%s = [%q]` into the filesystem block, "+
		"or give --%[1]s %[3]s%[4]s", word, short, short, orElse)
}

// instead refuses what stands in the place of something that the user granted: the line says that
// it is the host's own which is there.
func (c *checker) instead(m view.Mount, what string) bool {
	d := c.Decide.Path(m.At(), policy.OpRead)
	if !d.Allowed || d.Rule == nil || !d.Rule.Source.Asked() {
		return false
	}
	c.report(merge.OriginOf(m),
		"take out the line or the layer: what you granted is the host's own file",
		"puts %s over %s, which %s grants", what, m.At(), d.Rule.Source)
	return true
}

// right refuses a Landlock rule that gives more than the policy does, and more than the session has
// of its own there. What the policy does give, and a mount does not that took the granted one's
// place, is no flaw: the merge cuts it down to what is seen.
func (c *checker) right(r merge.Right) {
	name, own := r.Path, []fragment.Right(nil)
	switch over := c.View.Cover(r.Path); s := over.Mount.(type) {
	case fragment.Mask:
		return // nothing is opened there
	case fragment.Bind:
		name = view.Moved(r.Path, s.Path, s.Source())
		if over.Layer == c.Core {
			own = merge.Given(s) // the session's devices
		}
	case nil:
		own = c.own(r.Path)
	default:
		own = merge.Given(s)
	}
	var asked access
	for _, right := range r.Rights {
		if merge.Within(right, own) {
			continue
		}
		switch right {
		case fragment.RightList, fragment.RightRead:
			asked.read = true
		case fragment.RightWrite:
			asked.write = true
		case fragment.RightExecute:
			asked.execute = true
		case fragment.RightDevice:
			asked.device = true
		}
	}
	if over, why := c.beyond(asked, name); over != (access{}) {
		c.report(merge.Origin{Rule: r.For, Layer: r.Layer}, c.grants(asked, name, why),
			"asks Landlock to let %s and all beneath it be %s: %s", r.Path, over.words(), reason(why))
	}
}

// own is what core's rules give at a path.
func (c *checker) own(name string) []fragment.Right {
	var rights []fragment.Right
	for _, r := range c.Own {
		if policy.Within(name, r.Path) {
			rights = append(rights, r.Rights...)
		}
	}
	return rights
}

// variable refuses to pass on what is denied.
func (c *checker) variable(v merge.Variable) {
	from := merge.Origin{Rule: v.Rule, Layer: v.Layer}
	if d := c.Decide.Variable(v.Name); refusedByUser(d) {
		c.report(from, fmt.Sprintf("take out the line %s, or the layer", d.Rule.Source),
			"sets the variable %s, which %s denies", v.Name, d.Rule.Source)
		return
	}
	for _, part := range v.Value {
		if part.Host == "" {
			continue
		}
		d := c.Decide.Inherited(part.Host)
		try := fmt.Sprintf("to pass it, write `pass = [%q]` into the environment block "+
			"of your own policy; if you do not want that, take the layer out", part.Host)
		switch {
		case d.Allowed:
		case d.Rule != nil:
			if refusedByUser(d) {
				try = fmt.Sprintf("take out the line %s, or the layer", d.Rule.Source)
			}
			c.report(from, try,
				"gives the agent your variable %s, which %s denies", part.Host, d.Rule.Source)
		case !c.Told(v.Layer, part.Host):
			c.report(from, try, "gives the agent your variable %s, which nothing passes", part.Host)
		}
	}
}

func refusedByUser(d policy.VariableDecision) bool {
	return !d.Allowed && d.Rule != nil && d.Rule.Source.Asked()
}
