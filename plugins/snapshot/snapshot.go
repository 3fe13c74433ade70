//go:build linux

package snapshot

import (
	"context"
	"path/filepath"

	"github.com/nono-run/nono/plugins/snapshot/exclude"
	"github.com/nono-run/nono/plugins/snapshot/sessions"
	"github.com/nono-run/nono/plugins/snapshot/statcache"
	"github.com/nono-run/nono/plugins/snapshot/store"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// New returns the layer.
func New() sdk.Layer { return &layer{} }

type layer struct{}

// Describe implements sdk.Layer.
func (*layer) Describe() sdk.Description {
	return sdk.Description{
		Name:        "snapshot",
		Version:     "1.0.0",
		Kind:        policy.KindSnapshot,
		Lifetime:    sdk.Bracket,
		StateDir:    true,
		Pure:        true,
		Subcommands: subcommands,
	}
}

// Plan implements sdk.Layer. Whether the directories are there, and can be read, core has looked;
// where that has changed, Start fails.
func (*layer) Plan(_ context.Context, req *sdk.PlanRequest) (*sdk.PlanResponse, error) {
	answer := &sdk.PlanResponse{}
	s := &req.Policy.Snapshot
	for _, p := range s.Paths {
		held := sdk.Coverage{Rule: p.ID, Held: sdk.Enforced, By: "recorded before the start"}
		if outer, ok := covering(s.Paths, p); ok {
			held.By = "recorded with " + policy.Printable(outer.Path)
		}
		answer.Coverage = append(answer.Coverage, held)
	}
	for _, e := range s.Exclude {
		answer.Coverage = append(answer.Coverage, sdk.Coverage{
			Rule: e.ID, Held: sdk.Enforced, By: "that it changed is seen, its contents are not stored",
		})
		if _, err := exclude.New([]string{e.Pattern}); err != nil {
			answer.Diagnostics = append(answer.Diagnostics, sdk.Diagnostic{
				Severity: sdk.SeverityError, Rule: e.ID, Summary: err.Error(),
			})
		}
	}
	if k := s.Keep; k != nil {
		answer.Coverage = append(answer.Coverage, sdk.Coverage{
			Rule: k.ID, Held: sdk.Enforced, By: "looked at when a session ends",
		})
	}
	return answer, nil
}

// covering is the directory among those that are recorded in which another one lies.
func covering(all []policy.SnapshotPath, p policy.SnapshotPath) (policy.SnapshotPath, bool) {
	for _, other := range all {
		if other.Path != p.Path && policy.Within(p.Path, other.Path) {
			return other, true
		}
	}
	return policy.SnapshotPath{}, false
}

// outermost are the directories that are recorded: what lies in another one is recorded with it.
func outermost(s *policy.Snapshot) []string {
	var roots []string
	for _, p := range s.Paths {
		if _, ok := covering(s.Paths, p); !ok {
			roots = append(roots, p.Path)
		}
	}
	return roots
}

// state is what the layer has in its directory.
type state struct {
	store    *store.Store
	cache    *statcache.Cache
	sessions *sessions.Sessions
	dir      string
	release  func()
}

// open opens it, and holds the store until it is closed.
func open(ctx context.Context, dir string) (_ *state, err error) {
	s := &state{dir: dir}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.store, err = store.Open(filepath.Join(dir, "store")); err != nil {
		return nil, err
	}
	if s.release, err = s.store.Shared(ctx); err != nil {
		return nil, err
	}
	if s.cache, err = statcache.Open(filepath.Join(dir, "cache")); err != nil {
		return nil, err
	}
	s.sessions, err = sessions.Open(filepath.Join(dir, "sessions"))
	return s, err
}

func (s *state) close() {
	if s.release != nil {
		s.release()
	}
	if s.cache != nil {
		_ = s.cache.Close() // what was to be saved was
	}
	if s.store != nil {
		_ = s.store.Close() // likewise
	}
}

// Interface guards.
var (
	_ sdk.Starter   = (*layer)(nil)
	_ sdk.Commander = (*layer)(nil)
)
