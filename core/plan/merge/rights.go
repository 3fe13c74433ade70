package merge

import (
	"path"
	"slices"

	"github.com/nono-run/nono/core/plan/view"
	"github.com/nono-run/nono/sdk/fragment"
)

// AllRights are the rights in the order in which they are printed.
var AllRights = []fragment.Right{fragment.RightList, fragment.RightRead, fragment.RightExecute, fragment.RightWrite, fragment.RightDevice}

// Rights unites the Landlock rules at a path. They are empty unless a layer uses Landlock; then what nobody grants is refused,
// and so each mount of a layer that does not, and of core, is completed by what the mount itself gives.
func (m *Merger) Rights(rights []Right, v view.View) []fragment.Landlock {
	if len(rights) == 0 {
		return nil
	}
	uses := map[string]bool{}
	var grants []fragment.Landlock
	for _, r := range rights {
		uses[r.Layer] = true
		grants = append(grants, r.Landlock)
	}
	for _, s := range v.Mounts() {
		if rs := given(s.Mount); len(rs) > 0 && !uses[s.Layer] && !lessens(s.Mount, v) {
			grants = append(grants, fragment.Landlock{For: s.Rule(), Path: s.At(), Rights: rs})
		}
	}
	return m.uniteGrants(grants, v)
}

// lessens reports a bind that shows what the mount above shows anyway, with no more rights: a pin, or
// a part that becomes read-only. What is given above reaches it.
func lessens(s fragment.Mount, v view.View) bool {
	b, ok := s.(fragment.Bind)
	if !ok || b.Path == "/" {
		return false
	}
	over, ok := v.Cover(path.Dir(b.Path)).Mount.(fragment.Bind)
	more := func(r fragment.Right) bool { return !slices.Contains(given(over), r) }
	return ok && view.Moved(b.Path, over.Path, over.Source()) == b.Source() && !slices.ContainsFunc(given(b), more)
}

// given says for Landlock what a mount says for the view.
func given(s fragment.Mount) []fragment.Right {
	switch s := s.(type) {
	case fragment.Bind:
		rights := []fragment.Right{fragment.RightRead}
		if !s.NoExec {
			rights = append(rights, fragment.RightExecute)
		}
		if s.Writable {
			rights = append(rights, fragment.RightWrite)
		}
		if s.Devices {
			rights = append(rights, fragment.RightDevice)
		}
		return rights
	case fragment.Tmpfs:
		// A grant reaches everything beneath its path. One on the empty root would open all that other layers closed, and one
		// for writing on /dev every device; so the root has none, and in /dev each device has its own.
		switch s.Path {
		case "/":
			return nil
		case "/dev":
			return []fragment.Right{fragment.RightRead}
		}
		return []fragment.Right{fragment.RightRead, fragment.RightExecute, fragment.RightWrite}
	case fragment.File:
		return []fragment.Right{fragment.RightRead}
	case fragment.Pseudo:
		switch s.Type {
		case fragment.Procfs:
			return []fragment.Right{fragment.RightRead, fragment.RightWrite}
		case fragment.Devpts:
			return []fragment.Right{fragment.RightRead, fragment.RightWrite, fragment.RightDevice}
		}
	case fragment.Link, fragment.Mask: // a link leads elsewhere, a mask gives nothing
	}
	return nil
}

// uniteGrants makes one grant a path, sorted. What lies at or beneath a mask is left out: there is nothing to open there.
func (m *Merger) uniteGrants(grants []fragment.Landlock, v view.View) []fragment.Landlock {
	byPath := map[string]fragment.Landlock{}
	for _, g := range grants {
		if _, masked := v.Cover(g.Path).Mount.(fragment.Mask); masked {
			continue
		}
		old, ok := byPath[g.Path]
		if !ok || m.compareRules(g.For, old.For) < 0 {
			old.For = g.For
		}
		byPath[g.Path] = fragment.Landlock{For: old.For, Path: g.Path, Rights: uniteRights(old.Rights, g.Rights)}
	}
	out := make([]fragment.Landlock, 0, len(byPath))
	for _, g := range byPath {
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b fragment.Landlock) int { return view.ComparePaths(a.Path, b.Path) })
	return out
}

func uniteRights(a, b []fragment.Right) []fragment.Right {
	var out []fragment.Right
	for _, r := range AllRights {
		if slices.Contains(a, r) || slices.Contains(b, r) {
			out = append(out, r)
		}
	}
	return out
}
