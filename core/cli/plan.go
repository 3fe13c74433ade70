package cli

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/nono-run/nono/core/plan/show"
	"github.com/nono-run/nono/core/session"
)

// planOptions are what plan is told.
type planOptions struct {
	policyOptions
	JSON bool
}

func newPlan(
	plan func(context.Context, planOptions) error, names completers,
) *cobra.Command {
	var o planOptions
	cmd := &cobra.Command{
		Use:                   "plan [flags] [-c FILE] [-- COMMAND [ARG...]]",
		DisableFlagsInUseLine: true,
		Short:                 "Show what a run would allow, and which line says so",
		Long: `Show what nono run would do with the same flags, and run nothing.

The plan is made by the same code, from the same layers, as a run's: it is the first half of one.
Each rule is shown with the line or the flag it comes from and with the mechanism that holds it. No
value of a secret variable is in it.`,
		Example: `  nono plan -c agent.hcl
  nono plan --allow-cwd --read ~/data -- python my_agent.py
  nono plan -c agent.hcl --json | jq '.rules[] | select(.held != "enforced")'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.take(cmd, args)
			return plan(cmd.Context(), o)
		},
	}
	o.add(cmd, names)
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print the plan as JSON")
	return cmd
}

func (a *App) plan(ctx context.Context, o planOptions) error {
	req, err := a.request("plan", o.policyOptions)
	if err != nil {
		return err
	}
	p, err := session.Plan(ctx, req)
	if err != nil {
		return err
	}
	if o.JSON {
		return a.printJSON(p)
	}
	return show.Print(a.Stdout, p, a.verbose, a.colour(a.Stdout))
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
