package merge

import (
	"bytes"
	"cmp"
	"fmt"
	"path"
	"slices"

	"github.com/nono-run/nono/core/plan/view"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// Mounts makes the view of all mount steps:
//
//   - of those at one path the stronger one is seen, and two of one strength that differ in more
//     than their flags are a conflict;
//   - a fixed one yields to nothing but a mask;
//   - one to fill with is seen only in what would be an empty directory, and only where nothing is
//     mounted at its path or beneath;
//   - what lies beneath a mask is dropped.
func (m *Merger) Mounts(steps, fixed, fill []view.Mount) view.View {
	held := map[string]view.Mount{}
	for _, f := range fixed {
		held[f.At()] = f
	}
	all := slices.Clone(fixed)
	for _, s := range steps {
		if f, ok := held[s.At()]; ok && strengthOf(s.Mount) != hidden {
			m.lose(s, f)
			m.Yielded = append(m.Yielded, s)
			continue
		}
		all = append(all, s)
	}
	v := m.merge(all)
	for _, s := range fill {
		over, empty := v.Cover(s.At()).Mount.(fragment.Tmpfs)
		if empty && over.Path != s.At() && !v.AnyBeneath(s.At()) {
			v = v.With(s)
		}
	}
	m.refuseBeneath(v)
	return v
}

// merge makes one step of those at one path, and drops what lies beneath a mask.
func (m *Merger) merge(steps []view.Mount) view.View {
	byPath := make(map[string][]view.Mount, len(steps))
	for _, s := range steps {
		byPath[s.At()] = append(byPath[s.At()], s)
	}
	paths := make([]string, 0, len(byPath))
	for p := range byPath {
		paths = append(paths, p)
	}
	slices.SortFunc(paths, view.ComparePaths)

	var out []view.Mount
	mask := view.Mount{}
	for _, p := range paths {
		if mask.Mount != nil && policy.Within(p, mask.At()) {
			for _, s := range byPath[p] {
				m.lose(s, mask)
			}
			continue
		}
		s := m.unite(byPath[p])
		if _, ok := s.Mount.(fragment.Mask); ok {
			mask = s
		}
		out = append(out, s)
	}
	return view.New(out)
}

// refuseBeneath reports steps that lie beneath something that is no directory: one conflict for
// each such place, with the first of the steps beneath it, whoever the others are of.
func (m *Merger) refuseBeneath(v view.View) {
	var order []string // the places
	met := map[string][]view.Mount{}
	for _, s := range v.Mounts() {
		if s.At() == "/" {
			continue
		}
		over := v.Cover(path.Dir(s.At()))
		switch o := over.Mount.(type) {
		case fragment.Link, fragment.Hold, fragment.File, fragment.Copy:
		case fragment.Bind:
			// It would have to be made in a directory of the host's.
			if _, made := s.Mount.(fragment.Copy); !made {
				continue
			}
		case fragment.Pseudo:
			if _, mask := s.Mount.(fragment.Mask); mask && o.Type == fragment.Procfs {
				continue
			}
		default:
			continue
		}
		if met[over.At()] == nil {
			order = append(order, over.At())
		}
		met[over.At()] = append(met[over.At()], s)
	}
	for _, at := range order {
		over, _ := v.At(at)
		first, more := met[at][0], ""
		if n := len(met[at]) - 1; n > 0 {
			more = fmt.Sprintf(" (and %d more)", n)
		}
		if o, ok := over.Mount.(fragment.Pseudo); ok {
			m.conflict(OriginOf(over), OriginOf(first),
				"%s cannot be shown at %s%s: %s is the session's own",
				view.Describe(first.Mount), first.At(), more, o.Path)
			continue
		}
		m.conflict(OriginOf(over), OriginOf(first),
			"nothing can lie beneath %s, which is %s: %s is to stand at %s%s",
			over.At(), view.Describe(over.Mount), view.Describe(first.Mount), first.At(), more)
	}
}

// strength orders kinds of step at one path: the stronger takes more away, and wins.
type strength int

const (
	weakest     strength = iota // an empty directory, where nothing is granted
	writable                    // a bind, or a copy
	readOnly                    // a bind
	symbolic                    // a link: unites with nothing weaker
	fixedFile                   // a file of the plan's own
	fixedSystem                 // proc, devpts: core's alone
	hidden                      // a mask
)

func strengthOf(s fragment.Mount) strength {
	switch s := s.(type) {
	case fragment.Tmpfs:
		return weakest
	case fragment.Bind:
		if s.Writable {
			return writable
		}
		return readOnly
	case fragment.Copy:
		return writable
	case fragment.File:
		return fixedFile
	case fragment.Link, fragment.Hold:
		return symbolic
	case fragment.Pseudo:
		return fixedSystem
	case fragment.Mask:
		return hidden
	}
	panic(fmt.Sprintf("a mount step of an unknown type: %T", s))
}

// unite makes one step out of all those at one path.
func (m *Merger) unite(steps []view.Mount) view.Mount {
	if len(steps) == 1 {
		return steps[0]
	}
	sortSteps(steps, mountStep, m.compare)
	top := weakest
	for _, s := range steps {
		top = max(top, strengthOf(s.Mount))
	}
	if top == symbolic {
		m.refuseBesideLink(steps)
	}
	strongest := slices.IndexFunc(steps, func(s view.Mount) bool { return strengthOf(s.Mount) == top })
	one := steps[strongest]
	for i, s := range steps {
		switch {
		case i == strongest:
		case strengthOf(s.Mount) != top:
			m.lose(s, steps[strongest])
		default:
			united, ok := uniteTwo(one.Mount, s.Mount)
			if !ok {
				m.disagree(one, s)
				return one
			}
			one.Mount = united
		}
	}
	return one
}

// refuseBesideLink reports a link and a bind or a tmpfs at one path: the policy's paths are free of
// links, so one of the two was made from an old look at the file system. A file is another matter:
// a layer that brings its own /etc/resolv.conf means the name, and on most desktops that is a link.
func (m *Merger) refuseBesideLink(steps []view.Mount) {
	isLink := func(s view.Mount) bool { return strengthOf(s.Mount) == symbolic }
	link := slices.IndexFunc(steps, isLink)
	other := slices.IndexFunc(steps, func(s view.Mount) bool { return !isLink(s) })
	if link >= 0 && other >= 0 {
		m.disagree(steps[link], steps[other])
	}
}

// disagree reports two steps at one path that cannot be one.
func (m *Merger) disagree(a, b view.Mount) {
	m.conflict(OriginOf(a), OriginOf(b), "two steps disagree about %s: %s, and %s",
		a.At(), view.Describe(a.Mount), view.Describe(b.Mount))
}

// uniteTwo unites two steps of one strength: the stricter flags hold; false if they differ in more
// than flags.
func uniteTwo(a, b fragment.Mount) (fragment.Mount, bool) {
	switch a := a.(type) {
	case fragment.Bind:
		b, ok := b.(fragment.Bind)
		same := ok && a.Source() == b.Source() && a.Device == b.Device && a.Inode == b.Inode
		a.NoExec = a.NoExec || b.NoExec
		a.Devices = a.Devices && b.Devices
		return a, same
	case fragment.Copy:
		b, ok := b.(fragment.Copy)
		a.NoExec = a.NoExec || b.NoExec
		return a, ok && a.Device == b.Device && a.Inode == b.Inode
	case fragment.Mask:
		b, ok := b.(fragment.Mask)
		a.Readable = a.Readable && b.Readable
		return a, ok && a.Directory == b.Directory
	case fragment.Tmpfs:
		b, ok := b.(fragment.Tmpfs)
		a.Report = a.Report || b.Report
		return a, ok && a.Size == b.Size && a.Mode == b.Mode
	case fragment.File:
		b, ok := b.(fragment.File)
		return a, ok && a.Mode == b.Mode && bytes.Equal(a.Content, b.Content)
	case fragment.Link:
		b, ok := b.(fragment.Link)
		return a, ok && a.Target == b.Target
	case fragment.Hold:
		b, ok := b.(fragment.Hold)
		return a, ok && a.Source() == b.Source() && a.Device == b.Device && a.Inode == b.Inode
	case fragment.Pseudo:
		return a, false // core sends one of each
	}
	panic(fmt.Sprintf("a mount step of an unknown type: %T", a))
}

func mountStep(m view.Mount) fragment.Step { return m.Mount }

// compare orders the steps at one path so that the outcome does not depend on who was asked first:
// what the user wrote comes before what nobody asked for, so that it is the user's line that a
// message names.
func (m *Merger) compare(a, b view.Mount) int {
	return cmp.Or(m.compareRules(a.Rule(), b.Rule()), compareOrigins(OriginOf(a), OriginOf(b)))
}

// compareRules puts the rule first that is the better one to name: the user's own, then the smaller
// id, so that the order of steps makes no difference.
func (m *Merger) compareRules(a, b policy.RuleID) int {
	if x, y := m.Asked(a), m.Asked(b); x != y {
		if x {
			return -1
		}
		return 1
	}
	return cmp.Compare(a, b)
}
