package places

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// Input is all that a view is made from.
type Input struct {
	Policy *policy.Policy
	// Home is the user's home directory.
	Home string
	// Dir is the command's current directory, without links; DirName is the name by which the user
	// came to it, and by which it is found inside too. It is empty where that is not known.
	Dir     string
	DirName string
	// Lookup finds the user's own HOME and TMPDIR.
	Lookup func(name string) (string, bool)
	// Look looks at the host's files.
	Look hostfile.Look
	// Additive asks for the additive form; nil where the host lets a view be composed.
	Additive *Additive
}

// Problem is something to tell the user, at the line of a rule.
type Problem struct {
	// Fatal problems end the start. One that yields does not where the user gives up the promise of
	// its rule: then the rule's coverage says what is missing.
	Fatal, Yields bool
	// Rule is the rule at fault; empty if there is none.
	Rule policy.RuleID
	// Summary says what is wrong; Detail what to do about it.
	Summary string
	Detail  string
}

// Compute works out the view. What it answers follows from its input and from what Look says, and
// it changes nothing. With a problem that is fatal, the view means nothing.
func Compute(in Input) (View, []Problem) {
	c := &computer{
		Input: in, look: hostfile.Once(in.Look), decide: policy.NewDecider(in.Policy),
		stands:  map[string]hostfile.Entry{},
		granted: map[string]bool{}, lifted: map[string]bool{}, byDefault: map[string]bool{},
		private: map[string]fs.FileMode{}, pins: map[string]policy.RuleID{},
		view: map[string]Place{"/": {}, "/proc": {}, "/dev": {}}, // core's own, whatever layers run
	}
	if in.Additive != nil {
		return c.additive()
	}
	c.lookAtRules()
	c.findPrivate()
	c.findPins()
	for _, p := range c.candidates() {
		c.settle(p)
	}
	if in.DirName != "" {
		c.names = append(c.names, name{path: in.DirName})
	}
	c.findLinks()
	c.showDir()
	return View{Places: c.places(), Links: c.links, Rules: c.rules()}, c.problems
}

type computer struct {
	Input
	look   hostfile.Look
	decide *policy.Decider

	stands    map[string]hostfile.Entry // what is there at the paths that matter, if one may look
	granted   map[string]bool           // the paths that a grant names, and that are there
	lifted    map[string]bool           // the paths that were lifted out of a denial, and are there
	byDefault map[string]bool           // the paths that a default denial names
	names     []name                    // by which paths are known, and whose links have to work

	private map[string]fs.FileMode // the session's own directories, with their modes
	home    string                 // the one of them that is the home
	pins    map[string]policy.RuleID

	copies int   // how many files are copied
	copied int64 // and how much that is

	view     map[string]Place // what core makes has no Shows
	links    []Link
	problems []Problem
}

// name is a name of a path, and the rule that it comes from.
type name struct {
	path string
	rule policy.RuleID
}

// rights are what the policy allows at a path.
func (c *computer) rights(p string) Rights {
	may := func(op policy.Op) bool { return c.decide.Path(p, op).Allowed }
	return Rights{may(policy.OpRead), may(policy.OpWrite), may(policy.OpExecute)}
}

// denial is the rule that denies a path, if one does.
func (c *computer) denial(p string) *policy.PathRule {
	d := c.decide.Path(p, policy.OpRead)
	if d.Allowed || d.Rule == nil || d.Rule.Access.Grants() || d.Rule.Access == policy.Protect {
		return nil
	}
	return d.Rule
}

// SharedMemory is where the C library keeps what processes share by a name: memory and semaphores.
// In tier A each session has one of its own. In tier B it is the host's, and nobody has it who was
// not granted it.
const SharedMemory = "/dev/shm"

// ofCore reports the parts of the view that core decides about for every session. Shared memory is
// one of them where the session has its own; where nothing can be mounted it is a directory of the
// host's, which a user may grant like another.
func (c *computer) ofCore(p string) bool {
	if p == "/dev" {
		return true
	}
	for _, own := range []string{"/proc", "/dev/pts", "/dev/fd"} {
		if policy.Within(p, own) {
			return true
		}
	}
	return c.Additive == nil && policy.Within(p, SharedMemory)
}

// exists reports whether something was seen at a path.
func (c *computer) exists(p string) bool {
	e, ok := c.stands[p]
	return ok && e.Type != policy.Missing
}

func (c *computer) isDirectory(p string) bool { return c.stands[p].Type == policy.Directory }

// above is the place that decides what is seen at p, leaving out one at p itself.
func (c *computer) above(p string) Place {
	for p != "/" {
		p = path.Dir(p)
		if at, ok := c.view[p]; ok {
			return at
		}
	}
	return Place{}
}

// lookAtRules looks at the path of every rule.
func (c *computer) lookAtRules() {
	for i := range c.Policy.Filesystem {
		r := &c.Policy.Filesystem[i]
		e, ok := c.lookAt(r)
		if !ok || r.Access.Grants() && !c.usable(r, e) {
			continue
		}
		c.stands[r.Path] = e
		there := e.Type != policy.Missing
		switch {
		case r.Access.Grants():
			c.granted[r.Path] = c.granted[r.Path] || there
			if r.Name != "" && r.Name != r.Path {
				c.names = append(c.names, name{r.Name, r.ID})
			}
		case r.Access == policy.Deny:
			c.byDefault[r.Path] = c.byDefault[r.Path] || !r.Source.Asked()
			c.lookAtLifted(r)
		}
	}
}

// lookAtLifted looks at what was lifted out of a denial. What cannot be looked at is not shown.
func (c *computer) lookAtLifted(denial *policy.PathRule) {
	for _, l := range denial.Lifted {
		e, err := c.look(l.Path)
		if err == nil && !e.IsLink() && e.Type != policy.Missing {
			c.stands[l.Path], c.lifted[l.Path] = e, true
		}
	}
}

// lookAt looks at one rule's path. If it cannot be looked at, that is a problem only where it may
// matter.
func (c *computer) lookAt(r *policy.PathRule) (hostfile.Entry, bool) {
	e, err := c.look(r.Path)
	switch {
	case err == nil && !e.IsLink():
		return e, true
	case err == nil:
		// The policy holds no links. Something swapped one in, and what is decided from it would be
		// about another path.
		c.fail(r, "the path became a symbolic link while the plan was made: "+r.Path, again)
	case r.Access.Grants():
		if r.Source.Asked() {
			c.warn(r, "cannot grant what cannot be looked at: "+reason(err),
				"the agent has the same rights as you, and would not reach it either")
		}
	case c.rights(path.Dir(r.Path)).Read:
		// An agent that once had its parent could have taken away its own right to search it, to
		// give it back to itself inside.
		c.fail(r, "cannot hide or protect what cannot be looked at: "+reason(err),
			"make its parent directories searchable for you, or narrow the grant that contains it")
	}
	return hostfile.Entry{}, false
}

// reason is an error of a look without what was being done.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Path + ": " + pe.Err.Error()
	}
	return err.Error()
}

// usable reports whether a grant can be shown as the policy means it.
func (c *computer) usable(r *policy.PathRule, e hostfile.Entry) bool {
	switch {
	case r.Type == policy.Missing:
		return false // it was not there when the policy was read; whoever read it has said so
	case e.Type != r.Type:
		c.fail(r, "the path changed while the plan was made: "+r.Path, again)
		return false
	case c.ofCore(r.Path):
		if r.Source.Asked() {
			says := " is not the host's inside: the session has its own"
			try := "grant single devices beneath /dev if the agent needs them"
			switch {
			case c.Additive != nil:
				says = " is the host's own in tier B: a session has no more of it than nono gives each"
			case policy.Within(r.Path, SharedMemory):
				try = "programs inside share memory with each other by it, without a grant; " +
					"where nono has no user namespaces they need this one"
			}
			c.warn(r, r.Path+says, try)
		}
		return false
	case policy.Within(r.Path, "/dev") && !r.Source.Asked():
		return false // the common devices are core's; only what the user asks for is added
	}
	if d := c.denial(r.Path); d != nil && r.Source.Asked() {
		c.warn(r,
			fmt.Sprintf("the grant of %s gives nothing: %s is denied by %s", r.Path, d.Path, d.Source),
			undenied(d))
	}
	return true
}

// undenied is what to do about a denial that takes a grant away.
func undenied(d *policy.PathRule) string {
	if !d.Source.Liftable() {
		return "a denial beats every grant, at any depth: remove the line, or deny less"
	}
	return "to lift it, write lift = [...] with that path into the filesystem block, " +
		"or give --lift " + d.Path
}

// findPrivate settles which directories the session has for itself: the home, and the temporary
// ones.
func (c *computer) findPrivate() {
	c.home = c.addPrivate(c.Home, 0o700)
	if home, ok := c.Lookup("HOME"); ok && path.IsAbs(home) {
		c.names = append(c.names, name{path: home})
	}
	c.addPrivate("/tmp", 0o777|fs.ModeSticky)
	c.addPrivate("/var/tmp", 0o777|fs.ModeSticky)
	// A TMPDIR beneath /tmp or the home has to exist there too; one elsewhere is as private as
	// these.
	c.addPrivate(c.tmpdir(), 0o700)
}

// tmpdir is the value that the agent's TMPDIR will have, or nothing.
func (c *computer) tmpdir() string {
	d := c.decide.Variable("TMPDIR")
	switch {
	case !d.Allowed:
		return ""
	case d.Rule.Gives():
		return d.Rule.Value
	}
	dir, _ := c.Lookup("TMPDIR")
	return dir
}

// addPrivate adds a directory of the session's own, and returns where its name leads.
func (c *computer) addPrivate(dir string, mode fs.FileMode) string {
	if !path.IsAbs(dir) || path.Clean(dir) == "/" {
		return ""
	}
	route, err := hostfile.Follow(c.look, dir)
	if err != nil {
		c.problems = append(c.problems, Problem{
			Summary: "cannot make a private " + dir + ": " + reason(err),
		})
		return ""
	}
	p := route.Path
	if p == "/" || policy.Within(p, "/proc") || policy.Within(p, "/dev") {
		return ""
	}
	if _, ok := c.private[p]; !ok {
		c.stands[p], c.private[p] = route.Entry, mode
		c.names = append(c.names, name{path: dir})
	}
	return p
}

// isPrivate reports whether p is the session's own directory rather than the host's. The home is
// the host's where a grant reaches it. A temporary directory is so only where a grant names it or
// makes it writable: with `read = ["/"]` a program must still find a place to write.
func (c *computer) isPrivate(p string) bool {
	if _, ok := c.private[p]; !ok {
		return false
	}
	may := c.rights(p)
	if p == c.home {
		return !may.Read
	}
	return !may.Write && !(may.Read && c.granted[p])
}

// findPins settles which directories must not be renamed, or the path of a denial or a protection
// would come to mean another file: those above it that lie in a directory the agent may write.
func (c *computer) findPins() {
	seen := map[string]bool{}
	for i := range c.Policy.Filesystem {
		r := &c.Policy.Filesystem[i]
		if r.Access.Grants() || !c.exists(r.Path) {
			continue
		}
		for p := path.Dir(r.Path); p != "/" && !seen[p]; p = path.Dir(p) {
			seen[p] = true // and so is all above it
			if !c.rights(path.Dir(p)).Write || c.denial(p) != nil {
				continue
			}
			e, err := c.look(p)
			if err != nil || e.Type != policy.Directory {
				c.fail(r, "a directory above the path changed while the plan was made: "+p, again)
				break
			}
			c.stands[p], c.pins[p] = e, r.ID
		}
	}
}

// candidates are the paths at which something may change, parents first.
func (c *computer) candidates() []string {
	all := map[string]bool{}
	for p := range c.stands {
		if c.exists(p) {
			all[p] = true
		}
	}
	for p := range c.private {
		all[p] = true
	}
	return slices.Sorted(maps.Keys(all)) // a parent is a prefix of its children, and sorts before them
}

// settle decides what is seen at p, given what the place above it shows, and adds a place if that
// makes a difference.
func (c *computer) settle(p string) {
	above := c.above(p)
	if c.ofCore(p) || above.Shows == Hidden {
		return // nothing beneath what is denied comes back
	}
	e, may, deny := c.stands[p], c.rights(p), c.denial(p)
	at := Place{
		Path: p, Type: cmp.Or(e.Type, policy.Missing), Device: e.Device, Inode: e.Inode, Names: names(e),
	}
	switch {
	case deny != nil && deny.Path == p && c.mustHide(deny, above):
		at.Shows, at.Rule = Hidden, deny.ID
		at.Readable = e.Type != policy.Directory && !deny.Source.Asked()
		if c.opened(deny) {
			at.Shows, at.Readable, at.Mode, at.Report = Private, false, 0o700, true
		}
	case c.isPrivate(p) && (above.Shows != Host || e.Type == policy.Directory):
		// In what is the host's nothing can be made, so there it has to be a directory already.
		at.Shows, at.Mode, at.Report = Private, c.private[p], p == c.home
	case may.Read && c.mustShow(p, above, may):
		at.Shows, at.Rule, at.Rights, at.Pin = Host, c.reason(p), may, c.pins[p]
		at.Copy = above.Shows == Private && may.Write && c.copyable(e)
		// Only where a device is what was granted may device files be opened.
		at.Devices = e.Type == policy.Special || policy.Within(p, "/dev")
	default:
		return
	}
	c.view[p] = at
}

// mostCopies is how many files are copied: what a person names one by one.
const mostCopies = 64

// copyable reports whether a file can be copied into the session and be replaced afterwards, with
// nothing lost: it is the user's own, known by one name, and small together with all others.
func (c *computer) copyable(e hostfile.Entry) bool {
	fits := e.Type == policy.Regular && e.Ours && e.Links == 1 &&
		c.copies < mostCopies && c.copied+e.Size <= fragment.MaxCopy
	if fits {
		c.copies++
		c.copied += e.Size
	}
	return fits
}

// mustHide reports whether a denied path needs a stand-in. Inside a grant it does. Elsewhere
// nothing is there to hide, but a directory that is denied by default is seen as one that may not
// be entered: a program that looks for ~/.ssh is told so rather than that there is none, and does
// not make one.
func (c *computer) mustHide(deny *policy.PathRule, above Place) bool {
	switch {
	case above.Shows == Host:
		return true
	case policy.Within(deny.Path, "/dev"):
		return deny.Source.Asked() // core may have put the device there
	}
	return c.isDirectory(deny.Path) && c.byDefault[deny.Path]
}

// opened reports whether something is shown that was lifted out of a denial: then in the place of
// the denied directory is one of the session's own that has it inside, and nothing else.
func (c *computer) opened(deny *policy.PathRule) bool {
	if len(deny.Lifted) == 0 {
		return false
	}
	for p := range c.stands {
		if p != deny.Path && policy.Within(p, deny.Path) && c.exists(p) && c.rights(p).Read {
			return true
		}
	}
	return false
}

// mustShow reports whether the host's own at p needs a place: because nothing shows it yet, because
// the place above gives other rights, or because it has to be pinned.
func (c *computer) mustShow(p string, above Place, may Rights) bool {
	if above.Shows != Host {
		return c.granted[p] || c.lifted[p]
	}
	_, pinned := c.pins[p]
	return above.Rights != may || pinned
}

// reason is the rule that the host's own is shown for at p.
func (c *computer) reason(p string) policy.RuleID {
	if rule := c.decide.Path(p, policy.OpWrite).Rule; rule != nil && rule.Path == p {
		return rule.ID
	}
	if rule, ok := c.pins[p]; ok {
		return rule
	}
	if rule := c.decide.Path(p, policy.OpRead).Rule; rule != nil {
		return rule.ID
	}
	return ""
}

// findLinks finds the links on the way to a granted or private path, but for those that a place
// shows.
func (c *computer) findLinks() {
	for i := range c.Policy.Filesystem {
		r := &c.Policy.Filesystem[i]
		named := r.Access == policy.Deny && r.Name != "" && r.Name != r.Path
		if named && c.view[r.Path].Shows == Hidden { // ~/.ssh may be a link: to a stand-in
			c.names = append(c.names, name{r.Name, r.ID})
		}
	}
	found := map[string]bool{}
	for _, n := range c.names {
		route, err := hostfile.Follow(c.look, n.path)
		if err != nil {
			continue // the path itself was resolved before; only this name for it is lost
		}
		for _, hop := range route.Links() {
			p, above := hop.Path, c.above(hop.Path)
			seen := above.Shows == Host || above.Shows == Hidden
			if found[p] || seen || policy.Within(p, "/dev") || policy.Within(p, "/proc") {
				continue
			}
			found[p] = true
			c.links = append(c.links, Link{Path: p, Target: hop.Entry.Target, Rule: n.rule})
		}
	}
	slices.SortFunc(c.links, func(a, b Link) int { return cmp.Compare(a.Path, b.Path) })
}

// showDir sees to it that the command's current directory exists. Where nothing grants it, it is
// empty and cannot be written: a result that the agent left there would be lost without a word.
func (c *computer) showDir() {
	if path.IsAbs(c.Dir) && c.checkDir() && !c.shown(c.Dir) {
		c.view[c.Dir] = Place{Path: c.Dir, Shows: Empty, Type: policy.Missing}
	}
}

// checkDir refuses to start in a directory that is denied.
func (c *computer) checkDir() bool {
	if !path.IsAbs(c.Dir) {
		return true
	}
	d := c.denial(c.Dir)
	if d != nil {
		c.fail(d, "cannot start in "+c.Dir+": it is denied", "start in another directory")
	}
	return d == nil
}

// shown reports whether p exists inside: in what is the host's, as a place, or as a directory that
// leads to one.
func (c *computer) shown(p string) bool {
	if policy.Within(p, "/proc") || policy.Within(p, "/dev") || c.above(p).Shows == Host {
		return true
	}
	for at := range c.view {
		if policy.Within(at, p) {
			return true
		}
	}
	return slices.ContainsFunc(c.links, func(l Link) bool { return policy.Within(l.Path, p) })
}

// places lists the view, without what core makes.
func (c *computer) places() []Place {
	var all []Place
	for _, p := range slices.Sorted(maps.Keys(c.view)) {
		if at := c.view[p]; at.Shows != "" {
			all = append(all, at)
		}
	}
	return all
}

// again is what to do where the host's files changed under the eyes that looked at them.
const again = "run the command again"

func (c *computer) fail(r *policy.PathRule, summary, detail string) {
	c.problems = append(c.problems, Problem{Fatal: true, Rule: r.ID, Summary: summary, Detail: detail})
}

func (c *computer) warn(r *policy.PathRule, summary, detail string) {
	c.problems = append(c.problems, Problem{Rule: r.ID, Summary: summary, Detail: detail})
}
