// Package merge makes one of what several parties want: precedence where one of two steps is the
// stronger, a conflict where neither is. Every step keeps the layer it came from.
//
//	steps, err := merge.Gather(shares)
//	m := merge.Merger{Asked: asked}
//	v := m.Mounts(steps.Mounts, fixed, fill)
//	listeners := m.Listeners(own.Listeners, steps.Listeners)
//	env := m.Variables(steps.Variables, defaults)
//	...
//	for _, c := range m.Conflicts { ... } // each names both steps
//
// The order of layers and of their steps means nothing.
package merge

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/nono-run/nono/core/plan/view"
	"github.com/nono-run/nono/sdk/bytejson"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// Share is what one layer, or core, wants.
type Share struct {
	Layer    string
	Fragment fragment.Fragment
}

// Steps are the steps of all shares by what they do, each with its layer.
type Steps struct {
	Mounts    []view.Mount
	Variables []Variable
	Rights    []Right
	Filters   []Filter
	Listeners []Listener
	Dialers   []Dialer
}

// Right is a Landlock step and the layer that sent it.
type Right struct {
	fragment.Landlock
	Layer string
}

func (r Right) step() fragment.Step { return r.Landlock }

func (r Right) origin() Origin { return Origin{r.For, r.Layer} }

// Filter is a seccomp step and the layer that sent it.
type Filter struct {
	fragment.Seccomp
	Layer string `json:"layer"`
}

// Gather sorts the steps by what they do, in an order that does not depend on that of the shares. A
// kind that nobody would apply is an error.
func Gather(shares []Share) (Steps, error) {
	var all Steps
	for _, s := range shares {
		for _, step := range s.Fragment.Steps {
			if err := all.add(step, s.Layer); err != nil {
				return Steps{}, fmt.Errorf("layer %s: %w", s.Layer, err)
			}
		}
	}
	sortSteps(all.Rights, Right.step, func(a, b Right) int {
		return cmp.Or(view.ComparePaths(a.Path, b.Path), compareOrigins(a.origin(), b.origin()))
	})
	sortSteps(all.Variables, Variable.step, func(a, b Variable) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), compareOrigins(a.origin(), b.origin()))
	})
	return all, nil
}

func compareOrigins(a, b Origin) int {
	return cmp.Or(cmp.Compare(a.Layer, b.Layer), cmp.Compare(a.Rule, b.Rule))
}

// sortSteps sorts, and orders what compare takes for equal by what the steps say. That is written
// out for a step only where it is asked for, and once: a layer may send thousands that differ in
// nothing else.
func sortSteps[T any](all []T, step func(T) fragment.Step, compare func(a, b T) int) {
	type item struct {
		is   T
		says []byte
	}
	items := make([]*item, len(all))
	for i, is := range all {
		items[i] = &item{is: is}
	}
	says := func(i *item) []byte {
		if i.says == nil {
			i.says = canonical(step(i.is))
		}
		return i.says
	}
	slices.SortFunc(items, func(a, b *item) int {
		if c := compare(a.is, b.is); c != 0 {
			return c
		}
		return bytes.Compare(says(a), says(b))
	})
	for i, it := range items {
		all[i] = it.is
	}
}

func (all *Steps) add(step fragment.Step, layer string) error {
	switch s := step.(type) {
	case fragment.Bind, fragment.Copy, fragment.Link, fragment.Tmpfs, fragment.Mask, fragment.File,
		fragment.Hold, fragment.Pseudo:
		all.Mounts = append(all.Mounts, view.Mount{Mount: s.(fragment.Mount), Layer: layer})
		return nil
	case fragment.Env:
		all.Variables = append(all.Variables, Variable{s.Name, s.Value, s.For, layer})
		return nil
	case fragment.Landlock:
		all.Rights = append(all.Rights, Right{s, layer})
		return nil
	case fragment.Seccomp:
		all.Filters = append(all.Filters, Filter{s, layer})
		return nil
	case fragment.Listener:
		all.Listeners = append(all.Listeners, Listener{s, layer})
		return nil
	case fragment.Dialer:
		all.Dialers = append(all.Dialers, Dialer{layer, s.Ports})
		return nil
	}
	// No default: it would keep the linter from listing this switch when there is a new kind.
	return fmt.Errorf("a step of an unknown kind: %T", step)
}

// Merger merges, and remembers what could not be: [Merger.Conflicts] is empty if all went well.
type Merger struct {
	// Asked reports whether the user wrote a rule. The user's own line is what a message names.
	Asked func(policy.RuleID) bool
	// Conflicts are the pairs of steps that cannot both be.
	Conflicts []Conflict
	// Lost are the steps that others took the place of, and Yielded those of them that stood where
	// a fixed mount does.
	Lost    []Loss
	Yielded []view.Mount
}

// Conflict is two things that cannot both be.
type Conflict struct {
	// Text says what they disagree about.
	Text       string
	One, Other Origin
}

// Origin is where a step comes from.
type Origin struct {
	Rule  policy.RuleID `json:"rule,omitempty"`
	Layer string        `json:"layer"`
}

// OriginOf is where a mount comes from.
func OriginOf(m view.Mount) Origin { return Origin{m.Rule(), m.Layer} }

// Loss is something that a layer asked for and that another step took the place of.
type Loss struct {
	// Of is the path or the variable that it was about.
	Of   string `json:"of"`
	Lost Claim  `json:"lost"`
	To   Claim  `json:"to"`
}

// Claim is what a step wanted, in a few words.
type Claim struct {
	Origin
	What string `json:"what"`
}

func claim(m view.Mount) Claim {
	what := view.Describe(m.Mount)
	return Claim{OriginOf(m), what}
}

func (m *Merger) lose(lost, to view.Mount) {
	over := claim(to)
	if to.At() != lost.At() {
		over.What += ", at " + to.At()
	}
	m.Lost = append(m.Lost, Loss{lost.At(), claim(lost), over})
}

// Losses are what was lost, in an order that is the same each time.
func (m *Merger) Losses() []Loss {
	all := slices.Clone(m.Lost)
	slices.SortFunc(all, func(a, b Loss) int {
		return cmp.Or(view.ComparePaths(a.Of, b.Of), a.Lost.compare(b.Lost), a.To.compare(b.To))
	})
	return all
}

func (c Claim) compare(d Claim) int {
	return cmp.Or(
		cmp.Compare(c.Layer, d.Layer), cmp.Compare(c.Rule, d.Rule), cmp.Compare(c.What, d.What))
}

func (m *Merger) conflict(one, other Origin, format string, args ...any) {
	m.Conflicts = append(m.Conflicts, Conflict{fmt.Sprintf(format, args...), one, other})
}

// canonical is a step as bytes, to order steps by when nothing else tells them apart.
func canonical(s fragment.Step) []byte {
	b, err := bytejson.Marshal(fragment.List{s})
	if err != nil {
		panic(fmt.Sprintf("a step that cannot be printed: %v", err)) // its fields are strings and numbers
	}
	return b
}
