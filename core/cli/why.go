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
	"github.com/nono-run/nono/sdk/hostname"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/schema"
)

// whyOptions are what why is told.
type whyOptions struct {
	policyOptions
	Paths []string
	Ops   []why.Op
	Hosts []string
	Ports []uint16
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
		Use: "why [flags] --path PATH [--op OP] | --host HOST [--port PORT] [-c FILE] " +
			"[-- COMMAND [ARG...]]",
		DisableFlagsInUseLine: true,
		Short:                 "Say whether a file or a host may be used, by which line",
		Long: `Say whether nono run with the same flags would let the agent read, write, execute, list,
create or delete a file of yours, or reach a host: which line says so, and the nearest change that
would allow it, in the words to type. Nothing is run, and no name is looked up.

The rules decide, and then what is really there inside: your home and /tmp are the session's own,
what is denied is hidden, and what the host does not let you do nono cannot give. The answer is
about your files; where the session has something of its own in the same place, it says so.
--path may be given more than once, and so may --op; without --op everything is answered. A path
is followed through its links, but for the last name of one that is to be created or deleted.
Where no command is given, by the file or after --, the answer is for one that needs nothing.

--host is a name or an address, and --port may be given more than once, as --host may; without one
443 and 80 are answered. A name that is allowed may still lead to an address that is not: one of a
private network is reached only where a rule names it. localhost and its addresses are asked about
as ports of this machine's loopback.

With --self, inside a sandbox, the answer is about that session, and no policy is named: what may be
done the kernel says, and the rules whose effect is seen there say why. What is denied without being
seen is not told to anybody inside.

The exit code is 0 if all that was asked is allowed, 1 if something of it is denied, and 125 if
there is no answer: the policy is refused, or a word was not understood.`,
		Example: `  nono why --path ~/.ssh/id_ed25519 --op read
  nono why -c agent.hcl --path src/main.py --op write
  nono why --allow-cwd --path .git/config
  nono why --network-profile minimal --host api.openai.com --port 443
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
	flags.Var((*hostNames)(&o.Hosts), "host", "the host that is asked about")
	flags.Var((*portNumbers)(&o.Ports), "port", "at which port: 443 and 80 if none is given")
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

// hostNames is a flag that may be given again: a host each time.
type hostNames []string

// String implements pflag.Value.
func (h *hostNames) String() string { return "" }

// Type implements pflag.Value: what help shows for the value.
func (h *hostNames) Type() string { return "HOST" }

// Set implements pflag.Value.
func (h *hostNames) Set(s string) error {
	if _, _, err := hostname.Host(s); err != nil {
		if name, _, port, both := hostname.HostPort(s); both == nil && name != "" {
			return fmt.Errorf("did you mean --host %s --port %d?", name, port)
		}
		if _, rest, isURL := strings.Cut(s, "://"); isURL {
			return fmt.Errorf("it is a url: --host %s", strings.Split(rest, "/")[0])
		}
		return err
	}
	*h = append(*h, s)
	return nil
}

// portNumbers is a flag that may be given again: a port each time.
type portNumbers []uint16

// String implements pflag.Value.
func (p *portNumbers) String() string { return "" }

// Type implements pflag.Value: what help shows for the value.
func (p *portNumbers) Type() string { return "PORT" }

// Set implements pflag.Value.
func (p *portNumbers) Set(s string) error {
	port, err := hostname.Port(s)
	if err != nil {
		return err
	}
	*p = append(*p, port)
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
	Version int              `json:"version"`
	Answers []why.Answer     `json:"answers"`
	Hosts   []why.HostAnswer `json:"hosts,omitempty"`
}

const whyVersion = 1

// why answers each question about each file and each host.
func (a *App) why(ctx context.Context, o whyOptions) error {
	switch {
	case len(o.Hosts) == 0 && len(o.Ports) > 0:
		return diag.Errorf("a port was named, and no host").Try("`nono why --host HOST --port PORT`")
	case len(o.Paths)+len(o.Hosts) == 0:
		return diag.Errorf("no file was named, and no host").
			Try("`nono why --path PATH` or `nono why --host HOST`, with the flags of the run")
	case o.Self && len(o.Hosts) > 0:
		return diag.Errorf("a session is told its rules about files, and none about hosts").
			Try("what is refused says why; outside, `nono why --host` says it with the line")
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
	report := whyReport{Version: whyVersion, Answers: []why.Answer{}}
	for _, name := range o.Paths {
		name = fileNamed(name, dir, own.Home)
		for _, op := range asked(o.Ops) {
			report.Answers = append(report.Answers, ask.file(name, op))
		}
	}
	for _, host := range o.Hosts {
		for _, port := range askedPorts(o.Ports) {
			answer, err := ask.host(host, port)
			if err != nil {
				return err
			}
			report.Hosts = append(report.Hosts, answer)
		}
	}
	if o.JSON {
		err = a.printJSON(report)
	} else {
		err = a.printAnswers(report, own.Home)
	}
	if err != nil {
		return err
	}
	if slices.ContainsFunc(report.Answers, func(a why.Answer) bool { return !a.Allowed }) ||
		slices.ContainsFunc(report.Hosts, func(a why.HostAnswer) bool { return !a.Allowed }) {
		return denied
	}
	return nil
}

// asker is who answers: a plan that is made for the questions, or, about files, the session itself.
type asker struct {
	file func(name string, op why.Op) why.Answer
	host func(host string, port uint16) (why.HostAnswer, error)
}

func (a *App) asker(ctx context.Context, o whyOptions, own dirs.Dirs) (asker, error) {
	if o.Self {
		file, err := selfAsker(o, own, a.Lookup)
		return asker{file: file}, err
	}
	if a.isInside() {
		return asker{}, diag.Errorf("no plan can be made inside a sandbox").
			Try("`nono why --self --path PATH` says it of the session here")
	}
	o.Otherwise = []string{"/bin/sh"}
	req, err := a.request("why", o.policyOptions)
	if err != nil {
		return asker{}, err
	}
	p, err := session.Plan(ctx, req)
	if err != nil {
		return asker{}, err
	}
	files := why.New(p, why.Host{
		Look: hostfile.Host, Own: own.All(), Home: own.Home, Reach: hostfile.ReachOf,
	})
	host := func(host string, port uint16) (why.HostAnswer, error) {
		return why.AskHost(p, host, port)
	}
	return asker{files.Ask, host}, nil
}

// selfAsker answers about the session that this process is in.
func selfAsker(
	o whyOptions, own dirs.Dirs, lookup func(string) (string, bool),
) (func(name string, op why.Op) why.Answer, error) {
	if o.File != "" || len(o.Rules)+len(o.Profiles)+len(o.Command) > 0 {
		return nil, diag.Errorf("--self is about the session that one is in, which has its policy").
			Try("leave out the rules and the command")
	}
	file := self.File
	if elsewhere, ok := lookup(self.Variable); ok {
		file = elsewhere // only inside a session, where it says nothing but that session's own
	}
	text, err := hostfile.Read(file, 1<<20)
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

// askedPorts are the ports to answer for: the usual ones, where none was named.
func askedPorts(ports []uint16) []uint16 {
	if len(ports) == 0 {
		return hostname.UsualPorts()
	}
	return ports
}

// fileNamed is a file as it was typed, from the root. It is not cleaned: "link/.." is beside what
// the link leads to.
func fileNamed(typed, dir, home string) string {
	switch rest, ofHome := strings.CutPrefix(typed, "~/"); {
	case typed == "~":
		return home
	case ofHome:
		return home + "/" + rest
	case filepath.IsAbs(typed):
		return typed
	}
	if typed == "." {
		return dir
	}
	return dir + "/" + strings.TrimPrefix(typed, "./")
}

// printAnswers prints a paragraph for each answer. Those about one file or host are told together.
func (a *App) printAnswers(report whyReport, home string) error {
	var b strings.Builder
	last := ""
	for _, is := range report.Answers {
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
	last = ""
	for _, is := range report.Hosts {
		if is.Host != last {
			last = is.Host
			b.WriteString(policy.Printable(is.Host) + "\n")
		}
		a.writeHost(&b, is, home)
	}
	_, err := io.WriteString(a.Stdout, b.String())
	return err
}

func (a *App) writeAnswer(b *strings.Builder, is why.Answer, home string) {
	a.writeVerdict(b, string(is.Op), is.Allowed, homelyWords(is.Why, home))
	a.writeRule(b, is.Rule, "", home)
	if is.Note != "" {
		writeDetail(b, "%s", homelyWords(is.Note, home))
	}
	switch {
	case is.Allowed:
	case len(is.Changes) == 0:
		writeDetail(b, "%s", nothingHelps(is))
	default:
		writeChanges(b, is.Changes, home)
	}
}

func (a *App) writeHost(b *strings.Builder, is why.HostAnswer, home string) {
	a.writeVerdict(b, fmt.Sprint("port ", is.Port), is.Allowed, is.Why)
	of := ""
	if is.List != "" {
		of = ", of the network " + is.List
	}
	a.writeRule(b, is.Rule, of, home)
	if is.Note != "" {
		writeDetail(b, "%s", is.Note)
	}
	writeChanges(b, is.Changes, home)
}

// writeVerdict begins a paragraph: what was asked, the answer, and the reason.
func (a *App) writeVerdict(b *strings.Builder, what string, allowed bool, reason string) {
	verdict, paint := "denied", color.New(color.FgRed, color.Bold)
	if allowed {
		verdict, paint = "allowed", color.New(color.FgGreen)
	}
	if a.colour(a.Stdout) {
		paint.EnableColor()
	} else {
		paint.DisableColor()
	}
	fmt.Fprintf(b, "  %s %s: %s\n", what, paint.Sprint(verdict), policy.Printable(reason))
}

// writeRule adds the rule that an answer follows from, with its line; nothing if there is none.
func (a *App) writeRule(b *strings.Builder, rule *why.Rule, of, home string) {
	if rule == nil {
		return
	}
	writeDetail(b, "by %s: %s%s", rule.Source, homelyWords(rule.Says, home), of)
	if text := a.texts.Excerpt(rule.Source); text != "" {
		writeDetail(b, "%4d | %s", rule.Source.Line, text)
	}
}

// writeChanges adds what would together allow it.
func writeChanges(b *strings.Builder, changes []why.Change, home string) {
	for i, c := range changes {
		first := "to allow it: "
		if i > 0 {
			first = "and "
		}
		writeDetail(b, "%s%s", first, changeInWords(c, home))
	}
}

func writeDetail(b *strings.Builder, format string, args ...any) {
	fmt.Fprintf(b, "    %s\n", policy.Printable(fmt.Sprintf(format, args...)))
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

// hostInWords is a host or a port to be added, as it can be typed.
func hostInWords(c why.Change) string {
	if c.Attribute == string(policy.PortLoopback) {
		return fmt.Sprintf("--open-port %s, or in a file: network { loopback = [%s] }", c.Host, c.Host)
	}
	return fmt.Sprintf("--allow-host %s, or in a file: network { allow = [\"%s\"] }", c.Host, c.Host)
}

// changeInWords is a change as it can be typed.
func changeInWords(c why.Change, home string) string {
	path := diag.Homely(c.Path, home)
	switch c.Do {
	case why.Make:
		return "make " + diag.Word(path) + " yourself"
	case why.Add:
		if c.Host != "" {
			return hostInWords(c)
		}
		return fmt.Sprintf("--%s %s, or in a file: filesystem { %s = [%s] }",
			c.Attribute, diag.Word(path), c.Attribute, config.Quoted(path))
	case why.Remove:
	}
	if flag := c.Rule.Source.Flag; flag != "" {
		return fmt.Sprintf("leave out %s, or deny less", flag)
	}
	return fmt.Sprintf("take it out of %s, or let that line say less", c.Rule.Source)
}
