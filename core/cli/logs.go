package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/events"
	"github.com/nono-run/nono/core/store"
	"github.com/nono-run/nono/core/store/show"
	"github.com/nono-run/nono/sdk/bytejson"
)

// logOptions are what `nono logs` is told.
type logOptions struct {
	sessionOptions
	Follow bool
}

func newLogs(
	act func(context.Context, logOptions) error, complete cobra.CompletionFunc,
) *cobra.Command {
	var o logOptions
	cmd := &cobra.Command{
		Use:                   "logs [flags] [SESSION]",
		DisableFlagsInUseLine: true,
		Short:                 "Print what happened in a session",
		Long: `Print the events of a session: its start and end, what its layers reported, and what its
agent was refused. Each has its time, the layer that told it, and the line of the policy behind it,
if one decided it. One that came again and again is counted and stands there once for ten
seconds.` +
			sessionLong,
		Example: `  nono logs
  nono logs -f nightly
  nono logs --json | jq 'select(.layer == "netfilter")'`,
		Args:              oneSession,
		ValidArgsFunction: complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Session = word(args)
			return act(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVarP(&o.Follow, "follow", "f", false, "go on until the session ends")
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print as JSON, an event a line")
	return cmd
}

func (a *App) logs(ctx context.Context, o logOptions) error {
	s, err := a.sessions()
	if err != nil {
		return err
	}
	e, err := s.pick(s.list, o.Session, "session")
	if err != nil {
		return err
	}
	line := s.printer.Event
	if o.JSON {
		line = asJSONLine
	}
	return a.printEvents(ctx, s.store, e, o.Follow, line)
}

// asJSONLine is an event as its log has it.
func asJSONLine(r events.Record) string {
	text, err := bytejson.Marshal(r)
	if err != nil {
		panic(err) // it was read from JSON
	}
	return string(bytejson.Visible(text))
}

// lookAgain is how often a log that is followed is looked at.
const lookAgain = 100 * time.Millisecond

// printEvents prints a session's log, a line for each event. Where the log is not what was written
// it says so, and goes on.
func (a *App) printEvents(
	ctx context.Context, in store.Store, e store.Entry, follow bool,
	line func(events.Record) string,
) error {
	log, err := e.OpenEvents()
	if errors.Is(err, fs.ErrNotExist) {
		// It may have been finished since it was looked for, and lie elsewhere now.
		if now, gone := in.Open(e.ID); gone == nil {
			log, err = now.OpenEvents()
		}
	}
	if err != nil {
		return diag.Errorf("opening the log of session %s: %v", show.Named(e), err)
	}
	defer func() { _ = log.Close() }()
	read, err := events.NewReader(log, e.ID)
	if err != nil {
		return logProblem(e, err)
	}
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		// Asked before reading: what a session wrote at its end is read then.
		last := !follow || !isLive(in, e.ID)
		if err := a.printRest(read, e, line); err != nil || last {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// printRest prints the events that are there.
func (a *App) printRest(
	read *events.Reader, e store.Entry, line func(events.Record) string,
) error {
	for {
		record, err := read.Next()
		var broken *events.Broken
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &broken):
			problem := logProblem(e, err)
			problem.Severity = diag.Warning
			a.printer().Problem(problem)
			if record.Number == 0 {
				continue // nothing of it can be understood
			}
		case err != nil:
			return logProblem(e, err)
		}
		if _, err := fmt.Fprintln(a.Stdout, line(record)); err != nil {
			return err
		}
	}
}

func isLive(in store.Store, id string) bool {
	e, err := in.Open(id)
	return err == nil && e.State == store.Live
}

// logProblem is about a log that is not what was written.
func logProblem(e store.Entry, err error) diag.Problem {
	p := diag.Errorf("the log of session %s: %v", show.Named(e), err)
	var broken *events.Broken
	if errors.As(err, &broken) {
		return p.Try("it is not what was written: somebody changed it, or the disk did")
	}
	return p
}
