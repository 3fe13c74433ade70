package session

import (
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/launch/supervise"
	"github.com/nono-run/nono/core/limits"
	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/scratch"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// This file is what a run does otherwise on a host without user namespaces: tier B.

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

// withoutNamespaces is what a run has on such a host alone.
type withoutNamespaces struct {
	// fallback is why the host is one.
	fallback *plan.Fallback
	// scratch and directories are the session's own.
	scratch     *scratch.Directory
	directories scratch.Places
	// unsupervised says why core cannot make calls in the agent's place, where it cannot.
	unsupervised *base.Obstacle
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
