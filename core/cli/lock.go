package cli

import (
	"fmt"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/session"
	"github.com/nono-run/nono/sdk/policy"
)

// lockOptions are what was asked of plugin lock.
type lockOptions struct {
	Name string
	// Path is as it was typed; empty: wherever the layer's program is.
	Path string
	JSON bool
}

func newPluginLock(lock func(lockOptions) error) *cobra.Command {
	var o lockOptions
	cmd := &cobra.Command{
		Use:                   "lock [flags] VENDOR/NAME [PROGRAM]",
		DisableFlagsInUseLine: true,
		Short:                 "Allow the program of another vendor's layer, as it is now, to be run",
		Long: `Put the program of another vendor's layer, by the digest of its content, into your lock:
plugins.lock.hcl in nono's configuration directory. nono runs a layer of another vendor only if it
is in that list and has that digest. It runs with all of your rights, outside of any sandbox: lock
what you would run yourself. Nothing of it is run now.

Without PROGRAM, a path, it is the one that your own config.hcl names, or that is installed for you,
or that you locked before. After an update, lock it anew.

Of a script the digest is the script's own: its interpreter, and what that loads, is not covered.`,
		Example: `  nono plugin lock acme/motd
  nono plugin lock acme/motd /opt/acme/nono-layer-motd`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 || len(args) == 2 {
				return nil
			}
			return diag.Errorf("`nono plugin lock` takes the name of a layer and perhaps its program, "+
				"and was given %d words", len(args)).Try("usage: %s", cmd.UseLine())
		},
		ValidArgsFunction: cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault),
		RunE: func(_ *cobra.Command, args []string) error {
			o.Name = args[0]
			if len(args) == 2 {
				o.Path = args[1]
			}
			return lock(o)
		},
	}
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print as JSON")
	return cmd
}

func (a *App) lockPlugin(o lockOptions) error {
	own, blocks, err := a.ownPlugins()
	if err != nil {
		return err
	}
	path := o.Path
	if path != "" && !filepath.IsAbs(path) {
		here, _, err := a.currentDir()
		if err != nil {
			return err
		}
		path = filepath.Join(here, path)
	}
	done, err := session.LockPlugin(own, blocks, o.Name, path)
	if err != nil {
		return err
	}
	if o.JSON {
		return a.printJSON(done)
	}
	became := "is locked"
	switch done.Was {
	case "":
	case done.SHA256:
		became = "was locked already"
	default:
		became = "is locked in place of sha256 " + done.Was
	}
	text := fmt.Sprintf("%s %s: %s, sha256 %s", done.Name, became,
		diag.Homely(done.Path, own.Home), done.SHA256)
	fmt.Fprintln(a.Stdout, policy.Printable(text))
	if done.Script {
		a.printer().Line("it is a script: what runs it, and what it loads, is not covered by that")
	}
	return nil
}

func newPluginRemove(remove func(name string) error) *cobra.Command {
	return &cobra.Command{
		Use:                   "remove VENDOR/NAME",
		DisableFlagsInUseLine: true,
		Short:                 "Take a layer's program out of your lock, so that it is not run any more",
		Long: `Take the program of another vendor's layer out of your lock. nono runs it no more. The
program itself stays where it lies.`,
		Example: "  nono plugin remove acme/motd",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return nil
			}
			return diag.Errorf("`nono plugin remove` takes the name of one layer, and was given %d words",
				len(args)).Try("usage: %s", cmd.UseLine())
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(_ *cobra.Command, args []string) error { return remove(args[0]) },
	}
}

func (a *App) removePlugin(name string) error {
	own, err := dirs.Find(a.Lookup, a.UID)
	if err != nil {
		return err
	}
	gone, err := session.UnlockPlugin(own, name)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s is not locked any more; its program stays at %s", gone.Name,
		diag.Homely(gone.Path, own.Home))
	fmt.Fprintln(a.Stdout, policy.Printable(text))
	return nil
}

// comparePlugins says of each program whether it is as it was locked.
func (a *App) comparePlugins(asJSON bool) error {
	own, blocks, err := a.ownPlugins()
	if err != nil {
		return err
	}
	all, err := session.ComparePlugins(own, blocks)
	if err != nil {
		return err
	}
	if asJSON {
		err = a.printJSON(append([]session.Standing{}, all...))
	} else {
		err = a.printStandings(all, own.Home)
	}
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.State != session.AsLocked {
			return notKept
		}
	}
	return nil
}

func (a *App) printStandings(all []session.Standing, home string) error {
	if len(all) == 0 {
		fmt.Fprintln(a.Stdout, "there are no programs of other vendors, and none is locked")
		return nil
	}
	w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	for _, s := range all {
		state := string(s.State)
		if s.Script {
			state += " (script)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", policy.Printable(s.Name), state,
			policy.Printable(diag.Homely(s.Path, home)))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, s := range all {
		switch s.State {
		case session.AsLocked:
		case session.Changed:
			a.printer().Line("%s has sha256 %s, and the lock says %s", s.Name, s.SHA256, s.Locked)
		case session.NotLocked:
			a.printer().Line("%s has sha256 %s; where that is the program that you mean: "+
				"nono plugin lock %[1]s", s.Name, s.SHA256)
		case session.Unusable:
			a.printer().Line("%s; to take it out of the lock: nono plugin remove %s", s.Error, s.Name)
		}
	}
	return nil
}
