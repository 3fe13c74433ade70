package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/nono-run/nono/core/events"
	"github.com/nono-run/nono/core/session"
	"github.com/nono-run/nono/core/store"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/loghead"
	"github.com/nono-run/nono/sdk/policy"
)

// changed is how `nono audit verify` ends where a log is not what was written.
const changed exitCode = 1

// auditOptions are what `nono audit verify` is told.
type auditOptions struct {
	Sessions []string
	All      bool
	// Signed says that a log without a signature is not good enough.
	Signed bool
	JSON   bool
}

func (a *App) newAudit(do actions) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "audit",
		Short: "Show and verify the logs of sessions",
		Long: `Show the logs of sessions as they are stored, and verify that they are what was written.

Each line of a log holds the hash of the line before, so one that was changed, taken out, put in or
moved is noticed. When a session ends it keeps the number of its events and the hash of the last
one, so a log that was cut at its end is noticed as well.

This finds mistakes, broken disks, and whoever changed one place and not all of them. Who may write
your files can also write a whole new log that fits. Agents cannot: their sandbox never holds nono's
own files. To be able to tell all the same, have the logs signed: nono trust keygen makes a key, and
from then on the end of each log is signed with it. Or keep the hashes that nono audit list prints
elsewhere.`,
		Example: "  nono audit list\n  nono audit verify --all\n  nono audit show --json",
	})
	cmd.AddCommand(
		newAuditList(do.listAudits),
		newAuditShow(do.showAudit, a.completeSessions),
		newAuditVerify(do.verifyAudits, a.completeSessions),
	)
	return cmd
}

func newAuditList(list func(asJSON bool) error) *cobra.Command {
	return listing(&cobra.Command{
		Use:     "list",
		Short:   "List the logs, each with the hash of its end",
		Long:    "List the logs of all sessions, the newest first, each with the hash of its end.",
		Example: "  nono audit list\n  nono audit list --json",
	}, list)
}

func newAuditShow(
	act func(context.Context, sessionOptions) error, complete cobra.CompletionFunc,
) *cobra.Command {
	return aboutSession(&cobra.Command{
		Use:   "show [flags] [SESSION]",
		Short: "Print a log with its numbers and hashes",
		Long: "Print a log as nono logs does, each event with its number and the hash before it." +
			sessionLong,
		Example: "  nono audit show\n  nono audit show nightly --json",
	}, "print as JSON, an event a line", complete, act)
}

func newAuditVerify(
	verify func(context.Context, auditOptions) error, complete cobra.CompletionFunc,
) *cobra.Command {
	var o auditOptions
	cmd := &cobra.Command{
		Use:                   "verify [flags] [SESSION...]",
		DisableFlagsInUseLine: true,
		Short:                 "Verify that logs are what was written",
		Long: `Verify that logs are what was written, from the first event to the last.

Of a session that is not over, the end is not known yet: a cut there cannot be noticed, and is said.

Where the log is signed, the signature says that it was written to this end, by whom a key of yours
or one that you trust has said so. A log is signed when its session ends, if you have a key called
default that opens without asking: one in a keyring that is unlocked, or encrypted to an identity.
Who may write your files can take a signature away, so that a log is unsigned says nothing for it:
--signed takes that for a fault.

The exit code is 1 if one of the logs is not what was written, or its signature is not good.` +
			sessionLong,
		Example: "  nono audit verify\n  nono audit verify --all --json\n" +
			"  nono audit verify --signed nightly",
		Args: func(cmd *cobra.Command, args []string) error {
			return allOrNamed(cmd, o.All, args)
		},
		ValidArgsFunction: complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Sessions = args
			return verify(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.Signed, "signed", false, "a log that is not signed is a fault")
	cmd.Flags().BoolVar(&o.All, "all", false, "every session that is stored")
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print as JSON")
	return cmd
}

// storedLog is a log as `nono audit list --json` has it.
type storedLog struct {
	ID    string      `json:"id"`
	Name  string      `json:"name,omitempty"`
	State store.State `json:"state"`
	// Kept is where the log ends; nil where the session is not over.
	Kept *events.Chain `json:"kept,omitempty"`
}

func (a *App) listAudits(asJSON bool) error {
	s, err := a.sessions()
	if err != nil {
		return err
	}
	all := make([]storedLog, 0, len(s.list))
	for _, e := range s.list {
		l := storedLog{ID: e.ID, State: e.State}
		if e.Record != nil {
			l.Name, l.Kept = e.Record.Name, e.Record.Events
		}
		all = append(all, l)
	}
	if asJSON {
		return a.printJSON(all)
	}
	w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTATE\tEVENTS\tHASH OF THE LAST")
	for _, l := range all {
		count, head := "-", "-"
		if l.Kept != nil {
			count, head = fmt.Sprint(l.Kept.Count), l.Kept.Head.String()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", l.ID, l.State, count, head)
	}
	return w.Flush()
}

func (a *App) showAudit(ctx context.Context, o sessionOptions) error {
	s, err := a.sessions()
	if err != nil {
		return err
	}
	e, err := s.pick(s.list, o.Session, "session")
	if err != nil {
		return err
	}
	line := func(r events.Record) string {
		return fmt.Sprintf("%d %s %s", r.Number, r.Previous.String()[:12], s.printer.Event(r))
	}
	if o.JSON {
		line = asJSONLine
	}
	return a.printEvents(ctx, s.store, e, false, line)
}

// verifiedLog is what became of the verification of one log.
type verifiedLog struct {
	ID    string      `json:"id"`
	State store.State `json:"state"`
	events.Chain
	// Whole says that the end is where it was written.
	Whole   bool   `json:"whole"`
	Problem string `json:"problem,omitempty"`
	// Signature is nil where the log is not what was written, or is not over.
	Signature *signature `json:"signature,omitempty"`

	plan  string // the hash of what the agent was held to
	later bool   // it was not its own run that closed the log
}

// signature is what a log's signature says.
type signature struct {
	State signatureState `json:"state"`
	// By is the name of the key, and Key its ID.
	By  string `json:"by,omitempty"`
	Key string `json:"key,omitempty"`
	// Why is what is wrong with it, or why there is none, as far as that is known.
	Why string `json:"why,omitempty"`
}

type signatureState string

const (
	signed   signatureState = "signed"
	unsigned signatureState = "unsigned"
	bad      signatureState = "bad"
)

func (a *App) verifyAudits(ctx context.Context, o auditOptions) error {
	s, err := a.sessions()
	if err != nil {
		return err
	}
	picked := s.list
	if !o.All {
		if picked, err = s.pickAll(o.Sessions); err != nil {
			return err
		}
	}
	all := make([]verifiedLog, 0, len(picked))
	for _, e := range picked {
		all = append(all, verifyLog(e))
	}
	if err := a.verifySignatures(ctx, picked, all); err != nil {
		return err
	}
	faulty := slices.ContainsFunc(all, func(v verifiedLog) bool {
		return v.Problem != "" || v.Signature != nil && v.Signature.State == bad ||
			o.Signed && (v.Signature == nil || v.Signature.State != signed)
	})
	if o.JSON {
		err = a.printJSON(all)
	} else {
		err = a.printVerified(all)
	}
	if err == nil && faulty {
		return changed
	}
	return err
}

// verifySignatures verifies the signatures of those logs that are what was written, all at once.
func (a *App) verifySignatures(
	ctx context.Context, entries []store.Entry, all []verifiedLog,
) error {
	var claims []loghead.Claim
	var claimed []*signature
	for i, e := range entries {
		v := &all[i]
		if v.Problem != "" || !v.Whole {
			continue
		}
		v.Signature = &signature{State: bad}
		bundle, err := e.Signature()
		switch {
		case err != nil:
			v.Signature.Why = "it cannot be read: " + err.Error()
		case len(bundle) > loghead.MaxBundle:
			v.Signature.Why = fmt.Sprintf("it is longer than %d bytes", loghead.MaxBundle)
		case bundle == nil:
			*v.Signature = signature{State: unsigned, Why: whyUnsigned(e, v.later)}
		default:
			claims = append(claims, loghead.Claim{Head: loghead.Head{
				Session: e.ID, Events: v.Count, Last: v.Head.String(), Plan: v.plan,
			}, Bundle: bundle})
			claimed = append(claimed, v.Signature)
		}
	}
	if len(claims) == 0 {
		return nil
	}
	layers, err := a.layerCommands()
	if err != nil {
		return err
	}
	verdicts, err := layers.VerifyLogs(ctx, claims)
	if err != nil {
		for _, s := range claimed {
			s.Why = "it could not be verified: " + err.Error()
		}
		return nil
	}
	for i, s := range claimed {
		s.By, s.Key, s.Why = verdicts[i].By, verdicts[i].Key, verdicts[i].Problem
		if s.Why == "" {
			s.State = signed
		}
	}
	return nil
}

// whyUnsigned is why the log of a session that is over was not signed, as far as that is known.
func whyUnsigned(e store.Entry, later bool) string {
	why := e.Unsigned()
	if why != "" || !later {
		return why
	}
	why = "a layer could not clean up when it ended"
	if end := e.Record.End; end != nil && end.Reason == sdk.EndCoreLost {
		why = "its nono was killed"
	}
	return why + ", and a later start closed the log"
}

// String is what is printed.
func (s *signature) String() string {
	switch {
	case s == nil:
		return ""
	case s.State == signed:
		return fmt.Sprintf("; signed with %s (%s)", s.By, s.Key)
	case s.State == bad:
		return "; its signature is NOT good: " + s.Why
	case s.Why != "":
		return "; unsigned: " + s.Why
	}
	return "; unsigned"
}

// pickAll is the sessions that some words mean; without one, the last of this directory.
func (s *sessions) pickAll(words []string) ([]store.Entry, error) {
	if len(words) == 0 {
		words = []string{""}
	}
	var picked []store.Entry
	for _, word := range words {
		e, err := s.pick(s.list, word, "session")
		if err != nil {
			return nil, err
		}
		picked = append(picked, e)
	}
	return picked, nil
}

// verifyLog verifies the log of one session, against the end that it kept if it is over.
func verifyLog(e store.Entry) verifiedLog {
	v := verifiedLog{ID: e.ID, State: e.State}
	var kept *events.Chain
	if e.Record != nil {
		kept = e.Record.Events
	}
	if e.State == store.Finished && kept == nil {
		v.Problem = "the session is finished, and does not say where its log ends"
		if e.Err != nil {
			v.Problem = e.Err.Error()
		}
		return v
	}
	log, err := e.OpenEvents()
	if err == nil {
		v.Chain, err = events.Verify(log, e.ID, kept, func(r events.Record) {
			switch {
			case r.Layer != events.Core:
			case r.Name == session.EventGate:
				v.plan = r.Fields["plan"]
			case r.Name == session.EventFinished:
				v.later = r.Fields["by"] != ""
			}
		})
		_ = log.Close()
	}
	if err == nil && v.plan != "" {
		err = verifyPlan(e, v.plan)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		v.Problem = "it is missing"
	case err != nil:
		v.Problem = err.Error()
	default:
		v.Whole = kept != nil
	}
	return v
}

// verifyPlan holds the stored plan against the hash that the log has of it.
func verifyPlan(e store.Entry, hash string) error {
	is, err := e.PlanHash()
	if err != nil {
		return fmt.Errorf("the plan: %w", err)
	}
	if is.String() != hash {
		return errors.New("the plan was changed: the log has another hash of it")
	}
	return nil
}

func (a *App) printVerified(all []verifiedLog) error {
	for _, v := range all {
		text := fmt.Sprintf("%d events, as they were written%s", v.Count, v.Signature)
		switch {
		case v.Problem != "":
			text = "NOT what was written: " + v.Problem
		case !v.Whole:
			text = fmt.Sprintf("%d events so far, as they were written; "+
				"the session is not over, and a cut at the end cannot be noticed", v.Count)
		}
		if _, err := fmt.Fprintf(a.Stdout, "%s: %s\n", v.ID, policy.Printable(text)); err != nil {
			return err
		}
	}
	return nil
}
