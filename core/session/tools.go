package session

import (
	"context"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/nono-run/nono/core/buildcache"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/toolchain"
)

// tools are what the agent runs, and what of the user's it has for that.
type tools struct {
	tool    *toolchain.Toolchain
	path    *toolchain.Path
	caches  buildcache.Store
	inUse   *os.File // the caches, while they are not to be pruned
	notKept error    // why there are none
}

// findTools finds out what the agent has besides its own command: what of the user's PATH lies in
// the roots of the toolchain, and the build caches of the tools that it finds there.
func (r *run) findTools() error {
	r.path = r.tool.Look(&r.policy)
	r.caches = r.findCaches()
	if r.dry || len(r.caches.Caches) == 0 {
		return nil
	}
	// A run goes on without them, and that is told.
	r.inUse, r.notKept = r.caches.Open()
	if r.notKept != nil {
		r.caches = buildcache.Store{}
	}
	return nil
}

// takeTools adds what was found to the policy.
func (r *run) takeTools() {
	r.policy = r.policy.With(r.path.Rules(), nil)
	r.tellOutside()
	if r.notKept != nil {
		r.problems = append(r.problems, diag.Warningf("what tools build is not kept: %s", r.notKept).
			Try("make %s writable for you, or write build_caches = false in a filesystem block",
				diag.Homely(r.req.Dirs.Cache, r.req.Dirs.Home)))
	}
}

// mostOutside is how many directories of PATH are named that are not inside.
const mostOutside = 3

// tellOutside says in a line what of PATH the agent does not have, and what would change that.
func (r *run) tellOutside() {
	var dirs, grants []string
	// nono's own programs are of no use inside.
	outside := slices.DeleteFunc(slices.Clone(r.path.Outside), func(o toolchain.Outside) bool {
		return o.Dir == r.bin
	})
	for _, o := range outside {
		grant := "--read " + diag.Homely(o.Grant, r.req.Dirs.Home)
		if len(dirs) == mostOutside && !slices.Contains(grants, grant) {
			continue
		}
		dirs = append(dirs, diag.Homely(o.Dir, r.req.Dirs.Home))
		if !slices.Contains(grants, grant) {
			grants = append(grants, grant)
		}
	}
	if len(dirs) == 0 {
		return
	}
	what := strings.Join(dirs, ", ")
	if more := len(outside) - len(dirs); more > 0 {
		what += fmt.Sprintf(" and %d more", more)
	}
	r.problems = append(r.problems, diag.Warningf("in PATH and not inside: %s", what).
		Try("if the agent needs programs from there: %s", strings.Join(grants, " ")))
}

// findCaches finds the build caches of this project.
func (r *run) findCaches() buildcache.Store {
	if r.req.Config.NoBuildCaches {
		return buildcache.Store{}
	}
	return buildcache.Find(buildcache.Request{
		Policy: &r.policy, Dir: r.req.Dir, Home: r.req.Dirs.Home, Own: r.req.Dirs.Cache,
		Lookup: r.req.Lookup,
		Has: func(program string) bool {
			typed := func(p string) bool { return path.Base(p) == program }
			return slices.ContainsFunc(r.tool.Programs, typed) || r.path.Has(program)
		},
	})
}

// pruneCaches removes build caches that nobody has used for long, while the agent works. What is
// returned ends that.
func (r *run) pruneCaches(ctx context.Context) (end func()) {
	if r.inUse == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var pruning sync.WaitGroup
	pruning.Go(func() {
		if err := buildcache.Prune(ctx, r.req.Dirs.Cache); err != nil {
			r.req.Log.Warn("pruning build caches", "error", err)
		}
	})
	return func() {
		cancel()
		pruning.Wait()
	}
}

// letCachesGo lets others prune them.
func (r *run) letCachesGo() {
	if r.inUse != nil {
		_ = r.inUse.Close()
	}
}
