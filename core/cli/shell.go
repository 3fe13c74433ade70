package cli

import (
	"context"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/nono-run/nono/core/diag"
)

// shellOptions are what shell is told.
type shellOptions struct {
	policyOptions
	liveOptions
}

func newShell(
	shell func(context.Context, shellOptions) error, names completers,
) *cobra.Command {
	var o shellOptions
	cmd := &cobra.Command{
		Use:                   "shell [flags] [-c FILE]",
		DisableFlagsInUseLine: true,
		Short:                 "Run your shell in a sandbox",
		Long: `Run the shell that $SHELL names, or /bin/sh, with only what was granted: by a file (-c), by
flags, or by both. It is nono run with that command, to look around where an agent would be: the
same files, variables and network. A command that the file names is not run.

The shell has a terminal of its own, with job control. Its start-up files are not there, like
everything else in your home directory; to pass one, grant it: --read ~/.inputrc.`,
		Example: `  nono shell --allow-cwd
  nono shell -c agent.hcl
  SHELL=/usr/bin/fish nono shell --allow-cwd`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return shell(cmd.Context(), o) },
	}
	o.policyOptions.add(cmd, names)
	o.liveOptions.add(cmd)
	return cmd
}

func (a *App) shell(ctx context.Context, o shellOptions) error {
	name, err := a.userShell()
	if err != nil {
		return err
	}
	o.Command = []string{name}
	return a.runPolicy(ctx, "shell", o.policyOptions, &o.liveOptions)
}

// userShell is the shell that the user works with.
func (a *App) userShell() (string, error) {
	name, ok := a.Lookup("SHELL")
	if !ok || name == "" {
		return "/bin/sh", nil
	}
	if !filepath.IsAbs(name) {
		return "", diag.Errorf("$SHELL is %q, which is no absolute path", name).
			Try("SHELL=/bin/bash nono shell")
	}
	return name, nil
}
