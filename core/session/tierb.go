package session

import (
	"context"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/core/launch/supervise"
	"github.com/nono-run/nono/core/limits"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/scratch"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// This file is what a run does otherwise on a host without user namespaces: tier B.

// takeInit takes the nono-init that was started before the policy was read. The network is the
// one thing about it that a policy may want otherwise.
func (r *run) takeInit(ctx context.Context) error {
	wanted := r.earlyOptions()
	if r.early.options.HostNetwork != wanted.HostNetwork {
		r.endInit()
		r.early = Begin(wanted)
	}
	if err := r.early.wait(ctx); err != nil {
		return err
	}
	found := r.early.host
	r.init, r.fallback = r.early.init, r.early.fallback
	if found.Tier == recipe.TierB {
		r.unsupervised = unsupervised(found.Notify)
	}
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

// unsupervised is why core cannot make calls in the agent's place; nil where it can. For that it is
// told of them by a listener, and looks into the agent's memory.
func unsupervised(listener bool) *base.Obstacle {
	if !listener {
		return &base.Obstacle{
			Why: "a filter that nono was started under has the one listener of system calls " +
				"that there can be",
			Try: "start nono outside of what has put that filter there",
		}
	}
	if why := limits.NoTracing(); why != "" {
		return &base.Obstacle{Why: why, Try: "sudo sysctl -w kernel.yama.ptrace_scope=1"}
	}
	if err := supervise.CanRead(); err != nil {
		return &base.Obstacle{
			Why: "no program's memory can be read here (process_vm_readv: " + err.Error() + ")",
			Try: "let the filter that nono is started under pass process_vm_readv",
		}
	}
	return nil
}

// earlyOptions are what nono-init is started with for this policy. A plan is made for no agent, and
// its streams are nono's.
func (r *run) earlyOptions() EarlyOptions {
	o := EarlyOptions{
		UID: r.req.UID, Terminal: r.req.Terminal != nil,
		HostNetwork: r.req.Config.Policy.IsDisabled(policy.KindNetwork),
	}
	if !r.dry {
		o.Stdin, o.Stdout, o.Stderr = r.req.Stdin, r.req.Stdout, r.req.Stderr
	}
	return o
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
