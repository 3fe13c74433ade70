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
		Short:   "Show the layers that are installed, lock and verify their programs, begin one",
		Example: "  nono plugin list\n  nono plugin lock acme/motd\n  nono plugin verify",
	})
	cmd.AddCommand(newPluginList(do.listPlugins), newPluginShow(do.showPlugin),
		newPluginLock(do.lockPlugin), newPluginRemove(do.removePlugin),
		newPluginVerify(do.verifyPlugin, do.comparePlugins), newPluginNew(do.newPlugin))
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

// showOptions are what was asked of plugin show.
type showOptions struct {
	Name string
	JSON bool
}

func newPluginShow(show func(context.Context, showOptions) error) *cobra.Command {
	var o showOptions
	cmd := &cobra.Command{
		Use:                   "show [flags] NAME",
		DisableFlagsInUseLine: true,
		Short:                 "Show a layer, and the settings that its block can have",
		Long: `Show a layer as it describes itself: its version, where its program is and which it is, and
the settings that its block in a policy can have. NAME is that of a layer that is built in or
installed, or that your own config.hcl names by a path.`,
		Example: `  nono plugin show landlock
  nono plugin show acme/motd --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return nil
			}
			return diag.Errorf("`nono plugin show` takes the name of one layer, and was given %d words",
				len(args)).Try("usage: %s", cmd.UseLine())
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Name = args[0]
			return show(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print as JSON")
	return cmd
}

func (a *App) showPlugin(ctx context.Context, o showOptions) error {
	own, blocks, err := a.ownPlugins()
	if err != nil {
		return err
	}
	l, err := session.ShowLayer(ctx, own, a.UID, blocks, o.Name, a.logger())
	if err != nil {
		return err
	}
	if o.JSON {
		return a.printJSON(l)
	}
	w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	row := func(cells ...string) {
		for i, cell := range cells {
			cells[i] = policy.Printable(cell)
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	row("layer", l.Name+" "+l.Version)
	row("kind", fmt.Sprintf("%s, %s", l.Kind, l.Lifetime))
	row("program", diag.Homely(l.Path, own.Home))
	if l.Digest != "" {
		row("sha256", l.Digest)
	}
	for _, s := range l.Settings {
		row("setting", fmt.Sprintf("%s (%s)", s.Name, describeSetting(s)), s.Help)
	}
	return w.Flush()
}

// describeSetting says what a setting may be.
func describeSetting(s session.LayerSetting) string {
	parts := []string{string(s.Type)}
	if len(s.OneOf) > 0 {
		parts = append(parts, "one of "+strings.Join(s.OneOf, " "))
	}
	if s.Required {
		parts = append(parts, "required")
	}
	if s.Default != nil {
		parts = append(parts, fmt.Sprintf("else %v", s.Default))
	}
	if s.Sensitive {
		parts = append(parts, "never shown")
	}
	return strings.Join(parts, ", ")
}
