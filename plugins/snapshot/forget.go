//go:build linux

package snapshot

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/nono-run/nono/plugins/snapshot/restore"
	"github.com/nono-run/nono/plugins/snapshot/sessions"
	"github.com/nono-run/nono/plugins/snapshot/statcache"
	"github.com/nono-run/nono/plugins/snapshot/store"
	"github.com/nono-run/nono/plugins/snapshot/tree"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// Forget implements sdk.Forgetter.
func (*layer) Forget(
	ctx context.Context, req *sdk.ForgetRequest,
) (*sdk.ForgetResponse, error) {
	known, err := sessions.Open(filepath.Join(req.StateDir, "sessions"))
	if err != nil {
		return nil, err
	}
	dropped := false
	for _, id := range req.Sessions {
		if _, err := known.Get(id); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := known.Drop(id); err != nil {
			return nil, err
		}
		dropped = true
	}
	if !dropped {
		return &sdk.ForgetResponse{}, nil
	}
	pruned, err := prune(ctx, req.StateDir)
	return &sdk.ForgetResponse{Freed: uint64(max(pruned.Freed, 0))}, err
}

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
// done in time a later session does.
func tidy(ctx context.Context, dir string, keep *policy.SnapshotKeep, using string) error {
	stamp := filepath.Join(dir, "pruned")
	if info, err := os.Lstat(stamp); err == nil && time.Since(info.ModTime()) < tidyEvery {
		return nil
	}
	if err := os.WriteFile(stamp, nil, 0o600); err != nil {
		return err
	}
	now := time.Now()
	if err := os.Chtimes(stamp, now, now); err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, tidyPatience)
	defer cancel()
	err := surplus{keep: keep, dir: dir, using: using, now: now}.drop(within)
	if within.Err() != nil && ctx.Err() == nil {
		return nil
	}
	return err
}

// surplus is what is more than is to be kept.
type surplus struct {
	keep  *policy.SnapshotKeep
	dir   string
	using string
	now   time.Time
}

func (d surplus) drop(ctx context.Context) error {
	most, age, room := int64(keptSessions), int64(keptAge/time.Second), int64(keptSize)
	if k := d.keep; k != nil {
		for _, said := range []struct {
			is *int64
			to *int64
		}{{k.Sessions, &most}, {k.Age, &age}, {k.Size, &room}} {
			if said.is != nil {
				*said.to = *said.is
			}
		}
	}
	known, err := sessions.Open(filepath.Join(d.dir, "sessions"))
	if err != nil {
		return err
	}
	list, _, err := known.List()
	if err != nil {
		return err
	}
	var kept []*sessions.Session // that may go, the newest first
	for i, of := range list {
		old := d.now.Sub(of.Ended) > time.Duration(min(age, math.MaxInt64/int64(time.Second)))*time.Second
		switch {
		case !of.Over() || of.Kept || of.ID == d.using:
		case int64(i) >= most || old:
			if err := known.Drop(of.ID); err != nil {
				return err
			}
		default:
			kept = append(kept, of)
		}
	}
	if _, err := prune(ctx, d.dir); err != nil {
		return err
	}
	for used(d.dir) > room && len(kept) > 0 {
		gone := max(1, len(kept)/4)
		for _, of := range kept[len(kept)-gone:] {
			if err := known.Drop(of.ID); err != nil {
				return err
			}
		}
		kept = kept[:len(kept)-gone]
		if _, err := prune(ctx, d.dir); err != nil {
			return err
		}
	}
	return nil
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

// prune removes from the store what no session needs. It waits until nobody uses the store.
func prune(ctx context.Context, dir string) (store.Pruned, error) {
	st, err := store.Open(filepath.Join(dir, "store"))
	if err != nil {
		return store.Pruned{}, err
	}
	defer func() { _ = st.Close() }() // what was to be written was
	known, err := sessions.Open(filepath.Join(dir, "sessions"))
	if err != nil {
		return store.Pruned{}, err
	}
	w := &wanted{store: st, sessions: known}
	return st.Prune(ctx, store.Prune{Live: w.live, Refs: w.refs, Then: func() error {
		cache, err := statcache.Open(filepath.Join(dir, "cache"))
		if err != nil {
			return err
		}
		_, err = cache.Drop(st.Has)
		return errors.Join(err, cache.Close())
	}})
}

// wanted is what sessions need of the store: what their manifests refer to, and what the journals
// of their rollbacks do, without which those could not be undone.
type wanted struct {
	store    *store.Store
	sessions *sessions.Sessions
	journals []string
}

// live are the manifests. It is asked while the store is nobody else's.
func (w *wanted) live() ([]store.ManifestID, error) {
	list, unread, err := w.sessions.List()
	if err := errors.Join(append(unread, err)...); err != nil {
		return nil, err
	}
	var all []store.ManifestID
	for _, of := range list {
		all = append(all, of.Manifests()...)
		journals, err := w.sessions.Journals(of.ID)
		if err != nil {
			return nil, err
		}
		w.journals = append(w.journals, journals...)
	}
	return all, nil
}

// refs are what a manifest refers to. With the first one it tells of the journals: there are none
// without a session, and no session without a manifest.
func (w *wanted) refs(from io.Reader, each func(store.Digest) error) error {
	for _, dir := range w.journals {
		j, err := restore.Open(w.store, dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was not written yet
		}
		if err != nil {
			return err
		}
		j.Contents(func(d store.Digest) {
			if err == nil {
				err = each(d)
			}
		})
		if err != nil {
			return err
		}
	}
	w.journals = nil
	return refs(from, each)
}

// refs are what a manifest refers to.
func refs(from io.Reader, each func(store.Digest) error) error {
	r, err := tree.NewReader(from)
	if err != nil {
		return err
	}
	tell := func(all ...tree.Digest) error {
		for _, d := range all {
			if d == (tree.Digest{}) {
				continue
			}
			if err := each(d); err != nil {
				return err
			}
		}
		return nil
	}
	for {
		dir, err := r.NextDirectory()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = tell(dir.Xattrs)
		}
		for err == nil {
			var e *tree.Entry
			if e, err = r.Next(); err == nil {
				err = tell(e.Content, e.Xattrs)
			}
		}
		if !errors.Is(err, io.EOF) {
			return err
		}
	}
}
