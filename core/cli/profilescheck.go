package cli

import (
	"errors"
	"fmt"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/policy"
)

// differs is how `nono profiles diff` ends where two profiles say different things, and invalid how
// `nono profiles validate` does where a run would refuse the profile.
const (
	differs exitCode = 1
	invalid exitCode = 1
)

func newProfilesValidate(
	validate func(profileOptions) error, names cobra.CompletionFunc,
) *cobra.Command {
	var o profileOptions
	cmd := &cobra.Command{
		Use:                   "validate [flags] PROFILE",
		DisableFlagsInUseLine: true,
		Short:                 "Say whether a run would take a profile, and what it asks for",
		Long: `Read a profile as a run would, started here, and run nothing. What is wrong is named, each
with its line, and what the profile of a file asks for beyond its own directory: a run takes that
only where it was approved.

The exit code is 0 if a run would take it, 1 if not, and 125 if there is no such profile.`,
		Example: `  nono profiles validate work
  nono profiles validate ./my-agent.json --json`,
		Args:              oneProfile,
		ValidArgsFunction: names,
		RunE: func(_ *cobra.Command, args []string) error {
			o.Name = args[0]
			return validate(o)
		},
	}
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print as JSON")
	return cmd
}

// diffOptions are what `nono profiles diff` is told.
type diffOptions struct {
	From, To string
	JSON     bool
}

func newProfilesDiff(diff func(diffOptions) error, names cobra.CompletionFunc) *cobra.Command {
	var o diffOptions
	cmd := &cobra.Command{
		Use:                   "diff [flags] PROFILE PROFILE",
		DisableFlagsInUseLine: true,
		Short:                 "Show what one profile says and another does not",
		Long: `Show what the first profile says and the second does not, and the other way round, each
with its line, and with what they extend. What all runs begin from, the default profile and your
config.hcl, is in neither: default as one of the two says nothing.

The exit code is 0 if they say the same, 1 if not.`,
		Example: `  nono profiles diff default claude-code
  nono profiles diff work ./work.json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				return nil
			}
			return diag.Errorf("`%s` takes two profiles, and was given %d", cmd.CommandPath(),
				len(args)).Try("usage: %s", cmd.UseLine())
		},
		ValidArgsFunction: names,
		RunE: func(_ *cobra.Command, args []string) error {
			o.From, o.To = args[0], args[1]
			return diff(o)
		},
	}
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print as JSON")
	return cmd
}

// judgement is what `nono profiles validate` says of a profile.
type judgement struct {
	Name     string         `json:"name"`
	Valid    bool           `json:"valid"`
	Problems []problemShown `json:"problems,omitempty"`
	Asks     []askShown     `json:"asks,omitempty"`
}

type problemShown struct {
	Severity diag.Severity `json:"severity"`
	Summary  string        `json:"summary"`
	Detail   string        `json:"detail,omitempty"`
	Source   policy.Source `json:"source"`
}

type askShown struct {
	Says   string        `json:"says"`
	Source policy.Source `json:"source"`
}

func (a *App) validateProfile(o profileOptions) error {
	p, err := a.findProfile(o.Name)
	if err != nil {
		return err
	}
	own, dir, err := a.here()
	if err != nil {
		return err
	}
	loaded, err := a.load(policyOptions{Profiles: []string{o.Name}, Approve: true}, own, dir)
	var problems diag.Problems
	if err != nil && !errors.As(err, &problems) {
		return err
	}
	verdict := judgement{Name: p.Name, Valid: err == nil}
	if verdict.Valid {
		problems = loaded.Config.Notices
		for _, ask := range loaded.Config.Asks {
			verdict.Asks = append(verdict.Asks, askShown{ask.Says, ask.Source})
		}
	}
	if err := a.printJudgement(verdict, problems, o.JSON); err != nil {
		return err
	}
	if !verdict.Valid {
		return invalid
	}
	return nil
}

func (a *App) printJudgement(verdict judgement, problems diag.Problems, asJSON bool) error {
	if asJSON {
		for _, p := range problems {
			verdict.Problems = append(verdict.Problems,
				problemShown{p.Severity, p.Summary, p.Detail, p.Source})
		}
		return a.printJSON(verdict)
	}
	for _, p := range problems {
		a.printer().Problem(p)
	}
	says := "a run would take it"
	if !verdict.Valid {
		says = "no run would take it"
	}
	fmt.Fprintln(a.Stdout, policy.Printable(verdict.Name+": "+says))
	for _, ask := range verdict.Asks {
		fmt.Fprintln(a.Stdout, policy.Printable(fmt.Sprintf("%s: it asks %s", ask.Source, ask.Says)))
	}
	return nil
}

func (a *App) diffProfiles(o diffOptions) error {
	from, err := a.statements(o.From)
	if err != nil {
		return err
	}
	to, err := a.statements(o.To)
	if err != nil {
		return err
	}
	removed, added := without(from, to), without(to, from)
	if o.JSON {
		err = a.printJSON(struct {
			Removed []config.Statement `json:"removed"`
			Added   []config.Statement `json:"added"`
		}{removed, added})
	} else {
		a.printStatements(color.FgRed, "-", removed)
		a.printStatements(color.FgGreen, "+", added)
	}
	if err == nil && len(removed)+len(added) > 0 {
		return differs
	}
	return err
}

// statements are what a profile says.
func (a *App) statements(name string) ([]config.Statement, error) {
	own, dir, err := a.here()
	if err != nil {
		return nil, err
	}
	all, texts, err := config.Statements(a.configOptions(policyOptions{Profiles: []string{name}},
		own, dir))
	a.texts = texts
	return all, err
}

// without are the statements that are not among the others.
func without(all, others []config.Statement) []config.Statement {
	said := map[string]bool{}
	for _, s := range others {
		said[s.Says] = true
	}
	left := []config.Statement{}
	for _, s := range all {
		if !said[s.Says] {
			left = append(left, s)
		}
	}
	return left
}

func (a *App) printStatements(as color.Attribute, sign string, all []config.Statement) {
	c := color.New(as)
	c.DisableColor()
	if a.colour(a.Stdout) {
		c.EnableColor()
	}
	for _, s := range all {
		line := policy.Printable(sign + " " + s.Says)
		fmt.Fprintf(a.Stdout, "%s  # %s\n", c.Sprint(line), policy.Printable(s.Source.String()))
	}
}
