package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/session"
	"github.com/nono-run/nono/sdk/policy"
)

func newPlugin(do actions) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:     "plugin",
		Short:   "Show the layers that are installed, and verify one",
		Example: "  nono plugin list\n  nono plugin verify ./nono-layer-motd",
	})
	cmd.AddCommand(newPluginList(do.listPlugins), newPluginVerify(do.verifyPlugin))
	return cmd
}

func newPluginList(list func(ctx context.Context, asJSON bool) error) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the layers that are built in or installed",
		Long: `List the layers that are built in, beside nono itself, those of other vendors that are
installed for you, and those that your own config.hcl names by a path.

Each is started and asked to describe itself; what is wrong with one that cannot be used is said
below.`,
		Example: `  nono plugin list
  nono plugin list --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return list(cmd.Context(), asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

func (a *App) listPlugins(ctx context.Context, asJSON bool) error {
	own, err := dirs.Find(a.Lookup, a.UID)
	if err != nil {
		return err
	}
	dir, _, err := a.currentDir()
	if err != nil {
		return err
	}
	loaded, err := a.load(policyOptions{}, own, dir)
	if err != nil {
		return err
	}
	installed, err := session.Installed(ctx, own, a.UID, loaded.Config.Plugins(), a.logger())
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(installed)
	}
	w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tKIND\tVERSION\tLIFETIME\tPATH")
	for _, l := range installed {
		row := []string{
			l.Name, string(l.Kind), l.Version, string(l.Lifetime),
			diag.Homely(l.Path, own.Home),
		}
		for i, cell := range row {
			row[i] = policy.Printable(cmp.Or(cell, "-"))
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, l := range installed {
		if l.Error != "" {
			a.printer().Line("%s cannot be used: %s", l.Name, l.Error)
		}
	}
	return nil
}
