package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/profile"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// agent is a program that people come to nono with.
type agent struct {
	program string
	profile string // that is made for it, where there is one
}

var agents = []agent{
	{"claude", "claude-code"}, {"codex", "codex"}, {"gemini", "gemini"}, {"opencode", "opencode"},
}

// installedAgents are those that the user has.
func (a *App) installedAgents() []agent {
	path, _ := a.Lookup("PATH")
	return slices.DeleteFunc(slices.Clone(agents), func(is agent) bool {
		return !slices.ContainsFunc(filepath.SplitList(path), func(dir string) bool {
			return filepath.IsAbs(dir) && isProgram(filepath.Join(dir, is.program))
		})
	})
}

// isProgram reports whether a name leads to a file that can be executed.
func isProgram(name string) bool {
	route, err := hostfile.Follow(hostfile.Host, name)
	return err == nil && route.Entry.Type == policy.Regular && route.Entry.Executable
}

// hasProfile reports whether a profile of this name is built in.
func hasProfile(name string) bool {
	_, err := profile.Dirs{}.Find(name)
	return err == nil
}

// profilesFor are the profiles that are made for the program of a command.
func profilesFor(command []string) []string {
	for _, is := range agents {
		if len(command) > 0 && filepath.Base(command[0]) == is.program && hasProfile(is.profile) {
			return []string{is.profile}
		}
	}
	return nil
}

// welcome tells somebody who typed nothing but the name what can be done here. Nothing is read but
// names: what a file says, `nono plan` shows.
func (a *App) welcome(cmd *cobra.Command) error {
	own, err := dirs.Find(a.Lookup, a.UID)
	if err != nil {
		return err
	}
	dir, _, err := a.currentDir()
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("nono runs an AI agent with only what you granted: " +
		"nothing else of yours exists for it.\n\n")
	row := func(command, text string) { fmt.Fprintf(&b, "  %-46s %s\n", command, text) }
	switch _, err := os.Lstat(filepath.Join(dir, starterFile)); {
	case a.isInside():
		b.WriteString("This is inside one of its sandboxes, and what is started here is in it too.\n")
	case err == nil:
		fmt.Fprintf(&b, "Here is an %s:\n", starterFile)
		row("nono plan -c agent.hcl", "what it allows, and the line behind each rule")
		row("nono run -c agent.hcl", "run what it says")
	case dir == own.Home || dir == "/":
		fmt.Fprintf(&b, "This is %s. Change to the directory of a project first; there:\n",
			policy.Printable(diag.Homely(dir, own.Home)))
		row("nono init", "write an agent.hcl, from three questions")
	default:
		fmt.Fprintf(&b, "Here is no %s yet:\n", starterFile)
		row("nono init", "write one, from three questions")
		a.writeAgents(row)
	}
	b.WriteString("\n")
	row("nono help", "all commands")
	row("nono help agent.hcl", "the language in which a file says what is granted")
	_, err = fmt.Fprint(cmd.OutOrStdout(), b.String())
	return err
}

// writeAgents writes a line for each agent that is installed, or for any program if none is.
func (a *App) writeAgents(row func(command, text string)) {
	found := a.installedAgents()
	for _, is := range found {
		with := ""
		if hasProfile(is.profile) {
			with = "--profile " + is.profile + " "
		}
		row("nono run "+with+"--allow-cwd -- "+is.program, "run it with this directory, no network")
	}
	if len(found) == 0 {
		row("nono run --allow-cwd -- COMMAND", "run any program with this directory, no network")
	}
}
