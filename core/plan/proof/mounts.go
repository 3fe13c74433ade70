package proof

import (
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/nono-run/nono/core/plan/view"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// Mounts is the reach that a view of mounts gives.
type Mounts struct {
	view   view.View
	source map[string][]*fragment.Bind   // by the host's path
	same   map[identity][]*fragment.Bind // by the file that is shown, whatever its path
	sorted []*fragment.Bind              // by the host's path
}

type identity struct{ device, inode uint64 }

// Over is the reach of a view.
func Over(v view.View) *Mounts {
	n := len(v.Mounts())
	m := &Mounts{
		view: v, source: make(map[string][]*fragment.Bind, n),
		same: make(map[identity][]*fragment.Bind, n), sorted: make([]*fragment.Bind, 0, n),
	}
	for _, s := range v.Mounts() {
		if b, ok := shown(s.Mount); ok {
			id := identity{b.Device, b.Inode}
			m.source[b.Source()] = append(m.source[b.Source()], &b)
			m.same[id] = append(m.same[id], &b)
			m.sorted = append(m.sorted, &b)
		}
	}
	slices.SortStableFunc(m.sorted, func(a, b *fragment.Bind) int {
		return view.ComparePaths(a.Source(), b.Source())
	})
	return m
}

// shown is a mount that shows something of the host's. A copy is as good as what it is a copy of:
// it is brought back.
func shown(m fragment.Mount) (fragment.Bind, bool) {
	switch s := m.(type) {
	case fragment.Bind:
		return s, true
	case fragment.Copy:
		return fragment.Bind{
			For: s.For, Path: s.Path, Writable: true, NoExec: s.NoExec, Device: s.Device, Inode: s.Inode,
		}, true
	case fragment.Link, fragment.Tmpfs, fragment.Mask, fragment.File, fragment.Hold,
		fragment.Pseudo:
	}
	return fragment.Bind{}, false
}

// Play mounts the steps in their order, as nono-init does: a later one hides what an earlier one
// put at its path or beneath it, and a path that leads through a link of the view lands where the
// link leads.
func Play(steps []view.Mount) (*Mounts, error) {
	p := played{at: map[string]fragment.Mount{}, beneath: map[string]int{}}
	for _, s := range steps {
		if err := p.mount(s.Mount); err != nil {
			return nil, err
		}
	}
	mounts := make([]view.Mount, 0, len(p.at))
	for _, m := range p.at {
		mounts = append(mounts, view.Mount{Mount: m})
	}
	slices.SortFunc(mounts, func(a, b view.Mount) int { return view.ComparePaths(a.At(), b.At()) })
	return Over(view.New(mounts)), nil
}

// played is what is mounted so far.
type played struct {
	at      map[string]fragment.Mount
	beneath map[string]int // how many mounts there are at or beneath each path
}

func (p *played) mount(m fragment.Mount) error {
	at, err := p.landing(m.At())
	if err != nil {
		return err
	}
	if p.beneath[at] > 0 {
		for old := range p.at {
			if policy.Within(old, at) {
				delete(p.at, old)
				p.count(old, -1)
			}
		}
	}
	p.at[at] = landed(m, at)
	p.count(at, 1)
	return nil
}

func (p *played) count(at string, by int) {
	for ; ; at = path.Dir(at) {
		p.beneath[at] += by
		if at == "/" {
			return
		}
	}
}

// landing follows the view's own links on the way to name; its last part is not followed.
func (p *played) landing(name string) (string, error) {
	at := "/"
	todo := strings.Split(name, "/")
	for links := 0; len(todo) > 0; {
		next := todo[0]
		todo = todo[1:]
		at = path.Join(at, next)
		link, ok := p.at[at].(fragment.Link)
		if !ok || len(todo) == 0 {
			continue
		}
		if links++; links > hostfile.MaxLinks {
			return "", fmt.Errorf("the view's own links lead in a circle at %s", at)
		}
		at = path.Dir(at)
		if path.IsAbs(link.Target) {
			at = "/"
		}
		todo = append(strings.Split(link.Target, "/"), todo...)
	}
	return at, nil
}

// landed is a mount step with the path where it really ends up; what it shows stays what it was.
func landed(m fragment.Mount, at string) fragment.Mount {
	switch s := m.(type) {
	case fragment.Bind:
		s.From, s.Path = s.Source(), at
		return s
	case fragment.Copy:
		b, _ := shown(s)
		b.From, b.Path = s.Path, at
		return b
	case fragment.Link:
		s.Path = at
		return s
	case fragment.Hold:
		s.From, s.Path = s.Source(), at
		return s
	case fragment.Tmpfs:
		s.Path = at
		return s
	case fragment.Mask:
		s.Path = at
		return s
	case fragment.File:
		s.Path = at
		return s
	case fragment.Pseudo:
		s.Path = at
		return s
	}
	panic(fmt.Sprintf("a mount step of an unknown type: %T", m))
}

// Sight is a place inside at which a bind shows a name on a route.
type Sight struct {
	Inside string
	Bind   fragment.Bind
	Hop    hostfile.Hop
}

// Sights lists every place inside at which one name on a route can be seen: in a bind whose source
// is that file or a directory above it, unless something else is mounted there.
func (m *Mounts) Sights(route hostfile.Route, hop hostfile.Hop) []Sight {
	var all []Sight
	see := func(root string, b *fragment.Bind) {
		inside := view.Moved(hop.Path, root, b.Path)
		if m.view.Cover(inside).At() == b.Path {
			all = append(all, Sight{inside, *b, hop})
		}
	}
	for dir := hop.Path; ; dir = path.Dir(dir) {
		for _, b := range m.source[dir] {
			see(dir, b)
		}
		if dir == "/" {
			break
		}
	}
	// A bind whose source is the same directory under another name, by the host's own bind mounts.
	seen := map[string]bool{}
	for _, h := range route.Hops {
		if h.Entry.Type != policy.Directory || seen[h.Path] || !policy.Within(hop.Path, h.Path) {
			continue
		}
		seen[h.Path] = true
		for _, b := range m.same[identity{h.Entry.Device, h.Entry.Inode}] {
			if b.Source() != h.Path {
				see(h.Path, b)
			}
		}
	}
	return all
}

// To implements Reach. A mount point cannot be renamed or removed from inside.
func (m *Mounts) To(route hostfile.Route, hop hostfile.Hop) []Place {
	var places []Place
	for _, s := range m.Sights(route, hop) {
		places = append(places, Place{
			Inside: s.Inside, Shows: hop.Path,
			Read: true, Write: s.Bind.Writable, Replace: s.Bind.Writable && s.Inside != s.Bind.Path,
		})
	}
	return places
}

// Into implements Reach.
func (m *Mounts) Into(route hostfile.Route) []Place {
	var places []Place
	for _, b := range m.Inner(route) {
		places = append(places, Place{Inside: b.Path, Shows: b.Source(), Read: true, Write: b.Writable})
	}
	return places
}

// Inner lists the binds whose source lies beneath the route's end.
func (m *Mounts) Inner(route hostfile.Route) []fragment.Bind {
	inner := func(name string) bool { return name != route.Path && policy.Within(name, route.Path) }
	var all []fragment.Bind
	i := sort.Search(len(m.sorted), func(i int) bool {
		return view.ComparePaths(m.sorted[i].Source(), route.Path) >= 0
	})
	for ; i < len(m.sorted) && policy.Within(m.sorted[i].Source(), route.Path); i++ {
		if inner(m.sorted[i].Source()) {
			all = append(all, *m.sorted[i])
		}
	}
	for _, h := range route.Hops { // a way that turns back has been further in
		if h.Entry.Type == policy.Directory && inner(h.Path) {
			for _, b := range m.same[identity{h.Entry.Device, h.Entry.Inode}] {
				if !inner(b.Source()) {
					all = append(all, *b)
				}
			}
		}
	}
	return all
}

// Interface guard.
var _ Reach = (*Mounts)(nil)
