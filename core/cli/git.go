package cli

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/git"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// found is how `nono git check` ends where there is something to look at.
const found exitCode = 1

// gitOptions are what `nono git check` was told.
type gitOptions struct {
	Dir  string
	JSON bool
}

func newGit(do actions) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:     "git",
		Short:   "Show what git would run in a repository",
		Example: "  nono git check\n  nono git check ~/proj",
	})
	cmd.AddCommand(newGitCheck(do.checkGit))
	return cmd
}

func newGitCheck(check func(gitOptions) error) *cobra.Command {
	var o gitOptions
	cmd := &cobra.Command{
		Use:                   "check [flags] [DIR]",
		DisableFlagsInUseLine: true,
		Short:                 "List what git would run in a directory, and run nothing",
		Long: `List what git, used in a directory, would run or enter there, beyond your own settings:
commands in settings, hooks, settings and hooks that lie elsewhere, repositories inside, bare ones,
an index or a HEAD that is not what it should be. git is not run, and nothing is changed.

It is for the time after an agent worked there. What is listed and is not yours, take away: the line
of the settings, the hook, the .git of the repository. When nothing is listed, git runs nothing
there but what your own settings say.

The exit code is 0 if git would run nothing, 1 if there is something to look at, or too much to look
at all of it, and 125 if the directory could not be looked at.`,
		Example: `  nono git check
  nono git check ~/proj && git -C ~/proj status
  nono git check --json | jq '.findings[] | select(.runs)'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) <= 1 {
				return nil
			}
			return diag.Errorf("`nono git check` takes one directory, and was given %d", len(args)).
				Try("usage: %s", cmd.UseLine())
		},
		ValidArgsFunction: cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs),
		RunE: func(_ *cobra.Command, args []string) error {
			o.Dir = "."
			if len(args) == 1 {
				o.Dir = args[0]
			}
			return check(o)
		},
	}
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print as JSON")
	return cmd
}

// checkGit lists what git would run in a directory.
func (a *App) checkGit(o gitOptions) error {
	own, err := dirs.Find(a.Lookup, a.UID)
	if err != nil {
		return err
	}
	at, err := a.gitRoot(o.Dir)
	if err != nil {
		return err
	}
	look := hostfile.Once(hostfile.Host)
	findings, unseen := git.New(look, own.Home, own.UserConfig).Check(at)
	if o.JSON {
		err = a.printJSON(struct {
			Directory string        `json:"directory"`
			Findings  []git.Finding `json:"findings"`
			Unseen    string        `json:"unseen,omitempty"`
		}{at, append([]git.Finding{}, findings...), unseen})
	} else {
		a.printFindings(findings, own.Home, unseen == "")
	}
	if unseen != "" {
		a.printer().Problem(diag.Warningf("there are too many directories: %s and those after it "+
			"were not looked into", diag.Homely(unseen, own.Home)).
			Try("check them by themselves: `nono git check %s`", diag.Homely(unseen, own.Home)))
	}
	if err != nil {
		return err
	}
	if unseen != "" {
		return found
	}
	for _, f := range findings {
		if !f.Harmless {
			return found
		}
	}
	return nil
}

// gitRoot is the directory that is meant: its own name, or where git would begin above it.
func (a *App) gitRoot(dir string) (string, error) {
	if !filepath.IsAbs(dir) {
		here, _, err := a.currentDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(here, dir)
	}
	at, err := hostfile.Follow(hostfile.Host, dir)
	if err != nil {
		return "", err
	}
	if at.Entry.Type != policy.Directory {
		return "", diag.Errorf("%s is no directory", dir).Try("name the directory to look at")
	}
	look := hostfile.Once(hostfile.Host)
	finder := git.New(look, "/", "/")
	for above := at.Path; ; above = filepath.Dir(above) {
		if len(finder.Dirs(above)) > 0 {
			return above, nil
		}
		if above == "/" {
			return at.Path, nil
		}
	}
}

// printFindings prints a line for each: where, what git does about it, and what is run.
func (a *App) printFindings(findings []git.Finding, home string, all bool) {
	for _, f := range findings {
		at := diag.Homely(f.Path, home)
		if f.Line > 0 {
			at = fmt.Sprintf("%s:%d", at, f.Line)
		}
		text := at + ": " + f.Says
		if f.Runs != "" && f.Runs != f.Path {
			text += ": " + f.Runs
		}
		fmt.Fprintln(a.Stdout, policy.Printable(text))
	}
	if len(findings) == 0 && all {
		fmt.Fprintln(a.Stdout, "git runs nothing here but what your own settings say")
	}
}
