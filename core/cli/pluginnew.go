package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/skeleton"
)

// newPluginOptions are what was asked of plugin new.
type newPluginOptions struct {
	Name string
	// Dir is as it was typed; empty: the last part of the name.
	Dir string
}

func newPluginNew(begin func(newPluginOptions) error) *cobra.Command {
	return &cobra.Command{
		Use:                   "new VENDOR/NAME [DIRECTORY]",
		DisableFlagsInUseLine: true,
		Short:                 "Write a layer in Go to begin with",
		Long: `Write the files of a layer in Go into a new directory, NAME if none is given: a program
that gives the agent one variable and keeps every promise of the contract, a test that says so, and
a policy to try it with. Nothing that is there is written over.

docs/layers.md explains what a layer is told, and what it may answer.`,
		Example: `  nono plugin new acme/motd
  nono plugin new acme/egress ~/src/egress`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 || len(args) == 2 {
				return nil
			}
			return diag.Errorf("`nono plugin new` takes the name of a layer and perhaps a directory, "+
				"and was given %d words", len(args)).Try("usage: %s", cmd.UseLine())
		},
		ValidArgsFunction: func(
			_ *cobra.Command, args []string, _ string,
		) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return nil, cobra.ShellCompDirectiveFilterDirs
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			o := newPluginOptions{Name: args[0]}
			if len(args) == 2 {
				o.Dir = args[1]
			}
			return begin(o)
		},
	}
}

func (a *App) newPlugin(o newPluginOptions) error {
	files, err := skeleton.Of(o.Name)
	if err != nil {
		return diag.Errorf("%v", err)
	}
	shown := o.Dir
	if shown == "" {
		shown = path.Base(o.Name)
	}
	dir := shown
	if !filepath.IsAbs(dir) {
		here, _, err := a.currentDir()
		if err != nil {
			return err
		}
		dir = filepath.Join(here, dir)
	}
	if err := os.Mkdir(dir, 0o755); errors.Is(err, fs.ErrExist) { //nolint:gosec // sources
		return diag.Errorf("%s is there already, and is left alone", shown).
			Try("name another directory: nono plugin new %s DIRECTORY", o.Name)
	} else if err != nil {
		return fmt.Errorf("making the layer's directory: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("writing the layer: %w", err)
	}
	defer func() { _ = root.Close() }()
	for _, f := range files {
		if err := root.WriteFile(f.Name, []byte(f.Content), 0o644); err != nil {
			return fmt.Errorf("writing the layer: %w", err)
		}
	}
	program := skeleton.Program(o.Name)
	a.printer().Line("wrote the layer %s into %s; next:\n  cd %s && go mod tidy && go test ./...\n"+
		"  CGO_ENABLED=0 go build -o %s .\n  nono plugin verify ./%[4]s -c try.hcl",
		o.Name, shown, diag.Word(shown), program)
	return nil
}
