package merge

import (
	"path"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/plan/view"
	"github.com/nono-run/nono/sdk/fragment"
)

// AllRights are the rights in the order in which they are printed.
var AllRights = []fragment.Right{
	fragment.RightList, fragment.RightRead, fragment.RightExecute, fragment.RightWrite,
	fragment.RightDevice,
}

// Grant is what Landlock gives at a path, and the layers that it is there for.
type Grant struct {
	fragment.Landlock
	Layers []string `json:"layers"`
}

// Rights makes one grant a path of the Landlock rules. No rule gives more than the mount does that
// is seen at its path: what lost the merge opens nothing.
//
// There are none unless a layer uses Landlock. Then what nobody grants is refused, and so each
// mount of a layer that does not use it, and of core, is completed by what the mount itself gives.
func (m *Merger) Rights(rights []Right, v view.View) []Grant {
	if len(rights) == 0 {
		return nil
	}
	all := map[string]*Grant{}
	uses := map[string]bool{}
	for _, r := range rights {
		uses[r.Layer] = true
		over := v.Cover(r.Path)
		kept, lost := clip(r.Rights, Given(over.Mount))
		if len(lost) > 0 {
			of := Claim{Origin{r.For, r.Layer}, "Landlock: " + Words(lost)}
			m.Lost = append(m.Lost, Loss{r.Path, of, claim(over)})
		}
		m.grant(all, r.Path, kept, Origin{r.For, r.Layer})
		m.identify(all, r)
	}
	for _, s := range v.Mounts() {
		root := s.At() == "/" && empty(s.Mount)
		if !root && !uses[s.Layer] && !lessens(s.Mount, v) {
			m.grant(all, s.At(), Given(s.Mount), OriginOf(s))
		}
	}
	return sorted(all)
}

// RightsAlone makes one grant a path of the Landlock rules where there are no mounts: the rules are
// all there is, core's own among them.
func (m *Merger) RightsAlone(rights []Right) []Grant {
	all := map[string]*Grant{}
	for _, r := range rights {
		m.grant(all, r.Path, r.Rights, Origin{r.For, r.Layer})
		m.identify(all, r)
	}
	return sorted(all)
}

func sorted(all map[string]*Grant) []Grant {
	out := make([]Grant, 0, len(all))
	for _, g := range all {
		slices.Sort(g.Layers)
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b Grant) int { return view.ComparePaths(a.Path, b.Path) })
	return out
}

// empty reports an empty directory. One at the root is not completed: a grant reaches everything
// beneath its path.
func empty(s fragment.Mount) bool {
	_, ok := s.(fragment.Tmpfs)
	return ok
}

// grant adds rights at a path.
func (m *Merger) grant(all map[string]*Grant, at string, rights []fragment.Right, from Origin) {
	if len(rights) == 0 {
		return
	}
	g, ok := all[at]
	if !ok {
		g = &Grant{Landlock: fragment.Landlock{For: from.Rule, Path: at}}
		all[at] = g
	}
	if m.compareRules(from.Rule, g.For) < 0 {
		g.For = from.Rule
	}
	g.Rights = uniteRights(g.Rights, rights)
	if !slices.Contains(g.Layers, from.Layer) {
		g.Layers = append(g.Layers, from.Layer)
	}
}

// identify notes which file a grant is for, where its step says so.
func (m *Merger) identify(all map[string]*Grant, r Right) {
	g, ok := all[r.Path]
	switch {
	case !ok || r.Inode == 0:
	case g.Inode == 0:
		g.Device, g.Inode = r.Device, r.Inode
	case g.Device != r.Device || g.Inode != r.Inode:
		m.conflict(Origin{g.For, g.Layers[0]}, Origin{r.For, r.Layer},
			"two steps disagree about which file %s is", r.Path)
	}
}

// clip divides rights into those that are within a limit and those that are not. To list a
// directory is part of reading it.
func clip(rights, limit []fragment.Right) (within, beyond []fragment.Right) {
	for _, r := range rights {
		if Within(r, limit) {
			within = append(within, r)
		} else {
			beyond = append(beyond, r)
		}
	}
	return within, beyond
}

// Within reports whether one right is among others, or part of one.
func Within(r fragment.Right, rights []fragment.Right) bool {
	return slices.Contains(rights, r) ||
		r == fragment.RightList && slices.Contains(rights, fragment.RightRead)
}

// Words is the rights as a plan prints them.
func Words(rights []fragment.Right) string {
	words := make([]string, len(rights))
	for i, r := range rights {
		words[i] = string(r)
	}
	return strings.Join(words, " ")
}

// lessens reports a bind that shows what the mount above shows anyway, with no more rights: a pin,
// or a part that becomes read-only. What is given above reaches it.
func lessens(s fragment.Mount, v view.View) bool {
	b, ok := s.(fragment.Bind)
	if !ok || b.Path == "/" {
		return false
	}
	over, ok := v.Cover(path.Dir(b.Path)).Mount.(fragment.Bind)
	more := func(r fragment.Right) bool { return !slices.Contains(Given(over), r) }
	same := view.Moved(b.Path, over.Path, over.Source()) == b.Source()
	return ok && same && !slices.ContainsFunc(Given(b), more)
}

// Given says for Landlock what a mount says for the view.
func Given(s fragment.Mount) []fragment.Right {
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
	case fragment.Copy:
		if s.NoExec {
			return []fragment.Right{fragment.RightRead, fragment.RightWrite}
		}
		return []fragment.Right{fragment.RightRead, fragment.RightExecute, fragment.RightWrite}
	case fragment.Tmpfs:
		// A grant reaches everything beneath its path. One for reading on the empty root would open
		// all that other layers closed, and one for writing on /dev every device; so in the root
		// names can be listed, and in /dev each device has rights of its own.
		switch s.Path {
		case "/":
			return []fragment.Right{fragment.RightList}
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
	case fragment.Link, fragment.Hold, fragment.Mask: // a link leads elsewhere, a mask gives nothing
	}
	return nil
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
