package session

import (
	"context"
	"errors"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/launch"
	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/scratch"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// This file is what a run does otherwise on a host without user namespaces: tier B.

// startInit starts nono-init in namespaces of its own, or without any where this host does not give
// them. To start it is how that is found out.
func (r *run) startInit(ctx context.Context) error {
	found, err := r.startIn(ctx, recipe.TierA)
	var refused *launch.UnavailableError
	if errors.As(err, &refused) && refused.Next == recipe.TierB {
		r.fallback = &plan.Fallback{Reason: refused.Reason, Try: refused.Try}
		found, err = r.startIn(ctx, recipe.TierB)
	}
	if err != nil {
		return r.withoutTier(err)
	}
	r.supervised = found.Notify
	r.host = sdk.Host{
		Tier:        sdk.Tier(found.Tier),
		LandlockABI: found.LandlockABI,
		Kernel:      kernelRelease(),
		UID:         r.req.UID,
		GID:         r.req.GID,
		Home:        r.req.Dirs.Home,
	}
	return nil
}

// startIn starts nono-init for a tier, and waits for how far it comes.
func (r *run) startIn(ctx context.Context, tier recipe.Tier) (recipe.Host, error) {
	init, err := launch.Start(ctx, launch.Options{
		Terminal:    r.req.Terminal != nil,
		Path:        r.bin + "/nono-init",
		Tier:        tier,
		HostNetwork: r.policy.IsDisabled(policy.KindNetwork),
		Streams:     r.streams,
	})
	if err != nil {
		return recipe.Host{}, err
	}
	found, err := init.Tier(ctx)
	if err != nil {
		return recipe.Host{}, errors.Join(err, init.Close())
	}
	if found.Tier != tier {
		return recipe.Host{}, errors.Join(
			diag.Errorf("nono-init was started for tier %q, and has %q", tier, found.Tier), init.Close())
	}
	r.init = init
	return found, nil
}

// withoutTier says why there is no sandbox at all. Where both tiers were refused, both reasons are
// told: what helps against one of them is enough.
func (r *run) withoutTier(err error) error {
	var refused *launch.UnavailableError
	if r.fallback == nil || !errors.As(err, &refused) {
		return HostProblem(err)
	}
	if refused.Reason == r.fallback.Reason {
		return HostProblem(err)
	}
	return diag.Errorf("this host cannot enforce the sandbox: %s; and without namespaces: %s",
		r.fallback.Reason, refused.Reason).Try("%s\nor: %s", r.fallback.Try, refused.Try)
}

// walled reports whether nothing can be mounted on this host.
func (r *run) walled() bool { return r.host.Tier == sdk.TierB }

// makeScratch makes the session's own directories. In a dry run they have names alone.
func (r *run) makeScratch() error {
	if !r.walled() {
		return nil
	}
	decide := policy.NewDecider(&r.policy)
	dir, err := scratch.Among(r.req.Lookup, r.req.UID, func(dir string) bool {
		// Without a filesystem layer there is no plan, which says so itself.
		return r.policy.IsDisabled(policy.KindFilesystem) || !decide.Path(dir, policy.OpWrite).Allowed
	})
	if err != nil {
		return err
	}
	if r.dry {
		r.directories = scratch.In(dir, r.dir.ID)
		return nil
	}
	made, err := scratch.Make(dir, r.dir.ID)
	if err != nil {
		return err
	}
	r.scratch, r.directories = made, made.Places
	r.problems = append(r.problems, made.Stuck...)
	return nil
}

// removeScratch removes them, when nothing inside runs any more.
func (r *run) removeScratch() {
	if r.scratch == nil {
		return
	}
	if err := r.scratch.Remove(); err != nil {
		r.req.Out.Problem(diag.Warningf("the session's directory cannot be removed: %v", err).
			Try("run `chmod -R u+rwX %[1]s; rm -r %[1]s`", r.scratch.Session()))
	}
	r.scratch = nil
}

// planDirectories are the session's own, as the plan knows them.
func (r *run) planDirectories() base.Directories {
	return base.Directories{Scratch: r.directories.Temporary, Own: r.directories.Own}
}
