// Package protect adds to a view what keeps the agent from what decides about the next run (nono's
// programs, directories and policy files) and from the file systems through which the kernel takes
// orders.
//
//	outcome := protect.Add(protect.Input{View: v, Targets: targets, Controls: controls, ...})
//
// It goes by what can be seen where, which package proof finds out; that the outcome is enough is
// for the proof to show.
package protect

import (
	"path"
	"slices"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/plan/proof"
	"github.com/nono-run/nono/core/plan/view"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// Input is what is protected, and in what.
type Input struct {
	View view.View
	// Targets are nono's own files, parents first.
	Targets []proof.Target
	// Controls are directories that are never shown, as [base.Controls] finds them.
	Controls []string
	// Links are symbolic links that stay where they are, each at its own path without links.
	Links  []string
	Policy *policy.Policy
	// Layer is the name under which the steps are added, and Merge adds them to a view.
	Layer string
	Merge func(v view.View, more []view.Mount) view.View
	Look  hostfile.Look
}

// Outcome is the protected view.
type Outcome struct {
	View view.View
	// Make are directories of nono's own that do not exist yet and that a grant would let the agent
	// make: parents first.
	Make []string
	// Problems are what cannot be protected, and warnings of what is protected by one name of
	// several.
	Problems diag.Problems
}

// Add protects.
func Add(in Input) Outcome {
	p := &protector{in: in, out: Outcome{View: in.View}, sources: map[policy.RuleID]policy.Source{}}
	for _, r := range in.Policy.Rules() {
		p.sources[r.ID] = r.Source
	}
	p.reach = proof.Over(p.out.View)
	p.add(p.hideControls())
	for _, t := range in.Targets {
		p.refuseGrantsOf(t)
		p.warnOfLinks(t)
		// One at a time, parents first: once a directory is read-only, what lies in it needs
		// nothing more.
		p.add(p.shield(t))
	}
	for _, link := range in.Links {
		p.add(p.hold(link))
	}
	slices.SortFunc(p.out.Make, view.ComparePaths)
	p.out.Make = slices.Compact(p.out.Make)
	return p.out
}

type protector struct {
	in      Input
	out     Outcome
	reach   *proof.Mounts // of the view so far
	sources map[policy.RuleID]policy.Source
}

func (p *protector) add(steps []fragment.Mount) {
	if len(steps) == 0 {
		return
	}
	more := make([]view.Mount, len(steps))
	for i, s := range steps {
		more[i] = view.Mount{Mount: s, Layer: p.in.Layer}
	}
	p.out.View = p.in.Merge(p.out.View, more)
	p.reach = proof.Over(p.out.View)
}

// problem records a problem at the line of a rule; the empty rule has none.
func (p *protector) problem(d diag.Problem, rule policy.RuleID) {
	p.out.Problems = append(p.out.Problems, d.At(p.sources[rule]))
}

// hideControls masks each control that a bind shows, wherever that bind shows it.
func (p *protector) hideControls() []fragment.Mount {
	var masks []fragment.Mount
	for _, control := range p.in.Controls {
		e, err := p.in.Look(control)
		if err != nil {
			p.problem(diag.Errorf("looking at %s: %s", control, err), "")
			continue
		}
		if e.Type != policy.Directory {
			continue // hidden by what is mounted over it
		}
		route := hostfile.Route{Path: control, Entry: e}
		shown := p.reach.Inner(route)
		for _, s := range p.reach.Sights(route, hostfile.Hop{Path: control, Entry: e}) {
			if s.Bind.Source() == control {
				shown = append(shown, s.Bind)
				continue
			}
			masks = append(masks, fragment.Mask{For: base.RuleProc, Path: s.Inside, Directory: true})
		}
		for _, b := range shown {
			p.problem(diag.Errorf("%s cannot be shown inside: the kernel takes orders there, "+
				"and tells of the host's processes", b.Source()).Try("grant another directory"), b.For)
		}
	}
	return masks
}

// refuseGrantsOf reports a grant of the user's that names what can never be granted: it would be
// overridden without a word.
func (p *protector) refuseGrantsOf(t proof.Target) {
	if p.in.Policy.IsDisabled(policy.KindFilesystem) {
		return
	}
	for _, r := range p.in.Policy.Filesystem {
		inside := t.Hidden && policy.Within(r.Path, t.Path)
		written := !t.Hidden && r.Access.Writable() && r.Path == t.Path
		if r.Access.Grants() && r.Source.Asked() && (inside || written) {
			p.problem(diag.Errorf(`cannot grant "%s %s": %s is %s`,
				r.Access, policy.Printable(r.Path), t.Path, t.What).
				Try("what decides about the next run must be out of the agent's reach; "+
					"grant another directory"), r.ID)
		}
	}
}

// warnOfLinks says that a file has another name, by which it could be changed if that name lies in
// a grant.
func (p *protector) warnOfLinks(t proof.Target) {
	if t.Entry.Type != policy.Regular || t.Entry.Links < 2 {
		return
	}
	near := slices.ContainsFunc(p.out.View.Mounts(), func(m view.Mount) bool {
		b, ok := m.Mount.(fragment.Bind)
		return ok && b.Writable && b.Device == t.Entry.Device // a hard link never leaves its file system
	})
	if near {
		p.problem(diag.Warningf("%s, %s, has %d names; "+
			"one that lies in a grant could be changed by the agent", t.Path, t.What, t.Entry.Links).
			Try("copy the file, so that it has one name"), "")
	}
}

// shield returns the steps that one target needs, for every bind that shows it or a name on the way
// to it, and notes the directories that must be made.
func (p *protector) shield(t proof.Target) []fragment.Mount {
	if t.Hidden {
		for _, b := range p.reach.Inner(t.Route) {
			if slices.Contains(t.Lent, b.Source()) {
				continue
			}
			p.problem(diag.Errorf("%s cannot be shown inside: it lies in %s", b.Source(), t.What), b.For)
		}
	}
	var sights []proof.Sight
	making := false // whether one of them would let the agent make what is missing
	for _, h := range t.Hops {
		for _, s := range p.reach.Sights(t.Route, h) {
			sights = append(sights, s)
			making = making || s.Bind.Writable && h.Entry.Type == policy.Missing
		}
	}
	var steps []fragment.Mount
	for _, s := range sights {
		if step := p.shieldOne(t, s, making); step != nil {
			steps = append(steps, step)
			if s.Hop.Entry.Type == policy.Missing {
				p.out.Make = append(p.out.Make, s.Hop.Path)
			}
		}
	}
	return steps
}

// shieldOne is the step that one sight of a target needs; nil if it needs none.
func (p *protector) shieldOne(t proof.Target, s proof.Sight, making bool) fragment.Mount {
	last, absent := s.Hop.Path == t.Path, s.Hop.Entry.Type == policy.Missing
	switch {
	case last && t.Hidden && absent && !making:
		// Not there, and nobody inside can make it.
	case last && t.Hidden:
		directory := absent || s.Hop.Entry.Type == policy.Directory
		return fragment.Mask{For: base.RuleSelf, Path: s.Inside, Directory: directory}
	case !s.Bind.Writable:
	case absent && !t.Hidden:
		if last {
			p.problem(diag.Errorf("%s, %s, is gone", t.Path, t.What), "")
		}
	case last:
		return again(s, false)
	case s.Inside == s.Bind.Path:
		// A mount point cannot be renamed or removed from inside.
	case s.Hop.Entry.IsLink():
		p.refuseLink(t, s)
	default:
		// Else the agent renames the directory and makes another of that name, in which the path
		// leads where the agent likes.
		return again(s, true)
	}
	return nil
}

// hold returns the steps that keep a link in its place, wherever it could be replaced: the link
// itself is held, and the directories above it are bound again.
func (p *protector) hold(link string) []fragment.Mount {
	route, err := hostfile.Follow(p.in.Look, path.Dir(link))
	var is hostfile.Entry
	if err == nil {
		is, err = p.in.Look(link)
	}
	switch {
	case err != nil:
		p.problem(diag.Errorf("looking at the link %s: %s", link, err), "")
		return nil
	case !is.IsLink() || route.Path != path.Dir(link):
		p.problem(diag.Errorf("%s was a link, and was changed while the plan was made", link).
			Try("run the command again"), "")
		return nil
	}
	var steps []fragment.Mount
	for _, h := range route.Hops {
		for _, s := range p.reach.Sights(route, h) {
			if s.Bind.Writable && s.Inside != s.Bind.Path {
				pin := again(s, true)
				pin.For = base.RuleLinks
				steps = append(steps, pin)
			}
		}
	}
	for _, s := range p.reach.Sights(route, hostfile.Hop{Path: link, Entry: is}) {
		if !s.Bind.Writable {
			continue
		}
		step := fragment.Hold{For: base.RuleLinks, Path: s.Inside, Device: is.Device, Inode: is.Inode}
		if link != s.Inside {
			step.From = link
		}
		steps = append(steps, step)
	}
	return steps
}

// again binds what is shown there a second time, onto itself.
func again(s proof.Sight, writable bool) fragment.Bind {
	from := s.Hop.Path
	if from == s.Inside {
		from = ""
	}
	return fragment.Bind{
		For: base.RuleSelf, Path: s.Inside, From: from,
		Writable: writable, NoExec: s.Bind.NoExec, Devices: s.Bind.Devices,
		Device: s.Hop.Entry.Device, Inode: s.Hop.Entry.Inode,
	}
}

// refuseLink reports a symbolic link on the way to a target that the agent could replace. Nothing
// can be mounted over a link, so there is no way to hold it.
func (p *protector) refuseLink(t proof.Target, s proof.Sight) {
	if s.Hop.Fixed {
		return
	}
	p.problem(diag.Errorf("the agent could replace the link %s, which leads to %s, %s",
		s.Hop.Path, t.Path, t.What).
		Try("narrow the grant so that the link lies outside, "+
			"or put a directory or file in the link's place"), s.Bind.For)
}
