package conformance

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
)

// walled asks a filesystem layer for an answer on a host where nothing can be mounted. One that has
// none is refused there by core, which is no fault of the layer's.
func walled(t *trial) error {
	l, err := t.begin()
	if err != nil {
		return err
	}
	if l.is.Kind != policy.KindFilesystem {
		return &Nothing{Why: "it is no filesystem layer"}
	}
	req, err := t.Sample(l.is)
	if err != nil {
		return &Nothing{Why: err.Error(), Untried: true}
	}
	req.Host.Tier = sdk.TierB
	req.Places = Places(req)
	const without = "it does not run where nothing can be mounted: "
	resp, err := l.Plan(t.ctx, req)
	if err != nil {
		return &Nothing{Why: without + err.Error()}
	}
	for _, d := range resp.Diagnostics {
		if d.Severity == sdk.SeverityError {
			return &Nothing{Why: without + d.Summary}
		}
	}
	for _, step := range resp.Fragment.Steps {
		if m, ok := step.(fragment.Mount); ok {
			return &Nothing{Why: without + "it mounts something at " + m.At()}
		}
	}
	if err := answersFor(l.is, req, resp); err != nil {
		return err
	}
	return asThePlaces(req.Places.Places, resp)
}

// rightsAt are those of Landlock's that are given at paths, each for all that lies beneath.
type rightsAt map[string][]fragment.Right

func (given rightsAt) add(at string, rights ...fragment.Right) {
	given[at] = append(given[at], rights...)
}

// has reports whether a right is given at a path or above. To list a directory is part of reading
// it.
func (given rightsAt) has(at string, right fragment.Right) bool {
	for p, rights := range given {
		if policy.Within(at, p) && (slices.Contains(rights, right) ||
			right == fragment.RightList && slices.Contains(rights, fragment.RightRead)) {
			return true
		}
	}
	return false
}

// asThePlaces holds that an answer gives no more than the places do, and no less where it says that
// a rule is enforced.
func asThePlaces(all []places.Place, resp *sdk.PlanResponse) error {
	wanted, given := rightsAt{}, rightsAt{}
	for _, p := range all {
		wanted.add(p.Path, rightsOf(p)...)
	}
	for _, step := range resp.Fragment.Steps {
		l, ok := step.(fragment.Landlock)
		if !ok {
			continue
		}
		given.add(l.Path, l.Rights...)
		for _, right := range l.Rights {
			if !wanted.has(l.Path, right) {
				return fmt.Errorf("where nothing can be mounted it gives %s the right to %s, "+
					"and no place does", l.Path, right)
			}
		}
	}
	enforced := map[policy.RuleID]bool{}
	for _, c := range resp.Coverage {
		enforced[c.Rule] = c.Held == sdk.Enforced
	}
	for _, p := range all {
		var lacks []string
		for _, right := range rightsOf(p) {
			if !given.has(p.Path, right) {
				lacks = append(lacks, string(right))
			}
		}
		if enforced[p.Rule] && len(lacks) > 0 {
			return fmt.Errorf("where nothing can be mounted it says that %s is enforced, "+
				"and %s lacks the right to %s", p.Rule, p.Path, strings.Join(lacks, ", "))
		}
	}
	return nil
}

// rightsOf are the rights that a place gives.
func rightsOf(p places.Place) []fragment.Right {
	var all []fragment.Right
	for _, has := range []struct {
		it    bool
		right fragment.Right
	}{
		{p.List, fragment.RightList},
		{p.Rights.Read, fragment.RightRead},
		{p.Rights.Execute, fragment.RightExecute},
		{p.Rights.Write, fragment.RightWrite},
		{p.Devices, fragment.RightDevice},
	} {
		if has.it {
			all = append(all, has.right)
		}
	}
	return all
}
