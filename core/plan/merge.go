package plan

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"sort"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// mount is a mount step and who sent it.
type mount struct {
	fragment.Mount
	by string
}

// view is what the agent sees: one mount a path, sorted, parents first. The deepest mount at or above a path decides what is
// there.
type view struct {
	mounts []mount
	at     map[string]int
}

func newView(mounts []mount) view {
	v := view{mounts: mounts, at: make(map[string]int, len(mounts))}
	for i, m := range mounts {
		v.at[m.At()] = i
	}
	return v
}

// cover is the mount that decides what is at p: the deepest one at p or above. The zero mount if there is none, not even a root.
func (v view) cover(p string) mount {
	for ; ; p = path.Dir(p) {
		if i, ok := v.at[p]; ok {
			return v.mounts[i]
		}
		if p == "/" || p == "." {
			return mount{}
		}
	}
}

// anyBeneath reports whether something is mounted at p or beneath it.
func (v view) anyBeneath(p string) bool {
	i := sort.Search(len(v.mounts), func(i int) bool { return comparePaths(v.mounts[i].At(), p) >= 0 })
	return i < len(v.mounts) && policy.Within(v.mounts[i].At(), p)
}

func (v view) list() fragment.List {
	l := make(fragment.List, len(v.mounts))
	for i, m := range v.mounts {
		l[i] = m.Mount
	}
	return l
}

// mounts merges all mount steps into the view, and adds what protects nono's own files to it.
func (m *maker) mounts(p *Plan) view {
	steps := m.baseMounts()
	for _, s := range steps {
		m.reserved[s.At()] = s.At() != "/" // the root is where layers may put more than core does
	}
	for _, layer := range m.layers {
		for _, s := range layer.Response.Fragment.Steps {
			if s, ok := s.(fragment.Mount); ok && !m.yields(s, layer.Name) {
				steps = append(steps, mount{s, layer.Name})
			}
		}
	}
	v := m.merge(steps)
	if m.problems.Failed() {
		return v // each conflict would be found again below
	}
	if more := append(m.furnish(v), m.hideControls(v)...); len(more) > 0 {
		v = m.merge(append(v.mounts, more...))
	}
	v, p.Make = m.protect(v)
	v = v.collapse()
	if n := len(v.mounts); n > maxMounts {
		m.problem(diag.Errorf("this plan needs %d mounts, and more than %d make no sense", n, maxMounts).
			Try("grant or deny whole directories rather than what lies in them"), policy.Source{})
	}
	return v
}

// yields reports whether a layer's step stands where core has already put its own, which stays: swapping a layer must never take
// a part of the base fragment away. A mask only takes away more, so it is kept.
func (m *maker) yields(s fragment.Mount, by string) bool {
	if _, mask := s.(fragment.Mask); mask || !m.reserved[s.At()] {
		return false
	}
	if m.asked(s.Rule()) {
		m.notice(m.sourceOf(s.Rule()), "", "%s inside is always nono's own; layer %s cannot put the host's there", s.At(), by)
	}
	return true
}

// merge makes one step of those at one path, refuses what contradicts itself, and drops what lies beneath a mask.
func (m *maker) merge(steps []mount) view {
	byPath := map[string][]mount{}
	for _, s := range steps {
		byPath[s.At()] = append(byPath[s.At()], s)
	}
	paths := make([]string, 0, len(byPath))
	for p := range byPath {
		paths = append(paths, p)
	}
	slices.SortFunc(paths, comparePaths)

	var out []mount
	mask := ""
	for _, p := range paths {
		if mask != "" && policy.Within(p, mask) {
			continue
		}
		s := m.unite(byPath[p])
		if _, ok := s.Mount.(fragment.Mask); ok {
			mask = p
		}
		out = append(out, s)
	}
	v := newView(out)
	m.refuseBeneath(v)
	return v
}

// refuseBeneath reports steps that lie beneath something that is no directory.
func (m *maker) refuseBeneath(v view) {
	for _, s := range v.mounts {
		if s.At() == "/" {
			continue
		}
		switch over := v.cover(path.Dir(s.At())); over.Mount.(type) {
		case fragment.Link, fragment.File, fragment.Devpts:
			m.conflict(over, s, "nothing can lie beneath %s, which is %s", over.At(), describe(over.Mount))
		case fragment.Proc:
			if _, ok := s.Mount.(fragment.Mask); !ok {
				m.conflict(over, s, "%s cannot be shown at %s: /proc is the session's own", describe(s.Mount), s.At())
			}
		}
	}
}

// strength orders kinds of step at one path: the stronger takes more away, and wins.
type strength int

const (
	weakest     strength = iota // an empty directory, where nothing is granted
	writable                    // a bind
	readOnly                    // a bind
	fixedFile                   // a file of the plan's own
	symbolic                    // a link: unites with nothing
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
	case fragment.File:
		return fixedFile
	case fragment.Link:
		return symbolic
	case fragment.Proc, fragment.Devpts:
		return fixedSystem
	case fragment.Mask:
		return hidden
	}
	panic(fmt.Sprintf("a mount step of an unknown type: %T", s))
}

// unite makes one step out of all those at one path.
func (m *maker) unite(steps []mount) mount {
	if len(steps) == 1 {
		return steps[0]
	}
	slices.SortFunc(steps, m.compareMounts)
	top := weakest
	for _, s := range steps {
		top = max(top, strengthOf(s.Mount))
	}
	if top != hidden {
		m.refuseBesideLink(steps)
	}
	steps = slices.DeleteFunc(slices.Clone(steps), func(s mount) bool { return strengthOf(s.Mount) != top })
	one := steps[0]
	for _, s := range steps[1:] {
		united, ok := uniteTwo(one.Mount, s.Mount)
		if !ok {
			m.conflict(one, s, "two steps disagree about %s: %s, and %s", s.At(), describe(one.Mount), describe(s.Mount))
			return one
		}
		one.Mount = united
	}
	return one
}

// refuseBesideLink reports a link and another step at one path: the policy's paths are free of links, so one of the two was
// made from an old look at the file system.
func (m *maker) refuseBesideLink(steps []mount) {
	link := slices.IndexFunc(steps, func(s mount) bool { return strengthOf(s.Mount) == symbolic })
	other := slices.IndexFunc(steps, func(s mount) bool { return strengthOf(s.Mount) != symbolic })
	if link >= 0 && other >= 0 {
		m.conflict(steps[link], steps[other], "two steps disagree about %s: %s, and %s",
			steps[link].At(), describe(steps[link].Mount), describe(steps[other].Mount))
	}
}

// uniteTwo unites two steps of one strength: the stricter flags hold; false if they differ in more than flags.
func uniteTwo(a, b fragment.Mount) (fragment.Mount, bool) {
	switch a := a.(type) {
	case fragment.Bind:
		b, ok := b.(fragment.Bind)
		same := ok && a.Source() == b.Source() && a.Device == b.Device && a.Inode == b.Inode
		a.NoExec = a.NoExec || b.NoExec
		a.Devices = a.Devices && b.Devices
		return a, same
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
	case fragment.Proc, fragment.Devpts:
		return a, false // core sends one of each
	}
	panic(fmt.Sprintf("a mount step of an unknown type: %T", a))
}

// compareMounts orders the steps at one path so that the outcome does not depend on who was asked first: what the user wrote
// comes before what nobody asked for, so that it is the user's line that a message names.
func (m *maker) compareMounts(a, b mount) int {
	if x, y := m.asked(a.Rule()), m.asked(b.Rule()); x != y {
		if x {
			return -1
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(a.Rule(), b.Rule()),
		cmp.Compare(a.by, b.by),
		bytes.Compare(canonical(a.Mount), canonical(b.Mount)),
	)
}

// canonical is a step as bytes, to order steps by when nothing else tells them apart.
func canonical(s fragment.Step) []byte {
	b, err := json.Marshal(fragment.List{s})
	if err != nil {
		panic(fmt.Sprintf("a step that cannot be printed: %v", err)) // its fields are strings and numbers
	}
	return b
}

// conflict reports two steps that cannot both be: at the line of the one, naming the line of the other.
func (m *maker) conflict(a, b mount, format string, args ...any) {
	m.clash(m.originOf(a, a.by), m.originOf(b, b.by), format, args...)
}

func (m *maker) clash(a, b origin, format string, args ...any) {
	at := a.source
	if at == (policy.Source{}) {
		at = b.source
	}
	m.problem(diag.Errorf(format, args...).Try("the one comes from %s\nthe other comes from %s\ntake one of them out", a.text, b.text), at)
}

// collapse drops binds that show what their parent shows already, with the same rights. One that carries another mount stays:
// it may be what keeps an ancestor of a protected path from being renamed.
func (v view) collapse() view {
	var kept []mount // deepest first
	for i := len(v.mounts) - 1; i >= 0; i-- {
		s := v.mounts[i]
		// Sorted by components, what lies beneath a path comes right after it.
		carries := len(kept) > 0 && policy.Within(kept[len(kept)-1].At(), s.At())
		if carries || !v.redundant(s) {
			kept = append(kept, s)
		}
	}
	slices.Reverse(kept)
	return newView(kept)
}

func (v view) redundant(s mount) bool {
	b, ok := s.Mount.(fragment.Bind)
	if !ok || b.Path == "/" {
		return false
	}
	over, ok := v.cover(path.Dir(b.Path)).Mount.(fragment.Bind)
	return ok && over.Writable == b.Writable && over.NoExec == b.NoExec && over.Devices == b.Devices &&
		below(b.Path, over.Path, over.Source()) == b.Source()
}
