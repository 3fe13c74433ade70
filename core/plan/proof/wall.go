package proof

import (
	"path"
	"slices"

	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
)

// Wall takes rights away at paths inside. It never gives any.
type Wall interface {
	// Lets reports whether the wall lets something be read, or written, at a path inside or beneath
	// it.
	Lets(inside string) (read, write bool)
	// Renames reports whether the wall lets the names in a directory be taken away and given to
	// something else.
	Renames(dir string) bool
}

// Behind is what a reach comes to behind a wall.
func Behind(r Reach, w Wall) Reach { return behind{r, w} }

type behind struct {
	reach Reach
	wall  Wall
}

// To implements Reach.
func (b behind) To(route hostfile.Route, hop hostfile.Hop) []Place {
	return b.narrow(b.reach.To(route, hop))
}

// Into implements Reach.
func (b behind) Into(route hostfile.Route) []Place { return b.narrow(b.reach.Into(route)) }

func (b behind) narrow(places []Place) []Place {
	places = slices.Clone(places)
	for i := range places {
		p := &places[i]
		read, write := b.wall.Lets(p.Inside)
		p.Read, p.Write = p.Read && read, p.Write && write
		p.Replace = p.Replace && b.wall.Renames(path.Dir(p.Inside))
	}
	return places
}

// Rights is the wall that Landlock rules are. What none of them gives is refused.
type Rights struct {
	at      map[string]access // by the rules at a path: they reach all beneath it
	beneath map[string]access // by the rules at a path or beneath it
}

type access struct{ read, write bool }

func (a access) or(b access) access { return access{a.read || b.read, a.write || b.write} }

// NewRights is the wall of these rules.
func NewRights(rules []fragment.Landlock) *Rights {
	w := &Rights{at: map[string]access{}, beneath: map[string]access{}}
	for _, r := range rules {
		var gives access
		for _, right := range r.Rights {
			switch right {
			case fragment.RightList, fragment.RightRead, fragment.RightExecute:
				gives.read = true
			case fragment.RightWrite:
				gives.write = true
			case fragment.RightDevice:
			}
		}
		w.at[r.Path] = w.at[r.Path].or(gives)
		upward(r.Path, func(p string) { w.beneath[p] = w.beneath[p].or(gives) })
	}
	return w
}

// Lets implements Wall.
func (w *Rights) Lets(inside string) (read, write bool) {
	a := w.above(inside).or(w.beneath[inside])
	return a.read, a.write
}

// Renames implements Wall. It takes a right for the directory itself; one beneath it is not enough.
func (w *Rights) Renames(dir string) bool { return w.above(dir).write }

// above is what the rules at a path and above it give.
func (w *Rights) above(inside string) access {
	var a access
	upward(inside, func(p string) { a = a.or(w.at[p]) })
	return a
}

// upward calls f for a path and every directory above it.
func upward(p string, f func(string)) {
	for ; ; p = path.Dir(p) {
		f(p)
		if p == "/" {
			return
		}
	}
}

// Interface guards.
var (
	_ Reach = behind{}
	_ Wall  = (*Rights)(nil)
)
