package landlock

import (
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// request is what a view is compiled from.
type request struct {
	policy      *policy.Policy
	home        string
	homeName    string // HOME as the agent knows it, which may lead to the home through links; may be empty
	dir         string // the command's current directory, canonical
	tmpdir      string // TMPDIR inside; may be empty, or nonsense
	privateSize uint64
	landlock    bool // whether the kernel has Landlock
}

// compile turns the filesystem rules into steps. It decides from the request and from what the tree says, and touches nothing.
func compile(t tree, req request) *sdk.PlanResponse {
	c := &compiler{
		request: req, decide: policy.NewDecider(req.policy), tree: t, nodes: map[string]node{}, view: coreView(),
		private: map[string]fs.FileMode{}, pins: map[string]policy.RuleID{},
	}
	c.lookAtRules()
	c.findPrivate()
	c.findPins()
	for _, p := range c.places() {
		c.settle(p)
	}
	c.showLinks()
	c.showDir()
	c.grantLandlock()
	return &sdk.PlanResponse{
		Fragment:    fragment.Fragment{Steps: c.steps()},
		Coverage:    c.coverage(),
		Diagnostics: c.diagnostics,
	}
}

type compiler struct {
	request
	decide *policy.Decider
	tree   tree
	nodes  map[string]node // what stands at each path that matters; a path that could not be looked at is missing here
	names  []string        // names by which paths are known, whose links have to work inside

	view     map[string]place
	private  map[string]fs.FileMode // directories that the session has for itself, and their modes
	homePath string                 // the home, resolved
	// pins are directories that must stay where they are, each with the rule that needs it.
	pins map[string]policy.RuleID

	links       []fragment.Step
	rules       []fragment.Step // Landlock
	diagnostics []sdk.Diagnostic
}

// place is one mount of the view: what it shows, from there on down to the next.
type place struct {
	shows shows
	gives rights         // of what is shown, where it is the host's
	step  fragment.Mount // nil where core makes the mount
}

// shows is what a mount shows.
type shows string

const (
	showsNothing shows = "nothing" // the empty root, or an empty directory
	showsHost    shows = "host"    // the host's own files
	showsPrivate shows = "private" // an empty directory of the session's
	showsMask    shows = "mask"    // a denied path's stand-in
)

// rights are what the policy allows at a path.
type rights struct{ read, write, execute bool }

func (c *compiler) rights(p string) rights {
	may := func(op policy.Op) bool { return c.decide.Path(p, op).Allowed }
	return rights{may(policy.OpRead), may(policy.OpWrite), may(policy.OpExecute)}
}

// denial is the rule that denies a path, if one does.
func (c *compiler) denial(p string) *policy.PathRule {
	if d := c.decide.Path(p, policy.OpRead); !d.Allowed && d.Rule != nil && !d.Rule.Access.Grants() && d.Rule.Access != policy.Protect {
		return d.Rule
	}
	return nil
}

// ofCore reports the parts of the view that core makes for every session, whatever layer runs: they are not the host's.
func ofCore(p string) bool {
	if p == "/dev" {
		return true
	}
	for _, own := range []string{"/proc", "/dev/shm", "/dev/pts", "/dev/fd"} {
		if policy.Within(p, own) {
			return true
		}
	}
	return false
}

// coreView is the view before this layer adds to it.
func coreView() map[string]place {
	return map[string]place{"/": {shows: showsNothing}, "/proc": {shows: showsPrivate}, "/dev": {shows: showsPrivate}}
}

// above is the mount that shows p, leaving out one at p itself.
func (c *compiler) above(p string) place {
	for _, a := range ancestors(p) {
		if at, ok := c.view[a]; ok {
			return at
		}
	}
	return place{shows: showsNothing}
}

// lookAtRules asks the tree about every rule's path. A rule whose path cannot be looked at is a problem only where that may matter.
func (c *compiler) lookAtRules() {
	for _, r := range c.policy.Filesystem {
		n, ok := c.look(r)
		if !ok {
			continue
		}
		if r.Access.Grants() && !c.usable(r, n) {
			continue
		}
		c.nodes[r.Path] = n
		if r.Name != "" && r.Name != r.Path && r.Access.Grants() {
			c.names = append(c.names, r.Name)
		}
	}
}

// look asks about one rule's path.
func (c *compiler) look(r policy.PathRule) (node, bool) {
	if n, ok := c.nodes[r.Path]; ok {
		return n, true
	}
	n, err := c.tree.Lstat(r.Path)
	switch {
	case err == nil && !n.link:
		return n, true
	case err == nil:
		// The policy holds no links. Something swapped one in, and whatever this layer decided from it would be about another place.
		c.report(sdk.SeverityError, r, "the path became a symbolic link while the plan was made: "+r.Path, "run the command again")
	case r.Access.Grants():
		if r.Source.Asked() {
			c.report(sdk.SeverityWarning, r, "cannot grant what cannot be looked at: "+err.Error(), "the agent has the same rights as you, and would not reach it either")
		}
	case c.rights(path.Dir(r.Path)).read:
		// An agent that once had its parent could have taken the search permission away, to give it back to itself inside.
		c.report(sdk.SeverityError, r, "cannot hide or protect what cannot be looked at: "+err.Error(),
			"make its parent directories searchable for you, or narrow the grant that contains it")
	}
	return node{}, false
}

// usable reports whether a grant can be shown as the policy means it.
func (c *compiler) usable(r policy.PathRule, n node) bool {
	switch {
	case r.Type == policy.Missing:
		return false // it was not there when the policy was read, and gives nothing; core has said so
	case n.kind != r.Type:
		c.report(sdk.SeverityError, r, "the path changed while the plan was made: "+r.Path, "run the command again")
		return false
	case ofCore(r.Path):
		if r.Source.Asked() {
			c.report(sdk.SeverityWarning, r, r.Path+" is not the host's inside: the session has its own", "grant single devices beneath /dev if the agent needs them")
		}
		return false
	case policy.Within(r.Path, "/dev") && !r.Source.Asked():
		return false // the common devices are core's; only what the user asks for is added
	}
	if d := c.denial(r.Path); d != nil && r.Source.Asked() {
		c.report(sdk.SeverityWarning, r, "the grant of "+r.Path+" gives nothing: "+d.Path+" is denied by "+d.Source.String(), "a denial beats every grant, at any depth")
	}
	return true
}

// findPrivate settles which directories the session has for itself: the home, and those for temporary files.
func (c *compiler) findPrivate() {
	add := func(name string, mode fs.FileMode) string {
		if !path.IsAbs(name) || path.Clean(name) == "/" {
			return ""
		}
		resolved, _, err := follow(c.tree, name)
		if err != nil {
			c.diagnostics = append(c.diagnostics, sdk.Diagnostic{Severity: sdk.SeverityWarning, Summary: "cannot make a private " + name + ": " + err.Error()})
			return ""
		}
		if resolved == "/" || policy.Within(resolved, "/proc") || policy.Within(resolved, "/dev") {
			return ""
		}
		if _, ok := c.private[resolved]; ok {
			return resolved
		}
		n, err := c.tree.Lstat(resolved)
		if err != nil {
			n = node{kind: policy.Missing}
		}
		c.nodes[resolved], c.private[resolved] = n, mode
		c.names = append(c.names, name)
		return resolved
	}
	c.homePath = add(c.home, 0o700)
	if path.IsAbs(c.homeName) {
		c.names = append(c.names, c.homeName)
	}
	add("/tmp", 0o777|fs.ModeSticky)
	add("/var/tmp", 0o777|fs.ModeSticky)
	// A TMPDIR beneath /tmp or the home has to exist there too, and one elsewhere is as private as these.
	add(c.tmpdir, 0o700)
}

// isPrivate reports whether the session has its own directory at p rather than the host's. The home is the host's where a grant reaches
// it. A temporary directory is so only where a grant names it or makes it writable: with `read = ["/"]` a program must still find
// a place to write.
func (c *compiler) isPrivate(p string) bool {
	if _, ok := c.private[p]; !ok {
		return false
	}
	may := c.rights(p)
	if p == c.homePath {
		return !may.read
	}
	return !may.write && !(may.read && c.granted(p))
}

// granted reports whether a grant names exactly this path, and it is there.
func (c *compiler) granted(p string) bool {
	return c.nodes[p].exists() && slices.ContainsFunc(c.policy.Filesystem, func(r policy.PathRule) bool {
		return r.Path == p && r.Access.Grants() && r.Type != policy.Missing
	})
}

// places lists the paths at which the view may change, parents first.
func (c *compiler) places() []string {
	all := map[string]bool{}
	for p, n := range c.nodes {
		if n.exists() {
			all[p] = true
		}
	}
	for p := range c.private {
		all[p] = true
	}
	return slices.Sorted(maps.Keys(all)) // a parent is a prefix of its children, and sorts before them
}

// findPins settles which directories must not be renamed, or a rule's path would come to mean something else: those above a masked or
// protected path that lie in a directory the agent may change.
func (c *compiler) findPins() {
	for _, r := range c.policy.Filesystem {
		if r.Access.Grants() || !c.nodes[r.Path].exists() {
			continue
		}
		for _, p := range ancestors(r.Path) {
			if p == "/" || !c.rights(path.Dir(p)).write || c.denial(p) != nil {
				continue
			}
			n, err := c.tree.Lstat(p)
			if err != nil || !n.isDirectory() {
				c.report(sdk.SeverityError, r, "a directory above the path changed while the plan was made: "+p, "run the command again")
				break
			}
			c.nodes[p] = n
			if _, ok := c.pins[p]; !ok {
				c.pins[p] = r.ID
			}
		}
	}
}

// settle decides what stands at p, given what the mounts above it show, and adds a mount if that makes a difference.
func (c *compiler) settle(p string) {
	if ofCore(p) {
		return
	}
	above, may := c.above(p), c.rights(p)
	if above.shows == showsMask {
		return // nothing below a mask comes back: a denial beats every grant at any depth
	}
	deny := c.denial(p)
	switch {
	case deny != nil && deny.Path == p && c.mustMask(*deny, above):
		c.view[p] = place{shows: showsMask, step: fragment.Mask{
			For: deny.ID, Path: p, Directory: c.nodes[p].isDirectory(), Readable: !c.nodes[p].isDirectory() && !deny.Source.Asked(),
		}}
	case c.isPrivate(p) && (above.shows != showsHost || c.nodes[p].isDirectory()): // nothing can be made in what is the host's
		c.view[p] = place{shows: showsPrivate, step: fragment.Tmpfs{
			Path: p, Size: c.privateSize, Mode: c.private[p], Report: p == c.homePath,
		}}
	case may.read && c.mustBind(p, above, may):
		c.view[p] = place{shows: showsHost, gives: may, step: c.bind(p, may)}
	}
}

// mustMask reports whether a denied path needs a stand-in. Inside a grant it does. Elsewhere nothing is there to hide, but a directory
// that is denied by default shows as one that may not be entered: a program that looks for ~/.ssh is told "permission denied" rather
// than that there is none, and does not make one.
func (c *compiler) mustMask(deny policy.PathRule, above place) bool {
	switch {
	case above.shows == showsHost:
		return true
	case policy.Within(deny.Path, "/dev"):
		return deny.Source.Asked() // core may have put the device there
	}
	byDefault := func(r policy.PathRule) bool {
		return r.Path == deny.Path && r.Access == policy.Deny && !r.Source.Asked()
	}
	return c.nodes[deny.Path].isDirectory() && slices.ContainsFunc(c.policy.Filesystem, byDefault)
}

// mustBind reports whether a granted path needs a mount of its own: because nothing shows it yet, because the mount above gives other
// rights, or because it has to be pinned.
func (c *compiler) mustBind(p string, above place, may rights) bool {
	if above.shows != showsHost {
		return c.granted(p)
	}
	_, pinned := c.pins[p]
	return above.gives != may || pinned
}

// bind shows the host's own file or directory.
func (c *compiler) bind(p string, may rights) fragment.Bind {
	n := c.nodes[p]
	return fragment.Bind{
		For: c.reason(p), Path: p, Writable: may.write, NoExec: !may.execute,
		Devices: isDevice(p, n), Device: n.device, Inode: n.inode,
	}
}

// isDevice reports whether a grant is about devices: only there may device files be opened.
func isDevice(p string, n node) bool { return n.kind == policy.Special || policy.Within(p, "/dev") }

// reason is the rule that a bind at p is there for.
func (c *compiler) reason(p string) policy.RuleID {
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

// showLinks makes the links on the way to a granted or private path, unless a mount shows them anyway.
func (c *compiler) showLinks() {
	made := map[string]bool{}
	for _, r := range c.policy.Filesystem {
		if r.Access == policy.Deny && r.Name != "" && r.Name != r.Path && c.view[r.Path].shows == showsMask {
			c.names = append(c.names, r.Name) // ~/.ssh may be a link: it shows as the stub that it points to
		}
	}
	for _, name := range c.names {
		_, met, err := follow(c.tree, name)
		if err != nil {
			continue // the path itself was resolved before; only this name for it is lost
		}
		for _, l := range met {
			above := c.above(l.path)
			if made[l.path] || above.shows == showsHost || above.shows == showsMask || policy.Within(l.path, "/dev") || policy.Within(l.path, "/proc") {
				continue
			}
			made[l.path] = true
			c.links = append(c.links, fragment.Link{For: c.namer(name), Path: l.path, Target: l.target})
		}
	}
}

// namer is the rule that knows a path by this name.
func (c *compiler) namer(name string) policy.RuleID {
	for _, r := range c.policy.Filesystem {
		if r.Name == name {
			return r.ID
		}
	}
	return ""
}

// showDir sees to it that the command's current directory exists. Where nothing granted it, it is empty and cannot be written: a result
// that the agent left there would be lost without a word.
func (c *compiler) showDir() {
	if !path.IsAbs(c.dir) {
		return
	}
	if d := c.denial(c.dir); d != nil {
		c.report(sdk.SeverityError, *d, "cannot start in "+c.dir+": it is denied", "start in another directory")
		return
	}
	if c.shown(c.dir) {
		return
	}
	// The page that a tmpfs needs at least.
	c.view[c.dir] = place{shows: showsNothing, step: fragment.Tmpfs{Path: c.dir, Size: 4096, Mode: 0o555}}
}

// shown reports whether p exists in the view: the host's, a mount point, or a directory that leads to one.
func (c *compiler) shown(p string) bool {
	if policy.Within(p, "/proc") || policy.Within(p, "/dev") || c.above(p).shows == showsHost {
		return true
	}
	for at := range c.view {
		if policy.Within(at, p) {
			return true
		}
	}
	return slices.ContainsFunc(c.links, func(s fragment.Step) bool { return policy.Within(s.(fragment.Link).Path, p) })
}

// steps lists the fragment's steps, in an order that is the same each time.
func (c *compiler) steps() []fragment.Step {
	var steps []fragment.Step
	for _, p := range slices.Sorted(maps.Keys(c.view)) {
		if step := c.view[p].step; step != nil {
			steps = append(steps, step)
		}
	}
	steps = append(steps, c.links...)
	return append(steps, c.rules...)
}

func (c *compiler) report(s sdk.Severity, r policy.PathRule, summary, detail string) {
	d := sdk.Diagnostic{Severity: s, Rule: r.ID, Summary: policy.Printable(summary), Detail: policy.Printable(detail)}
	if !slices.Contains(c.diagnostics, d) {
		c.diagnostics = append(c.diagnostics, d)
	}
}
