package cli

import (
	"context"
	"errors"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/nono-run/nono/core/aside"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/store"
	"github.com/nono-run/nono/core/store/show"
)

// restoreOptions are what `nono session restore` is told.
type restoreOptions struct {
	Session      string // the word for it
	DryRun, JSON bool
}

func newSessionRestore(
	act func(context.Context, restoreOptions) error, complete cobra.CompletionFunc,
) *cobra.Command {
	var o restoreOptions
	cmd := &cobra.Command{
		Use:                   "restore [flags] [SESSION]",
		DisableFlagsInUseLine: true,
		Short:                 "Put back what a session changed of what could not be protected in it",
		Long: `Put back what a session changed of what could not be protected in it.

On a host without user namespaces git's hooks and settings, agents' own settings, signed files and
the policy files of the run lie unprotected in what the agent may write. They are copied aside
before it starts, and what has changed is told at the end. This puts it back. What was changed again
since is left as it is, and told; no link is followed. For all else that a session changed there is
nono session rollback.` + sessionLong,
		Example: "  nono session restore --dry-run\n  nono session restore nightly",
		Args:    oneSession, ValidArgsFunction: complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Session = word(args)
			return act(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "say what would become of each path")
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print what became of each path as JSON")
	return cmd
}

func (a *App) restoreSession(_ context.Context, o restoreOptions) error {
	s, err := a.sessions()
	if err != nil {
		return err
	}
	e, kept, err := s.withAside(o.Session)
	if err != nil {
		return err
	}
	var trees []string
	if e.Record != nil {
		trees = e.Record.Trees
	}
	if others := store.Sharing(s.list, trees, e.ID); len(others) > 0 {
		return diag.Errorf("session %s runs, and may be changing the same files", show.Named(others[0])).
			Try("wait for its end, or stop it: nono stop %s", others[0].ID)
	}
	restore := kept.Restore
	if o.DryRun {
		restore = kept.TryRestore
	}
	outcomes := restore()
	if o.JSON {
		err = a.printJSON(append([]aside.Outcome{}, outcomes...))
	} else {
		a.tellRestored(e, outcomes, s.printer.Home)
	}
	left := slices.ContainsFunc(outcomes, func(o aside.Outcome) bool { return o.Result == aside.Left })
	if err == nil && left {
		return diag.Errorf("not all is as it was before session %s", show.Named(e)).
			Try("what was kept of it is in %s", diag.Homely(e.AsideDir(), s.printer.Home))
	}
	return err
}

// withAside is the session that a word means, or the last one that kept anything aside, and what it
// kept.
func (s *sessions) withAside(word string) (store.Entry, *aside.Kept, error) {
	list := s.list
	if word == "" {
		list = slices.DeleteFunc(slices.Clone(list), func(e store.Entry) bool {
			_, err := os.Lstat(e.AsideDir())
			return err != nil
		})
	}
	e, err := s.pick(list, word, "session that kept anything aside")
	if err != nil {
		return e, nil, err
	}
	switch e.State {
	case store.Live:
		return e, nil, diag.Errorf("session %s is live", show.Named(e)).
			Try("wait for its end, or stop it: nono stop %s", e.ID)
	case store.Dead:
		return e, nil, diag.Errorf("session %s has lost its nono and is not finished", show.Named(e)).
			Try("any start finishes it: `nono run -- true`")
	case store.Finished:
	}
	kept, err := aside.Open(e.AsideDir())
	switch {
	case errors.Is(err, os.ErrNotExist):
		return e, nil, diag.Errorf("session %s kept nothing aside", show.Named(e)).
			Try("what it could not write needs no putting back; " +
				"for all else there is `nono session rollback`")
	case err != nil:
		return e, nil, diag.Errorf("session %s: %v", show.Named(e), err)
	}
	return e, kept, nil
}

// tellRestored says what became of each path.
func (a *App) tellRestored(e store.Entry, outcomes []aside.Outcome, home string) {
	if len(outcomes) == 0 {
		a.printer().Line("session %s changed nothing of what was kept aside", show.Named(e))
	}
	for _, o := range outcomes {
		a.printer().Line("%s", o.Text(home))
	}
}
