package session

import (
	"context"

	"github.com/nono-run/nono/core/layerhost"
	"github.com/nono-run/nono/core/toolchain"
	"github.com/nono-run/nono/sdk"
)

// groundwork is what comes before any process but nono-init.
func (r *run) groundwork() (err error) {
	if err := r.early.prepared; err != nil {
		return err
	}
	r.bin, r.streams, r.problems = r.early.bin, r.early.streams, r.early.problems
	if err := r.checkTerminals(); err != nil {
		return err
	}
	if err := r.resolveCommand(); err != nil {
		return err
	}
	if err := r.boundRules(); err != nil {
		return err
	}
	if r.members, err = r.findLayers(); err != nil {
		return err
	}
	if err := r.checkStreams(); err != nil {
		return err
	}
	if r.dir, err = newRunDir(r.req.Dirs, r.req.UID); err != nil {
		return err
	}
	r.problems = append(r.problems, r.dir.Stuck...)
	return nil
}

// resolveCommand finds the program that the typed name stands for, and grants it what it needs to
// run.
func (r *run) resolveCommand() error {
	tool, err := toolchain.Resolve(toolchain.Request{
		Name:    r.req.Args[0],
		NamedBy: r.req.NamedBy,
		Dir:     r.req.Dir,
		Home:    r.req.Dirs.Home,
		Lookup:  r.req.Lookup,
		Policy:  &r.req.Config.Policy,
	})
	if err != nil {
		return r.commandProblem(err)
	}
	r.tool = tool
	r.policy = r.req.Config.Policy.With(tool.Rules(), nil)
	return r.commandProblem(tool.Check(&r.policy))
}

// layerPlaces are where this run looks for layers; with --fresh, not among kept copies.
func (r *run) layerPlaces() layerhost.Places {
	places := placesOf(r.bin, r.req.Dirs)
	if r.req.Fresh {
		places.Kept = nil
	}
	return places
}

// findLayers finds the program of each layer that has something to do. They are looked for at the
// same time: one that is not nono's own is copied at its first run, and that takes long.
func (r *run) findLayers() ([]*member, error) {
	places := r.layerPlaces()
	blocks := r.req.Config.Running()
	if err := checkPrograms(blocks); err != nil {
		return nil, err
	}
	members := make([]*member, len(blocks))
	finds := make([]func() error, len(blocks))
	for i, block := range blocks {
		finds[i] = func() error {
			m, err := findLayer(block, r.req.Config, places)
			if err != nil {
				return problemOf(err, block.PluginSource)
			}
			members[i] = m
			return nil
		}
	}
	if err := atOnce(finds); err != nil {
		closeBinaries(members)
		return nil, err
	}
	return members, nil
}

// startProcesses starts the layers that are to be asked, at the same time, and waits until each has
// connected and nono-init has said how far this host goes. What needs neither is done meanwhile.
// Layers that stay and need not be asked are started last, and not waited for.
func (r *run) startProcesses(ctx context.Context) error {
	r.situation = r.situated()
	starts := make([]func() error, 0, len(r.members)+1)
	for i, m := range r.members {
		starts = append(starts, func() error { return m.start(ctx, r, i) })
	}
	starts = append(starts, func() error { return r.takeInit(ctx) })
	starts = append(starts, r.findTools, r.lookAround, r.openStored)
	if err := atOnce(starts); err != nil {
		return err
	}
	// Not before: those that are to be asked, and that everybody waits for, have the processors first.
	for _, m := range r.members {
		if m.memory.answer != nil && m.description.Lifetime != sdk.Ephemeral && !r.dry {
			m.startBeside(ctx, r)
		}
	}
	r.takeTools()
	r.policy = r.policy.With(r.around.Rules, nil)
	if err := r.matchPatterns(); err != nil {
		return err
	}
	if err := r.makeScratch(); err != nil {
		return err
	}
	// Before any layer's Plan, which brings secrets.
	return hideMemory()
}

// matchPatterns adds what the user's patterns match in what was granted since the policy was read.
func (r *run) matchPatterns() error {
	granted := r.policy.Filesystem[len(r.req.Config.Policy.Filesystem):]
	rules, problems := r.req.Config.Matching(granted)
	if err := problems.Err(); err != nil || len(rules) == 0 {
		return err
	}
	r.policy = r.policy.With(rules, nil)
	return r.commandProblem(r.tool.Check(&r.policy))
}
