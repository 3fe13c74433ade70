package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/reference"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/prompt"
)

// starterOptions are what init is told.
type starterOptions struct {
	// Command is what stands after the flags.
	Command  []string
	ReadOnly bool
	Network  string // one of networkWords, or "" where nothing was said
	// Defaults answers all that was not said, and asks nobody.
	Defaults bool
}

func newInit(write func(context.Context, starterOptions) error) *cobra.Command {
	var o starterOptions
	cmd := &cobra.Command{
		Use:                   "init [flags] [-- COMMAND [ARG...]]",
		DisableFlagsInUseLine: true,
		Short:                 "Write an agent.hcl to begin with",
		Long: `Write an agent.hcl into the current directory: what is run, what it may do with the files
here, and whether it has the network: none, only that of language models (minimal), or all of it.
What was not said is asked, three questions at most, where there is a terminal; elsewhere, and with
--defaults, the agent may change the files here and reaches nothing. All else that can be granted
stands in the file as comments.

A file that is there already is left alone.`,
		Example: `  nono init
  nono init -- claude
  nono init --read-only --network closed -- python3 my_agent.py`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Command = args
			return write(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.SetInterspersed(false) // as in run: what follows the command's name is its own
	flags.BoolVar(&o.ReadOnly, "read-only", false, "the agent reads the files here, and changes none")
	flags.Var((*networkWord)(&o.Network), "network",
		"closed; minimal: language models and nothing else; or open, all of it")
	flags.BoolVar(&o.Defaults, "defaults", false, "ask nothing")
	words := cobra.FixedCompletions(networkWords, cobra.ShellCompDirectiveNoFileComp)
	if err := cmd.RegisterFlagCompletionFunc("network", words); err != nil {
		panic(err) // the flag was added above
	}
	return cmd
}

var networkWords = []string{"closed", "minimal", "open"}

// networkWord is a flag that says how the network is.
type networkWord string

// String implements pflag.Value.
func (n *networkWord) String() string { return string(*n) }

// Type implements pflag.Value: what help shows for the value.
func (n *networkWord) Type() string { return "STATE" }

// Set implements pflag.Value.
func (n *networkWord) Set(s string) error {
	if !slices.Contains(networkWords, s) {
		return errors.New("it is closed, minimal or open")
	}
	*n = networkWord(s)
	return nil
}

// starterFile is what init writes.
const starterFile = "agent.hcl"

// writeStarter writes the file, and says what follows from it.
func (a *App) writeStarter(ctx context.Context, o starterOptions) error {
	own, err := dirs.Find(a.Lookup, a.UID)
	if err != nil {
		return err
	}
	dir, _, err := a.currentDir()
	if err != nil {
		return err
	}
	path := filepath.Join(dir, starterFile)
	there := diag.Errorf("%s is there already, and is left alone", diag.Homely(path, own.Home)).
		Try("`nono plan -c agent.hcl` shows what it allows")
	if _, err := os.Lstat(path); err == nil {
		return there // before anybody is asked
	}
	for _, word := range o.Command {
		if !utf8.ValidString(word) || strings.ContainsRune(word, 0) {
			return diag.Errorf("%q cannot be written into a file of policy", word).
				Try("nono init, and give the command to nono run")
		}
	}
	ask := a.ask
	if o.Defaults || !term.IsTerminal(int(a.Stdin.Fd())) || !term.IsTerminal(int(a.Stderr.Fd())) {
		ask = func(_ context.Context, _, usual string) (string, error) { return usual, nil }
	}
	first, err := a.askStarter(ctx, o, ask)
	if err != nil {
		return err
	}
	// Never over what is there: not what came to be there meanwhile, nor where a link leads.
	const fresh = os.O_WRONLY | os.O_CREATE | os.O_EXCL
	file, err := os.OpenFile(path, fresh, 0o644) //nolint:gosec // there is no secret in it
	if errors.Is(err, fs.ErrExist) {
		return there
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", starterFile, err)
	}
	_, err = file.WriteString(first.File())
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", starterFile, err)
	}
	return a.tellStarter(own, dir)
}

// tellStarter says what a new file comes to. It is read as a run would read it, so what a run would
// refuse is told now.
func (a *App) tellStarter(own dirs.Dirs, dir string) error {
	a.printer().Line("wrote %s", starterFile)
	loaded, err := a.load(policyOptions{File: starterFile, Approve: true}, own, dir)
	if err != nil {
		return err
	}
	next := "next:\n"
	if len(loaded.Config.Asks) > 0 {
		a.printer().Line("it asks for more than a file by itself may grant:")
		for _, ask := range loaded.Config.Asks {
			a.printer().Line("  %s: %s", ask.Source, ask.Says)
		}
		next += "  nono approve agent.hcl\n"
	}
	for _, notice := range loaded.Config.Notices {
		a.printer().Problem(notice)
	}
	command := ""
	if len(loaded.Config.Command) == 0 {
		command = " -- COMMAND"
	}
	for _, verb := range []string{"plan", "run"} {
		next += "  nono " + verb + " -c agent.hcl" + command + "\n"
	}
	fmt.Fprint(a.Stdout, next)
	return nil
}

// question asks one, and returns the answer; or the usual one, where none was given.
type question func(ctx context.Context, text, usual string) (string, error)

// askStarter is what is wanted: what was said, what is answered, and what is usual.
func (a *App) askStarter(
	ctx context.Context, o starterOptions, ask question,
) (reference.Starter, error) {
	s := reference.Starter{Command: o.Command, ReadOnly: o.ReadOnly}
	if len(s.Command) == 0 {
		usual := ""
		if found := a.installedAgents(); len(found) > 0 {
			usual = found[0].program
		}
		line, err := ask(ctx, "What is to be run? A program and its arguments.", usual)
		if err != nil {
			return s, err
		}
		s.Command = strings.Fields(line)
	}
	s.Extends = profilesFor(s.Command)
	if !s.ReadOnly {
		answer, err := a.oneOf(ctx, ask, "May it change the files in this directory, or only read them?",
			"change", "read")
		if err != nil {
			return s, err
		}
		s.ReadOnly = answer == "read"
	}
	network := o.Network
	if network == "" {
		var err error
		network, err = a.oneOf(ctx, ask, "The network: closed, minimal (language models and nothing "+
			"else, which most agents need), or open, all of it?", networkWords...)
		if err != nil {
			return s, err
		}
	}
	s.Models, s.Open = network == "minimal", network == "open"
	return s, nil
}

// oneOf asks until one of the answers is given, or the beginning of one. The first is the usual
// one.
func (a *App) oneOf(
	ctx context.Context, ask question, text string, answers ...string,
) (string, error) {
	for {
		given, err := ask(ctx, text, answers[0])
		if err != nil {
			return "", err
		}
		for _, is := range answers {
			if given != "" && strings.HasPrefix(is, strings.ToLower(given)) {
				return is, nil
			}
		}
		a.printer().Line("one of: %s", strings.Join(answers, ", "))
	}
}

// ask asks at the terminal. To type nothing is to take what is usual.
func (a *App) ask(ctx context.Context, text, usual string) (string, error) {
	tty, err := prompt.Open(a.Stdin, a.Stderr)
	if err != nil {
		return "", err
	}
	defer tty.Close()
	if usual != "" {
		text += " [" + usual + "]"
	}
	line, err := tty.Ask(ctx, policy.Printable(text+" "), prompt.Shown)
	if err != nil {
		return "", fmt.Errorf("asking at the terminal: %w", err)
	}
	if line = strings.TrimSpace(line); line == "" {
		return usual, nil
	}
	return line, nil
}
