package landlock

import (
	"path"

	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/places"
)

// rules are the Landlock rules. They can only give, and what a directory is given holds beneath
// it: what is denied or protected there is held by the view. So there is a rule only where a
// place gives more than those above it do.
func rules(all []places.Place) []fragment.Step {
	given := map[string]rights{"/": list} // at a path and above; what is in the view may be listed
	steps := []fragment.Step{fragment.Landlock{Path: "/", Rights: list.names()}}
	for _, p := range all { // parents first
		gives, above := rightsOf(p), above(given, p.Path)
		more := gives &^ above
		if more == 0 {
			continue
		}
		given[p.Path] = above | gives
		rule := fragment.Landlock{For: p.Rule, Path: p.Path, Rights: (more | gives&read).names()}
		if p.Path == "/" {
			rule.Rights = given["/"].names()
			steps = steps[:0]
		}
		steps = append(steps, rule)
	}
	return steps
}

// above is what is given at the directories above p, and at p itself so far.
func above(given map[string]rights, p string) rights {
	for {
		if r, ok := given[p]; ok {
			return r
		}
		p = path.Dir(p)
	}
}

// rights is a set of Landlock's rights.
type rights uint8

const (
	list rights = 1 << iota
	read
	execute
	write
	device
)

// rightsOf is what a place gives.
func rightsOf(p places.Place) rights {
	switch p.Shows {
	case places.Private:
		return read | execute | write
	case places.Host:
		var r rights
		for _, has := range []struct {
			it    bool
			right rights
		}{
			{p.Rights.Read, read},
			{p.Rights.Execute, execute},
			{p.Rights.Write, write},
			{p.Devices, device},
			{p.List, list},
		} {
			if has.it {
				r |= has.right
			}
		}
		return r
	case places.Hidden, places.Empty:
	}
	return 0
}

// names are the rights of the set.
func (r rights) names() []fragment.Right {
	var names []fragment.Right
	for i, name := range []fragment.Right{
		fragment.RightList, fragment.RightRead, fragment.RightExecute, fragment.RightWrite,
		fragment.RightDevice,
	} {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}
