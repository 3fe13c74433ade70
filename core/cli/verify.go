package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/verify"
	"github.com/nono-run/nono/sdk/policy"
)

// notKept is how verify ends where the layer breaks a promise.
const notKept exitCode = 1

// verifyOptions are what was asked of plugin verify.
type verifyOptions struct {
	Program string
	File    string
	JSON    bool
}

func newPluginVerify(
	verify func(context.Context, verifyOptions) error, compare func(asJSON bool) error,
) *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use:                   "verify [flags] [PROGRAM]",
		DisableFlagsInUseLine: true,
		Short:                 "Compare layers' programs with your lock, or hold one to the contract",
		Long: `Compare the programs of all layers of other vendors with your lock: those that are
installed, that your own config.hcl names, or that you have locked. Nothing of them is run.

With PROGRAM, hold a layer to the contract: its program is started and called as in a run, and real
runs are made with it, with policies of every sort, in a home directory made for that. PROGRAM is a
path that begins with / or ./ or ../, which is run whether it is locked or not, or the name of a
layer that is built in or installed. A layer that needs settings is given them by a policy that has
its block (-c); the rest of that policy is added to each that is tried.

The exit code is 0 if every program is as it was locked, or every promise is kept; 1 if one is not;
and 125 if that could not be tried.`,
		Example: `  nono plugin verify
  nono plugin verify ./nono-layer-motd -c motd.hcl
  nono plugin verify landlock
  nono plugin verify acme/motd --json | jq '.checks[] | select(.outcome == "failed")'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 || len(args) == 0 && o.File == "" {
				return nil
			}
			return diag.Errorf("`nono plugin verify` takes one program, and was given %d", len(args)).
				Try("usage: %s", cmd.UseLine())
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return compare(o.JSON)
			}
			o.Program = args[0]
			return verify(cmd.Context(), o)
		},
	}
	cmd.Flags().VarP((*fileName)(&o.File), "config", "c",
		"read the layer's settings from its block in this policy")
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print as JSON")
	return cmd
}

func (a *App) verifyPlugin(ctx context.Context, o verifyOptions) error {
	own, err := dirs.Find(a.Lookup, a.UID)
	if err != nil {
		return err
	}
	dir, _, err := a.currentDir()
	if err != nil {
		return err
	}
	report, err := verify.Program(ctx, verify.Request{
		Program: o.Program, File: o.File, Dir: dir, Dirs: own, UID: a.UID, GID: a.GID,
		Lookup: a.Lookup, Environ: a.Environ, Deadlines: a.Deadlines, Log: a.logger(),
	})
	a.texts = report.Texts
	if err != nil {
		return err
	}
	if o.JSON {
		err = a.printJSON(report)
	} else {
		a.printReport(report, own.Home)
	}
	if err == nil && report.Count(verify.Failed) > 0 {
		return notKept
	}
	return err
}

// marks begin the line of a check.
var marks = map[verify.Outcome]string{
	verify.OK: "ok", verify.Failed: "FAILED", verify.Untried: "not tried", verify.Inapplicable: "-",
}

func (a *App) printReport(r *verify.Report, home string) {
	l := r.Layer
	title := fmt.Sprintf("%s %s, %s, %s: %s",
		l.Name, l.Version, l.Kind, l.Lifetime, diag.Homely(l.Path, home))
	fmt.Fprintln(a.Stdout, policy.Printable(title))
	for _, c := range r.Checks {
		fmt.Fprintf(a.Stdout, "%-9s  %s\n", marks[c.Outcome], c.Says)
		a.printUnder(c.Why)
		if c.Contract != "" {
			a.printUnder("the contract: " + c.Contract)
		}
	}
	fmt.Fprintf(a.Stdout, "%d kept, %d not kept, %d not tried\n",
		r.Count(verify.OK), r.Count(verify.Failed), r.Count(verify.Untried))
}

// printUnder prints text beneath a check.
func (a *App) printUnder(text string) {
	for line := range strings.SplitSeq(text, "\n") {
		if line != "" {
			fmt.Fprintf(a.Stdout, "%-9s  %s\n", "", policy.Printable(line))
		}
	}
}
