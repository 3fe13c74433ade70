package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-version"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/kinds"
	"github.com/nono-run/nono/core/store"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/host"
)

const (
	// deadPatience is how long a start takes at most to finish the sessions of others. What is not
	// done by then, a later one does.
	deadPatience = time.Minute
	// endPatience is how long the processes of a killed session may take to be gone. The kernel ends
	// them with its core, and only one that hangs in the kernel takes longer.
	endPatience = 10 * time.Second
)

// finishDead finishes the sessions whose core was killed: Finish of each layer whose Start was
// called comes in a fresh process, before this run arms anything. What cannot be finished is told
// and kept, and stops nobody.
func (r *run) finishDead(ctx context.Context) error {
	dead, unread, err := store.In(r.req.Dirs).TakeDead()
	if err != nil {
		return storeProblem(err)
	}
	for _, err := range unread {
		r.req.Out.Problem(unreadProblem(err))
	}
	within, cancel := context.WithTimeoutCause(ctx, deadPatience,
		errors.New("this start has no more time for it"))
	defer cancel()
	var finished []store.Record
	for _, s := range dead {
		d := &deadSession{run: r, stored: s, record: s.Record()}
		problems := d.finish(within)
		for _, p := range problems {
			r.req.Out.Problem(p)
		}
		if len(problems) == 0 {
			finished = append(finished, d.record)
		}
	}
	if len(finished) > 0 {
		r.req.Out.Line("%s", tellFinished(finished, r.req.Dirs.Home))
	}
	return context.Cause(ctx)
}

// unreadProblem is about a session of which nobody knows what it owes.
func unreadProblem(err error) diag.Problem {
	p := diag.Warningf("a session whose nono was killed is not finished: %v", err)
	var newer *store.NewerError
	if errors.As(err, &newer) {
		return p.Try("start that nono, which finishes it")
	}
	return p.Try("what its layers took is not released; remove its directory to hear no more of it")
}

// tellFinished is the one line about sessions that were finished.
func tellFinished(records []store.Record, home string) string {
	if len(records) == 1 {
		return "finished session " + nameOf(&records[0], home)
	}
	var ids []string
	for i := range records {
		ids = append(ids, records[i].ID)
	}
	const most = 5
	more := ""
	if len(ids) > most {
		ids, more = ids[:most], fmt.Sprintf(" and %d more", len(ids)-most)
	}
	return fmt.Sprintf("finished %d sessions that were left unfinished: %s%s",
		len(records), strings.Join(ids, ", "), more)
}

// nameOf says which session it is, and what befell it.
func nameOf(rec *store.Record, home string) string {
	const longest = 60
	command := []rune(diag.Words(rec.Command))
	if len(command) > longest {
		command = append(command[:longest], []rune("...")...)
	}
	why := "whose nono was killed"
	if rec.End != nil && rec.End.Reason != sdk.EndCoreLost {
		why = "which could not be cleaned up when it ended"
	}
	return fmt.Sprintf("%s (%s, in %s), %s", rec.ID, string(command),
		diag.Homely(rec.Dir, home), why)
}

// A deadSession is one that this start finishes. The run lends it what a layer's process needs.
type deadSession struct {
	run    *run
	stored *store.Session
	record store.Record
	lines  []string // that its layers had for the user
	log    journal
}

// finish calls Finish of each layer to which it is owed: the rows of the Plan order backwards.
func (d *deadSession) finish(ctx context.Context) diag.Problems {
	defer func() { _ = d.stored.Close() }() // after End it is closed already
	log, logged := resumeJournal(d.stored)
	d.log = log
	problems := d.finishLayers(ctx)
	last := EventFinished
	if len(problems) > 0 {
		last = eventUnfinished
	}
	told := map[string]string{"reason": string(endOf(&d.record).Reason), "by": d.run.dir.ID}
	_, err := d.stored.End(func(rec *store.Record) {
		logged = errors.Join(logged, d.log.close(rec, last, told))
		rec.Layers = d.record.Layers
		if rec.End == nil {
			rec.End = &store.End{Reason: sdk.EndCoreLost}
		}
		rec.End.Report = append(rec.End.Report, d.lines...)
		if len(problems) > 0 {
			rec.Tries++
		}
	})
	if logged != nil {
		d.run.req.Out.Problem(logProblem(d.stored.ID(), logged))
	}
	if err != nil {
		problems = append(problems, d.problem(err)...)
	}
	return problems
}

func (d *deadSession) finishLayers(ctx context.Context) (problems diag.Problems) {
	if err := d.awaitEnd(ctx); err != nil {
		return d.problem(err)
	}
	if err := d.lookAside(); err != nil {
		problems = append(problems, d.problem(err)...)
	}
	for _, row := range slices.Backward(kinds.PlanOrder()) {
		for i, l := range d.record.Layers {
			if !l.Owed || !slices.Contains(row, l.Kind) {
				continue
			}
			answer, err := d.finishLayer(ctx, l)
			if err != nil {
				d.log.tell(eventFailed, map[string]string{"layer": l.Name, "why": err.Error()})
				problems = append(problems, d.problem(err)...)
				continue
			}
			d.record.Layers[i].Owed = false
			d.lines = append(d.lines, answer.Lines...)
		}
	}
	return problems
}

// problem is why the session is not finished. It is not this run's, and does not stop it.
func (d *deadSession) problem(err error) diag.Problems {
	problems := slices.Clone(asProblems(err))
	for i, p := range problems {
		p = diag.Warningf("session %s, is not finished: %s",
			nameOf(&d.record, d.run.req.Dirs.Home), p.Summary).
			Try("%s\nwhat it took is on record, and each start tries again; "+
				"`nono session rm %s` gives it up", p.Detail, d.record.ID)
		p.Detail = strings.TrimPrefix(p.Detail, "\n")
		problems[i] = p
	}
	return problems
}

// awaitEnd waits until nothing of the session runs. Its core is gone, and the rest is about to be.
func (d *deadSession) awaitEnd(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, endPatience)
	defer cancel()
	for _, p := range d.record.Processes {
		if err := p.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// finishLayer calls Finish of a layer in a fresh process.
func (d *deadSession) finishLayer(
	ctx context.Context, l store.Layer,
) (*sdk.FinishResponse, error) {
	kept, err := d.stored.Kept(l.Name)
	if err != nil {
		return nil, err
	}
	m, err := d.find(l)
	if err != nil {
		return nil, err
	}
	defer m.close()
	layer, now, err := m.launch(ctx, d.run)
	if err != nil {
		return nil, err
	}
	defer layer.Close()
	if err := understands(now, l); err != nil {
		return nil, err
	}
	d.run.noteFinisher(d.stored, layer, l.Name)
	if err := layer.OpenSession(ctx, &deadHandler{handler{d.run, m, d.log}}); err != nil {
		return nil, m.problem(err)
	}
	end := endOf(&d.record)
	answer, err := layer.FinishStored(ctx, kept.Run, &end, kept.State)
	if err != nil {
		return nil, m.problem(err)
	}
	return answer, nil
}

// find finds the layer's program where it lay when the session began. Nobody has named it for this
// start, so it matters that the user's lock says which program is run.
func (d *deadSession) find(l store.Layer) (m *member, err error) {
	m = &member{
		block:  config.Layer{Kind: l.Kind, Name: string(l.Kind)},
		plugin: config.Plugin{Name: l.Name, Path: l.Path},
	}
	m.binary, err = findBinary(m.plugin, d.run.layerPlaces())
	return m, err
}

// understands reports a layer that need not understand what the one of the session has left: what
// is older than that.
func understands(now sdk.Description, then store.Layer) error {
	if now.Lifetime == sdk.Ephemeral {
		return diag.Errorf("layer %s has no Finish any more, in version %s", now.Name, now.Version).
			Try("put back version %s of it", then.Version)
	}
	if now.Version == then.Version {
		return nil
	}
	is, err := version.NewVersion(now.Version)
	if err == nil {
		var was *version.Version
		if was, err = version.NewVersion(then.Version); err == nil && is.GreaterThan(was) {
			return nil
		}
	}
	return diag.Errorf("layer %s has version %s, and had %s when the session began",
		now.Name, now.Version, then.Version).
		Try("install that version or a later one")
}

// A deadHandler is core's end of the session that a layer has while it finishes a dead one: there
// is no agent that it could reach or end.
type deadHandler struct{ handler }

// Dial implements host.Handler.
func (*deadHandler) Dial(context.Context, uint16) (*os.File, error) {
	return nil, errors.New("the session's agent is gone")
}

// Stop implements host.Handler. It is about a run that is over.
func (h *deadHandler) Stop(reason string) {
	h.log.tellAtWill(eventStop, map[string]string{"layer": h.name(), "why": reason})
	h.run.req.Out.Detail("[%s] asks to end a session that is over: %s", h.name(), reason)
}

// Interface guard.
var _ host.Handler = (*deadHandler)(nil)
