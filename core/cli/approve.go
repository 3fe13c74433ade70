package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/nono-run/nono/core/approval"
	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/prompt"
)

// approveOptions are what approve is told.
type approveOptions struct {
	File   string
	List   bool
	Forget bool
	JSON   bool
}

func newApprove(approve func(approveOptions) error) *cobra.Command {
	var o approveOptions
	cmd := &cobra.Command{
		Use:                   "approve [flags] [FILE]",
		DisableFlagsInUseLine: true,
		Short:                 "Approve what a file of policy asks for",
		Long: `Approve what a file of policy asks for beyond its own directory, and remember it. What it
asks for is printed, a line each, and nothing is run.

What is remembered is the set of things that were asked for, with the absolute path of the file. A
later version of the file that asks for no more is not asked about again; for one that asks for
more, and for the same file at another path, it takes your word again. At a terminal nono run asks
by itself. In a job that runs without one, approve the file in its set-up.`,
		Example: `  nono approve agent.hcl
  nono approve --list
  nono approve --forget agent.hcl`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.FixedCompletions([]string{"hcl", "json", "jsonc"},
			cobra.ShellCompDirectiveFilterFileExt),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.File = args[0]
			}
			return approve(o)
		},
	}
	cmd.Flags().BoolVar(&o.List, "list", false, "list the files that were approved, and for what")
	cmd.Flags().BoolVar(&o.Forget, "forget", false, "take back what was approved of a file")
	cmd.Flags().BoolVar(&o.JSON, "json", false, "with --list: print as JSON")
	return cmd
}

// approvals are where nono remembers them.
func approvals(own dirs.Dirs) approval.Memory {
	return approval.Memory{Dir: filepath.Join(own.State, "approved")}
}

func (a *App) approve(o approveOptions) error {
	own, err := dirs.Find(a.Lookup, a.UID)
	if err != nil {
		return err
	}
	switch {
	case o.List:
		return a.listApprovals(approvals(own), own.Home, o.JSON)
	case o.File == "":
		return diag.Errorf("no file was named").Try("usage: nono approve FILE")
	case o.Forget:
		return a.forgetApproval(approvals(own), o.File)
	}
	dir, _, err := a.workdir("")
	if err != nil {
		return err
	}
	named := policyOptions{File: o.File}
	if isJSON(o.File) {
		named = policyOptions{Profiles: []string{o.File}}
	}
	options := a.configOptions(named, own, dir)
	options.Approved = nil // all that it asks for is told, and not what is new
	approved := 0
	options.Confirm = func(q config.Request) (bool, error) {
		a.tellAsks(q)
		approved += len(q.Asks)
		return true, approvals(own).Remember(q.Path, q.Wants())
	}
	loaded, err := config.Load(options)
	a.texts = loaded.Texts
	switch {
	case err != nil:
		return err
	case approved == 0:
		a.printer().Line("%s asks for nothing that it may not have by itself", o.File)
	default:
		a.printer().Line("approved; `nono approve --forget %s` takes it back", diag.Word(o.File))
	}
	return nil
}

// tellAsks prints what a file asks for, a line each, whatever else is silent.
func (a *App) tellAsks(q config.Request) {
	out := diag.NewPrinter(a.held(), false, false, a.colour(a.Stderr))
	out.Line("%s asks", q.File)
	for i, ask := range q.Asks {
		mark := ""
		if !q.New[i] {
			mark = " (approved before)"
		}
		out.Line("  %s  (%s)%s", ask.Says, ask.Source, mark)
	}
	if q.Ground != "" {
		out.Line("%s, so the file grants nothing by its place", q.Ground)
	}
}

// mostAsked is how many things, and how many characters of them, are approved by an answer at the
// terminal: what was printed before scrolls away.
const (
	mostAsked      = 30
	mostCharacters = 4000
)

// confirm asks the user at the terminal whether a file may have what it asks for, and remembers a
// yes.
func (a *App) confirm(memory approval.Memory) func(config.Request) (bool, error) {
	if !term.IsTerminal(int(a.Stdin.Fd())) || !term.IsTerminal(int(a.Stderr.Fd())) {
		return nil
	}
	return func(q config.Request) (bool, error) {
		characters := len(policy.Printable(q.File))
		for _, ask := range q.Asks { // the name of its file may be as long as what is asked for
			characters += len(policy.Printable(ask.Says)) + len(ask.Source.String())
		}
		if len(q.Asks) > mostAsked || characters > mostCharacters {
			return false, diag.Errorf("%s asks for %d things, more than a question can show", q.File,
				len(q.Asks)).Try("`nono approve %s` lists and approves them", diag.Word(q.File))
		}
		tty, err := prompt.Open(a.Stdin, a.Stderr)
		if err != nil {
			return false, err
		}
		defer tty.Close()
		a.tellAsks(q)
		answer, err := tty.Ask(context.Background(),
			"nono: allow this, now and in later runs? [y/N] ", prompt.Shown)
		if err != nil {
			return false, fmt.Errorf("asking for your approval: %w", err)
		}
		if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
			return false, nil
		}
		return true, memory.Remember(q.Path, q.Wants())
	}
}

// shownApproval is an approval as --list --json prints it.
type shownApproval struct {
	File  string    `json:"file"`
	When  time.Time `json:"when"`
	Wants []string  `json:"wants"`
}

func (a *App) listApprovals(memory approval.Memory, home string, asJSON bool) error {
	all, err := memory.List()
	if err != nil {
		return err
	}
	if asJSON {
		shown := make([]shownApproval, len(all))
		for i, is := range all {
			shown[i] = shownApproval(is)
		}
		return a.printJSON(shown)
	}
	w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	for _, is := range all {
		fmt.Fprintf(w, "%s\t%s\n", policy.Printable(diag.Homely(is.File, home)),
			is.When.Local().Format("2006-01-02 15:04"))
		for _, want := range is.Wants {
			fmt.Fprintf(w, "  %s\n", policy.Printable(want))
		}
	}
	return w.Flush()
}

// forgetApproval takes back what was approved of a file, which need not be there any more.
func (a *App) forgetApproval(memory approval.Memory, name string) error {
	dir, _, err := a.workdir("")
	if err != nil {
		return err
	}
	path := filepath.Clean(name)
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	if to, err := hostfile.Resolve(path); err == nil {
		path = to
	}
	forgot, err := memory.Forget(path)
	switch {
	case err != nil:
		return err
	case !forgot:
		return diag.Errorf("nothing was approved of %s", name).
			Try("`nono approve --list` shows what was")
	}
	a.printer().Line("forgot what was approved of %s", name)
	return nil
}
