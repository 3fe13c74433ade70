package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/plan"
	planshow "github.com/nono-run/nono/core/plan/show"
	"github.com/nono-run/nono/core/store"
	"github.com/nono-run/nono/core/store/show"
)

// stopOptions are what `nono stop` is told.
type stopOptions struct {
	Session string
	All     bool
}

func newPs(list func(asJSON bool) error) *cobra.Command {
	return listing(&cobra.Command{
		Use:     "ps",
		Short:   "List the sessions that run",
		Long:    "List the sessions that run now, with the process of each one's nono.",
		Example: "  nono ps\n  nono ps --json",
	}, list)
}

func newInspect(
	act func(context.Context, sessionOptions) error, complete cobra.CompletionFunc,
) *cobra.Command {
	return aboutSession(&cobra.Command{
		Use:   "inspect [flags] [SESSION]",
		Short: "Show a session and all that its agent may do",
		Long: `Show what nono session show does, and the plan that the session was started with: what is
allowed, denied and protected, and the line behind each rule, as nono plan prints it.` +
			sessionLong,
		Example: "  nono inspect\n  nono inspect nightly --json | jq .plan.rules",
	}, "print as JSON", complete, act)
}

func newStop(
	stop func(context.Context, stopOptions) error, complete cobra.CompletionFunc,
) *cobra.Command {
	var o stopOptions
	cmd := &cobra.Command{
		Use:                   "stop [flags] [SESSION]",
		DisableFlagsInUseLine: true,
		Short:                 "End a session that runs",
		Long: `Ask a session to end, as SIGTERM to its nono does, and wait until it has: the agent gets
ten seconds, and the layers clean up.

SESSION is an id, a name, or the beginning of either. Without it the live session of the current
directory is meant, or of the nearest one above, if there is only one there.`,
		Example: "  nono stop\n  nono stop nightly\n  nono stop --all",
		Args: func(cmd *cobra.Command, args []string) error {
			if err := allOrNamed(cmd, o.All, args); err != nil {
				return err
			}
			return oneSession(cmd, args)
		},
		ValidArgsFunction: complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Session = word(args)
			return stop(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.All, "all", false, "every session that runs")
	return cmd
}

func (a *App) listRunning(asJSON bool) error {
	s, err := a.sessions()
	if err != nil {
		return err
	}
	live := s.in(store.Live)
	if asJSON {
		return a.printJSON(allStored(live))
	}
	if len(live) == 0 {
		a.printer().Line("no session runs")
		return nil
	}
	return s.printer.Running(a.Stdout, live)
}

func (a *App) inspect(_ context.Context, o sessionOptions) error {
	s, err := a.sessions()
	if err != nil {
		return err
	}
	e, err := s.pick(s.list, o.Session, "session")
	if err != nil {
		return err
	}
	var made plan.Plan
	planErr := e.Plan(&made)
	if planErr != nil {
		planErr = diag.Errorf("the plan of session %s cannot be read: %v", show.Named(e), planErr)
	}
	if o.JSON {
		shown := struct {
			storedSession
			Plan *plan.Plan `json:"plan,omitempty"`
		}{storedSession: asStored(e)}
		if planErr == nil {
			shown.Plan = &made
		}
		return errors.Join(a.printJSON(shown), planErr)
	}
	if err := s.printer.Session(a.Stdout, e); err != nil || planErr != nil {
		return errors.Join(err, planErr)
	}
	return planshow.Print(a.Stdout, &made, a.verbose, a.colour(a.Stdout))
}

// stopPatience is how long a session is waited for: the agent's ten seconds, and time for layers to
// clean up.
const stopPatience = time.Minute

func (a *App) stop(ctx context.Context, o stopOptions) error {
	s, err := a.sessions()
	if err != nil {
		return err
	}
	live := s.in(store.Live)
	if !o.All {
		e, err := s.pickLive(live, o.Session)
		if err != nil {
			return err
		}
		live = []store.Entry{e}
	}
	if len(live) == 0 {
		a.printer().Line("no session runs")
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	// All are asked before one is waited for.
	var problems diag.Problems
	var asked []store.Entry
	for _, e := range live {
		if err := e.Stop(); err != nil {
			problems = append(problems, diag.Errorf("stopping session %s: %v", show.Named(e), err))
			continue
		}
		asked = append(asked, e)
	}
	for _, e := range asked {
		if err := e.Wait(ctx); err != nil {
			problems = append(problems, diag.Errorf("session %s has not ended yet", show.Named(e)).
				Try("its layers may still clean up; `nono stop %s` once more ends that too", e.ID))
			continue
		}
		a.printer().Line("session %s has ended", show.Named(e))
	}
	return problems.Err()
}

// pickLive is the live session that a word means. Without a word it is the only one of this
// directory, for the last one is not the one to end just because it is the last.
func (s *sessions) pickLive(live []store.Entry, word string) (store.Entry, error) {
	e, err := s.pick(live, word, "live session")
	if err != nil || word != "" {
		return e, err
	}
	for _, other := range live {
		if other.ID != e.ID && other.Record != nil && other.Record.Dir == e.Record.Dir {
			return e, diag.Errorf("several sessions run in %s", diag.Homely(e.Record.Dir, s.printer.Home)).
				Try("name one; `nono ps` lists them")
		}
	}
	return e, nil
}
