package landlock

import (
	"maps"
	"slices"

	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// grantLandlock adds the Landlock rules. They can only give, and what a directory is given holds beneath it: masks and protections are
// the view's. So only grants have a rule, and a grant that adds nothing to one above it has none.
func (c *compiler) grantLandlock() {
	if !c.landlock {
		return
	}
	all := map[string]given{"/": {rights: []fragment.Right{fragment.RightList}}} // what is in the view may be listed
	for i := range c.policy.Filesystem {
		r := &c.policy.Filesystem[i]
		if r.Access.Grants() && c.nodes[r.Path].exists() && r.Type != policy.Missing && !ofCore(r.Path) && c.denial(r.Path) == nil {
			all[r.Path] = all[r.Path].with(r, c.nodes[r.Path])
		}
	}
	for p := range c.private {
		if c.view[p].shows == showsPrivate {
			all[p] = all[p].with(nil, node{})
		}
	}
	for _, p := range slices.Sorted(maps.Keys(all)) {
		if rights := all[p].beyond(all, p); len(rights) > 0 {
			c.rules = append(c.rules, fragment.Landlock{For: all[p].rule, Path: p, Rights: rights})
		}
	}
}

// given is what Landlock rules give at one path.
type given struct {
	rule   policy.RuleID
	rights []fragment.Right
}

// with adds what a grant gives; no grant stands for a private directory.
func (g given) with(r *policy.PathRule, n node) given {
	rights := []fragment.Right{fragment.RightRead}
	if r == nil || r.Access.Writable() {
		rights = append(rights, fragment.RightWrite)
	}
	if r == nil || r.Access != policy.Write {
		rights = append(rights, fragment.RightExecute)
	}
	if r != nil && isDevice(r.Path, n) {
		rights = append(rights, fragment.RightDevice)
	}
	for _, right := range rights {
		if !slices.Contains(g.rights, right) {
			g.rights = append(slices.Clone(g.rights), right)
		}
	}
	if r != nil && g.rule == "" {
		g.rule = r.ID
	}
	return g
}

// beyond lists the rights at p in their usual order, or nothing if the rules above p give them all.
func (g given) beyond(all map[string]given, p string) []fragment.Right {
	var above, rights []fragment.Right
	for _, a := range ancestors(p) {
		above = append(above, all[a].rights...)
	}
	adds := false
	for _, right := range []fragment.Right{fragment.RightList, fragment.RightRead, fragment.RightExecute, fragment.RightWrite, fragment.RightDevice} {
		if slices.Contains(g.rights, right) {
			rights = append(rights, right)
			adds = adds || !slices.Contains(above, right)
		}
	}
	if !adds {
		return nil
	}
	return rights
}
