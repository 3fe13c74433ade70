package session

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/events"
	"github.com/nono-run/nono/core/launch"
	"github.com/nono-run/nono/core/store"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
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
func (r *run) tellEnd(reason sdk.EndReason, exit launch.Exit, err error) {
	if reason == sdk.EndLayerLost {
		r.log.tell(eventLost, map[string]string{"why": err.Error()})
	}
	if r.began.IsZero() {
		return
	}
	fields := map[string]string{"reason": string(reason)}
	switch {
	case exit.Signal != 0:
		fields["signal"] = unix.SignalName(exit.Signal)
	case reason == sdk.EndExited:
		fields["code"] = strconv.Itoa(exit.Code)
	}
	if exit.Left > 0 {
		fields["left"] = strconv.Itoa(exit.Left)
	}
	r.log.tell(eventEnded, fields)
}

// meetOthers looks at the other sessions that are live: two may write in one directory, which is
// told, and none has this one's name. This one is stored by then, so of two that start at the same
// time at least one meets the other.
func (r *run) meetOthers() error {
	list, err := store.In(r.req.Dirs).Unfinished()
	if err != nil {
		return err
	}
	for _, e := range list {
		taken := e.ID != r.stored.ID() && e.State == store.Live && e.Record != nil &&
			r.req.Name != "" && e.Record.Name == r.req.Name
		if taken {
			return diag.Errorf("a session that is called %s runs already, as %s", r.req.Name, e.ID).
				Try("give this one another name; `nono ps` lists those that run")
		}
	}
	others := store.Sharing(list, r.trees(), r.stored.ID())
	if len(others) == 0 {
		return nil
	}
	const most = 3
	shown := make([]string, 0, most)
	for _, e := range others[:min(most, len(others))] {
		program := diag.Words(e.Record.Command[:min(1, len(e.Record.Command))])
		shown = append(shown, fmt.Sprintf("%s (%s)", e.ID, program))
	}
	named := strings.Join(shown, ", ")
	if more := len(others) - len(shown); more > 0 {
		named += fmt.Sprintf(" and %d more", more)
	}
	apart := "what each changes there cannot be told apart"
	if r.policy.Snapshot.IsOn() {
		apart = "what each changes there cannot be told apart, by `nono session diff` either"
	}
	r.req.Out.Problem(diag.Warningf("others may write where this one may: session %s", named).
		Try("%s; `nono ps` lists what runs, and a git worktree for each keeps them apart", apart))
	return nil
}

// trees are the directories that the user lets the agent write in.
func (r *run) trees() []string {
	var trees []string
	for _, g := range r.policy.Filesystem {
		if g.Access.Writable() && g.Type == policy.Directory && g.Source.Asked() {
			trees = append(trees, g.Path)
		}
	}
	return trees
}

// logProblem is about a log that could not be written to its end.
func logProblem(id string, err error) diag.Problem {
	return diag.Warningf("session %s: not all that happened is in its log: %v", id, err).
		Try("`nono logs %s` shows what is", id)
}
