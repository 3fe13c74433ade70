package session

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/kinds"
	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/plan/proof"
	"github.com/nono-run/nono/core/self"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fact"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// makePlan asks the layers for their shares and merges them.
func (r *run) makePlan(ctx context.Context) error {
	if err := r.checkSettings(); err != nil {
		return err
	}
	// What the places are found by and what the plan is made from is one look at the host.
	look := hostfile.Once(hostfile.Host)
	if err := r.askLayers(ctx, look); err != nil {
		return err
	}
	r.time.Lap("layers")
	in := r.planInput(look)
	var err error
	from := self.From{Dir: r.req.Dir, Home: r.req.Dirs.Home}
	if in.Known, err = self.Describe(&r.policy, r.places.Rules, from); err != nil {
		return err
	}
	if in.Controls, err = controls(); err != nil {
		return err
	}
	if !r.dry {
		if err := r.watchVerified(); err != nil {
			return err
		}
		in.Settled = r.init.Begin // it builds them while the rest is decided
	}
	made, err := plan.Make(in)
	r.time.Lap("plan")
	if err != nil {
		return r.notAsked(err)
	}
	r.plan = made
	return nil
}

// askLayers asks for the shares, kind after kind: each layer is told what those before have found,
// and the policy is what these have made of it.
func (r *run) askLayers(ctx context.Context, look hostfile.Look) error {
	var facts []fact.Fact
	for _, row := range kinds.PlanOrder() {
		if slices.Contains(row, policy.KindFilesystem) { // the layers before may have added rules
			if err := r.moveDirectories(look); err != nil {
				return err
			}
			if err := r.findPlaces(look); err != nil {
				return err
			}
		}
		asked := r.membersOf(row)
		calls := make([]func() error, len(asked))
		for i, m := range asked {
			calls[i] = func() error { return m.makeShare(ctx, r, facts) }
		}
		if err := atOnce(calls); err != nil {
			return err
		}
		for _, m := range asked {
			facts = append(facts, m.share.Facts...)
		}
		if slices.Contains(row, policy.KindTrust) {
			if err := r.takeTrust(facts, look); err != nil {
				return err
			}
		}
		if slices.Contains(row, policy.KindCredentials) {
			r.settleFallbacks(facts)
		}
	}
	return nil
}

// membersOf are the layers of some kinds.
func (r *run) membersOf(some []policy.Kind) []*member {
	var list []*member
	for _, m := range r.members {
		if slices.Contains(some, m.block.Kind) {
			list = append(list, m)
		}
	}
	return list
}

// checkSettings holds each layer's block against what the layer has said of itself. No layer is
// asked for a plan before all are in order.
func (r *run) checkSettings() error {
	var problems diag.Problems
	for _, m := range r.members {
		for _, at := range r.req.Config.Sensitive(m.block.Name, m.description.Settings) {
			r.req.Out.Hide(at)
		}
		settings, found := r.req.Config.Settings(m.block.Name, m.description.Settings)
		m.settings = settings
		problems = append(problems, found...)
	}
	return problems.Err()
}

// planInput is all that the plan is made from.
func (r *run) planInput(look hostfile.Look) plan.Input {
	req := r.req
	in := plan.Input{
		Session:    r.dir.ID,
		Host:       r.host,
		Fallback:   r.fallback,
		Command:    r.command(),
		DirName:    req.DirName,
		Policy:     r.policy,
		BestEffort: req.Config.BestEffort,
		Own: proof.Own{
			Programs:    r.ownPrograms(),
			Directories: req.Dirs.All(),
			Documents:   req.Config.Files,
		},
		Environ:    req.Environ,
		PathPrefix: r.tool.PathPrepend,
		Instead:    r.path.Instead,
		Links:      r.around.Links,
		Verified:   r.verified,
		Limits:     r.limitRules(),
		Homes:      r.homes,
		Bundle:     base.Bundle(hostfile.List, hostfile.Host),
		Look:       look,
		Reach:      hostfile.ReachOf,
	}
	for _, m := range r.members {
		in.Layers = append(in.Layers, m.planShare(req.Config))
	}
	for _, c := range r.caches.Caches {
		in.Lent = append(in.Lent, base.Lent{Dir: c.Dir, Inside: c.Inside, Variable: c.Variable})
		in.Own.Lent = append(in.Own.Lent, c.Dir)
	}
	for _, h := range r.homes {
		in.Own.Lent = append(in.Own.Lent, h.Dir)
	}
	if r.walled() {
		in.Directories = r.planDirectories()
		in.Supervised = r.unsupervised == nil
	}
	if r.unsupervised != nil {
		in.Unsupervised = *r.unsupervised
	}
	if r.policy.Network.Reaches() {
		in.Hosts, _ = readConfiguration("/etc/hosts") // without it the session has names of its own alone
	}
	in.GitIdentity, _ = base.GitIdentity(req.Dirs.Home, req.Dirs.UserConfig, readConfiguration)
	for _, n := range r.tool.Notices {
		in.Notices = append(in.Notices, diag.Warningf("%s", n))
	}
	in.Notices = append(in.Notices, req.Config.Notices...)
	in.Notices = append(in.Notices, r.problems...)
	return in
}

// readConfiguration reads a file of the user's settings, which is small if a person wrote it.
func readConfiguration(path string) ([]byte, error) { return hostfile.Read(path, 1<<20) }

// controls finds where the host has mounted what the agent must never see.
func controls() ([]string, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("looking at what is mounted: %w", err)
	}
	return base.Controls(string(mounts)), nil
}

// ownPrograms are what the agent must not be able to replace: nono's own directory, and the layers
// of other vendors where they lie.
func (r *run) ownPrograms() []string {
	own := []string{r.bin}
	if exe, err := os.Executable(); err == nil {
		own = append(own, exe)
		// Its directory too where the other programs lie elsewhere: it is where the next start looks for
		// them first.
		if resolved, err := hostfile.Resolve(exe); err == nil {
			own = append(own, filepath.Dir(resolved))
		}
	}
	for _, m := range r.members {
		own = append(own, m.binary.Path)
	}
	return own
}

func (r *run) command() sdk.Command {
	return sdk.Command{Args: r.req.Args, Executable: r.tool.Executable, Dir: r.req.Dir}
}
