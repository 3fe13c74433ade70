package session

import (
	"path"

	"github.com/nono-run/nono/core/agentdir"
	"github.com/nono-run/nono/core/copies"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/places"
)

// moved are the directories that agents have in the place of their own.
type moved struct {
	agents []*agentdir.InUse
	homes  []base.Home // the same as the plan knows them
}

// moveDirectories gives the agent other directories in the place of its own where those cannot be
// granted: on this host nothing can be hidden inside what is granted for writing.
func (r *run) moveDirectories(look hostfile.Look) error {
	if !r.walled() || len(r.req.Config.Movable) == 0 {
		return nil
	}
	for _, d := range agentdir.Find(agentdir.Request{
		Policy: &r.policy, Movable: r.req.Config.Movable, Reported: straight(r.around.Reported),
		Protected: straight(r.around.Names), Dir: r.req.Dir, State: r.req.Dirs.State,
	}) {
		if err := r.moveDirectory(d, look); err != nil {
			return err
		}
	}
	return nil
}

// straight are names of which the directories are without links, as they are in the policy. Where
// there is no such directory, the name stays as it is.
func straight(names []string) []string {
	dirs := map[string]string{}
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = name
		if !path.IsAbs(name) {
			continue
		}
		dir := path.Dir(name)
		if _, known := dirs[dir]; !known {
			dirs[dir] = dir
			if to, err := hostfile.Resolve(dir); err == nil {
				dirs[dir] = to
			}
		}
		all[i] = path.Join(dirs[dir], path.Base(name))
	}
	return all
}

func (r *run) moveDirectory(d agentdir.Directory, look hostfile.Look) error {
	names := func() ([]string, error) { return hostfile.Names(d.Own, places.MostOpened) }
	var open *agentdir.InUse
	if !r.dry {
		var err error
		open, err = d.Open(copies.Where{Session: r.dir.ID, Runtime: r.req.Dirs.Runtime})
		if err != nil {
			return problemOf(err, d.Source).Try("to begin anew remove %s, in which the agent has nothing "+
				"of yours but histories", path.Dir(d.Home))
		}
		r.agents = append(r.agents, open)
		names = open.Names
	}
	found, err := names()
	if err != nil {
		return problemOf(err, d.Source)
	}
	r.policy = d.Narrow(r.policy, found, look)
	r.homes = append(r.homes, base.Home{Dir: d.Home, Own: d.Own, Variable: d.Variable})
	homely := func(p string) string { return diag.Homely(p, r.host.Home) }
	r.problems = append(r.problems, diag.Warningf(
		"%s cannot be hidden inside %s on this host, so the agent has another directory in its place, "+
			"which nono keeps", homely(d.Denied), homely(d.Own)).
		Try("its sessions and settings are those of %s, and other files that it keeps are its own",
			homely(d.Own)))
	if open == nil {
		return nil
	}
	return open.Link(&r.policy)
}

// letDirectoriesGo brings back what became of the files that were copied into them, and says what
// that is. It may be called more than once.
func (r *run) letDirectoriesGo() []copies.Outcome {
	var all []copies.Outcome
	for _, d := range r.agents {
		outcomes, err := d.Close()
		if err != nil {
			r.req.Out.Problem(diag.Warningf("what the agent has in the place of %s: %v",
				diag.Homely(d.Own, r.host.Home), err))
		}
		all = append(all, outcomes...)
	}
	r.agents = nil
	return all
}
