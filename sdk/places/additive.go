package places

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// MostOpened is how many names the directories that are opened up may have in all.
const MostOpened = 4096

// Additive is what the additive form of a view is made from besides.
type Additive struct {
	// List names what is in a directory, at most so many.
	List func(dir string, most int) ([]string, error)
	// Hidden are directories of which no agent is ever given anything, Fixed what none may change or
	// replace: nono's own above all. They need not be there yet.
	Hidden, Fixed []string
}

// additive works out the view in the form in which places only ever add.
//
// A grant is a place. If something inside it is not to be given, the grant is opened up: its
// directory gives nothing that reaches down, and what lies in it gets the grant's rights by places
// of its own, all but what is not to be given.
func (c *computer) additive() (View, []Problem) {
	c.lookAtRules()
	o := &opener{
		computer: c, limits: map[string]bool{}, beneath: map[string]limit{},
		opened: map[string]limit{}, apart: map[identity]string{}, known: map[string]Rights{},
	}
	c.decide = policy.NewDecider(unprotected(c.Policy))
	o.findOwn()
	o.findLimits()
	for _, p := range o.roots() {
		o.give(p)
	}
	c.checkDir()
	return View{Additive: true, Places: c.places(), Rules: o.rules()}, c.problems
}

// unprotected is a policy without the protections of nono's own that lie in a directory which is
// granted for writing: an additive form cannot hold one there without taking away that files are
// made beside it.
func unprotected(p *policy.Policy) *policy.Policy {
	writable := map[string]bool{}
	for i := range p.Filesystem {
		if r := &p.Filesystem[i]; r.Access.Writable() {
			writable[r.Path] = true
		}
	}
	made := func(dir string) bool { // files can be made in it
		for ; dir != "/" && !writable[dir]; dir = path.Dir(dir) {
		}
		return writable[dir]
	}
	held := *p
	held.Filesystem = slices.DeleteFunc(slices.Clone(p.Filesystem), func(r policy.PathRule) bool {
		return r.Access == policy.Protect && r.Source.BuiltIn() && made(path.Dir(r.Path))
	})
	return &held
}

// An opener gives what the policy gives, place by place.
type opener struct {
	*computer

	hidden, fixed []string            // where nono's own really are
	known         map[string]Rights   // what may be given of paths, once asked
	limits        map[string]bool     // the paths at which less may be given than above
	apart         map[identity]string // the same by the files that stand there
	beneath       map[string]limit    // by each directory above those that has more itself
	opened        map[string]limit    // the directories that were opened up
	names         int                 // how many were in them
	full          bool                // and there were too many
}

type identity struct{ device, inode uint64 }

// limit is what may be given to all paths beneath a directory, where that is less than may be given
// to the directory itself.
type limit struct {
	rights   Rights
	unlisted bool   // there is a directory whose names are not to be read
	path     string // the first path that has less
}

// findOwn finds nono's own files, and the links on the way to them, for whoever replaces a link
// has replaced what it leads to.
func (o *opener) findOwn() {
	follow := func(p string) (string, bool) {
		route, err := hostfile.Follow(o.look, p)
		if err != nil {
			o.problems = append(o.problems, Problem{
				Fatal: true, Summary: "cannot find nono's own " + p + ": " + reason(err),
			})
			return "", false
		}
		for _, link := range route.Links() {
			if !link.Fixed {
				o.fixed = append(o.fixed, link.Path)
			}
		}
		return route.Path, true
	}
	for _, p := range o.Additive.Hidden {
		if at, ok := follow(p); ok {
			o.hidden = append(o.hidden, at)
		}
	}
	for _, p := range o.Additive.Fixed {
		if at, ok := follow(p); ok {
			o.fixed = append(o.fixed, at)
		}
	}
}

// findLimits finds where less may be given than above, and what that means for the directories
// above.
func (o *opener) findLimits() {
	for i := range o.Policy.Filesystem {
		r := &o.Policy.Filesystem[i]
		if !r.Access.Grants() && o.exists(r.Path) {
			o.limits[r.Path] = true
		}
	}
	for _, p := range slices.Concat(o.hidden, o.fixed, []string{"/proc", "/dev"}) {
		o.limits[p] = true
	}
	for _, p := range slices.Sorted(maps.Keys(o.limits)) {
		may := o.may(p)
		if e, err := o.look(p); err == nil && e.Type != policy.Missing {
			o.apart[identity{e.Device, e.Inode}] = p
		}
		unlisted := !may.Read && !o.ofCore(p) && (slices.Contains(o.hidden, p) || o.isDirectory(p))
		for dir := p; dir != "/"; {
			dir = path.Dir(dir)
			l, known := o.beneath[dir]
			switch has := o.may(dir); {
			case common(has, may) == has:
				continue // nothing less than the directory itself
			case !known:
				l = limit{rights: may, path: p}
			}
			l.rights, l.unlisted = common(l.rights, may), l.unlisted || unlisted
			o.beneath[dir] = l
		}
	}
}

// may is what the agent may be given of a path itself.
func (o *opener) may(p string) Rights {
	r, ok := o.known[p]
	if !ok {
		r = o.decideOn(p)
		o.known[p] = r
	}
	return r
}

func (o *opener) decideOn(p string) Rights {
	within := func(dir string) bool { return policy.Within(p, dir) }
	if o.ofCore(p) || slices.ContainsFunc(o.hidden, within) || within("/dev") && !o.device(p) {
		return Rights{}
	}
	r := o.rights(p)
	r.Write = r.Write && !slices.ContainsFunc(o.fixed, within)
	return r
}

// device reports whether a path beneath /dev was granted there, and not with all of the host.
func (o *opener) device(p string) bool {
	for ; p != "/dev" && p != "/"; p = path.Dir(p) {
		if o.granted[p] {
			return true
		}
	}
	return false
}

// roots are where to begin: at each grant that is there, and at what was lifted out of a denial.
func (o *opener) roots() []string {
	all := maps.Clone(o.granted)
	maps.Copy(all, o.lifted)
	return slices.DeleteFunc(slices.Sorted(maps.Keys(all)), func(p string) bool {
		return !o.exists(p)
	})
}

// give gives what the agent may be given of a path and of all beneath it. What reaches down to a
// limit that is not to have it is given to each name in the directory instead.
func (o *opener) give(p string) {
	e, err := o.look(p)
	if err != nil || e.Type == policy.Missing || e.IsLink() {
		return // a link leads to what has places of its own
	}
	may, above := o.may(p), o.above(p)
	if other, ok := o.apart[identity{e.Device, e.Inode}]; ok && other != p {
		may = common(may, o.may(other)) // the same file by another name
	}
	all := may
	l, limited := o.beneath[p]
	if limited {
		all = common(may, l.rights)
	}
	given := united(above.Rights, all)
	at := Place{
		Path: p, Shows: Host, Rule: o.reason(p), Rights: given,
		Type: e.Type, Device: e.Device, Inode: e.Inode, Names: names(e),
		Devices: e.Type == policy.Special && o.granted[p] ||
			policy.Within(p, "/dev") && !policy.Within(p, SharedMemory),
	}
	lists := limited && may.Read && !l.unlisted && e.Type == policy.Directory
	at.List = (above.List || lists) && !given.Read
	if given != above.Rights || at.List && !above.List {
		o.view[p] = at
	}
	if given != united(given, may) && e.Type == policy.Directory {
		o.open(p, l)
	}
}

// open gives to each name in a directory what the directory itself cannot be given.
func (o *opener) open(p string, l limit) {
	if _, done := o.opened[p]; done || o.full {
		return
	}
	o.opened[p] = l
	names, err := o.Additive.List(p, MostOpened-o.names+1)
	if err != nil {
		if r := o.grantOf(p); r != nil && r.Source.Asked() {
			o.warn(r, fmt.Sprintf("cannot grant what lies in %s beside %s: %s", p, l.path, reason(err)),
				"grant by name what the agent is to have of it")
		}
		return
	}
	if o.names += len(names); o.names > MostOpened {
		o.full = true
		o.tooMany(p, l)
		return
	}
	slices.Sort(names)
	for _, name := range names {
		o.give(path.Join(p, name))
	}
}

// tooMany refuses to open up what has too many names.
func (o *opener) tooMany(p string, l limit) {
	summary := fmt.Sprintf("%s cannot be granted without %s, which lies in it: "+
		"what is beside that has to be granted name by name, and there are more than %d names",
		p, l.path, MostOpened)
	r := o.grantOf(p)
	if r == nil {
		o.problems = append(o.problems, Problem{Fatal: true, Summary: summary})
		return
	}
	o.fail(r, summary, "grant the directories in it that the agent needs")
}

// grantOf is the grant that a path is given for.
func (o *opener) grantOf(p string) *policy.PathRule {
	for _, op := range []policy.Op{policy.OpWrite, policy.OpRead} {
		if d := o.decide.Path(p, op); d.Allowed && d.Rule != nil {
			return d.Rule
		}
	}
	return nil
}

// rules says of every filesystem rule how it stands where places only ever add.
func (o *opener) rules() []Rule {
	all := make([]Rule, len(o.Policy.Filesystem))
	for i := range o.Policy.Filesystem {
		r := &o.Policy.Filesystem[i]
		all[i] = Rule{ID: r.ID, Path: r.Path, Is: o.standing(r)}
		switch all[i].Is {
		case Shown:
			all[i].Rights = o.may(r.Path)
			if l, ok := o.opened[r.Path]; ok {
				all[i].Opened, all[i].Unlisted = l.path, l.unlisted && !o.view[r.Path].Rights.Read
				o.refuseOpened(r, l.path)
			}
		case Spared:
			o.warnOfNames(r, "read or changed")
		case ReadOnly:
			o.warnOfNames(r, "changed")
		case Absent, Own, Kept, Overruled, Masked, Stub, Unseen, Aside, Unknown:
		}
	}
	return all
}

func (o *opener) standing(r *policy.PathRule) Standing {
	may := o.may(r.Path)
	switch r.Access {
	case policy.Allow, policy.Read, policy.Write, policy.Unix:
		is := o.grantStanding(r)
		if is == Shown && !may.Read && r.Source.Asked() {
			o.fail(r, fmt.Sprintf("cannot grant %s: it is kept from every agent", r.Path),
				"what decides about the next run must be out of the agent's reach; "+
					"grant another directory")
		}
		return is
	case policy.Deny:
		switch {
		case o.ofCore(r.Path) && r.Source.Asked():
			return Kept
		case !o.exists(r.Path):
			return Absent
		case o.grantAbove(r.Path):
			return Spared
		}
		return Unseen
	case policy.Protect:
		switch {
		case !o.exists(r.Path):
			return Absent
		case o.denial(r.Path) != nil:
			return Overruled
		case may.Write:
			return Aside
		case may.Read:
			return ReadOnly
		}
		return Unseen
	}
	return Unknown
}

// grantAbove reports whether a grant would give something of what is denied.
func (o *opener) grantAbove(p string) bool {
	for ; ; p = path.Dir(p) {
		if o.granted[p] {
			return true
		}
		if p == "/" {
			return false
		}
	}
}

// mostAdvised is how many paths an advice names.
const mostAdvised = 8

// refuseOpened refuses a grant for writing that was opened up. In a directory on the way to what is
// not given nothing can be made, renamed or removed, and so no file there be saved as programs do
// it.
func (o *opener) refuseOpened(r *policy.PathRule, inside string) {
	if !r.Access.Writable() || !r.Source.Asked() {
		return
	}
	verb := "is kept from every agent"
	if d := o.limitRule(inside); d != nil {
		verb = "is denied by " + d.Source.String()
		if d.Access == policy.Protect {
			verb = "is protected by " + d.Source.String()
		}
	}
	var beside []string
	for p, at := range o.view {
		direct := path.Dir(p) == r.Path && at.Type == policy.Directory
		if direct && at.Shows == Host && at.Rights.Write {
			beside = append(beside, policy.Printable(p))
		}
	}
	slices.Sort(beside)
	instead := "there is no directory beside it that could be granted instead"
	if len(beside) > 0 {
		more := ""
		if n := len(beside) - mostAdvised; n > 0 {
			beside, more = beside[:mostAdvised], fmt.Sprintf(", and %d more", n)
		}
		instead = "grant for reading what is not to be changed, and for writing what lies beside it: " +
			strings.Join(beside, ", ") + more
	}
	o.problems = append(o.problems, Problem{
		Fatal: true, Yields: true, Rule: r.ID,
		Summary: fmt.Sprintf("%s cannot be granted for writing on this host: %s inside it %s, "+
			"and without user namespaces that can only be held by letting nobody "+
			"make, rename or remove anything in %s",
			r.Path, inside, verb, path.Dir(inside)),
		Detail: instead + "\nor run without this promise: best_effort = true",
	})
}

// limitRule is the rule that takes something away at a path.
func (o *opener) limitRule(p string) *policy.PathRule {
	if d := o.denial(p); d != nil {
		return d
	}
	d := o.decide.Path(p, policy.OpWrite)
	if d.Rule != nil && d.Rule.Access == policy.Protect {
		return d.Rule
	}
	return nil
}

func common(a, b Rights) Rights {
	return Rights{a.Read && b.Read, a.Write && b.Write, a.Execute && b.Execute}
}

func united(a, b Rights) Rights {
	return Rights{a.Read || b.Read, a.Write || b.Write, a.Execute || b.Execute}
}
