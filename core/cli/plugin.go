package cli

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/session"
	"github.com/nono-run/nono/sdk/policy"
)

func (a *App) newPlugin() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:     "plugin",
		Short:   "Show the layers that are installed",
		Example: "  nono plugin list",
	})
	cmd.AddCommand(a.newPluginList())
	return cmd
}

func (a *App) newPluginList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the layers that are built in or installed",
		Long: `List the layers that are built in, beside nono itself, and those of other vendors that are installed for you.

Each is started and asked to describe itself; one that cannot be is listed with the reason.`,
		Example: `  nono plugin list
  nono plugin list --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			own, err := dirs.Find(a.Lookup, a.UID)
			if err != nil {
				return err
			}
			installed, err := session.Installed(cmd.Context(), own, a.UID, a.logger())
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(installed)
			}
			w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tKIND\tVERSION\tLIFETIME\tPATH")
			for _, l := range installed {
				if l.Error != "" {
					fmt.Fprintf(w, "%s\t-\t-\t-\t%s (%s)\n", policy.Printable(l.Name), policy.Printable(l.Path), policy.Printable(l.Error))
					continue
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", policy.Printable(l.Name), l.Kind, policy.Printable(l.Version), l.Lifetime,
					policy.Printable(l.Path))
			}
			return w.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}
