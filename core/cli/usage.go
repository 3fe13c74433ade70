package cli

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/reference"
	"github.com/nono-run/nono/sdk/schema"
)

// What is typed and cannot be understood is a usage error: it names the word, what was probably
// meant, and where to read on. Cobra's own messages have several lines, and a word that stands
// beneath a command with commands of its own is no error to it at all.

// group makes a command that only holds others: alone it prints its help, and any other word is a
// mistake.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(cmd, args[0])
		}
		return cmd.Help()
	}
	return cmd
}

// usageError replaces an error by the mistake that led to it, if there is one: a word that is no
// command is the news, and not the flag that this command would have had.
func usageError(root *cobra.Command, args []string, err error) error {
	cmd, rest, _ := root.Find(args)
	if cmd == nil || !cmd.HasAvailableSubCommands() {
		return err
	}
	if cmd == root && len(args) > 0 && isRunFlag(root, args[0]) {
		flag, _, _ := strings.Cut(args[0], "=")
		return diag.Errorf("%s stands before any command of nono's", flag).
			Try("did you mean `nono run %s ...`?", flag)
	}
	for _, word := range rest {
		if !strings.HasPrefix(word, "-") {
			return unknownCommand(cmd, word)
		}
	}
	return err
}

// isRunFlag reports whether a word is a flag of `nono run`, and of nothing above it.
func isRunFlag(root *cobra.Command, word string) bool {
	run, _, err := root.Find([]string{"run"})
	if err != nil {
		return false
	}
	word, _, _ = strings.Cut(word, "=")
	if long, isLong := strings.CutPrefix(word, "--"); isLong {
		s, other := spelled(flagSpellings, long)
		return run.Flags().Lookup(long) != nil || other && s.later
	}
	return len(word) == 2 && word[0] == '-' && run.Flags().ShorthandLookup(word[1:]) != nil
}

// unknownCommand says that a command has no command of this name.
func unknownCommand(of *cobra.Command, name string) error {
	words := of.CommandPath() + " " + name
	if s, ok := spelled(commandSpellings, strings.TrimPrefix(words, "nono ")); ok && s.later {
		return notBuilt("`"+words+"`", s.answer)
	}
	var known []string
	for _, c := range of.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			known = append(known, c.Name())
		}
	}
	p := diag.Errorf("there is no command `%s %s`", of.CommandPath(), name)
	near := schema.Nearest(name, known)
	switch {
	case near != "":
		return p.Try("did you mean `%s %s`?", of.CommandPath(), near)
	case of.HasParent():
		return p.Try("there are: %s", strings.Join(known, ", "))
	case strings.HasSuffix(name, ".hcl"):
		return p.Try("did you mean `nono run -c %s`?", diag.Word(name))
	}
	return p.Try("did you mean `nono run -- %s`? nono's own are: %s", diag.Word(name),
		strings.Join(known, ", "))
}

// flagError says what is wrong with a flag.
func flagError(cmd *cobra.Command, err error) error {
	help := "nono help" + strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name())
	var missing *pflag.NotExistError
	var noValue *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &missing):
		return unknownFlag(cmd, missing, help)
	case errors.As(err, &noValue):
		flag := typed(noValue.GetSpecifiedName(), noValue.GetSpecifiedShortnames())
		return diag.Errorf("%s needs a value", flag).Try("`%s` shows which", help)
	case errors.As(err, &invalid) && invalid.GetFlag().Value.Type() == "bool":
		return diag.Errorf("--%s takes no value, and was given %q",
			invalid.GetFlag().Name, invalid.GetValue()).
			Try("`%s` lists the flags", help)
	case errors.As(err, &invalid):
		return diag.Errorf("--%s cannot be %q: %s",
			invalid.GetFlag().Name, invalid.GetValue(), invalid.Unwrap()).
			Try("`%s` lists the flags", help)
	}
	return diag.Errorf("%s", err).Try("`%s` lists the flags", help)
}

func unknownFlag(cmd *cobra.Command, missing *pflag.NotExistError, help string) error {
	name := missing.GetSpecifiedName()
	other, ok := spelled(flagSpellings, name)
	if ok && other.later {
		return notBuilt("--"+name, other.answer)
	}
	letters := missing.GetSpecifiedShortnames()
	p := diag.Errorf("there is no flag %s", typed(name, letters))
	known := map[string]bool{}
	for _, set := range []*pflag.FlagSet{cmd.Flags(), cmd.InheritedFlags()} {
		set.VisitAll(func(f *pflag.Flag) { known[f.Name] = !f.Hidden })
	}
	if ok && known["allow-cwd"] && len(letters) <= 1 {
		return p.Try("%s", other.answer)
	}
	maps.DeleteFunc(known, func(_ string, shown bool) bool { return !shown })
	if near := schema.Nearest(name, slices.Sorted(maps.Keys(known))); near != "" && letters == "" {
		return p.Try("did you mean --%s?", near)
	}
	return p.Try("`%s` lists the flags", help)
}

// typed is a flag as it was written. Of several letters in one word the first is the one that was
// being read.
func typed(name, letters string) string {
	if letters != "" {
		return "-" + letters[:1]
	}
	return "--" + name
}

// noArguments is for a command that takes none.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return diag.Errorf("`%s` takes no arguments, and was given %q", cmd.CommandPath(), args[0]).
		Try("usage: %s", cmd.UseLine())
}

func (a *App) newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND... | agent.hcl [BLOCK]]",
		Short: "Explain a command, or the policy language",
		Long: "Explain a command: what it does, with examples and its flags. " +
			"`nono COMMAND --help` prints the\nsame. `nono help agent.hcl` explains the policy " +
			"language, and with a block's name one block;\n`nono help spellings` lists the words of " +
			"other tools that are taken, and nono's own for the rest.",
		Example: "  nono help run\n  nono help plugin list\n  nono help agent.hcl\n" +
			"  nono help agent.hcl filesystem",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && args[0] == reference.File {
				return a.explainLanguage(args[1:])
			}
			if len(args) == 1 && args[0] == spellingsPage {
				return printSpellings(a.Stdout)
			}
			found, rest, _ := cmd.Root().Find(args)
			if len(rest) > 0 && found.HasAvailableSubCommands() {
				return unknownCommand(found, rest[0])
			}
			found.InitDefaultHelpFlag()
			found.InitDefaultVersionFlag()
			return found.Help()
		},
		ValidArgsFunction: func(
			cmd *cobra.Command, args []string, _ string,
		) ([]cobra.Completion, cobra.ShellCompDirective) {
			var names []cobra.Completion
			switch {
			case len(args) == 1 && args[0] == reference.File:
				return reference.Names(), cobra.ShellCompDirectiveNoFileComp
			case len(args) == 0:
				names = append(names,
					cobra.CompletionWithDesc(reference.File, "The policy language"),
					cobra.CompletionWithDesc(spellingsPage, "The words of other tools"))
			}
			found, _, _ := cmd.Root().Find(args)
			for _, c := range found.Commands() {
				if c.IsAvailableCommand() {
					names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// explainLanguage prints the reference of the policy language, or that of one block.
func (a *App) explainLanguage(blocks []string) error {
	text := reference.Text()
	switch len(blocks) {
	case 0:
	case 1:
		block, ok := reference.Block(blocks[0])
		if !ok {
			p := diag.Errorf("there is no block %q in the policy language", blocks[0])
			if near := schema.Nearest(blocks[0], reference.Names()); near != "" {
				return p.Try("did you mean `nono help %s %s`?", reference.File, near)
			}
			return p.Try("there are: %s", strings.Join(reference.Names(), ", "))
		}
		text = block
	default:
		return diag.Errorf("one block at a time, and %d were named", len(blocks)).
			Try("`nono help %s` has them all", reference.File)
	}
	_, err := io.WriteString(a.Stdout, text)
	return err
}

func (a *App) newCompletion() *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a script that completes nono's commands in your shell",
		Long: `Print a script for bash, zsh or fish that completes nono's commands and flags. Your shell
has to read it, now or at each start. For bash the package bash-completion is needed.`,
		Example: `  source <(nono completion bash)
  nono completion zsh > "${fpath[1]}/_nono"
  nono completion fish > ~/.config/fish/completions/nono.fish`,
		ValidArgs: shells,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 && slices.Contains(shells, args[0]) {
				return nil
			}
			given := "none was named"
			if len(args) > 0 {
				given = fmt.Sprintf("not for %q", strings.Join(args, " "))
			}
			return diag.Errorf("there are completions for one shell each, and %s", given).
				Try("one of %s", strings.Join(shells, ", "))
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				return cmd.Root().GenBashCompletionV2(a.Stdout, true)
			case "zsh":
				return cmd.Root().GenZshCompletion(a.Stdout)
			default:
				return cmd.Root().GenFishCompletion(a.Stdout, true)
			}
		},
	}
}
