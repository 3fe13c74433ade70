//go:build linux

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

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
	for _, line := range pruned.damaged {
		sdk.Logger().Error(line)
	}
	return &sdk.ForgetResponse{Freed: uint64(max(pruned.Freed, 0))}, err
}

// pruned is what became of the store, and what is said of snapshots that are damaged.
type pruned struct {
	store.Pruned

	damaged []string
}

// prune removes from the store what no session needs. It waits until nobody uses the store.
func prune(ctx context.Context, dir string) (pruned, error) {
	st, err := store.Open(filepath.Join(dir, "store"))
	if err != nil {
		return pruned{}, err
	}
	defer func() { _ = st.Close() }() // what was to be written was
	known, err := sessions.Open(filepath.Join(dir, "sessions"))
	if err != nil {
		return pruned{}, err
	}
	w := &wanted{store: st, sessions: known}
	done, err := st.Prune(ctx, store.Prune{Live: w.live, Refs: refs, Also: w.also, Then: func() error {
		cache, err := statcache.Open(filepath.Join(dir, "cache"))
		if err != nil {
			return err
		}
		_, err = cache.Drop(st.Has)
		return errors.Join(err, cache.Close())
	}})
	return pruned{done, w.damaged(done.Broken)}, err
}

// wanted is what sessions need of the store: what their manifests refer to, and what the journals
// of their rollbacks do, without which those could not be undone.
type wanted struct {
	store    *store.Store
	sessions *sessions.Sessions
	list     []*sessions.Session
}

// live are the manifests. It is asked while the store is nobody else's.
func (w *wanted) live() ([]store.ManifestID, error) {
	list, unread, err := w.sessions.List()
	if err := errors.Join(append(unread, err)...); err != nil {
		return nil, err
	}
	w.list = list
	var all []store.ManifestID
	for _, of := range list {
		all = append(all, of.Manifests()...)
	}
	return all, nil
}

// also is what the journals refer to.
func (w *wanted) also(each func(store.Digest) error) error {
	for _, of := range w.list {
		journals, err := w.sessions.Journals(of.ID)
		if err != nil {
			return err
		}
		for _, dir := range journals {
			j, err := restore.Open(w.store, dir)
			if errors.Is(err, fs.ErrNotExist) {
				continue // it was not written yet
			}
			if err != nil {
				return fmt.Errorf("%w\n`nono session rm %s` removes it, with its session", err, of.ID)
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
	}
	return nil
}

// damaged says of which sessions a snapshot is damaged.
func (w *wanted) damaged(broken []store.Broken) []string {
	var lines []string
	for _, of := range w.list {
		for _, b := range broken {
			if slices.Contains(of.Manifests(), b.Manifest) {
				lines = append(lines, fmt.Sprintf("a snapshot of session %s is damaged, and nothing can be "+
					"put back from it: %s; `nono session rm %s` removes what is left of it",
					of.ID, policy.Printable(b.Why.Error()), of.ID))
				break
			}
		}
	}
	return lines
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
