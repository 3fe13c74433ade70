//go:build linux

package restore

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/nono-run/nono/plugins/snapshot/compare"
	"github.com/nono-run/nono/plugins/snapshot/tree"
)

// Undo plans the way back from a journal, whether that was applied as a whole, in part or not at
// all: what it wanted becomes what it found. The plan is written and applied as any other, and can
// itself be undone.
func (j *Journal) Undo(ctx context.Context, force bool) (_ *Plan, err error) {
	done, err := j.Done()
	if err != nil {
		return nil, err
	}
	if done == nil {
		if err := j.settleAlone(ctx); err != nil {
			return nil, err
		}
	}
	p, err := newPlanner(j.Root, j.store, force)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.live.giveBack(), p.live.close()) }()
	units := map[string][]*Operation{}
	for _, o := range j.Operations {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		if o.InGit {
			units[o.Git] = append(units[o.Git], o)
			continue
		}
		c := compare.Change{Path: o.Path, Before: o.Now, After: o.Want}
		if why := c.Permanent(); why != "" {
			p.permanent(o.Path, why)
			continue
		}
		if err := p.back(o, done != nil); err != nil {
			return nil, err
		}
	}
	for _, unit := range slices.SortedFunc(maps.Keys(units), tree.Compare) {
		if err := p.backInRepository(unit, units[unit], done != nil); err != nil {
			return nil, err
		}
	}
	if err := p.peersIn(j); err != nil {
		return nil, err
	}
	return p.plan, p.finish(ctx, nil)
}

// peersIn finds files that are to be another name of one that the journal has, and that nothing has
// to be done about: an interrupted run had not come to it.
func (p *planner) peersIn(j *Journal) error {
	left := map[file]string{}
	for _, o := range j.Operations {
		if !isFile(o.Now) || o.Now.Links < 2 || p.ops[o.Path] != nil {
			continue
		}
		at, err := p.live.look(o.Path)
		if err != nil {
			return err
		}
		if same(at, o.Now) {
			left[fileOf(o.Now)] = o.Path
		}
	}
	for _, o := range p.ops {
		if isFile(o.Want) && o.WantPeer == "" {
			o.WantPeer = left[fileOf(o.Want)]
		}
	}
	return nil
}

// back plans the way back from one operation of a journal that was finished, or was not.
func (p *planner) back(o *Operation, finished bool) error {
	now, err := p.live.look(o.Path)
	if err != nil {
		p.conflict(o.Path, err.Error())
		return nil
	}
	if !finished && halfDone(o, now) {
		if err := p.live.findOut(o.Path, now, o.Now); err != nil {
			return err
		}
		p.add(&Operation{
			Path: o.Path, Now: now, Want: o.Now, WantPeer: o.NowPeer, NowPeer: o.WantPeer,
			Rank: o.Rank,
		})
		return nil
	}
	// Between the two halves of an operation there is nothing at the path.
	if left := o.Want; now != nil || !o.removes() {
		p.decide(o.Path, o.Now, left, true)
	} else {
		p.decide(o.Path, o.Now, nil, true)
	}
	if n := p.ops[o.Path]; n != nil {
		n.Rank, n.WantPeer, n.NowPeer = o.Rank, o.NowPeer, o.WantPeer
	}
	return nil
}

// halfDone reports whether something may have got some of what it was to get. A directory gets it
// last of all, and until then everything done in it moves its times; a file that stays gets one
// thing after the other.
func halfDone(o *Operation, now *tree.Entry) bool {
	if isDir(now) {
		return isDir(o.Now) || isDir(o.Want)
	}
	return o.InPlace && isFile(now) && now.Inode == o.Now.Inode && now.Size == o.Now.Size
}

// settleAlone puts back what an interrupted run took by mistake, and removes what it made ready.
func (j *Journal) settleAlone(ctx context.Context) (err error) {
	l, err := openLive(j.Root, j.store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.giveBack(), l.close()) }()
	a := j.newApplier(l)
	if _, err := l.changeable(""); err != nil {
		return err
	}
	if staged, err := a.wasStaged(); !staged || err != nil {
		return cmp.Or(err, a.removeStaging()) // nothing was changed
	}
	if a.staging, err = l.root.Dir(j.Staging); absent(err) {
		return nil
	} else if err != nil {
		return err
	}
	defer func() { _ = a.staging.Close() }()
	if err := a.settle(ctx); err != nil {
		return err
	}
	return a.clear()
}
