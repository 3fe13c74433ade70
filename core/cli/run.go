package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/packagehosts"
	"github.com/nono-run/nono/core/session"
	"github.com/nono-run/nono/core/terminal"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// runOptions are what run is told.
type runOptions struct {
	policyOptions
	liveOptions
	// DryRun stops where plan does.
	DryRun bool
}

func newRun(
	run func(context.Context, runOptions) error, names completers,
) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:                   "run [flags] [-c FILE] [-- COMMAND [ARG...]]",
		DisableFlagsInUseLine: true,
		Short:                 "Run a command in a sandbox",
		Long: `Run a command with only what was granted: by profiles (-p), by a file (-c), by
flags, or by all of them, in this order.

Without a grant the command sees the system's programs and libraries, an empty home directory and a
private /tmp. It reaches no network, no other process and no file of yours. The command given here
replaces the file's own. Flags after its name are its own.

A file named by -c may grant what lies beneath its own directory, where that is a project: not the
home directory, not a temporary one, none that others can write. What it asks for beyond that takes
your word: at a terminal you are asked once, elsewhere it is refused, each line named. nono approve
FILE gives it beforehand, --approve for this run alone.

A path in a flag is taken as it is typed, but for a ~ at its beginning. In a file, $HOME, $WORKDIR,
$TMPDIR, $UID and $XDG_... stand for what they name, $$ is a $ of a name, $* and $? are a * and a ?,
and $xHH is the byte of that value. A grant that leads through a link which an agent could have made
is refused, and what the link leads to is named: grant that.

Signals that nono gets are the command's. One that asks for an end and is not obeyed within ten
seconds, or a second Ctrl-C, ends everything inside.

The exit code is the command's own; 125 when nono refused or failed, or a layer could not clean up
after a command that ended with 0; 126 and 127 when the command cannot be executed or found.`,
		Example: `  nono run --allow-cwd -- python my_agent.py
  nono run --profile claude-code --allow-cwd -- claude
  nono run -c agent.hcl
  nono run -c agent.hcl --dry-run`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.take(cmd, args)
			return run(cmd.Context(), o)
		},
	}
	o.policyOptions.add(cmd, names)
	o.liveOptions.add(cmd)
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false,
		"print the plan and run nothing, as nono plan does")
	return cmd
}

func (a *App) run(ctx context.Context, o runOptions) error {
	if o.DryRun {
		return a.plan(ctx, planOptions{policyOptions: o.policyOptions})
	}
	return a.runPolicy(ctx, "run", o.policyOptions, &o.liveOptions)
}

// runPolicy reads the policy and runs the command, at the user's terminal if there is one, and ends
// with its exit code. nono-init starts while the policy is read.
func (a *App) runPolicy(
	ctx context.Context, verb string, o policyOptions, live *liveOptions,
) error {
	at := terminal.Find(terminal.Streams{a.Stdin, a.Stdout, a.Stderr})
	defer at.Close()
	early := session.Begin(session.EarlyOptions{
		UID: a.UID, Stdin: a.Stdin, Stdout: a.Stdout, Stderr: a.Stderr,
		Terminal: at != nil, HostNetwork: o.disables(policy.KindNetwork),
	})
	// A policy that is refused ends it; a run has ended it by itself.
	defer func() { _ = early.End() }()
	req, err := a.request(verb, o)
	if err != nil {
		return err
	}
	req.Terminal, req.Early = at, early
	over, err := live.apply(a, req)
	if err != nil {
		return err
	}
	defer over()
	code, err := session.Run(ctx, req)
	a.tidy(ctx, req.Dirs, req.Config.Keep)
	if err != nil {
		return err
	}
	if code != 0 {
		return exitCode(code)
	}
	return nil
}

// request turns what was asked for, by the command run, shell or plan, into what core/session runs.
// Nothing has been started when it returns.
func (a *App) request(verb string, o policyOptions) (*session.Request, error) {
	own, err := dirs.Find(a.Lookup, a.UID)
	if err != nil {
		return nil, err
	}
	dir, dirName, err := a.workdir(o.Workdir)
	if err != nil {
		return nil, err
	}
	args := o.Command
	if len(args) == 1 && o.File == "" && strings.HasSuffix(args[0], ".hcl") &&
		fileExists(filepath.Join(dir, args[0])) {
		return nil, diag.Errorf("%s is a file of policy and no command", args[0]).
			Try("did you mean `nono run -c %s`?", args[0])
	}
	if slices.Contains(o.Own, "--allow-cwd") {
		a.printer().Problem(diag.Warningf("--allow-cwd stands after the name of the command, " +
			"which gets it; nono's own flags stand before that name"))
	}
	loaded, err := a.load(o, own, dir)
	if err != nil {
		return nil, err
	}
	cfg := loaded.Config
	namedBy, argsSource := "", policy.Source{}
	if len(args) == 0 {
		args, argsSource = cfg.Command, cfg.CommandSource
		if cfg.CommandForeign && !o.Approve {
			namedBy = cfg.CommandSource.File
		}
	}
	if len(args) == 0 {
		args = o.Otherwise
	}
	if len(args) == 0 {
		return nil, a.noCommand(verb, o.File, dir)
	}
	if verb != "shell" { // what the file adds to its command is nothing for a shell
		args = slices.Concat(args, cfg.Arguments)
	}
	return &session.Request{
		Config:     cfg,
		Secrets:    loaded.Secrets,
		Args:       args,
		ArgsSource: argsSource,
		NamedBy:    namedBy,
		Dir:        dir,
		DirName:    dirName,
		Dirs:       own,
		UID:        a.UID,
		GID:        a.GID,
		Umask:      a.Umask,
		Lookup:     a.Lookup,
		Environ:    a.Environ,
		Fresh:      o.Fresh,
		Deadlines:  a.Deadlines,
		Began:      a.began,
		Grace:      a.Grace,
		Out:        a.printer(),
		Progress:   a.progress(),
		Log:        a.logger(),
		Lines:      a.held(),
		Stdin:      a.Stdin, Stdout: a.Stdout, Stderr: a.Stderr,
	}, nil
}

// load reads the policy. The printer knows its texts from here on.
func (a *App) load(o policyOptions, own dirs.Dirs, dir string) (config.Loaded, error) {
	options := a.configOptions(o, own, dir)
	options.Confirm = a.confirm(approvals(own))
	loaded, err := config.Load(options)
	a.texts = loaded.Texts
	return loaded, err
}

// configOptions is what a policy is made from.
func (a *App) configOptions(o policyOptions, own dirs.Dirs, dir string) config.Options {
	return config.Options{
		Profiles:  o.Profiles,
		File:      o.File,
		Dir:       dir,
		Home:      own.Home,
		ConfigDir: own.Config,
		Own:       own.All(),
		TempDir:   a.tempDir(),
		UID:       a.UID,
		Lookup:    a.Lookup,
		Flags:     o.Rules,
		Called:    a.Called,
		Approve:   o.Approve,
		Approved:  approvals(own).Approved,
		Packages:  a.packageHosts(own),
		Kept:      own.KeptBy,
	}
}

// packageHosts asks the user's package managers from where they fetch, or remembers it. It is told
// when they were asked.
func (a *App) packageHosts(own dirs.Dirs) func(*policy.Policy) (config.Packages, error) {
	return func(pol *policy.Policy) (config.Packages, error) {
		l := packagehosts.Learner{
			Home: own.Home, Cache: own.Cache, Lookup: a.Lookup, Policy: pol,
		}
		learned, err := l.Learn(context.Background())
		if err != nil && len(learned.Clients) == 0 {
			return config.Packages{}, err
		}
		said := config.Packages{Hosts: learned.Hosts()}
		for _, c := range learned.Clients {
			for _, v := range c.Variables {
				said.Variables = append(said.Variables, config.PackageVariable{
					Manager: c.Name, Name: v.Name, Value: v.Value, Secret: v.Secret,
				})
			}
		}
		if learned.Fresh {
			said.Says = learned.Says()
		}
		if err != nil {
			said.Says += "; " + err.Error()
		}
		return said, nil
	}
}

// noCommand is a usage error that names the file that was probably meant.
func (a *App) noCommand(verb, file, dir string) error {
	if file != "" {
		return diag.Errorf("nothing to run: %s has no `command`, and none was given after --",
			file).
			Try("add `command = [\"python\", \"my_agent.py\"]` to the file, "+
				"or type `nono %s -c %s -- COMMAND`", verb, diag.Word(file))
	}
	p := diag.Errorf("nothing to run: no command was given")
	if fileExists(filepath.Join(dir, "agent.hcl")) {
		return p.Try("no file is picked up by itself; did you mean `nono %s -c agent.hcl`?", verb)
	}
	if verb == "plan" {
		return p.Try("type the line of the run, with plan for run: " +
			"`nono plan --allow-cwd -- COMMAND`, or `nono plan -c FILE`")
	}
	return p.Try("run `nono run --allow-cwd -- COMMAND`, or `nono run -c FILE`")
}

// workdir is the directory that a run begins in: the one that was named, or the current one.
func (a *App) workdir(named string) (dir, name string, err error) {
	if named == "" {
		return a.currentDir()
	}
	name = filepath.Clean(named)
	if !filepath.IsAbs(name) {
		here, err := a.Getwd()
		if err != nil {
			return "", "", fmt.Errorf("finding the current directory: %w", err)
		}
		name = filepath.Join(here, name)
	}
	at, err := hostfile.Follow(hostfile.Host, name)
	switch {
	case err != nil:
		return "", "", fmt.Errorf("--workdir %s: %w", named, err)
	case at.Entry.Type == policy.Missing:
		return "", "", diag.Errorf("--workdir %s: there is no such directory", named)
	case at.Entry.Type != policy.Directory:
		return "", "", diag.Errorf("--workdir %s: it is not a directory", named)
	}
	return at.Path, name, nil
}

// currentDir is the current directory with links resolved, for what is granted is the directory and
// not the way that led to it; and the name by which the user came to it.
func (a *App) currentDir() (dir, name string, err error) {
	name, err = a.Getwd()
	if err == nil {
		dir, err = hostfile.Resolve(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", diag.Errorf("finding the current directory: it was removed").
			Try("change to a directory that exists")
	}
	if err != nil {
		return "", "", fmt.Errorf("finding the current directory: %w", err)
	}
	return dir, filepath.Clean(name), nil
}

func (a *App) tempDir() string {
	if dir, ok := a.Lookup("TMPDIR"); ok && filepath.IsAbs(dir) {
		return filepath.Clean(dir)
	}
	return "/tmp"
}

// logger carries what layers and go-plugin log. With -v it is shown; a line never holds a secret,
// for a Secret prints as [redacted], nor anything that a terminal would act on.
func (a *App) logger() hclog.Logger {
	level := hclog.Error
	switch {
	case a.silent:
		level = hclog.Off
	case a.verbose:
		level = hclog.Debug
	}
	return hclog.New(&hclog.LoggerOptions{
		Name: "nono", Level: level, Output: diag.Lines(a.held()),
		DisableTime: true,
	})
}
