//go:build linux

package restore

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/nono-run/nono/plugins/snapshot/beneath"
	"github.com/nono-run/nono/plugins/snapshot/compare"
	"github.com/nono-run/nono/plugins/snapshot/gitdir"
	"github.com/nono-run/nono/plugins/snapshot/tree"
)

// Repository is what happens to one git directory. It is a unit: what its files say belongs
// together, so all of them are given back or none.
type Repository struct {
	// Path is the git directory.
	Path string
	// Left says that it stays as it is, because of what was done in it since the session.
	Left bool
	// Since is what was done, in words; Changes is the same for a program.
	Since   []string
	Changes []gitdir.Change
	// Try are commands that would help, to be typed in the work tree.
	Try []string
	// Objects counts the objects and packs that the session added. They stay: a commit of the user's
	// may need them, and git removes those that nothing needs when it tidies up.
	Objects int
	// Unlooked counts those of them of which it is not known whether they are what their names say:
	// they cannot be read, or hold far more than their files do.
	Unlooked int

	asBefore bool // it says already what it said before
}

// repository plans for one git directory.
func (p *planner) repository(
	ctx context.Context, r Request, unit string, changes []*compare.Change,
) error {
	repo := Repository{Path: unit}
	left, leftFiles, err := p.recorded(r.After, unit)
	if err != nil {
		return err
	}
	now := gitdir.NewState()
	standing, err := p.standing(unit, func(string) []*gitdir.State { return []*gitdir.State{now} })
	if err != nil {
		p.conflict(unit, err.Error())
		return nil
	}
	for _, name := range standing {
		if gitdir.Of(name).Kind == gitdir.Lock && !leftFiles[tree.Join(unit, name)] {
			repo.Since = append(repo.Since, "git is at work in it now ("+name+")")
		}
	}
	before, _, err := p.recorded(r.Before, unit)
	if err != nil {
		return err
	}
	missing := gitdir.Compare(before, now)
	repo.asBefore = len(missing) == 0
	repo.note(neither(gitdir.Compare(left, now), missing))
	if len(repo.Since) > 0 && !p.force {
		repo.Left, repo.Try = true, try(repo.Changes, before)
		p.plan.Git = append(p.plan.Git, repo)
		return nil
	}
	return p.whole(unit, &repo, func() error {
		return p.unit(ctx, r, unit, changes, standing, &repo)
	})
}

// whole takes what is planned for a git directory into the plan, if there is no conflict in it.
func (p *planner) whole(unit string, repo *Repository, do func() error) error {
	ops, conflicts, permanent := p.ops, p.plan.Conflicts, p.plan.Permanent
	p.ops, p.plan.Conflicts = map[string]*Operation{}, nil
	if err := do(); err != nil {
		return err
	}
	unitOps, unitConflicts := p.ops, p.plan.Conflicts
	p.ops, p.plan.Conflicts = ops, conflicts
	if len(unitConflicts) > 0 {
		repo.Left = true
		for _, c := range unitConflicts {
			repo.Since = append(repo.Since, nameIn(c.Path, unit)+": "+c.Why)
		}
		p.plan.Permanent = permanent
	} else {
		for path, o := range unitOps {
			o.Git, o.InGit = unit, true
			p.ops[path] = o
		}
	}
	p.plan.Git = append(p.plan.Git, *repo)
	return nil
}

// note says in words what was done since.
func (repo *Repository) note(changes []gitdir.Change) {
	repo.Changes = changes
	for _, c := range changes {
		repo.Since = append(repo.Since, c.Explain(func(s string) string { return s }))
	}
}

// neither are the changes since one state that are changes since another, too: what is as it was in
// one of the two is nobody's work since.
func neither(since, sinceOther []gitdir.Change) []gitdir.Change {
	return slices.DeleteFunc(since, func(c gitdir.Change) bool {
		return !slices.ContainsFunc(sinceOther, func(other gitdir.Change) bool {
			return c.What == other.What && c.Repository == other.Repository && c.Name == other.Name
		})
	})
}

// inUnit is the path of something in a git directory, seen from there.
func inUnit(path, unit string) (name string, ok bool) {
	if unit == "" {
		return path, true
	}
	return strings.CutPrefix(path, unit+"/")
}

func nameIn(path, unit string) string {
	name, _ := inUnit(path, unit)
	return name
}

// try says what helps whoever committed on top of what the agent committed: to take the agent's
// commits away from beneath.
func try(changes []gitdir.Change, before *gitdir.State) []string {
	var all []string
	for _, c := range changes {
		was := before.Ref(c.Name)
		if c.What != gitdir.Ref || c.Repository != "" || !strings.HasPrefix(c.Name, "refs/heads/") ||
			c.Left == "" || c.Now == "" || was == "" || was == c.Left {
			continue
		}
		all = append(all, "git rebase --onto "+was+" "+c.Left+" "+c.Branch())
	}
	return all
}

// recorded is what a git directory said by a manifest, and which files it had.
func (p *planner) recorded(m Manifest, unit string) (*gitdir.State, map[string]bool, error) {
	state, files := gitdir.NewState(), map[string]bool{}
	err := m.entries(func(path string, e *tree.Entry) error {
		name, ok := inUnit(path, unit)
		if !ok || e.Type != tree.File {
			return nil
		}
		files[path] = true
		return p.stored(path, name, e, state)
	})
	return state, files, err
}

// stored takes into a state what the store has of a file.
func (p *planner) stored(path, name string, e *tree.Entry, state *gitdir.State) error {
	switch {
	case !gitdir.Matters(name):
		return nil
	case e.Size > gitdir.Most(name):
		state.AddLarge(name, e.Size, e.MTime)
		return nil
	}
	content, err := p.store.Open(e.Content)
	if err != nil {
		return doing("reading", path, err)
	}
	defer func() { _ = content.Close() }()
	data, err := io.ReadAll(content)
	if err != nil {
		return doing("reading", path, err)
	}
	state.Add(name, data)
	return nil
}

// standing takes each file of a git directory that says something now into the states that are for
// it, and tells which refs and locks are in it.
func (p *planner) standing(
	unit string, statesOf func(name string) []*gitdir.State,
) ([]string, error) {
	var files []string
	var walk func(dir string) error
	walk = func(dir string) error {
		d, err := p.live.dir(tree.Join(unit, dir))
		if absent(err) {
			return nil
		}
		if err != nil {
			return err
		}
		names, err := d.List()
		if err != nil {
			return err
		}
		for _, name := range names {
			at := tree.Join(dir, name)
			e, err := p.live.look(tree.Join(unit, at))
			if err != nil {
				return err
			}
			if !isDir(e) {
				switch gitdir.Of(at).Kind {
				case gitdir.Ref, gitdir.PackedRefs, gitdir.Lock:
					files = append(files, at)
				case gitdir.Other, gitdir.Object, gitdir.Head, gitdir.Index, gitdir.Log:
				}
			}
			switch {
			case isDir(e) && gitdir.Of(at+"/x").Name == "objects/x":
				// They are what their names say, and many.
			case isDir(e):
				err = walk(at)
			case isFile(e) && gitdir.Matters(at):
				err = p.take(tree.Join(unit, at), at, e, statesOf(at))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return files, walk("")
}

// take takes into states a file that is there now.
func (p *planner) take(path, name string, e *tree.Entry, states []*gitdir.State) error {
	if e.Size > gitdir.Most(name) {
		for _, s := range states {
			s.AddLarge(name, e.Size, e.MTime)
		}
		return nil
	}
	return p.live.reading(path, e, func(f *beneath.File) error {
		data, err := io.ReadAll(io.LimitReader(f, gitdir.Most(name)))
		if err != nil {
			return err
		}
		for _, s := range states {
			s.Add(name, data)
		}
		return nil
	})
}

// unit plans for all that is in a git directory.
func (p *planner) unit(
	ctx context.Context, r Request, unit string, changes []*compare.Change, standing []string,
	repo *Repository,
) error {
	unsound := map[string]bool{} // packs of which one file or another is rubbish
	added := map[string]map[string]bool{}
	for _, c := range changes {
		name := gitdir.Of(nameIn(c.Path, unit))
		pack, ok := gitdir.PackOf(strings.TrimPrefix(name.Name, "objects/"))
		if name.Kind != gitdir.Object || !ok || c.Kind() != compare.Added {
			continue
		}
		pack = name.Repository + pack
		sound, err := p.sound(ctx, c.Path, repo)
		if err != nil {
			return err
		}
		if !sound {
			unsound[pack] = true
		}
		if added[pack] == nil {
			added[pack] = map[string]bool{}
		}
		added[pack][c.Path[strings.LastIndexByte(c.Path, '.')+1:]] = true
	}
	for pack, endings := range added {
		if !endings["pack"] || !endings["idx"] {
			unsound[pack] = true
		}
	}
	for _, c := range changes {
		file := gitdir.Of(nameIn(c.Path, unit))
		before := len(p.plan.Conflicts)
		keep, err := p.keepObject(ctx, c, file, unsound, repo)
		switch {
		case err != nil:
			return err
		case keep && isFile(c.After):
			repo.Objects++
			continue
		case keep:
			continue
		}
		p.change(c)
		p.forgive(before, file.Kind, repo, c.Path, c.Before)
		if o := p.ops[c.Path]; o != nil {
			o.Rank = rankOf(file.Kind)
		}
	}
	if repo.asBefore {
		return nil
	}
	return p.rest(r.Before, unit, standing)
}

// meansTheSame reports whether a file of a directory in which nothing was done since may differ all
// the same: a ref that git stored in another way, and what it wrote about that, say what they said,
// and so do objects, which are what their names say.
func meansTheSame(k gitdir.Kind) bool {
	switch k {
	case gitdir.Object, gitdir.Ref, gitdir.PackedRefs, gitdir.Head, gitdir.Index, gitdir.Log:
		return true
	case gitdir.Other, gitdir.Lock:
	}
	return false
}

// forgive takes back the conflicts that came since there were so many, where they mean nothing.
// What the repository says already need not be written again.
func (p *planner) forgive(
	conflicts int, kind gitdir.Kind, repo *Repository, path string, want *tree.Entry,
) {
	if len(p.plan.Conflicts) == conflicts || !meansTheSame(kind) {
		return
	}
	p.plan.Conflicts = p.plan.Conflicts[:conflicts]
	if !repo.asBefore || kind == gitdir.Object {
		p.insist(path, want)
	}
}

// insist plans for what shall be at a path, whatever there is now.
func (p *planner) insist(path string, want *tree.Entry) {
	force := p.force
	p.force = true
	p.decide(path, want, nil, true)
	p.force = force
}

// keepObject reports whether something that the session added among the objects stays.
func (p *planner) keepObject(
	ctx context.Context, c *compare.Change, f gitdir.File, unsound map[string]bool,
	repo *Repository,
) (bool, error) {
	whole := p.changed[repo.Path]
	if c.Kind() != compare.Added || whole != nil && !isDir(whole.Before) {
		return false, nil // of a repository that goes as a whole nobody needs an object
	}
	if isDir(c.After) {
		name, ok := strings.CutPrefix(f.Name, "objects/")
		return ok && gitdir.Of("objects/"+name+"/"+strings.Repeat("0", 38)).Kind == gitdir.Object, nil
	}
	if f.Kind != gitdir.Object || !isFile(c.After) {
		return false, nil
	}
	if pack, ok := gitdir.PackOf(strings.TrimPrefix(f.Name, "objects/")); ok {
		return !unsound[f.Repository+pack], nil
	}
	return p.sound(ctx, c.Path, repo)
}

// sound reports whether an object's file holds what its name says. What is not there any more is
// nothing to keep.
func (p *planner) sound(
	ctx context.Context, path string, repo *Repository,
) (sound bool, err error) {
	now, err := p.live.look(path)
	if err != nil || !isFile(now) {
		return false, err
	}
	err = p.live.reading(path, now, func(f *beneath.File) error {
		sound, err = gitdir.Sound(ctx, nameIn(path, repo.Path), f, p.room)
		return err
	})
	switch {
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case err != nil:
		repo.Unlooked++
		return true, nil // whatever it is, it stays
	}
	return sound, nil
}

// rest plans for what the session did not touch, and what git stored in another way since: objects
// that it packed, refs that it packed or took out of a pack. They say the same, but would not
// beside files that are given back.
func (p *planner) rest(before Manifest, unit string, standing []string) error {
	var gone []*compare.Change
	had := map[string]bool{}
	err := before.entries(func(path string, e *tree.Entry) error {
		name, ok := inUnit(path, unit)
		if !ok {
			return nil
		}
		had[path] = true
		if p.changed[path] != nil {
			return nil
		}
		now, err := p.live.look(path)
		if err != nil {
			return err
		}
		switch kind := gitdir.Of(name).Kind; kind {
		case gitdir.Ref, gitdir.PackedRefs, gitdir.Head, gitdir.Index, gitdir.Object:
			if now == nil || kind != gitdir.Object && !(same(now, e) && now.CTime == e.CTime) {
				gone = append(gone, &compare.Change{Path: path, Before: e})
			}
		case gitdir.Other, gitdir.Log, gitdir.Lock:
			if now == nil && isDir(e) {
				gone = append(gone, &compare.Change{Path: path, Before: e})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range standing {
		if path := tree.Join(unit, name); !had[path] && p.changed[path] == nil {
			gone = append(gone, &compare.Change{Path: path})
		}
	}
	for _, c := range gone {
		p.insist(c.Path, c.Before)
		if o := p.ops[c.Path]; o != nil {
			o.Rank = rankOf(gitdir.Of(nameIn(c.Path, unit)).Kind)
		}
	}
	return nil
}

// backInRepository plans the way back in one git directory. Whether something was done in it since
// is told by the files that the journal has: the others are taken to be as they were.
func (p *planner) backInRepository(unit string, ops []*Operation, finished bool) error {
	repo := Repository{Path: unit}
	byName := map[string]*Operation{}
	for _, o := range ops {
		byName[nameIn(o.Path, unit)] = o
	}
	left, before, now := gitdir.NewState(), gitdir.NewState(), gitdir.NewState()
	standing, err := p.standing(unit, func(name string) []*gitdir.State {
		if byName[name] != nil {
			return []*gitdir.State{now}
		}
		return []*gitdir.State{now, left, before}
	})
	if err != nil {
		p.conflict(unit, err.Error())
		return nil
	}
	for name, o := range byName {
		for state, e := range map[*gitdir.State]*tree.Entry{left: o.Want, before: o.Now} {
			if !isFile(e) {
				continue
			}
			if err := p.stored(o.Path, name, e, state); err != nil {
				return err
			}
		}
	}
	for _, name := range standing {
		if gitdir.Of(name).Kind == gitdir.Lock && byName[name] == nil {
			repo.Since = append(repo.Since, "git is at work in it now ("+name+")")
		}
	}
	missing := gitdir.Compare(before, now)
	repo.asBefore = len(missing) == 0
	repo.note(neither(gitdir.Compare(left, now), missing))
	if repo.Left = len(repo.Since) > 0 && !p.force; repo.Left {
		p.plan.Git = append(p.plan.Git, repo)
		return nil
	}
	return p.whole(unit, &repo, func() error {
		for _, o := range ops {
			conflicts := len(p.plan.Conflicts)
			if err := p.back(o, finished); err != nil {
				return err
			}
			kind := gitdir.Of(nameIn(o.Path, unit)).Kind
			p.forgive(conflicts, kind, &repo, o.Path, o.Now)
			if n := p.ops[o.Path]; n != nil {
				n.Rank = o.Rank
			}
		}
		return nil
	})
}
