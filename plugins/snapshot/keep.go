//go:build linux

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nono-run/nono/plugins/snapshot/sessions"
	"github.com/nono-run/nono/plugins/snapshot/store"
	"github.com/nono-run/nono/sdk/policy"
)

// How much is kept where the user says nothing, and for how long somebody is kept waiting while
// what is more is removed.
const (
	keptSessions = 100
	keptAge      = 30 * 24 * time.Hour
	keptSize     = 20 << 30
	tidyPatience = 10 * time.Second
	tidyEvery    = time.Hour
)

// tidy drops what is more than is to be kept, once an hour: the oldest first, and never the session
// that has just ended, one that is not over, or one of which not all could be put back. What is not
// done in time a later session does. It returns what the user should know of it.
func tidy(
	ctx context.Context, dir string, keep *policy.SnapshotKeep, using string,
) (lines []string, err error) {
	stamp := filepath.Join(dir, "pruned")
	if info, err := os.Lstat(stamp); err == nil && time.Since(info.ModTime()) < tidyEvery {
		return nil, nil
	}
	if err := os.WriteFile(stamp, nil, 0o600); err != nil {
		return nil, err
	}
	now := time.Now()
	if err := os.Chtimes(stamp, now, now); err != nil {
		return nil, err
	}
	within, cancel := context.WithTimeout(ctx, tidyPatience)
	defer cancel()
	known, err := sessions.Open(filepath.Join(dir, "sessions"))
	if err != nil {
		return nil, err
	}
	d := surplus{bounds: boundsOf(keep), dir: dir, using: using, now: now, known: known}
	err = d.drop(within)
	if within.Err() != nil && ctx.Err() == nil {
		err = nil
	}
	return append(d.damaged, d.says()...), err
}

// bounds are how much is kept.
type bounds struct {
	sessions int64
	age      time.Duration
	size     int64
}

func boundsOf(keep *policy.SnapshotKeep) bounds {
	b := bounds{keptSessions, keptAge, keptSize}
	if keep == nil {
		return b
	}
	if keep.Sessions != nil {
		b.sessions = *keep.Sessions
	}
	if keep.Age != nil {
		b.age = time.Duration(min(*keep.Age, math.MaxInt64/int64(time.Second))) * time.Second
	}
	if keep.Size != nil {
		b.size = *keep.Size
	}
	return b
}

// most is what the snapshots of one session may take of the room for all. An agent writes what it
// likes, and all of it is stored: without this it could write until the snapshots of every session
// before it are gone, and with them what was done there.
func (b bounds) most() int64 { return b.size / 2 }

// surplus is what is more than is to be kept.
type surplus struct {
	bounds

	dir   string
	using string
	now   time.Time
	known *sessions.Sessions

	forRoom []string // the sessions that went because of the size
	own     int64    // what the session that has just ended takes, where that is too much
	damaged []string
}

func (d *surplus) drop(ctx context.Context) error {
	list, _, err := d.known.List()
	if err != nil {
		return err
	}
	var kept []*sessions.Session // that may go, the newest first
	for i, of := range list {
		switch {
		case !of.Over() || of.Kept || of.ID == d.using:
		case int64(i) >= d.sessions || d.now.Sub(of.Ended) > d.age:
			if err := d.known.Drop(of.ID); err != nil {
				return err
			}
		default:
			kept = append(kept, of)
		}
	}
	for {
		done, err := prune(ctx, d.dir)
		if err != nil {
			return err
		}
		d.damaged = done.damaged
		taken := used(d.dir)
		if taken <= d.size || len(kept) == 0 {
			return nil
		}
		going, err := d.next(ctx, kept, taken)
		if err != nil || len(going) == 0 {
			return err
		}
		for _, of := range going {
			if err := d.known.Drop(of.ID); err != nil {
				return err
			}
			d.forRoom = append(d.forRoom, of.ID)
		}
		kept = slices.DeleteFunc(kept, func(of *sessions.Session) bool {
			return slices.Contains(going, of)
		})
	}
}

// next are the sessions that go next, of those that are kept: the oldest of the ones that have
// brought more than they may, and else the oldest of all.
func (d *surplus) next(
	ctx context.Context, kept []*sessions.Session, taken int64,
) ([]*sessions.Session, error) {
	own, brought, err := d.shares(ctx)
	if err != nil {
		return nil, err
	}
	over := slices.DeleteFunc(slices.Clone(kept), func(of *sessions.Session) bool {
		return brought[of.ID] <= d.most()
	})
	if own > d.most() {
		d.own = own
		taken -= own - d.most() // it cannot go, and does not count against the others
	}
	switch {
	case taken <= d.size:
		return nil, nil
	case len(over) > 0:
		kept = over
	}
	return kept[len(kept)-max(1, len(kept)/4):], nil
}

// shares is how much is stored for the session that has just ended, and what each of the others has
// brought beside that: what an earlier one has too is that one's.
func (d *surplus) shares(ctx context.Context) (own int64, brought map[string]int64, err error) {
	st, err := store.Open(filepath.Join(d.dir, "store"))
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	release, err := st.Shared(ctx)
	if err != nil {
		return 0, nil, err
	}
	defer release()
	list, _, err := d.known.List()
	if err != nil {
		return 0, nil, err
	}
	slices.Reverse(list)
	groups := [][]store.ManifestID{nil}
	for _, of := range list {
		groups = append(groups, of.Manifests())
		if of.ID == d.using {
			groups[0] = of.Manifests()
		}
	}
	sizes, err := st.Shares(ctx, groups, refs)
	if err != nil {
		return 0, nil, err
	}
	brought = make(map[string]int64, len(list))
	for i, of := range list {
		brought[of.ID] = sizes[i+1]
	}
	return sizes[0], brought, nil
}

// says is what the user should know: which snapshots went to make room, and that those of this
// session will.
func (d *surplus) says() (lines []string) {
	if len(d.forRoom) > 0 {
		lines = append(lines, fmt.Sprintf("the snapshots of %s were removed, to keep no more than %s "+
			"(keep.size): %s", plural(len(d.forRoom), "session"), size(d.size),
			strings.Join(d.forRoom, ", ")))
	}
	if d.own > 0 {
		lines = append(lines, fmt.Sprintf("the snapshots of this session hold %s, more than half of "+
			"%s (keep.size): they will go before those of earlier sessions", size(d.own), size(d.size)))
	}
	return lines
}

// used is how many bytes the store takes.
func used(dir string) int64 {
	n := int64(0)
	_ = filepath.WalkDir(filepath.Join(dir, "store"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // what cannot be seen counts nothing
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
		return nil
	})
	return n
}
