package session

import (
	"errors"
	"io/fs"

	"github.com/nono-run/nono/core/aside"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/remains"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
)

// keepAside copies what this host cannot protect from the agent, before there is one: what would be
// read-only inside on a host with user namespaces, and the policy files that the run was made from.
func (r *run) keepAside() (err error) {
	wants := r.unprotected()
	if len(wants) == 0 {
		return nil
	}
	if r.aside, err = aside.Keep(r.stored.AsideDir(), wants); err != nil {
		return storeProblem(err)
	}
	if beyond := r.aside.Beyond(); len(beyond) > 0 {
		r.req.Out.Problem(diag.Warningf("%s is too much to be kept aside whole",
			diag.Homely(beyond[0], r.req.Dirs.Home)).
			Try("a change of it is told at the end, and cannot be put back"))
	}
	return nil
}

// unprotected is what the agent may change and should not.
func (r *run) unprotected() []aside.Want {
	if r.host.Tier != sdk.TierB {
		return nil
	}
	var wants []aside.Want
	for _, rule := range r.places.Rules {
		if rule.Is == places.Aside {
			wants = append(wants, aside.Want{Path: rule.Path})
		}
	}
	decide := policy.NewDecider(&r.policy)
	for _, d := range r.req.Config.Documents {
		for _, link := range d.Links {
			if decide.Path(link, policy.OpWrite).Allowed {
				wants = append(wants, aside.Want{Path: link})
			}
		}
		if decide.Path(d.Path, policy.OpWrite).Allowed {
			content := append([]byte{}, d.Content...) // an empty file was read, too
			wants = append(wants, aside.Want{Path: d.Path, Content: content})
		}
	}
	return wants
}

// lookAside finds what has become of it, when all inside is over.
func (r *run) lookAside() remains.Aside {
	if r.aside == nil {
		return remains.Aside{}
	}
	changes, err := r.aside.End()
	if err != nil {
		r.req.Out.Problem(storeWarning(err))
	}
	var policies []string
	for _, d := range r.req.Config.Documents {
		policies = append(policies, append(d.Links, d.Path)...)
	}
	return remains.AsideOf(r.dir.ID, changes, policies)
}

func storeWarning(err error) diag.Problem {
	return diag.Warningf("storing what became of what was kept aside: %v", err)
}

// lookAside is the same for a session whose nono was killed. Which of it were policy files its
// record says.
func (d *deadSession) lookAside() error {
	kept, err := aside.Open(d.stored.AsideDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || kept.Ended() {
		return err
	}
	changes, err := kept.End()
	if err != nil {
		return err
	}
	var policies []string
	for _, f := range d.record.Files {
		policies = append(policies, f.Path)
	}
	found := remains.Report{Aside: remains.AsideOf(d.record.ID, changes, policies)}
	found.Tell(d.run.req.Out, d.run.req.Dirs.Home)
	for _, l := range found.Lines(d.run.req.Dirs.Home) {
		d.lines = append(d.lines, l.Says+"; "+l.Try)
	}
	return nil
}
