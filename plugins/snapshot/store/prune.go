//go:build linux

package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Prune is what to keep.
type Prune struct {
	// Live are the manifests to keep. It is asked while nobody else uses the store, once for each
	// time that Prune holds it: what a session has sealed before it let the store go must be among
	// them.
	Live func() ([]ManifestID, error)
	Refs Refs
	// Also, if not nil, calls a function with each digest that is to be kept beside what the manifests
	// refer to. It is asked after Live.
	Also func(each func(Digest) error) error
	// Then, if not nil, is called before others may use the store again: to have a cache forget what
	// is gone.
	Then func() error
}

// Pruned is what became of it.
type Pruned struct {
	Freed     int64 // bytes of the disk
	Manifests int   // that were removed
	Objects   int   // that are not there any more
	// Missing are the objects that live manifests refer to and that are damaged or not there. They
	// were so before.
	Missing int
	// Broken are the live manifests that are damaged or not there. Nobody can read what only they
	// referred to, so it is removed; what another one refers to is kept.
	Broken []Broken
}

const (
	// smallPack is a pack that is merged with others when there are many such.
	smallPack = 4 << 20
	manySmall = 16
	// breather is how long others may take the store between two times that Prune holds it.
	breather = 50 * time.Millisecond
)

// packFull ends a pack that Prune writes, so that what it replaces can be removed. It is the room
// that Prune needs, and what others may have to wait for. Tests have it smaller.
var packFull int64 = 256 << 20

// Prune removes the manifests that are not live, and what only they referred to. It waits until
// nobody else uses the store, and lets others have it now and then. However it is interrupted, what
// is live is whole: a manifest is removed before its objects, and a pack after those that replace
// it are safe.
func (s *Store) Prune(ctx context.Context, q Prune) (Pruned, error) {
	p := &pruning{Store: s, Prune: q, ctx: ctx, damaged: map[string]bool{}}
	for {
		if err := p.once(); err != nil {
			return p.Pruned, fmt.Errorf("pruning: %w", err)
		}
		if !p.more {
			return p.Pruned, nil
		}
		select { // the lock knows no order, and who waits for it has to be awake to take it
		case <-time.After(breather):
		case <-ctx.Done():
			return p.Pruned, fmt.Errorf("pruning: %w", context.Cause(ctx))
		}
	}
}

// pruning is a Prune that goes on.
type pruning struct {
	*Store
	Prune
	Pruned
	ctx     context.Context
	damaged map[string]bool // packs that are left as they are

	unreadable int // objects in those

	// Of one time that it holds the store:
	x       *index
	live    marks
	rewrite *Pack         // that is being written
	done    []*sealedPack // whose live objects are all in it
	more    bool          // there is more to be written anew
}

// once holds the store, and does all that is to be done but for writing packs anew: of that it does
// one pack's worth.
func (p *pruning) once() error {
	unlock, err := p.lock(p.ctx, unix.LOCK_EX)
	if err != nil {
		return fmt.Errorf("waiting until nobody uses the store: %w", err)
	}
	defer unlock()
	p.shared.Add(1)
	defer p.shared.Add(-1)
	before, err := p.used()
	if err != nil {
		return err
	}
	p.more = false
	err = p.run()
	if p.Then != nil {
		err = errors.Join(err, p.Then())
	}
	after, usedErr := p.used()
	p.Freed += before - after
	return errors.Join(err, usedErr)
}

func (p *pruning) run() error {
	// What is not safe is made so first, so that there is one kind of name.
	if err := p.Sync(p.ctx); err != nil {
		return err
	}
	if err := p.load(); err != nil {
		return err
	}
	p.mu.RLock()
	p.x = p.index
	all := slices.Clone(p.packs)
	objects, bad := p.x.len(), len(p.Store.damaged)
	p.mu.RUnlock()
	if err := p.mark(); err != nil {
		return err
	}
	err := p.rewritePacks(all)
	if p.rewrite != nil {
		err = errors.Join(err, p.rewrite.Discard())
	}
	if err == nil && bad > 0 && p.Missing == 0 {
		err = p.removeDamaged()
	}
	err = errors.Join(err, p.load())
	p.Pruned.Objects += objects - p.Store.Objects()
	return err
}

// mark finds what is live, and removes the manifests that are not.
func (p *pruning) mark() error {
	p.live = newMarks(p.x)
	live, err := p.Live()
	if err != nil {
		return fmt.Errorf("what is to be kept: %w", err)
	}
	missing := map[Digest]bool{}
	absent := func(d Digest, _ error) { missing[d] = true }
	p.Broken = nil
	for _, id := range live {
		if p.ctx.Err() != nil {
			return context.Cause(p.ctx)
		}
		err := p.refer(id, p.Refs, p.x, p.live.set, absent)
		switch {
		case errors.Is(err, errDamaged), errors.Is(err, ErrMissing):
			p.Broken = append(p.Broken, Broken{Manifest: id, Why: err})
		case err != nil:
			return err // it may be read another time, and until then nobody knows what it needs
		}
	}
	if p.Also != nil {
		follow, done := p.follow(p.x, p.live.set, absent)
		err := p.Also(follow)
		done()
		if err != nil {
			return fmt.Errorf("what is to be kept: %w", err)
		}
	}
	p.Missing = len(missing) + p.unreadable
	there, err := p.Store.Manifests()
	if err != nil {
		return err
	}
	for _, id := range there {
		if slices.Contains(live, id) {
			continue
		}
		if err := p.disk.remove(manifests + "/" + id.String()); ignore(err, fs.ErrNotExist) != nil {
			return err
		}
		p.Pruned.Manifests++
	}
	return p.disk.syncDir(manifests)
}

// liveIn is what is live in a pack.
type liveIn struct {
	pack  *sealedPack
	at    []int // positions in the index, in the order of the file
	bytes int64
	used  int64
}

// rewritePacks removes the packs in which nothing lives, and writes anew those in which much does
// not.
func (p *pruning) rewritePacks(all []*sealedPack) error {
	packs := make([]liveIn, len(all))
	for i := range packs {
		packs[i].pack = all[i]
		f, err := all[i].open(p.disk)
		if err != nil {
			return err
		}
		if packs[i].used, err = f.used(); err != nil {
			return err
		}
	}
	for i := range p.x.len() {
		if e := p.x.at(i); p.live.has(i) {
			in := &packs[e.pack]
			in.at = append(in.at, i)
			in.bytes += recordSize + int64(e.stored) + entrySize
		}
	}
	small := 0
	for i := range packs {
		if len(packs[i].at) == 0 {
			p.done = append(p.done, packs[i].pack)
		} else if packs[i].bytes < smallPack {
			small++
		}
	}
	if err := p.removeDone(); err != nil {
		return err
	}
	for i := range packs {
		in := &packs[i]
		dead := in.used - in.bytes
		if len(in.at) == 0 || p.damaged[in.pack.id] || !in.pack.suspect &&
			dead <= in.used/4 && (in.bytes >= smallPack || small < manySmall) {
			continue
		}
		if p.rewrite.size() >= packFull {
			p.more = true
			break
		}
		if err := p.rewritePack(in); err != nil {
			return err
		}
	}
	return p.replace()
}

// rewritePack copies what lives in a pack into the one that is being written. Where something is
// found to be damaged the old pack stays, and is marked; what was marked before goes.
func (p *pruning) rewritePack(in *liveIn) error {
	if p.rewrite == nil {
		next, err := p.NewPack()
		if err != nil {
			return err
		}
		next.anew = true
		p.rewrite = next
	}
	slices.SortFunc(in.at, func(a, b int) int {
		return cmp.Compare(p.x.at(a).offset, p.x.at(b).offset)
	})
	f, err := in.pack.open(p.disk)
	if err != nil {
		return err
	}
	sp := get(1)
	defer sp.put()
	whole := true
	for _, i := range in.at {
		if p.ctx.Err() != nil {
			return context.Cause(p.ctx)
		}
		e := *p.x.at(i)
		raw, err := readRecord(f, &e, sp)
		switch {
		case errors.Is(err, errDamaged):
			p.Missing++
			if whole = false; !in.pack.suspect {
				p.unreadable++ // else it is gone, and found to be so the next time
			}
		case err != nil:
			return fmt.Errorf("%s/%s: %w", packs, in.pack.id, err)
		default:
			if err := p.rewrite.copyObject(f, &e, raw, sp); err != nil {
				return err
			}
		}
	}
	if whole || in.pack.suspect {
		p.done = append(p.done, in.pack)
		return nil
	}
	p.damaged[in.pack.id] = true
	return p.suspectPack(in.pack)
}

// replace makes the new pack safe, and then removes those that it replaces.
func (p *pruning) replace() error {
	if p.rewrite == nil {
		return nil
	}
	if err := p.rewrite.Seal(true); err != nil {
		return err
	}
	p.rewrite = nil
	return p.removeDone()
}

func (p *pruning) removeDone() error {
	for _, old := range p.done {
		old.close()
		for _, ending := range []string{safe, suspect} {
			err := p.disk.remove(packs + "/" + old.id + ending)
			if ignore(err, fs.ErrNotExist) != nil {
				return err
			}
		}
	}
	p.done = nil
	return p.disk.syncDir(packs)
}

// removeDamaged removes packs that nobody can read, where nothing is missing that lives.
func (p *pruning) removeDamaged() error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for id, pack := range p.known {
		if pack != nil {
			continue
		}
		if err := p.disk.remove(packs + "/" + id + safe); ignore(err, fs.ErrNotExist) != nil {
			return err
		}
	}
	return nil
}

// copyObject adds an object of another pack as it is, or smaller. Blocks that it shares with a file
// stay shared.
func (p *Pack) copyObject(from file, e *entry, raw []byte, sp *space) error {
	// What lies at the beginning of a block was cloned when it was put, nearly always.
	at := e.offset + recordSize
	if source := from.source(); source != nil && e.codec == codecRaw && at%blockSize == 0 {
		_, cloned, err := p.clone(source, at, int(e.raw))
		if cloned || err != nil {
			return err
		}
	}
	next := entry{digest: e.digest, kind: e.kind, raw: e.raw}
	var err error
	stored := sp.stored[recordSize:][:e.stored] // where readRecord has left it
	if next.codec, stored, err = recompress(e.codec, raw, stored); err != nil {
		return err
	}
	mine, err := p.begin(next)
	if err != nil || !mine {
		return err
	}
	return p.finish(next, stored)
}

// suspectPack marks a pack in which something is damaged.
func (s *Store) suspectPack(p *sealedPack) error {
	f, err := s.disk.create(packs + "/" + p.id + suspect)
	if err == nil {
		f.close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.suspect = true
	clear(s.wholeLists)
	return ignore(err, fs.ErrExist)
}

// size is what has been put into the pack.
func (p *Pack) size() int64 {
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tail.end()
}

// used is what the store takes of the disk.
func (s *Store) used() (int64, error) {
	total := int64(0)
	for _, dir := range []string{packs, manifests} {
		names, err := s.list(dir)
		if err != nil {
			return 0, err
		}
		for _, n := range names {
			f, err := s.disk.open(dir + "/" + n.String())
			if err != nil {
				return 0, err
			}
			used, err := f.used()
			f.close()
			if err != nil {
				return 0, err
			}
			total += used
		}
	}
	return total, nil
}
