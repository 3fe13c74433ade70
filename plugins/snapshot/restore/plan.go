//go:build linux

package restore

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"os"
	"slices"

	"github.com/nono-run/nono/plugins/snapshot/compare"
	"github.com/nono-run/nono/plugins/snapshot/gitdir"
	"github.com/nono-run/nono/plugins/snapshot/store"
	"github.com/nono-run/nono/plugins/snapshot/tree"
)

// Request is what is to be given back. The store has to be held (store.Store.Shared) from before
// Make until Apply is done.
type Request struct {
	Root  Root
	Store *store.Store
	// Before is what is to come back, After what the session left.
	Before, After Manifest
	// Paths are what to give back. A git directory is one unit: a path in it stands for all of it.
	Paths Selection
	// Contents are files that get other bytes than they had before: what the user chose from the
	// differences. With it, an empty Paths is nothing.
	Contents map[string][]byte
	// Force gives back also what was changed since the session.
	Force bool
	// Progress, if not nil, is called by Make now and then with how much was done, of how much.
	Progress Progress
}

// Plan is what would be done. Nothing was done yet.
type Plan struct {
	Root Root
	// Operations are what would be done, in order of their paths.
	Operations []*Operation
	// Conflicts are what the user changed since, and what stays as it is.
	Conflicts []Note
	// Permanent is what the session changed, and what cannot be given back.
	Permanent []Note
	// Git says what happens to the git directories in which something changed.
	Git []Repository
	// Progress, if not nil, is called by Write now and then with how much was done, of how much.
	Progress Progress

	store *store.Store
}

// Changes are what the user would call the changes, in order of their paths: what is renamed is
// one, and so is a git directory; that a directory in which something is done keeps its times is
// none.
func (p *Plan) Changes() []*compare.Change { return changesIn(p.Operations) }

// changesIn are the changes that operations make. Those are made anew at each call.
func changesIn(ops []*Operation) []*compare.Change {
	var paths, units []*compare.Change
	seen := map[string]bool{}
	for _, o := range ops {
		c := &compare.Change{Path: o.Path, Before: o.Now, After: o.Want}
		if o.Now != nil && o.Want != nil {
			if c.What = compare.Entries(o.Now, o.Want); c.What&^compare.Times == 0 {
				continue
			}
		}
		switch {
		case !o.InGit:
			paths = append(paths, c)
		case !seen[o.Git]:
			seen[o.Git] = true
			units = append(units, &compare.Change{Path: o.Git, Git: o.Git, InGit: true})
		}
	}
	all := append(compare.Renames(paths), units...)
	slices.SortFunc(all, func(a, b *compare.Change) int { return tree.Compare(a.Path, b.Path) })
	return all
}

// Make looks at the tree and says what is to be done. It changes nothing, but that directories
// which the session left without rights are opened up while it looks into them.
func Make(ctx context.Context, r Request) (_ *Plan, err error) {
	p, err := newPlanner(r.Root, r.Store, r.Force)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.live.giveBack(), p.live.close()) }()
	changes, err := changesOf(ctx, r.Before, r.After)
	if err != nil {
		return nil, err
	}
	for _, c := range changes {
		p.changed[c.Path] = c
	}
	if len(r.Paths) > 0 || r.Contents == nil {
		if err := p.changes(ctx, r, changes); err != nil {
			return nil, err
		}
	}
	if err := p.contents(r.Contents); err != nil {
		return nil, err
	}
	if err := p.finish(ctx, r.Before); err != nil {
		return nil, err
	}
	return p.plan, nil
}

// changesOf lists the changes of a session.
func changesOf(ctx context.Context, before, after Manifest) (all []*compare.Change, err error) {
	err = before.read(func(b *tree.Reader) error {
		return after.read(func(a *tree.Reader) error {
			return compare.Manifests(b, a, func(c *compare.Change) error {
				all = append(all, c)
				return context.Cause(ctx)
			})
		})
	})
	return all, err
}

// planner makes a plan.
type planner struct {
	live  *live
	store *store.Store
	force bool
	plan  *Plan
	ops   map[string]*Operation
	// changed are the paths that the session changed, chosen or not.
	changed map[string]*compare.Change
	// hidden are directories whose entries the session left unknown, and whether they are as it left
	// them.
	hidden map[string]bool
	// relink are operations for nothing but which names are one file.
	relink map[*Operation]bool
	// room is for objects of git's that hold more than their files do.
	room *gitdir.Room
}

func newPlanner(root Root, st *store.Store, force bool) (*planner, error) {
	l, err := openLive(root, st)
	if err != nil {
		return nil, err
	}
	return &planner{
		live: l, store: st, force: force, plan: &Plan{Root: root, store: st},
		ops: map[string]*Operation{}, changed: map[string]*compare.Change{},
		hidden: map[string]bool{}, relink: map[*Operation]bool{},
		room: gitdir.NewRoom(gitdir.EnoughRoom),
	}, nil
}

func (p *planner) conflict(path, why string) {
	p.plan.Conflicts = append(p.plan.Conflicts, Note{Path: path, Why: why})
}

func (p *planner) permanent(path, why string) {
	p.plan.Permanent = append(p.plan.Permanent, Note{Path: path, Why: why})
}

// changes plans what is chosen of a session's changes.
func (p *planner) changes(ctx context.Context, r Request, all []*compare.Change) error {
	units := map[string][]*compare.Change{}
	m := meter{tell: r.Progress, total: int64(len(all))}
	for _, c := range all {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		m.add(1)
		if c.InGit {
			units[c.Git] = append(units[c.Git], c)
			continue
		}
		if isDir(c.After) && c.After.Why != "" && r.Paths.touches(c.Path) {
			p.unknownBeneath(c)
		}
		if !r.Paths.has(c.Path) && !p.needed(r.Paths, c) {
			continue
		}
		p.change(c)
	}
	for _, unit := range slices.SortedFunc(maps.Keys(units), tree.Compare) {
		if !r.Paths.touches(unit) {
			continue
		}
		if err := p.repository(ctx, r, unit, units[unit]); err != nil {
			return err
		}
	}
	return nil
}

// needed reports whether something that is chosen cannot be put in its place without this: a
// directory that is gone, or that is something else now.
func (p *planner) needed(s Selection, c *compare.Change) bool {
	if !isDir(c.Before) || isDir(c.After) {
		return false
	}
	return slices.ContainsFunc(s, func(chosen string) bool {
		return within(chosen, c.Path)
	})
}

// change plans for one change of the session.
func (p *planner) change(c *compare.Change) {
	if why := c.Permanent(); why != "" {
		if c.OnlyTimes() {
			return
		}
		p.permanent(c.Path, why)
		return
	}
	p.decide(c.Path, c.Before, c.After, c.Kind() != compare.Unknown)
}

// unknownBeneath looks into a directory that could not be read when the session ended.
func (p *planner) unknownBeneath(c *compare.Change) {
	now, names, err := p.live.list(c.Path)
	if err != nil {
		p.permanent(c.Path, "what is in it cannot be looked at: "+err.Error())
		return
	}
	// To look into it moves the time of its last change.
	p.hidden[c.Path] = isDir(now) && now.Inode == c.After.Inode && now.Mode == c.After.Mode &&
		now.MTime == c.After.MTime
	for _, name := range names {
		if at := tree.Join(c.Path, name); p.changed[at] == nil {
			p.permanent(at, "it was made where nobody could look, and is left")
		}
	}
}

// asLeft reports whether a path of which the session's end is not known is as it was then.
func (p *planner) asLeft(path string) bool {
	for {
		dir, _ := split(path)
		if as, ok := p.hidden[dir]; ok {
			return as
		}
		if dir == "" {
			return false
		}
		path = dir
	}
}

// decide looks at what there is now and says what becomes of it. left is what the session left, if
// that is known.
func (p *planner) decide(path string, want, left *tree.Entry, known bool) {
	now, since, missing, err := p.find(path, want, left, known)
	switch {
	case err != nil:
		p.conflict(path, err.Error())
		return
	case missing == 0:
		return
	}
	// Whoever restored a file before has another inode than was recorded, and nobody's work is lost
	// by taking it for the same.
	mine := since &^ (compare.Times | compare.Linked)
	o := &Operation{Path: path, Now: now, Want: want, Rank: RankFile}
	switch {
	case missing == compare.Times:
		// The user touched it, or something in it.
		if since&compare.Times != 0 || !known || left == nil {
			return
		}
	case mine != 0 && missing&^(compare.Times|compare.Linked) == 0:
		return // as it was before, but for which names are one file: given back by an earlier run
	case mine != 0 && !p.force:
		p.conflict(path, sinceText(now, left, known, mine))
		return
	case isDir(now) && isDir(want) && (left == nil || now.MTime != left.MTime):
		want := *want
		want.MTime = now.MTime
		o.Want = &want
	}
	p.relink[o] = missing&^compare.Times == compare.Linked
	p.add(o)
}

// find says what there is, what was changed in it since the session, and what it lacks.
func (p *planner) find(path string, want, left *tree.Entry, known bool) (
	now *tree.Entry, since, missing compare.What, err error,
) {
	if now, err = p.live.look(path); err != nil {
		return nil, 0, 0, err
	}
	if known {
		since, err = p.live.differ(path, now, left)
	} else if !p.asLeft(path) {
		since = compare.Opaque
	}
	if err != nil {
		return nil, 0, 0, err
	}
	missing, err = p.live.differ(path, now, want)
	return now, since, missing, err
}

func sinceText(now, left *tree.Entry, known bool, since compare.What) string {
	switch {
	case !known:
		return "what the session left there is not known, and it is not as before"
	case now == nil:
		return "it was removed since"
	case left == nil:
		return "it was made since"
	case since&compare.Type != 0:
		return "it is something else since"
	}
	return "changed since: " + since.String()
}

// add takes an operation into the plan, if what it needs is there.
func (p *planner) add(o *Operation) {
	if isFile(o.Want) && o.bytes == nil && !p.store.Has(o.Want.Content) {
		p.permanent(o.Path, "the store does not have what it held")
		return
	}
	if o.Want != nil && o.Want.Xattrs != (tree.Digest{}) &&
		!p.store.Has(o.Want.Xattrs) {
		p.permanent(o.Path, "the store does not have its attributes")
		return
	}
	p.ops[o.Path] = o
}

// contents plans for files that get bytes of the user's choice.
func (p *planner) contents(contents map[string][]byte) error {
	for path, bytes := range contents {
		c := p.changed[path]
		if c == nil || c.InGit || !isFile(c.Before) && !isFile(c.After) {
			return doing("choosing parts of", path, errors.New("the session changed no such file"))
		}
		now, err := p.live.look(path)
		if err != nil {
			return err
		}
		since, err := p.live.differ(path, now, c.After)
		if err != nil {
			return err
		}
		if mine := since &^ (compare.Times | compare.Linked); mine != 0 && !p.force {
			p.conflict(path, sinceText(now, c.After, true, mine))
			continue
		}
		like := c.Before
		if isFile(now) {
			like = now
		}
		if !isFile(like) {
			p.conflict(path, "it is no file now")
			continue
		}
		want := *like
		want.Size, want.MTime, want.Links = int64(len(bytes)), nowTime(), 1
		want.Content = tree.Digest{} // which is known when they are stored
		p.add(&Operation{
			Path: path, Now: now, Want: &want, Rank: RankFile, bytes: slices.Clip(bytes),
		})
	}
	return nil
}

// finish completes the plan: hard links, and the directories in which something is done.
func (p *planner) finish(ctx context.Context, before Manifest) error {
	if before != nil {
		if err := p.peers(before); err != nil {
			return err
		}
	}
	if err := p.peersNow(ctx); err != nil {
		return err
	}
	p.dropLinked()
	p.inPlace()
	if err := p.directories(); err != nil {
		return err
	}
	p.plan.Operations = slices.SortedFunc(maps.Values(p.ops), byPath)
	byNote := func(a, b Note) int { return tree.Compare(a.Path, b.Path) }
	slices.SortFunc(p.plan.Conflicts, byNote)
	slices.SortFunc(p.plan.Permanent, byNote)
	return nil
}

// peers finds, for files that shall have several names, one that is not touched: a name that the
// manifest has, that the session did not change, and that is still the same file.
func (p *planner) peers(before Manifest) error {
	wanted := p.linked(func(o *Operation) *tree.Entry { return o.Want })
	if len(wanted) == 0 {
		return nil
	}
	return before.entries(func(path string, e *tree.Entry) error {
		ops := wanted[fileOf(e)]
		if len(ops) == 0 || e.Type != tree.File || p.ops[path] != nil || p.changed[path] != nil {
			return nil
		}
		at, err := p.live.look(path)
		if err != nil || !same(at, e) {
			return nil //nolint:nilerr // then it is no peer
		}
		for _, o := range ops {
			o.WantPeer = path
		}
		return nil
	})
}

// peersNow finds, for files that have several names, one that is not touched. The tree itself is
// looked through: no manifest has a name that was made since, or that nobody could look at.
func (p *planner) peersNow(ctx context.Context) error {
	wanted := p.linked(func(o *Operation) *tree.Entry { return o.Now })
	for f, ops := range wanted {
		if len(ops) >= int(ops[0].Now.Links) {
			delete(wanted, f) // all of its names are in the plan
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	return p.live.walk(ctx, func(path string, e *tree.Entry) (more bool) {
		if ops := wanted[fileOf(e)]; isFile(e) && len(ops) > 0 && p.ops[path] == nil {
			for _, o := range ops {
				o.NowPeer = path
			}
			delete(wanted, fileOf(e))
		}
		return len(wanted) > 0
	})
}

// linked are the operations on files that have several names, by those files.
func (p *planner) linked(side func(*Operation) *tree.Entry) map[file][]*Operation {
	all := map[file][]*Operation{}
	for _, o := range p.ops {
		if e := side(o); isFile(e) && e.Links > 1 {
			all[fileOf(e)] = append(all[fileOf(e)], o)
		}
	}
	return all
}

// dropLinked takes out what only looks as if names had to be joined: they are one file already, of
// another inode than was recorded.
func (p *planner) dropLinked() {
	groups := map[file][]*Operation{}
	for _, o := range p.ops {
		if isFile(o.Want) && o.Want.Links > 1 {
			groups[fileOf(o.Want)] = append(groups[fileOf(o.Want)], o)
		}
	}
	for _, ops := range groups {
		joined := ops[0].WantPeer == "" && len(ops) > 1
		for _, o := range ops {
			joined = joined && p.relink[o] && fileOf(o.Now) == fileOf(ops[0].Now) &&
				o.Now.Links == ops[0].Want.Links
		}
		if joined {
			for _, o := range ops {
				delete(p.ops, o.Path)
			}
		}
	}
}

// inPlace finds the files that need not be written anew. Whoever changes the mode of a file that
// has names elsewhere changes it there too: so all of its names must be in the plan.
func (p *planner) inPlace() {
	fits := map[file][]*Operation{}
	for _, o := range p.ops {
		if !isFile(o.Now) || !isFile(o.Want) || o.bytes != nil || !sameFile(o) {
			continue
		}
		fits[fileOf(o.Now)] = append(fits[fileOf(o.Now)], o)
	}
	for _, ops := range fits {
		if len(ops) == int(ops[0].Now.Links) {
			for _, o := range ops {
				o.InPlace = true
			}
		}
	}
}

func sameFile(o *Operation) bool {
	return o.Now.Inode == o.Want.Inode && o.Now.Device == o.Want.Device &&
		o.Now.Links == o.Want.Links && o.Now.Content == o.Want.Content &&
		o.Now.Content != (tree.Digest{})
}

// directories adds those in which names change, for their times, and those that have to be opened
// up, for their modes: for what is in them, or for another name of it.
func (p *planner) directories() error {
	changes := map[string]bool{} // whether a name in it does
	reached := func(path string, moves bool) {
		for at := path; at != ""; at, _ = split(at) {
			dir, _ := split(at)
			if _, seen := changes[dir]; seen && at != path {
				break
			}
			changes[dir] = changes[dir] || at == path && moves
		}
	}
	for _, o := range p.ops {
		reached(o.Path, o.moves())
		reached(o.WantPeer, false)
	}
	if len(p.ops) > 0 {
		changes[""] = true // the staging directory comes and goes in it
	}
	for dir, moves := range changes {
		if p.ops[dir] != nil {
			continue
		}
		now, err := p.live.look(dir)
		if err != nil {
			return err
		}
		opened := isDir(now) && now.Mode&0o700 != 0o700 && os.Geteuid() != 0
		if isDir(now) && (moves || opened) {
			if err := p.keep(dir, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// keep plans that a directory is afterwards as it is now.
func (p *planner) keep(path string, now *tree.Entry) error {
	if err := p.live.findOut(path, now, nil); err != nil {
		return err
	}
	want := *now
	p.ops[path] = &Operation{Path: path, Now: now, Want: &want, Rank: RankFile}
	return nil
}

// rankOf is when a file of a git directory is put in its place.
func rankOf(k gitdir.Kind) Rank {
	switch k {
	case gitdir.Object:
		return RankObject
	case gitdir.Ref, gitdir.PackedRefs:
		return RankRef
	case gitdir.Index:
		return RankIndex
	case gitdir.Head:
		return RankHead
	case gitdir.Other, gitdir.Log, gitdir.Lock:
	}
	return RankGit
}

// inOrder sorts files into the order in which they are put in their places.
func inOrder(a, b *Operation) int {
	return cmp.Or(cmp.Compare(a.Rank, b.Rank), byPath(a, b))
}
