package cli

import (
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/store"
	"github.com/nono-run/nono/core/store/show"
	"github.com/nono-run/nono/sdk/policy"
)

// Which session a command is about is a word: an id, a name, or the beginning of one. Without a
// word it is the last session of this directory.

// sessionLong ends the help of each such command.
const sessionLong = `

SESSION is an id, a name, or the beginning of either where no other session begins so. Without it
the last session of the current directory is meant, or of the nearest one above that has any.`

// sessions are the stored ones, as a command finds them.
type sessions struct {
	store   store.Store
	list    []store.Entry // the newest first
	dir     string        // the current directory
	printer show.Printer
}

func (a *App) sessions() (*sessions, error) {
	own, err := dirs.Find(a.Lookup, a.UID)
	if err != nil {
		return nil, err
	}
	dir, _, err := a.currentDir()
	if err != nil {
		return nil, err
	}
	s := &sessions{
		store: store.In(own), dir: dir,
		printer: show.Printer{Home: own.Home, Now: time.Now(), Zone: time.Local},
	}
	s.list, err = s.store.List()
	return s, err
}

// in is those of a state.
func (s *sessions) in(state store.State) []store.Entry {
	var list []store.Entry
	for _, e := range s.list {
		if e.State == state {
			list = append(list, e)
		}
	}
	return list
}

// pick is the session that a word means among some, called so: "session", "live session".
func (s *sessions) pick(list []store.Entry, word, called string) (store.Entry, error) {
	if word == "" {
		e, err := store.Last(list, s.dir)
		if err != nil {
			return e, diag.Errorf("there is no %s of %s", called, diag.Homely(s.dir, s.printer.Home)).
				Try("`nono session list` lists those of other directories; name one")
		}
		return e, nil
	}
	e, err := store.Pick(list, word)
	var several *store.AmbiguousError
	switch {
	case errors.As(err, &several):
		names := make([]string, len(several.Among))
		for i, e := range several.Among {
			names[i] = show.Named(e)
		}
		return e, diag.Errorf("%q could be any of %d sessions", word, len(names)).
			Try("they are: %s", strings.Join(names, ", "))
	case errors.Is(err, store.ErrNone):
		return e, diag.Errorf("there is no %s %q", called, word).
			Try("`nono session list` lists them")
	}
	return e, err
}

// oneSession is the arguments of a command about one session.
func oneSession(cmd *cobra.Command, args []string) error {
	if len(args) <= 1 {
		return nil
	}
	return diag.Errorf("`%s` takes one session, and was given %d", cmd.CommandPath(), len(args)).
		Try("usage: %s", cmd.UseLine())
}

// word is the session that was named, or "".
func word(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// completeSessions offers the names and ids of the stored sessions.
func (a *App) completeSessions(
	*cobra.Command, []string, string,
) ([]cobra.Completion, cobra.ShellCompDirective) {
	s, err := a.sessions()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var words []cobra.Completion
	for _, e := range s.list {
		if e.Record == nil {
			continue
		}
		about := policy.Printable(diag.Homely(e.Record.Dir, s.printer.Home))
		words = append(words, cobra.CompletionWithDesc(e.ID, about))
		if e.Record.Name != "" {
			words = append(words, cobra.CompletionWithDesc(e.Record.Name, about))
		}
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

// storedSession is a session as --json has it.
type storedSession struct {
	ID      string        `json:"id"`
	State   store.State   `json:"state"`
	Path    string        `json:"path"`
	Session *store.Record `json:"session,omitempty"`
	Problem string        `json:"problem,omitempty"`
}

func asStored(e store.Entry) storedSession {
	s := storedSession{ID: e.ID, State: e.State, Path: e.Path, Session: e.Record}
	if e.Err != nil {
		s.Problem = e.Err.Error()
	}
	return s
}

func allStored(list []store.Entry) []storedSession {
	all := make([]storedSession, len(list))
	for i, e := range list {
		all[i] = asStored(e)
	}
	return all
}
