package plan

import (
	"slices"

	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// allRights in the order in which they are printed.
var allRights = []fragment.Right{fragment.RightList, fragment.RightRead, fragment.RightExecute, fragment.RightWrite, fragment.RightDevice}

// landlock unites the grants a path. It is empty unless a layer uses Landlock; then what nobody grants is refused, and so core
// grants what the mounts of the other fragments give, its own among them.
func (m *maker) landlock(v view) []fragment.Landlock {
	var grants []fragment.Landlock
	var others []fragment.Mount
	used := false
	for _, s := range m.layers {
		uses := false
		var mounts []fragment.Mount
		for _, step := range s.Response.Fragment.Steps {
			if grant, ok := step.(fragment.Landlock); ok {
				uses = true
				grants = append(grants, grant)
			}
			if mount, ok := step.(fragment.Mount); ok && !m.reserved[mount.At()] { // else it is not in the view, see yields
				mounts = append(mounts, mount)
			}
		}
		used = used || uses
		if !uses {
			others = append(others, mounts...)
		}
	}
	if !used {
		return nil
	}
	for _, s := range v.mounts {
		if s.by == Core {
			others = append(others, s.Mount)
		}
	}
	for _, s := range others {
		if g, ok := completion(s); ok {
			grants = append(grants, g)
		}
	}
	return m.uniteGrants(grants, v)
}

// completion is the grant that says for Landlock what a mount says for the view.
func completion(s fragment.Mount) (fragment.Landlock, bool) {
	rights := func(rs ...fragment.Right) (fragment.Landlock, bool) {
		return fragment.Landlock{For: s.Rule(), Path: s.At(), Rights: rs}, true
	}
	if s.Rule() == ruleSelf { // what protects nono's own files only takes away
		return fragment.Landlock{}, false
	}
	switch s := s.(type) {
	case fragment.Bind:
		rs := []fragment.Right{fragment.RightRead}
		if !s.NoExec {
			rs = append(rs, fragment.RightExecute)
		}
		if s.Writable {
			rs = append(rs, fragment.RightWrite)
		}
		if s.Devices {
			rs = append(rs, fragment.RightDevice)
		}
		return rights(rs...)
	case fragment.Tmpfs:
		// A grant reaches everything beneath its path. One on the empty root would open all that other layers closed, and one
		// for writing on /dev every device; so the root has none, and in /dev each device has its own.
		switch s.Path {
		case "/":
			return fragment.Landlock{}, false
		case "/dev":
			return rights(fragment.RightRead)
		}
		return rights(fragment.RightRead, fragment.RightExecute, fragment.RightWrite)
	case fragment.File:
		return rights(fragment.RightRead)
	case fragment.Proc:
		return rights(fragment.RightRead, fragment.RightWrite)
	case fragment.Devpts:
		return rights(fragment.RightRead, fragment.RightWrite, fragment.RightDevice)
	case fragment.Link, fragment.Mask: // a link leads elsewhere, a mask gives nothing
		return fragment.Landlock{}, false
	}
	return fragment.Landlock{}, false
}

// uniteGrants makes one grant a path, sorted. What lies at or beneath a mask is left out: there is nothing to open there.
func (m *maker) uniteGrants(grants []fragment.Landlock, v view) []fragment.Landlock {
	byPath := map[string]fragment.Landlock{}
	for _, g := range grants {
		if _, masked := v.cover(g.Path).Mount.(fragment.Mask); masked {
			continue
		}
		old, ok := byPath[g.Path]
		if !ok || m.names(g.For, old.For) {
			old.For = g.For
		}
		byPath[g.Path] = fragment.Landlock{For: old.For, Path: g.Path, Rights: uniteRights(old.Rights, g.Rights)}
	}
	out := make([]fragment.Landlock, 0, len(byPath))
	for _, g := range byPath {
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b fragment.Landlock) int { return comparePaths(a.Path, b.Path) })
	return out
}

// names reports whether rule a is the better one to name than b: the user's own first, then the smaller id, so that the order of
// steps makes no difference.
func (m *maker) names(a, b policy.RuleID) bool {
	if x, y := m.asked(a), m.asked(b); x != y {
		return x
	}
	return a < b
}

func uniteRights(a, b []fragment.Right) []fragment.Right {
	var out []fragment.Right
	for _, r := range allRights {
		if slices.Contains(a, r) || slices.Contains(b, r) {
			out = append(out, r)
		}
	}
	return out
}
