package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/kinds"
	"github.com/nono-run/nono/core/session"
	"github.com/nono-run/nono/core/store"
	"github.com/nono-run/nono/core/store/show"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// newX is the word beneath which the commands of other vendors' layers are.
func newX() *cobra.Command {
	return group(&cobra.Command{
		Use:   "x LAYER COMMAND [ARG...]",
		Short: "Run a command of another vendor's layer",
		Long: `Run a command of a layer that is installed for you. Such a layer is VENDOR/NAME; its
commands stand beneath its name, and run with your rights, outside of any sandbox.`,
		Example:               "  nono x acme/vault status\n  nono help x acme/vault",
		DisableFlagsInUseLine: true,
	})
}

// addLayers adds the commands of layers, as far as this command line can mean one: nothing is
// looked for, and no layer asked, where a command of nono's own is named.
func (a *App) addLayers(ctx context.Context, root *cobra.Command, args []string) error {
	words := typedWords(args)
	switch {
	case len(words) > 0 && words[0] == "x":
		return a.addVendors(ctx, root, words)
	case isOwnCommand(root, words):
	default:
		// Help and a slip of the pen are answered without the layers too.
		if err := a.addBuiltIn(ctx, root); err != nil {
			a.logger().Debug("looking for layers' commands", "error", err)
		}
	}
	return nil
}

func (a *App) layerCommands() (*session.Commands, error) {
	own, err := dirs.Find(a.Lookup, a.UID)
	if err != nil {
		return nil, err
	}
	dir, err := a.Getwd()
	if err != nil {
		return nil, diag.Errorf("finding the current directory: %s", err).
			Try("change to a directory that exists")
	}
	return &session.Commands{
		Dirs: own, UID: a.UID, Lookup: a.Lookup, Environ: a.Environ, Dir: dir,
		Stdin: a.Stdin, Stdout: a.Stdout, Stderr: a.Stderr, Log: a.logger(),
	}, nil
}

func (a *App) addBuiltIn(ctx context.Context, root *cobra.Command) error {
	layers, err := a.layerCommands()
	if err != nil {
		return err
	}
	all, err := layers.BuiltIn(ctx)
	for _, of := range all {
		attach(root, of, a.runOf(layers, of.Layer), a.offers())
	}
	return err
}

func (a *App) addVendors(ctx context.Context, root *cobra.Command, words []string) error {
	layers, err := a.layerCommands()
	if err != nil {
		return err
	}
	x, _, err := root.Find([]string{"x"})
	if err != nil {
		return err
	}
	all, err := vendors(ctx, layers, words)
	if err != nil {
		return err
	}
	for _, of := range all {
		beneath := group(&cobra.Command{
			Use: of.Layer, Short: "Run a command of layer " + of.Layer, DisableFlagsInUseLine: true,
		})
		x.AddCommand(beneath)
		attach(beneath, of, a.runOf(layers, of.Layer), a.offers())
	}
	return nil
}

// vendors are the layers that stand beneath x: the one that is named, or all.
func vendors(
	ctx context.Context, layers *session.Commands, words []string,
) ([]session.OfLayer, error) {
	if len(words) < 2 || !strings.Contains(words[1], "/") || strings.HasSuffix(words[1], "/") {
		return layers.Installed(ctx)
	}
	of, err := layers.Of(ctx, words[1])
	if err == nil && len(of.Commands) == 0 {
		err = diag.Errorf("layer %s has no commands", of.Layer)
	}
	return []session.OfLayer{of}, err
}

// typedWords are the words of a command line that name a command, with help and the shell's own
// questions taken off.
func typedWords(args []string) []string {
	words := slices.DeleteFunc(slices.Clone(args), func(s string) bool {
		return s == "" || strings.HasPrefix(s, "-")
	})
	asides := []string{"help", cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd}
	for len(words) > 0 && slices.Contains(asides, words[0]) {
		words = words[1:]
	}
	return words
}

// isOwnCommand reports whether words name a command of nono's own that does something by itself:
// layers have commands beneath those of nono's that only hold others, as beneath session.
func isOwnCommand(root *cobra.Command, words []string) bool {
	at := root
	for _, word := range words {
		next := slices.IndexFunc(at.Commands(), func(c *cobra.Command) bool {
			return c.Name() == word || c.HasAlias(word)
		})
		if next < 0 {
			return false
		}
		if at = at.Commands()[next]; !at.HasSubCommands() {
			return true
		}
	}
	return false
}

// runLayer runs one of a layer's commands.
type runLayer func(
	ctx context.Context, c sdk.Subcommand, flags map[string][]string, args []string,
) error

func (a *App) runOf(layers *session.Commands, layer string) runLayer {
	return func(
		ctx context.Context, c sdk.Subcommand, flags map[string][]string, args []string,
	) error {
		var about session.About
		if c.Session {
			e, rest, err := a.sessionOf(layer, c, args)
			if err != nil {
				return err
			}
			about.Session, args = &e, rest
		}
		var loaded *config.Config
		var err error
		switch {
		case c.Services:
			loaded, err = a.servicesOf(args)
		case c.Policy:
			loaded, err = a.ownPolicy(nil)
		}
		if err != nil {
			return err
		}
		if loaded != nil {
			about.Policy, about.UpstreamAuth = &loaded.Policy, loaded.UpstreamAuth
		}
		code, err := layers.Run(ctx, layer, c, flags, args, about)
		if err == nil && code != 0 {
			return exitCode(code)
		}
		return err
	}
}

// ownPolicy is the user's own policy, with some flags.
func (a *App) ownPolicy(flags []config.Flag) (*config.Config, error) {
	own, err := dirs.Find(a.Lookup, a.UID)
	if err != nil {
		return nil, err
	}
	dir, _, err := a.currentDir()
	if err != nil {
		return nil, err
	}
	options := a.configOptions(policyOptions{Rules: flags}, own, dir)
	options.Packages = func(*policy.Policy) (config.Packages, error) {
		return config.Packages{}, nil
	}
	// Whoever types a layer's command has something for it to do.
	options.Kept = func(layer string) (string, error) { return own.LayerConfig(layer), nil }
	loaded, err := config.Load(options)
	a.texts = loaded.Texts
	if err != nil {
		return nil, err
	}
	return loaded.Config, nil
}

// servicesOf is the user's own policy with the services that are named, and with those that it
// names itself where none is.
func (a *App) servicesOf(names []string) (*config.Config, error) {
	var flags []config.Flag
	for _, name := range names {
		flags = append(flags, config.Flag{Name: "credential", Value: name})
	}
	loaded, err := a.ownPolicy(flags)
	if err != nil {
		return nil, err
	}
	pol := &loaded.Policy
	if len(names) == 0 {
		if len(pol.Credentials) == 0 {
			return nil, diag.Errorf("your own configuration names no credential").
				Try("name a service: nono credential test openai")
		}
		return loaded, nil
	}
	pol.Credentials = slices.DeleteFunc(slices.Clone(pol.Credentials),
		func(c policy.Credential) bool { return !slices.Contains(names, c.Service) })
	return loaded, nil
}

// offers are the names that the shell offers for arguments of layers' commands.
type offers struct{ sessions, services cobra.CompletionFunc }

func (a *App) offers() offers { return offers{a.completeSessions, a.completeServices} }

// attach puts a layer's commands beneath a command, each at its path. A word that is taken already
// stays what it is: no layer replaces a command of nono's.
func attach(
	root *cobra.Command, of session.OfLayer, run runLayer, names offers,
) {
	for _, c := range of.Commands {
		at := root
		words := strings.Fields(c.Path)
		for i, word := range words {
			next := slices.IndexFunc(at.Commands(), func(c *cobra.Command) bool { return c.Name() == word })
			switch last := i == len(words)-1; {
			case next >= 0:
				at = at.Commands()[next]
			case last:
				at.AddCommand(layerCommand(of.Layer, c, word, run, names))
			default:
				inner := group(&cobra.Command{
					Use: word, Short: "Commands of layer " + of.Layer,
					Example: "  " + at.CommandPath() + " " + word + " --help",
				})
				at.AddCommand(inner)
				at = inner
			}
		}
	}
}

// layerExample is how a layer's command is typed: with its arguments, and with each flag that takes
// no value. Beside a flag, arguments that may be left out are: often it stands in their place.
func layerExample(layer string, c sdk.Subcommand) string {
	typed := "  nono "
	if strings.Contains(layer, "/") {
		typed += "x " + layer + " "
	}
	typed += c.Path
	full := strings.TrimRight(typed+" "+c.Arguments, " ")
	if strings.HasPrefix(c.Arguments, "[") && strings.HasSuffix(c.Arguments, "]") {
		full = typed + " " + strings.Trim(c.Arguments, "[]")
	} else {
		typed = full
	}
	lines := []string{full}
	for _, f := range c.Flags {
		if f.Value == "" {
			lines = append(lines, typed+" --"+f.Name)
		}
	}
	return strings.Join(lines, "\n")
}

func layerCommand(
	layer string, c sdk.Subcommand, word string, run runLayer, names offers,
) *cobra.Command {
	cmd := &cobra.Command{
		Use:                   strings.TrimSpace(word + " " + c.Arguments),
		Short:                 c.Help,
		Long:                  c.Help + ".\n\nThis is a command of layer " + layer + ".",
		Example:               layerExample(layer, c),
		DisableFlagsInUseLine: true,
		Args:                  cobra.ArbitraryArgs,
		ValidArgsFunction:     completes(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			return run(cmd.Context(), c, given(cmd.Flags(), c.Flags), args)
		},
	}
	if c.Arguments == "" {
		cmd.Args = noArguments
	}
	if c.Services {
		cmd.ValidArgsFunction = names.services
	}
	if c.Session {
		ofSession(cmd, c, word, names.sessions)
	}
	for _, f := range c.Flags {
		if f.Value == "" {
			cmd.Flags().Bool(f.Name, false, f.Help)
			continue
		}
		cmd.Flags().Var(&flagValues{shown: f.Value}, f.Name, f.Help)
	}
	return cmd
}

// ofSession makes a command one about a session, which is its first argument.
func ofSession(
	cmd *cobra.Command, c sdk.Subcommand, word string, sessions cobra.CompletionFunc,
) {
	cmd.Use = strings.TrimSpace(word + " [SESSION] " + c.Arguments)
	cmd.Long += sessionLong
	if c.Arguments == "" {
		cmd.Args = oneSession
	} else {
		cmd.Long += "\nBefore other arguments - means that one, too. A word that is no session's id or " +
			"name, and names\na file, is the first of those."
	}
	others := cmd.ValidArgsFunction
	cmd.ValidArgsFunction = func(
		cmd *cobra.Command, args []string, toComplete string,
	) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return sessions(cmd, args, toComplete)
		}
		return others(cmd, args, toComplete)
	}
}

// sessionOf is the finished session that the first of a command's arguments means, among those in
// which a layer took part that keeps something for its commands; and the other arguments.
func (a *App) sessionOf(
	layer string, c sdk.Subcommand, args []string,
) (store.Entry, []string, error) {
	s, err := a.sessions()
	if err != nil {
		return store.Entry{}, nil, err
	}
	of := layerSessions{sessions: s, layer: layer}
	for _, k := range kinds.Own() { // also where it took part in none yet
		if k.BuiltIn(runtime.GOOS) == layer {
			of.kind = k.Name
		}
	}
	for _, e := range s.list {
		l, ok := of.part(e)
		if !ok {
			continue
		}
		of.kind = l.Kind
		// Where another layer failed at the end, this one's part is finished all the same.
		if e.State == store.Finished || e.State == store.Dead && !l.Owed {
			of.list = append(of.list, e)
		}
	}
	first, rest := word(args), args[min(1, len(args)):]
	if first != "" && first != "-" {
		e, err := of.pick(of.list, first, "finished session with layer "+layer)
		isWhole := err == nil && (e.ID == first || e.Record != nil && e.Record.Name == first)
		if !isWhole && c.Arguments != "" && isPath(s.dir, first) {
			e, err = of.last(c)
			rest = args
		} else if err != nil {
			err = of.orUnfinished(first, err)
		}
		return e, rest, err
	}
	e, err := of.last(c)
	return e, rest, err
}

// isPath reports whether a word that is no session's id or name is meant for a file: it says so
// itself, or there is one. What begins a session's id is mostly a matter of chance.
func isPath(dir, word string) bool {
	if strings.ContainsRune(word, '/') || word == "." {
		return true
	}
	_, err := os.Lstat(filepath.Join(dir, word))
	return err == nil
}

// layerSessions are the finished sessions that a layer's command may be about.
type layerSessions struct {
	*sessions

	layer string
	kind  policy.Kind
	list  []store.Entry
}

// part is what the layer was in a session, if it has left something for its commands.
func (of *layerSessions) part(e store.Entry) (store.Layer, bool) {
	if e.Record == nil {
		return store.Layer{}, false
	}
	i := slices.IndexFunc(e.Record.Layers, func(l store.Layer) bool {
		return l.Name == of.layer && l.Lifetime != sdk.Ephemeral
	})
	if i < 0 {
		return store.Layer{}, false
	}
	return e.Record.Layers[i], true
}

// last is the session that is meant where none is named. Of a layer that records directories it is
// the last one whose snapshot has the current directory in it; and while another session may be
// changing that, nobody can say what the last one is.
func (of *layerSessions) last(c sdk.Subcommand) (store.Entry, error) {
	if of.kind != policy.KindSnapshot {
		return of.pick(of.list, "", "finished session with layer "+of.layer)
	}
	here := diag.Homely(of.dir, of.printer.Home)
	list := slices.Clone(of.list)
	e, err := store.LastRecorded(list, of.dir)
	for err == nil && of.neverRan(e) {
		list = slices.DeleteFunc(list, func(o store.Entry) bool { return o.ID == e.ID })
		e, err = store.LastRecorded(list, of.dir)
	}
	if err := of.unfinished(e, here, c); err != nil {
		return e, err
	}
	if err != nil {
		return e, diag.Errorf("no finished session has a snapshot of %s", here).
			Try("`nono run --snapshot` takes one; `nono session list` lists those of other directories")
	}
	return e, nil
}

// neverRan reports whether a session's agent was never started, so that there is nothing to see or
// to undo: its start failed, or its nono was killed before the layer was armed.
func (of *layerSessions) neverRan(e store.Entry) bool {
	if e.Record.End != nil && e.Record.End.Reason == sdk.EndStartFailed {
		return true
	}
	kept, err := e.Kept(of.layer)
	return err == nil && kept.State == nil
}

// unfinished is why the last finished session is not the last one of a directory: another one may
// be changing it, or has lost its nono.
func (of *layerSessions) unfinished(last store.Entry, here string, c sdk.Subcommand) error {
	named, trees := "", []string{of.dir}
	if last.Record != nil {
		named = fmt.Sprintf("; or name the one before: nono %s %s", c.Path, last.ID)
		trees = last.Record.Recorded
	}
	if others := store.Sharing(of.sessions.list, trees, last.ID); len(others) > 0 {
		return diag.Errorf("session %s runs, and may be changing %s", show.Named(others[0]), here).
			Try("wait for its end, or stop it: nono stop %s%s", others[0].ID, named)
	}
	for _, e := range of.sessions.list {
		newer := e.State == store.Dead && e.Record != nil &&
			(last.Record == nil || e.Record.Created.After(last.Record.Created))
		if _, err := store.LastRecorded([]store.Entry{e}, of.dir); newer && err == nil {
			p := of.owes(e)
			p.Detail += named
			return diag.Errorf("%s; it is the last one with a snapshot of %s", p.Summary, here).
				Try("%s", p.Detail)
		}
	}
	return nil
}

// orUnfinished is why there is no finished session that a word means: there is one that is not.
func (of *layerSessions) orUnfinished(word string, none error) error {
	e, err := store.Pick(of.sessions.list, word)
	if err != nil || e.State != store.Dead {
		return none
	}
	if _, ok := of.part(e); !ok {
		return none
	}
	return of.owes(e)
}

// owes says why the layer's part in a dead session is not finished, and what to do.
func (of *layerSessions) owes(e store.Entry) diag.Problem {
	if e.Record.End == nil || e.Record.End.Reason == sdk.EndCoreLost && e.Record.Tries == 0 {
		return diag.Errorf("session %s has lost its nono and is not finished",
			show.Named(e)).Try("any start finishes it: `nono run -- true`")
	}
	what := "its layer " + of.layer + " failed at the end"
	if of.kind == policy.KindSnapshot {
		what = "its second snapshot could not be taken"
	}
	return diag.Errorf("session %s is not finished: %s", show.Named(e), what).
		Try("each start tries again, and says what is in the way: `nono run -- true`")
}

// given are the flags that were typed.
func given(typed *pflag.FlagSet, declared []sdk.Flag) map[string][]string {
	flags := map[string][]string{}
	for _, f := range declared {
		if !typed.Changed(f.Name) {
			continue
		}
		if f.Value == "" {
			if yes, err := typed.GetBool(f.Name); err == nil && yes {
				flags[f.Name] = []string{""}
			}
			continue
		}
		if values, ok := typed.Lookup(f.Name).Value.(*flagValues); ok {
			flags[f.Name] = values.given
		}
	}
	return flags
}

// flagValues are the values of a flag of a layer's, which may be given more than once.
type flagValues struct {
	shown string // for the value, in help
	given []string
}

// String implements pflag.Value.
func (v *flagValues) String() string { return "" }

// Type implements pflag.Value: what help shows for the value.
func (v *flagValues) Type() string { return v.shown }

// Set implements pflag.Value.
func (v *flagValues) Set(s string) error {
	v.given = append(v.given, s)
	return nil
}

// completes is what the shell offers for an argument.
func completes(c sdk.Subcommand) cobra.CompletionFunc {
	switch c.Completion {
	case sdk.CompleteFiles:
		return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
	case sdk.CompleteDirectories:
		return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
	case sdk.CompleteWords:
		return cobra.FixedCompletions(c.Words, cobra.ShellCompDirectiveNoFileComp)
	case sdk.CompleteNothing:
	}
	return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveNoFileComp)
}
