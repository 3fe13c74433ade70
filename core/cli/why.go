package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/self"
	"github.com/nono-run/nono/core/session"
	"github.com/nono-run/nono/core/why"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/schema"
)

// whyOptions are what why is told.
type whyOptions struct {
	policyOptions
	Paths []string
	Ops   []why.Op
	JSON  bool
	// Self asks about the session that this process is in, and takes no rules.
	Self bool
}

// denied is how `nono why` ends where something of what was asked is denied.
const denied exitCode = 1

func newWhy(
	ask func(context.Context, whyOptions) error, names completers,
) *cobra.Command {
	var o whyOptions
	cmd := &cobra.Command{
		Use:                   "why [flags] --path PATH [--op OP] [-c FILE] [-- COMMAND [ARG...]]",
		DisableFlagsInUseLine: true,
		Short:                 "Say whether a file may be used, by which line, and what changes it",
		Long: `Say whether nono run with the same flags would let the agent read, write, execute, list,
create or delete a file of yours: which line says so, and the nearest change that would allow it,
in the words to type. Nothing is run.

The rules decide, and then what is really there inside: your home and /tmp are the session's own,
what is denied is hidden, and what the host does not let you do nono cannot give. The answer is
about your files; where the session has something of its own in the same place, it says so.
--path may be given more than once, and so may --op; without --op everything is answered. A path
is followed through its links, but for the last name of one that is to be created or deleted.
Where no command is given, by the file or after --, the answer is for one that needs nothing.

With --self, inside a sandbox, the answer is about that session, and no policy is named: what may be
done the kernel says, and the rules whose effect is seen there say why. What is denied without being
seen is not told to anybody inside.

The exit code is 0 if all that was asked is allowed, 1 if something of it is denied, and 125 if
there is no answer: the policy is refused, or a word was not understood.`,
		Example: `  nono why --path ~/.ssh/id_ed25519 --op read
  nono why -c agent.hcl --path src/main.py --op write
  nono why --allow-cwd --path .git/config
  nono why --self --path ~/.ssh --op read     # inside
  nono why -c agent.hcl --path .env --op read --json | jq -r '.answers[].rule.source.line'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.take(cmd, args)
			return ask(cmd.Context(), o)
		},
	}
	o.add(cmd, names)
	flags := cmd.Flags()
	flags.Var((*pathNames)(&o.Paths), "path", "the file that is asked about")
	flags.Var((*opNames)(&o.Ops), "op", "what is to be done with it: "+strings.Join(allOps(), ", "))
	flags.BoolVar(&o.Self, "self", false, "inside a sandbox: ask about the session there")
	flags.BoolVar(&o.JSON, "json", false, "print as JSON")
	ops := cobra.FixedCompletions(allOps(), cobra.ShellCompDirectiveNoFileComp)
	if err := cmd.RegisterFlagCompletionFunc("op", ops); err != nil {
		panic(err) // the flag was added above
	}
	return cmd
}

func allOps() []string {
	var names []string
	for _, op := range why.Ops {
		names = append(names, string(op))
	}
	return names
}

// pathNames is a flag that may be given again: a file each time.
type pathNames []string

// String implements pflag.Value.
func (p *pathNames) String() string { return "" }

// Type implements pflag.Value: what help shows for the value.
func (p *pathNames) Type() string { return "PATH" }

// Set implements pflag.Value.
func (p *pathNames) Set(s string) error {
	if s == "" {
		return errors.New("it is empty")
	}
	*p = append(*p, s)
	return nil
}

// opNames is a flag that may be given again: an operation each time.
type opNames []why.Op

// String implements pflag.Value.
func (o *opNames) String() string { return "" }

// Type implements pflag.Value: what help shows for the value.
func (o *opNames) Type() string { return "OP" }

// Set implements pflag.Value.
func (o *opNames) Set(s string) error {
	if !slices.Contains(why.Ops, why.Op(s)) {
		if near := schema.Nearest(s, allOps()); near != "" {
			return fmt.Errorf("did you mean %s?", near)
		}
		return fmt.Errorf("it is one of %s", strings.Join(allOps(), ", "))
	}
	*o = append(*o, why.Op(s))
	return nil
}

// whyReport is what `nono why --json` prints. Its form is kept: what is new is added beside it, and
// what would change the meaning of what is there changes the version.
type whyReport struct {
	Version int          `json:"version"`
	Answers []why.Answer `json:"answers"`
}

const whyVersion = 1

// why answers each question about each file.
func (a *App) why(ctx context.Context, o whyOptions) error {
	if len(o.Paths) == 0 {
		return diag.Errorf("no file was named").
			Try("`nono why --path PATH`, with the flags of the run")
	}
	own, err := dirs.Find(a.Lookup, a.UID)
	if err != nil {
		return err
	}
	_, dir, err := a.workdir(o.Workdir)
	if err != nil {
		return err
	}
	ask, err := a.asker(ctx, o, own)
	if err != nil {
		return err
	}
	report := whyReport{Version: whyVersion}
	for _, name := range o.Paths {
		name = a.fileNamed(name, dir, own.Home)
		for _, op := range asked(o.Ops) {
			report.Answers = append(report.Answers, ask(name, op))
		}
	}
	if o.JSON {
		err = a.printJSON(report)
	} else {
		err = a.printAnswers(report.Answers, own.Home)
	}
	if err != nil {
		return err
	}
	if slices.ContainsFunc(report.Answers, func(a why.Answer) bool { return !a.Allowed }) {
		return denied
	}
	return nil
}

// asker is who answers: a plan that is made for the question, or the session itself.
func (a *App) asker(
	ctx context.Context, o whyOptions, own dirs.Dirs,
) (func(name string, op why.Op) why.Answer, error) {
	if o.Self {
		return selfAsker(o, own)
	}
	if isInside() {
		return nil, diag.Errorf("no plan can be made inside a sandbox").
			Try("`nono why --self --path PATH` says it of the session here")
	}
	o.Otherwise = []string{"/bin/sh"}
	req, err := a.request("why", o.policyOptions)
	if err != nil {
		return nil, err
	}
	p, err := session.Plan(ctx, req)
	if err != nil {
		return nil, err
	}
	return why.New(p, why.Host{
		Look: hostfile.Host, Own: own.All(), Home: own.Home, Reach: hostfile.ReachOf,
	}).Ask, nil
}

// selfAsker answers about the session that this process is in.
func selfAsker(o whyOptions, own dirs.Dirs) (func(name string, op why.Op) why.Answer, error) {
	if o.File != "" || len(o.Rules)+len(o.Profiles)+len(o.Command) > 0 {
		return nil, diag.Errorf("--self is about the session that one is in, which has its policy").
			Try("leave out the rules and the command")
	}
	text, err := hostfile.Read(self.File, 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, diag.Errorf("this is not inside a sandbox of nono's, or of an older one").
			Try("leave out --self, and give the flags of the run")
	}
	if err != nil {
		return nil, fmt.Errorf("reading what the session may know: %w", err)
	}
	known, err := self.Read(text)
	if err != nil {
		return nil, err
	}
	return func(name string, op why.Op) why.Answer {
		return known.Ask(name, op, self.Try, own.Home)
	}, nil
}

// asked are the operations to answer for: all, where none was named.
func asked(ops []why.Op) []why.Op {
	if len(ops) == 0 {
		return why.Ops
	}
	return ops
}

// fileNamed is a file as it was typed, from the root. It is not cleaned: "link/.." is beside what
// the link leads to.
func (a *App) fileNamed(typed, dir, home string) string {
	switch rest, ofHome := strings.CutPrefix(typed, "~/"); {
	case typed == "~":
		return home
	case ofHome:
		return home + "/" + rest
	case filepath.IsAbs(typed):
		return typed
	}
	return dir + "/" + typed
}

// printAnswers prints a paragraph for each answer. Those about one file are told together.
func (a *App) printAnswers(answers []why.Answer, home string) error {
	var b strings.Builder
	last := ""
	for _, is := range answers {
		if is.Path != last {
			last = is.Path
			b.WriteString(policy.Printable(diag.Homely(is.Path, home)))
			if is.Real != "" {
				b.WriteString(policy.Printable(" -> " + diag.Homely(is.Real, home)))
			}
			b.WriteString("\n")
		}
		a.writeAnswer(&b, is, home)
	}
	_, err := io.WriteString(a.Stdout, b.String())
	return err
}

func (a *App) writeAnswer(b *strings.Builder, is why.Answer, home string) {
	verdict, paint := "denied", color.New(color.FgRed, color.Bold)
	if is.Allowed {
		verdict, paint = "allowed", color.New(color.FgGreen)
	}
	if a.colour(a.Stdout) {
		paint.EnableColor()
	} else {
		paint.DisableColor()
	}
	line := func(format string, args ...any) {
		fmt.Fprintf(b, "    %s\n", policy.Printable(fmt.Sprintf(format, args...)))
	}
	reason := policy.Printable(homelyWords(is.Why, home))
	fmt.Fprintf(b, "  %s %s: %s\n", is.Op, paint.Sprint(verdict), reason)
	if is.Rule != nil {
		line("by %s: %s", is.Rule.Source, homelyWords(is.Rule.Says, home))
		if text := a.texts.Excerpt(is.Rule.Source); text != "" {
			line("%4d | %s", is.Rule.Source.Line, text)
		}
	}
	if is.Note != "" {
		line("%s", homelyWords(is.Note, home))
	}
	switch {
	case is.Allowed:
	case len(is.Changes) == 0:
		line("%s", nothingHelps(is))
	default:
		for i, c := range is.Changes {
			first := "to allow it: "
			if i > 0 {
				first = "and "
			}
			line("%s%s", first, changeInWords(c, home))
		}
	}
}

// homelyWords is a text with the paths in it as people write them.
func homelyWords(text, home string) string {
	words := strings.Split(text, " ")
	for i, word := range words {
		words[i] = diag.Homely(word, home)
	}
	return strings.Join(words, " ")
}

// nothingHelps says why no change is offered.
func nothingHelps(is why.Answer) string {
	switch {
	case is.By == why.ByKernel:
		return "no policy changes that from inside"
	case is.By == why.ByHost:
		return "no policy changes that: it is the host that says no"
	case is.Missing:
		return "nothing of that name is there to be granted"
	}
	return "no policy changes that"
}

// changeInWords is a change as it can be typed.
func changeInWords(c why.Change, home string) string {
	path := diag.Homely(c.Path, home)
	switch c.Do {
	case why.Make:
		return "make " + diag.Word(path) + " yourself"
	case why.Add:
		return fmt.Sprintf("--%s %s, or in a file: filesystem { %s = [%s] }",
			c.Attribute, diag.Word(path), c.Attribute, config.Quoted(path))
	case why.Remove:
	}
	if flag := c.Rule.Source.Flag; flag != "" {
		return fmt.Sprintf("leave out %s, or deny less", flag)
	}
	return fmt.Sprintf("take it out of %s, or let that line say less", c.Rule.Source)
}
