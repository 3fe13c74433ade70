package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/store"
	"github.com/nono-run/nono/core/store/show"
	"github.com/nono-run/nono/sdk"
)

// sessionOptions are what a command about one session is told.
type sessionOptions struct {
	Session string // the word for it
	JSON    bool
}

// removeOptions are what `nono session rm` is told.
type removeOptions struct {
	Sessions []string
	// Force gives up what a dead session's layers have not released.
	Force bool
}

// pruneOptions are what `nono session prune` is told.
type pruneOptions struct{ DryRun, JSON bool }

func (a *App) newSession(do actions) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "session",
		Short: "Show and remove the sessions that are stored",
		Long: `Show and remove the sessions that are stored. Each run is one: what ran, where, with which
policy, what happened and how it ended.`,
		Example: "  nono session list\n  nono session show\n  nono session rm nightly",
	})
	cmd.AddCommand(
		newSessionList(do.listSessions),
		newSessionShow(do.showSession, a.completeSessions),
		newSessionRemove(do.removeSessions, a.completeSessions),
		newSessionPrune(do.pruneSessions),
		newSessionRestore(do.restoreSession, a.completeSessions),
	)
	return cmd
}

func newSessionList(list func(asJSON bool) error) *cobra.Command {
	return listing(&cobra.Command{
		Use:   "list",
		Short: "List the sessions that are stored, the newest first",
		Long: `List the sessions that are stored, the newest first.

One that is live runs. One that is dead has lost its nono, which was killed; what its layers took is
released when the next session starts.`,
		Example: `  nono session list
  nono session list --json | jq '.[] | select(.state == "dead")'`,
	}, list)
}

// aboutSession makes a command of one that is about a session and prints what it finds.
func aboutSession(
	cmd *cobra.Command, json string, complete cobra.CompletionFunc,
	act func(context.Context, sessionOptions) error,
) *cobra.Command {
	var o sessionOptions
	cmd.DisableFlagsInUseLine = true
	cmd.Args, cmd.ValidArgsFunction = oneSession, complete
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.Session = word(args)
		return act(cmd.Context(), o)
	}
	cmd.Flags().BoolVar(&o.JSON, "json", false, json)
	return cmd
}

// listing makes a command of one that lists.
func listing(cmd *cobra.Command, list func(asJSON bool) error) *cobra.Command {
	var asJSON bool
	cmd.Args = noArguments
	cmd.RunE = func(*cobra.Command, []string) error { return list(asJSON) }
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

// allOrNamed refuses both answers to which session is meant.
func allOrNamed(cmd *cobra.Command, all bool, args []string) error {
	if all && len(args) > 0 {
		return diag.Errorf("--all and %q are two answers to which session is meant", args[0]).
			Try("usage: %s", cmd.UseLine())
	}
	return nil
}

func newSessionShow(
	act func(context.Context, sessionOptions) error, complete cobra.CompletionFunc,
) *cobra.Command {
	return aboutSession(&cobra.Command{
		Use:   "show [flags] [SESSION]",
		Short: "Show what is known of a session",
		Long: "Show what ran, where, with which policy and layers, how long, and how it ended." +
			sessionLong,
		Example: "  nono session show\n  nono session show nightly --json",
	}, "print as JSON", complete, act)
}

func newSessionRemove(
	act func(context.Context, removeOptions) error, complete cobra.CompletionFunc,
) *cobra.Command {
	var o removeOptions
	cmd := &cobra.Command{
		Use:                   "rm [flags] SESSION...",
		DisableFlagsInUseLine: true,
		Short:                 "Remove stored sessions",
		Long: `Remove stored sessions, with their logs and all that layers keep for them, their snapshots
among it: no command can undo or show anything of theirs any more. What that frees is told. A live
one is stopped first, by nono stop.

A dead session still has something to clean up, which the next start does; --force gives that up.`,
		Example: "  nono session rm k3v9\n  nono session rm --force k3v9",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return nil
			}
			return diag.Errorf("`nono session rm` takes the sessions to remove, and was given none").
				Try("usage: %s", cmd.UseLine())
		},
		ValidArgsFunction: complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Sessions = args
			return act(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.Force, "force", false, "also one that is dead, and not cleaned up after")
	return cmd
}

func newSessionPrune(prune func(context.Context, pruneOptions) error) *cobra.Command {
	var o pruneOptions
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove the finished sessions that are not to be kept",
		Long: fmt.Sprintf(`Remove the finished sessions that are not to be kept: those that are too many,
too old, or too much. Each run does so at its end, once an hour.

%d sessions are kept, %d days after their end, as long as they take no more than %s together.
Your own config.hcl says otherwise with session { keep = { sessions = 100, age = "720h",
size = "200MiB" } }.`, store.DefaultKeep.Sessions, int(store.DefaultKeep.Age.Hours()/24),
			bytesText(store.DefaultKeep.Size)),
		Example: "  nono session prune --dry-run\n  nono session prune",
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return prune(cmd.Context(), o) },
	}
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "say which they are, and remove nothing")
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print them as JSON")
	return cmd
}

// hidden is a command that is taken and not in help: another spelling of one that is.
func hidden(cmd *cobra.Command) *cobra.Command {
	cmd.Hidden = true
	return cmd
}

func (a *App) listSessions(asJSON bool) error {
	s, err := a.sessions()
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(allStored(s.list))
	}
	if len(s.list) == 0 {
		a.printer().Line("no session is stored yet; each `nono run` is one")
		return nil
	}
	if err := s.printer.List(a.Stdout, s.list); err != nil {
		return err
	}
	for _, e := range s.list {
		if e.Err != nil {
			a.printer().Problem(diag.Warningf("session %s cannot be read: %v", e.ID, e.Err))
		}
	}
	return nil
}

func (a *App) showSession(_ context.Context, o sessionOptions) error {
	s, err := a.sessions()
	if err != nil {
		return err
	}
	e, err := s.pick(s.list, o.Session, "session")
	if err != nil {
		return err
	}
	if o.JSON {
		return a.printJSON(asStored(e))
	}
	return s.printer.Session(a.Stdout, e)
}

func (a *App) removeSessions(ctx context.Context, o removeOptions) error {
	s, err := a.sessions()
	if err != nil {
		return err
	}
	// All are found before one is removed: a word that means nothing is a mistake.
	var picked []store.Entry
	for _, word := range o.Sessions {
		e, err := s.pick(s.list, word, "session")
		if err != nil {
			return err
		}
		picked = append(picked, e)
	}
	var problems diag.Problems
	var going []store.Entry
	for _, e := range picked {
		switch {
		case e.State == store.Dead && !o.Force:
			problems = append(problems, diag.Errorf(
				"session %s is dead, and what its layers took is not released yet", show.Named(e)).
				Try("the next `nono run` does that; --force gives it up"))
		case e.State == store.Live:
			problems = append(problems, diag.Errorf("session %s is live", show.Named(e)).
				Try("stop it first: nono stop %s", e.ID))
		default:
			going = append(going, e)
		}
	}
	freed, err := a.forget(ctx, going)
	if err != nil && !o.Force {
		p := diag.Errorf("what layers keep could not be dropped: %v", err).
			Try("--force removes the sessions all the same")
		return append(problems, p)
	}
	for _, e := range going {
		err := s.store.Remove(e.ID)
		switch {
		case errors.Is(err, store.ErrLive):
			problems = append(problems, diag.Errorf("session %s is live", show.Named(e)).
				Try("stop it first: nono stop %s", e.ID))
		case err != nil && !errors.Is(err, store.ErrNone):
			problems = append(problems, diag.Errorf("%v", err))
		}
	}
	if freed > 0 {
		a.printer().Line("that frees %s of snapshots", bytesText(freed))
	}
	return problems.Err()
}

// forget has layers drop what they keep for sessions, and says how many bytes that frees.
func (a *App) forget(ctx context.Context, going []store.Entry) (int64, error) {
	of := map[string][]string{}
	for _, e := range going {
		if e.Record == nil {
			continue
		}
		for _, l := range e.Record.Layers {
			if l.Lifetime != sdk.Ephemeral {
				of[l.Name] = append(of[l.Name], e.ID)
			}
		}
	}
	if len(of) == 0 {
		return 0, nil
	}
	layers, err := a.layerCommands()
	if err != nil {
		return 0, err
	}
	freed := int64(0)
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(of)) {
		n, err := layers.Forget(ctx, name, of[name])
		freed += n
		errs = append(errs, err)
	}
	return freed, errors.Join(errs...)
}

// forgetAll is forget for what store prunes.
func (a *App) forgetAll(ctx context.Context, s store.Store, freed *int64) store.Forget {
	return func(ids []string) error {
		var going []store.Entry
		for _, id := range ids {
			if e, err := s.Open(id); err == nil {
				going = append(going, e)
			}
		}
		n, err := a.forget(ctx, going)
		*freed += n
		return err
	}
}

func (a *App) pruneSessions(ctx context.Context, o pruneOptions) error {
	s, err := a.sessions()
	if err != nil {
		return err
	}
	own, err := dirs.Find(a.Lookup, a.UID)
	if err != nil {
		return err
	}
	loaded, err := a.load(policyOptions{}, own, s.dir)
	if err != nil {
		return err
	}
	keep, freed := kept(loaded.Config.Keep), int64(0)
	var gone []store.Stored
	if o.DryRun {
		gone, err = s.store.Surplus(keep, time.Now())
	} else {
		gone, err = s.store.Prune(keep, time.Now(), a.forgetAll(ctx, s.store, &freed))
	}
	if o.JSON {
		return errors.Join(a.printJSON(append([]store.Stored{}, gone...)), err)
	}
	size := int64(0)
	for _, g := range gone {
		size += g.Size
		fmt.Fprintln(a.Stdout, g.ID)
	}
	verb := "removed"
	if o.DryRun {
		verb = "would remove"
	}
	size += freed
	a.printer().Line("%s %d sessions, of %s", verb, len(gone), bytesText(size))
	return err
}

// kept is what is kept of finished sessions: what the user's own config says, and else the default.
func kept(says config.Keep) store.Keep {
	keep := store.DefaultKeep
	if says.Sessions != nil {
		keep.Sessions = int(min(*says.Sessions, math.MaxInt32))
	}
	if says.Age != nil {
		keep.Age = *says.Age
	}
	if says.Size != nil {
		keep.Size = *says.Size
	}
	return keep
}

// tidy removes the finished sessions that are not to be kept, at the end of a run.
func (a *App) tidy(ctx context.Context, own dirs.Dirs, says config.Keep) {
	s, freed := store.In(own), int64(0)
	_, err := s.PruneWhenDue(kept(says), time.Now(), a.forgetAll(ctx, s, &freed))
	if err != nil {
		a.printer().Problem(diag.Warningf("removing old sessions: %v", err).
			Try("`nono session prune` tries again"))
	}
}

// bytesText is a number of bytes for people.
func bytesText(n int64) string {
	for _, unit := range []struct {
		name string
		size int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.size {
			return fmt.Sprintf("%d %s", (n+unit.size/2)/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
