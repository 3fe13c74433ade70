package proof

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
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

// Host is the reach of an agent for which nothing is mounted: every file stands at its own path.
// Behind it there is no more than a [Wall].
type Host struct{}

// To implements Reach.
func (Host) To(_ hostfile.Route, hop hostfile.Hop) []Place {
	return []Place{{Inside: hop.Path, Shows: hop.Path, Read: true, Write: true, Replace: true}}
}

// Into implements Reach: the end itself is shown.
func (Host) Into(hostfile.Route) []Place { return nil }

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

// Walled is the reach of an agent on a host where nothing can be mounted: the host as it is, behind
// Landlock's rules.
type Walled struct {
	rules []fragment.Landlock
	// walls are those that were asked for, by what they leave out.
	walls map[string]Reach
}

// NewWalled is the reach that these rules leave.
func NewWalled(rules []fragment.Landlock) *Walled {
	return &Walled{rules, map[string]Reach{}}
}

// For is the reach of a target, without the rules that give what is lent in it. To list directories
// is to read one, and gives nothing of a file that lies in them.
func (w *Walled) For(t Target) Reach {
	file := t.Entry.Type == policy.Regular
	without := strings.Join(append([]string{strconv.FormatBool(file)}, t.Lent...), "\x00")
	reach, ok := w.walls[without]
	if !ok {
		var rules []fragment.Landlock
		for _, l := range w.rules {
			lists := slices.Equal(l.Rights, []fragment.Right{fragment.RightList})
			if !t.lends(l.Path) && !(file && lists) {
				rules = append(rules, l)
			}
		}
		reach = Behind(Host{}, NewRights(rules))
		w.walls[without] = reach
	}
	return reach
}

// Interface guards.
var (
	_ Reach = Host{}
	_ Reach = behind{}
	_ Wall  = (*Rights)(nil)
)
