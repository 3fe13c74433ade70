//go:build linux

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/snapshot/exclude"
	"github.com/nono-run/nono/plugins/snapshot/record"
	"github.com/nono-run/nono/plugins/snapshot/store"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// taken is a snapshot of one directory.
type taken struct {
	record.Result

	path     string
	manifest store.ManifestID
}

// take records directories. What it returns is in the store, and safe from the death of any
// process.
func (s *state) take(ctx context.Context, run *sdk.Run, roots []string) ([]taken, error) {
	p := &run.Policy.Snapshot
	patterns := make([]string, len(p.Exclude))
	for i, e := range p.Exclude {
		patterns[i] = e.Pattern
	}
	excluded, err := exclude.New(patterns)
	if err != nil {
		return nil, err
	}
	own, err := identities(s.dir)
	if err != nil {
		return nil, err
	}
	pack, err := s.store.NewPack()
	if err != nil {
		return nil, err
	}
	var manifests []*store.Manifest
	defer func() { // what was sealed is not given up by that
		_ = pack.Discard()
		for _, m := range manifests {
			_ = m.Discard()
		}
	}()
	var all []taken
	for _, root := range roots {
		m, err := s.store.NewManifest()
		if err != nil {
			return nil, err
		}
		manifests = append(manifests, m)
		progress := &record.Progress{}
		stop := tell(run.Session, "recording "+policy.Printable(root), progress)
		result, err := record.Record(ctx, record.Request{
			Root: root, Store: s.store, Pack: pack, Cache: s.cache, Manifest: m, Exclude: excluded,
			Denied: denied(&run.Policy, root), Own: own, Progress: progress,
		})
		stop()
		if err != nil {
			return nil, full(err, s.dir)
		}
		all = append(all, taken{Result: result, path: root})
	}
	// First what manifests refer to, then the manifests, and last what the cache believes to be there.
	if err := pack.Seal(false); err != nil {
		return nil, full(err, s.dir)
	}
	for i, m := range manifests {
		if all[i].manifest, err = m.Seal(ctx, false); err != nil {
			return nil, full(err, s.dir)
		}
	}
	return all, s.cache.Save()
}

// full says what to do where the disk is.
func full(err error, dir string) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: there is no room in %s, where snapshots are kept: "+
			"`nono session rm` and `nono session prune` make some", err, policy.Printable(dir))
	}
	return err
}

// identities are directories that are never recorded.
func identities(dirs ...string) ([]record.Identity, error) {
	var own []record.Identity
	for _, dir := range dirs {
		var st unix.Stat_t
		if err := unix.Stat(dir, &st); err != nil {
			return nil, fmt.Errorf("looking at %s: %w", dir, err)
		}
		own = append(own, record.Identity{Device: st.Dev, Inode: st.Ino})
	}
	return own, nil
}

// between is how often progress is told.
const between = 200 * time.Millisecond

// tell tells core how far a recording has come, which has it wait for longer.
func tell(session *sdk.Session, text string, p *record.Progress) (stop func()) {
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(between)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			says := fmt.Sprintf("%s: %d names", text, p.Entries.Load())
			if read := p.Bytes.Load(); read > 0 {
				says += fmt.Sprintf(", %s read", size(read))
			}
			if session.Progress(says, uint64(p.Entries.Load()), 0) != nil {
				return // core is gone, and so is this process in a moment
			}
		}
	}()
	return func() {
		close(done)
		<-stopped
	}
}

// denied tells of a path beneath a root whether the agent must not see it. Such a path is not
// recorded: the agent could not change it, and what it must not read is nowhere in the store.
func denied(p *policy.Policy, root string) func(rel string) bool {
	paths := map[string]bool{}
	lifted := false
	for i := range p.Filesystem {
		r := &p.Filesystem[i]
		if r.Access != policy.Deny {
			continue
		}
		if policy.Within(r.Path, root) || policy.Within(root, r.Path) {
			paths[r.Path] = true
			lifted = lifted || len(r.Lifted) > 0
		}
	}
	if p.IsDisabled(policy.KindFilesystem) || len(paths) == 0 {
		return nil
	}
	if !lifted { // as nearly always: then nobody asks about what lies in a denied directory
		return func(rel string) bool { return paths[root+"/"+rel] }
	}
	decide := policy.NewDecider(p)
	return func(rel string) bool {
		by := decide.Path(root+"/"+rel, policy.OpRead).Rule
		return by != nil && by.Access == policy.Deny && !liftedBeneath(p, root+"/"+rel)
	}
}

// liftedBeneath reports whether something in a denied directory is not: then that is looked into.
func liftedBeneath(p *policy.Policy, path string) bool {
	for i := range p.Filesystem {
		for _, l := range p.Filesystem[i].Lifted {
			if l.Path != path && policy.Within(l.Path, path) {
				return true
			}
		}
	}
	return false
}

// size is a number of bytes for people.
func size(n int64) string {
	for _, unit := range []struct {
		name string
		size int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.size {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(unit.size), unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
