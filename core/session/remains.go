package session

import (
	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/launch"
	"github.com/nono-run/nono/core/remains"
	"github.com/nono-run/nono/sdk/policy"
)

// surroundings are what lies around the grants and what remains there of a run.
type surroundings struct {
	around config.Around // what is protected beyond the roots of the grants
	// before is what stood there when the run began; nil where nobody protects anything.
	before  *remains.Before
	private []*remains.Private // directories in memory
	left    remains.Report     // what remains, when the run is over
}

// lookAround finds the other repositories that git would enter from what the agent may write, and
// looks at what programs outside act on.
func (r *run) lookAround() error {
	if r.policy.IsDisabled(policy.KindFilesystem) {
		return nil // nobody protects anything
	}
	r.around = r.req.Config.Around()
	for _, dir := range r.around.Unseen {
		r.req.Out.Detail("looking for git repositories: there are too many directories; "+
			"%s and those after it were not looked into", dir)
	}
	if err := r.around.Problems.Err(); err != nil || r.dry {
		return err
	}
	r.before = remains.Look(remains.Watched{
		Names: r.around.Names, Projects: r.around.Projects, Repositories: r.around.Repositories,
		Reported: r.around.Reported, Home: r.req.Dirs.Home, ConfigHome: r.req.Dirs.UserConfig,
	}, r.around.Look, r.around.Git)
	return nil
}

// remains is what remains of the run, when all inside is over.
func (r *run) remains(exit launch.Exit) remains.Report {
	over := remains.Run{
		Before: r.before, Private: r.private, Copies: r.returned, Aside: r.lookAside(),
		Began: r.began, Ended: exit.Left,
	}
	for _, g := range r.policy.Filesystem {
		if g.Access.Writable() && g.Type == policy.Directory {
			over.Writable = append(over.Writable, g.Path)
		}
	}
	return remains.Of(over)
}
