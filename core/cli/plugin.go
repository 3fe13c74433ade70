package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/session"
	"github.com/nono-run/nono/sdk/policy"
)

func newPlugin(do actions) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:     "plugin",
		Short:   "Show the layers that are installed, lock and verify their programs",
		Example: "  nono plugin list\n  nono plugin lock acme/motd\n  nono plugin verify",
	})
	cmd.AddCommand(newPluginList(do.listPlugins), newPluginLock(do.lockPlugin),
		newPluginRemove(do.removePlugin), newPluginVerify(do.verifyPlugin, do.comparePlugins))
	return cmd
}

func newPluginList(list func(ctx context.Context, asJSON bool) error) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the layers that are built in or installed",
		Long: `List the layers that are built in, beside nono itself, those of other vendors that are
installed for you, and those that your own config.hcl names by a path.

Each is started and asked to describe itself, but for one that is not as you locked it; what is
wrong with one that cannot be used is said below.`,
		Example: `  nono plugin list
  nono plugin list --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return list(cmd.Context(), asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

// ownPlugins are the plugin blocks of the user's own config.hcl.
func (a *App) ownPlugins() (dirs.Dirs, []config.Plugin, error) {
	own, err := dirs.Find(a.Lookup, a.UID)
	if err != nil {
		return dirs.Dirs{}, nil, err
	}
	dir, _, err := a.currentDir()
	if err != nil {
		return dirs.Dirs{}, nil, err
	}
	loaded, err := a.load(policyOptions{}, own, dir)
	if err != nil {
		return dirs.Dirs{}, nil, err
	}
	return own, loaded.Config.Plugins(), nil
}

func (a *App) listPlugins(ctx context.Context, asJSON bool) error {
	own, blocks, err := a.ownPlugins()
	if err != nil {
		return err
	}
	installed, err := session.Installed(ctx, own, a.UID, blocks, a.logger())
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
