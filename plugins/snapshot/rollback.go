//go:build linux

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/nono-run/nono/plugins/snapshot/compare"
	"github.com/nono-run/nono/plugins/snapshot/restore"
	"github.com/nono-run/nono/plugins/snapshot/sessions"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// rollback puts back what stood in the directories before the session.
func (c *command) rollback(ctx context.Context) error {
	if !c.of.Over() {
		return errors.New("the session has no second snapshot: its end was not recorded")
	}
	if len(c.Session.Sharing) > 0 && !c.has("dry-run") {
		return fmt.Errorf("session %s runs, and may be changing what is to be put back: wait for its "+
			"end, or stop it: nono stop %s", c.Session.Sharing[0], c.Session.Sharing[0])
	}
	if err := c.resume(ctx); err != nil {
		return err
	}
	var plans []*restore.Plan
	var err error
	switch {
	case c.has("undo"):
		plans, err = c.undo(ctx)
	case c.has("choose"):
		plans, err = c.choose(ctx)
	default:
		plans, err = c.plan(ctx)
	}
	if err != nil {
		return err
	}
	return c.carryOut(ctx, plans)
}

// resume finishes a rollback that was interrupted: half of one is nothing to begin another from.
func (c *command) resume(ctx context.Context) error {
	dirs, err := c.sessions.Rollbacks(c.of.ID)
	if err != nil || len(dirs) == 0 {
		return err
	}
	journals, err := c.journals(dirs[len(dirs)-1])
	if err != nil {
		return err
	}
	for _, j := range journals {
		done, err := j.Done()
		if err != nil {
			return err
		}
		if done != nil {
			continue
		}
		if c.has("dry-run") {
			return errors.New("a rollback of this session was interrupted, and is finished first: " +
				"nono session rollback " + c.of.ID)
		}
		say("finishing a rollback that was interrupted, of %s", j.Made.Local().Format("Jan 2 15:04:05"))
		if err := c.apply(ctx, j); err != nil {
			return err
		}
	}
	return nil
}

// journals are those of one rollback that were written.
func (c *command) journals(rollback string) ([]*restore.Journal, error) {
	dirs, err := sessions.JournalsOf(rollback)
	if err != nil {
		return nil, err
	}
	var all []*restore.Journal
	for _, dir := range dirs {
		j, err := restore.Open(c.store, dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was interrupted before it began
		}
		if err != nil {
			return nil, err
		}
		all = append(all, j)
	}
	return all, nil
}

// request is what is to be put back into one of the directories.
func (c *command) request(i int) restore.Request {
	root := &c.of.Roots[i]
	return restore.Request{
		Root:  restore.Root{Path: root.Path, Identity: root.Identity},
		Store: c.store, Before: c.opener(root.Before), After: c.opener(root.After),
		Force: c.has("force"),
	}
}

// plan plans all of it, or what was named.
func (c *command) plan(ctx context.Context) ([]*restore.Plan, error) {
	chosen, err := c.selection()
	if err != nil {
		return nil, err
	}
	var plans []*restore.Plan
	for i := range c.of.Roots {
		if chosen != nil && len(chosen[i]) == 0 {
			continue
		}
		if gone := c.of.Roots[i].Gone; gone != "" {
			say("%s is left as it is: what the session left there was not recorded (%s)",
				c.of.Roots[i].Path, gone)
			continue
		}
		req := c.request(i)
		req.Paths = chosen[i]
		p, err := c.make(ctx, req)
		if err != nil {
			return nil, err
		}
		plans = append(plans, p)
	}
	return plans, nil
}

func (c *command) make(ctx context.Context, req restore.Request) (*restore.Plan, error) {
	req.Progress = c.shows("looking at what changed in " + req.Root.Path)
	p, err := restore.Make(ctx, req)
	c.bar.Done()
	if errors.Is(err, restore.ErrReplaced) {
		return nil, fmt.Errorf("%s: %w", policy.Printable(req.Root.Path), err)
	}
	return p, err
}

// undo plans the way back from the last rollback.
func (c *command) undo(ctx context.Context) ([]*restore.Plan, error) {
	dirs, err := c.sessions.Rollbacks(c.of.ID)
	if err != nil {
		return nil, err
	}
	if len(dirs) == 0 {
		return nil, errors.New("nothing of this session was put back, so there is nothing to undo")
	}
	journals, err := c.journals(dirs[len(dirs)-1])
	if err != nil {
		return nil, err
	}
	var plans []*restore.Plan
	for _, j := range journals {
		p, err := j.Undo(ctx, c.has("force"))
		if err != nil {
			return nil, err
		}
		plans = append(plans, p)
	}
	return plans, nil
}

// carryOut shows plans, asks, and does what they say.
func (c *command) carryOut(ctx context.Context, plans []*restore.Plan) error {
	todo, left := 0, 0
	var doing []*restore.Plan
	for _, p := range plans {
		todo += c.show(p)
		left += len(p.Conflicts)
		for _, n := range p.Permanent {
			if n.Why != compare.Excluded { // that it stays was chosen before the session
				left++
			}
		}
		for _, g := range p.Git {
			if g.Left {
				left++
			}
		}
		if len(p.Operations) > 0 {
			doing = append(doing, p)
		}
	}
	switch {
	case len(doing) == 0 && left == 0:
		say("there is nothing to put back")
		return nil
	case len(doing) == 0:
		return &sdk.ExitError{Code: 1}
	case c.has("dry-run"):
		return nil
	}
	if err := c.confirm(ctx, todo); err != nil {
		return err
	}
	// The snapshot is kept whatever is to be kept of others until all of it is back.
	c.of.Kept = true
	if err := c.sessions.Put(c.of); err != nil {
		return err
	}
	dirs, err := c.sessions.NewRollback(c.of.ID, len(doing))
	if err != nil {
		return err
	}
	// All are written before any is applied: an interrupted one is finished as a whole.
	journals := make([]*restore.Journal, len(doing))
	for i, p := range doing {
		p.Progress = c.shows("keeping what is in " + p.Root.Path + " now")
		journals[i], err = p.Write(ctx, dirs[i])
		c.bar.Done()
		if err != nil {
			return full(err, c.dir)
		}
	}
	var failed error
	for _, j := range journals {
		if err := c.apply(ctx, j); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	if failed != nil {
		return failed
	}
	if left > 0 {
		say("%s left as it is; the snapshot is kept", plural(left, "path"))
		return &sdk.ExitError{Code: 1}
	}
	c.of.Kept = false
	return c.sessions.Put(c.of)
}

// confirm asks, unless that was answered before.
func (c *command) confirm(ctx context.Context, paths int) error {
	if c.has("yes") {
		return nil
	}
	answer, err := c.Ask(ctx, fmt.Sprintf("Put back %s? [y/N]", plural(paths, "path")))
	if errors.Is(err, sdk.ErrNobody) {
		return errors.New("nobody can be asked here: --yes does it without")
	}
	if err != nil {
		return err
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return errors.New("nothing was put back")
	}
	return nil
}

// mostShown is how many paths of a plan are listed.
const mostShown = 200

// show says what a plan would do, and counts it.
func (c *command) show(p *restore.Plan) (paths int) {
	changes := p.Changes()
	for _, change := range changes[:min(len(changes), mostShown)] {
		says := "put back " + c.name(p.Root.Path, change.Path)
		switch {
		case change.InGit:
			says += ", as a whole"
		case change.From != "":
			says = "put back " + c.name(p.Root.Path, change.From) + " -> " +
				c.name(p.Root.Path, change.Path)
		case change.After == nil:
			says = "remove   " + c.name(p.Root.Path, change.Path)
		}
		fmt.Fprintln(os.Stdout, policy.Printable(says))
	}
	if more := len(changes) - mostShown; more > 0 {
		fmt.Fprintf(os.Stdout, "and %d more\n", more)
	}
	c.list(p.Root.Path, "changed since, and left (--force overwrites it): ", p.Conflicts)
	c.list(p.Root.Path, "cannot be put back: ", p.Permanent)
	for _, g := range p.Git {
		c.showGit(p.Root.Path, g)
	}
	return len(changes)
}

func (c *command) showGit(root string, g restore.Repository) {
	name := c.name(root, g.Path)
	if g.Left {
		say("%s is left as it is, for it was used since: %s", name, strings.Join(g.Since, "; "))
		for _, try := range g.Try {
			say("  %s", try)
		}
		return
	}
	if g.Objects > 0 {
		say("%s: %s that the session made stay, until git tidies up", name,
			plural(g.Objects, "object"))
	}
	if g.Unlooked > 0 {
		say("%s: whether they are what their names say was not looked at for %d of them, which cannot "+
			"be read or hold far more than their files do; `git fsck` tells", name, g.Unlooked)
	}
}

func (c *command) list(root, says string, notes []restore.Note) {
	for i, n := range notes {
		if i == mostShown {
			say("%sand %d more", says, len(notes)-mostShown)
			return
		}
		say("%s%s: %s", says, c.name(root, n.Path), n.Why)
	}
}

// done counts the paths that are as they were to be.
func done(j *restore.Journal, r *restore.Report) int {
	failed := map[string]bool{}
	for _, n := range slices.Concat(r.Conflicts, r.Failed) {
		failed[n.Path] = true
	}
	n := 0
	for _, c := range j.Changes() {
		if !failed[c.Path] && (c.From == "" || !failed[c.From]) {
			n++
		}
	}
	return n
}

// apply does what a journal says, and tells what became of it.
func (c *command) apply(ctx context.Context, j *restore.Journal) error {
	j.Progress = c.shows("putting back " + j.Root.Path)
	report, err := j.Apply(ctx)
	c.bar.Done()
	if err != nil {
		return fmt.Errorf("%w\nthe next `nono session rollback %s` goes on from there", err, c.of.ID)
	}
	c.list(j.Root.Path, "changed in the meantime, and left: ", report.Conflicts)
	c.list(j.Root.Path, "not removed: ", report.Kept)
	c.list(j.Root.Path, "could not be put back: ", report.Failed)
	if report.Aside != "" {
		say("something came to a path in the very moment in which it was changed; it is in %s",
			c.name(j.Root.Path, report.Aside))
	}
	fmt.Fprintf(os.Stdout, "%s: %s as before; nono session rollback --undo %s takes that back\n",
		policy.Printable(j.Root.Path), plural(done(j, report), "path"), c.of.ID)
	if !report.Whole() {
		return &sdk.ExitError{Code: 1, Err: fmt.Errorf("%s could not be put back; the snapshot is kept",
			plural(len(report.Conflicts)+len(report.Failed), "path"))}
	}
	return nil
}
