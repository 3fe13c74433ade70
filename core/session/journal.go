package session

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/events"
	"github.com/nono-run/nono/core/store"
	"github.com/nono-run/nono/sdk"
)

// This file is what a run writes into its log: what its layers report, and of its own the
// beginning, the end, and what went wrong between them.

const (
	// EventGate says that every layer is armed, and that the agent may run. It has the hash of the
	// plan.
	EventGate = "gate.opened"
	// EventFinished is the last. Where a later start has finished the session it says which one.
	EventFinished = "session.finished"
)

// The other events of core's own.
const (
	eventBegan  = "session.began" // the command was given
	eventEnded  = "agent.ended"   // everything inside is gone
	eventLost   = "layer.lost"    // a resident layer is gone, or hangs
	eventStop   = "layer.stop"    // a layer asked for the end of the run, or refused its start
	eventFailed = "layer.failed"  // a layer could not clean up
	eventName   = "name.refused"  // a name was asked for, and the network is closed
	// A run, or a start after it, could not finish the session, and leaves it to the next start.
	eventUnfinished = "session.unfinished"
)

// A journal is the log of one session, in its file.
type journal struct {
	*events.Log
	file *os.File
}

// openJournal begins the log of this run.
func (r *run) openJournal() error {
	f, err := r.stored.OpenEvents()
	if err != nil {
		return err
	}
	log, err := events.Create(f, r.stored.ID(), r.req.Events)
	if err != nil {
		_ = f.Close()
		return err
	}
	r.log = journal{log, f}
	r.log.tell(eventBegan, map[string]string{
		"nono": sdk.Version, "directory": r.req.Dir, "command": diag.Words(r.req.Args),
	})
	return nil
}

// resumeJournal goes on with the log of a session that its own run did not finish.
func resumeJournal(s *store.Session) (journal, error) {
	f, err := s.OpenEvents()
	if err != nil {
		return journal{}, err
	}
	log, err := events.Resume(f, s.ID())
	if err != nil {
		_ = f.Close()
		return journal{}, err
	}
	return journal{log, f}, nil
}

// tell writes an event of core's own.
func (j journal) tell(name string, fields map[string]string) { j.Add(ofCore(name, fields)) }

// tellAtWill is tell for what the agent, or a layer, brings about as often as it likes.
func (j journal) tellAtWill(name string, fields map[string]string) {
	e := ofCore(name, fields)
	e.AtWill = true
	j.Add(e)
}

func ofCore(name string, fields map[string]string) events.Event {
	return events.Event{Layer: events.Core, Name: name, Fields: fields}
}

// close ends the log with an event, and stores where it ended.
func (j journal) close(rec *store.Record, name string, fields map[string]string) error {
	if j.Log == nil {
		return nil
	}
	chain, err := j.Close(ofCore(name, fields))
	rec.Events = &chain
	_ = j.file.Close()
	return err
}

// told is an event of a layer's, as its session's log has it. The rule is one of those that the
// layer was told.
func (h *handler) told(e sdk.Event) events.Event {
	told := events.Event{
		Layer: h.name(), Name: e.Name, Rule: e.Rule, Count: e.Count, Fields: e.Fields,
	}
	if sent := h.member.sent.Load(); sent != nil && e.Rule != "" {
		if rule, ok := sent.Find(e.Rule); ok {
			told.Source = rule.Source.String()
		}
	}
	return told
}

// tellEnd says how the agent ended, and of what if not of itself.
func (r *run) tellEnd(of end) {
	if of.reason == sdk.EndLayerLost {
		r.log.tell(eventLost, map[string]string{"why": of.err.Error()})
	}
	if r.began.IsZero() {
		return
	}
	fields := map[string]string{"reason": string(of.reason)}
	switch {
	case of.exit.Signal != 0:
		fields["signal"] = unix.SignalName(of.exit.Signal)
	case of.reason == sdk.EndExited:
		fields["code"] = strconv.Itoa(of.exit.Code)
	}
	if of.exit.Left > 0 {
		fields["left"] = strconv.Itoa(of.exit.Left)
	}
	r.log.tell(eventEnded, fields)
}

// logProblem is about a log that could not be written to its end.
func logProblem(id string, err error) diag.Problem {
	return diag.Warningf("session %s: not all that happened is in its log: %v", id, err).
		Try("`nono logs %s` shows what is", id)
}
