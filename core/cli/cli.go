// Package cli is nono's command line.
//
// The rules that every command keeps:
//
//   - what a command was asked for goes to stdout; everything nono says of its own accord goes to
//     stderr and starts with "nono: ";
//   - colour only on a terminal, and not where NO_COLOR is set;
//   - --json where a machine may want to read;
//   - exit codes: the agent's own; 125 when nono itself refused or failed; 126 and 127 when the
//     command cannot be executed or found; 128+n when a signal ended the agent; 1 when what was to
//     be verified does not hold;
//   - an error says what was being done, what went wrong, the line or flag at fault, and what to
//     do. A user's mistake never prints a stack trace.
//
// The commands are listed in one place, newRoot; each has a file of its own. A command only
// understands its words. What it then does is one of the actions, so that a test can take their
// place and see what was understood, without running anything.
package cli

import (
	"context"
	"errors"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/launch"
	"github.com/nono-run/nono/core/layerhost"
	"github.com/nono-run/nono/core/limits"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/session"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/progress"
)

// Main runs nono with the process's own arguments, streams and environment, and returns its exit
// code.
func Main() int {
	// A start allocates some ten megabytes, once. Collecting them twice on the way would take the
	// processors from the layers.
	debug.SetGCPercent(400)
	return New().Run(context.Background(), os.Args[1:])
}

// New is nono with the process's own streams, environment and umask.
//
// From then on the process's umask takes nothing from the user himself: what nono makes for a run,
// and what its layers make, must be there for the run that made it and for the next one. The agent
// gets back what it was.
func New() *App {
	umask := syscall.Umask(0o077)
	syscall.Umask(umask &^ 0o700)
	return &App{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Lookup:  os.LookupEnv,
		Environ: os.Environ(),
		Getwd:   os.Getwd,
		began:   time.Now(),
		Called:  os.Args[0],
		UID:     os.Getuid(),
		GID:     os.Getgid(),
		Umask:   umask,
	}
}

// App is what a command needs of the process it runs in.
type App struct {
	// The streams are files, for the agent inherits them.
	Stdin, Stdout, Stderr *os.File
	Lookup                func(string) (string, bool)
	Environ               []string
	Getwd                 func() (string, error)
	UID, GID              int
	// Called is the name that nono was called by.
	Called string
	// Umask is what the user takes from the mode of each new file.
	Umask int
	// Deadlines bound what a layer may take for each call; zero means layerhost's own.
	Deadlines layerhost.Deadlines
	// Grace is how long the agent may take to end once it was asked to; zero means core/session's own.
	Grace time.Duration

	began   time.Time
	texts   diag.Texts // the policy files of this call, once they were read
	lines   *diag.Held // what all of nono's own lines go through
	silent  bool
	verbose bool
}

// Run runs one command and returns the exit code.
func (a *App) Run(ctx context.Context, args []string) int {
	// First of all: what nono was started with by mistake is no layer's to have, and not the agent's.
	if err := launch.SealDescriptors(); err != nil {
		a.printer().Error(err)
		return session.ExitOurs
	}
	root := a.newRoot(actions{
		run: a.run, shell: a.shell, plan: a.plan, why: a.why, init: a.writeStarter,
		approve:     a.approve,
		doctor:      a.examine,
		version:     a.version,
		listPlugins: a.listPlugins, lockPlugin: a.lockPlugin, removePlugin: a.removePlugin,
		newPlugin:  a.newPlugin,
		showPlugin: a.showPlugin, verifyPlugin: a.verifyPlugin, comparePlugins: a.comparePlugins,
		checkGit:     a.checkGit,
		listProfiles: a.listProfiles, showProfile: a.showProfile, initProfile: a.initProfile,
		convertProfile: a.convertProfile, validateProfile: a.validateProfile,
		diffProfiles: a.diffProfiles,
		listSessions: a.listSessions, showSession: a.showSession,
		removeSessions: a.removeSessions, pruneSessions: a.pruneSessions,
		restoreSession: a.restoreSession,
		listRunning:    a.listRunning, inspect: a.inspect, logs: a.logs, stop: a.stop,
		listAudits: a.listAudits, showAudit: a.showAudit, verifyAudits: a.verifyAudits,
	})
	args = paired(root, respelled(args))
	root.SetArgs(args)
	offerSpellings(root, args)
	err := a.addLayers(ctx, root, args)
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	var exit exitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return int(exit)
	}
	err = usageError(root, args, err)
	a.printer().Error(advised(err))
	if a.isInside() {
		a.printer().Line("this is inside a sandbox of nono's, which holds for all that is started " +
			"here; run the command itself")
	}
	return session.CodeOf(err)
}

// advised adds what to do to an error of the system's that means that something ran out, unless
// whoever found it has said so.
func advised(err error) error {
	var one diag.Problem
	var several diag.Problems
	try := limits.Advice(err)
	if try == "" || errors.As(err, &one) || errors.As(err, &several) {
		return err
	}
	return diag.Errorf("%s", err).Try("%s", try)
}

// isInside reports whether this is a sandbox of nono's: the first process is nono-init, or the
// session is told by a variable where its rules are.
func (a *App) isInside() bool {
	if _, told := a.Lookup(base.SessionVariable); told {
		return true
	}
	name, err := os.ReadFile("/proc/1/comm")
	return err == nil && strings.TrimSpace(string(name)) == "nono-init"
}

// exitCode is how a command ends with a code and nothing more to say.
type exitCode int

func (exitCode) Error() string { return "" }

// actions are what the commands do.
type actions struct {
	run         func(context.Context, runOptions) error
	shell       func(context.Context, shellOptions) error
	plan        func(context.Context, planOptions) error
	why         func(context.Context, whyOptions) error
	init        func(context.Context, starterOptions) error
	listPlugins func(ctx context.Context, asJSON bool) error
	version     func(asJSON bool) error
	approve     func(approveOptions) error
	doctor      func(context.Context, doctorOptions) error

	lockPlugin     func(lockOptions) error
	newPlugin      func(newPluginOptions) error
	removePlugin   func(name string) error
	showPlugin     func(context.Context, showOptions) error
	verifyPlugin   func(context.Context, verifyOptions) error
	comparePlugins func(asJSON bool) error
	checkGit       func(gitOptions) error

	listSessions   func(asJSON bool) error
	showSession    func(context.Context, sessionOptions) error
	removeSessions func(context.Context, removeOptions) error
	pruneSessions  func(context.Context, pruneOptions) error
	restoreSession func(context.Context, restoreOptions) error
	listRunning    func(asJSON bool) error
	inspect        func(context.Context, sessionOptions) error
	logs           func(context.Context, logOptions) error
	stop           func(context.Context, stopOptions) error
	listAudits     func(asJSON bool) error
	showAudit      func(context.Context, sessionOptions) error
	verifyAudits   func(context.Context, auditOptions) error

	listProfiles   func(asJSON bool) error
	showProfile    func(profileOptions) error
	initProfile    func(initOptions) error
	convertProfile func(profileOptions) error

	validateProfile func(profileOptions) error
	diffProfiles    func(diffOptions) error
}

func (a *App) newRoot(do actions) *cobra.Command {
	root := &cobra.Command{
		Use:   "nono",
		Short: "Run an AI agent with only what you granted",
		Long: `nono runs a program that you do not trust, an AI agent, as you, with only what you granted.
The kernel enforces it, and nothing inside can widen it. "nono help agent.hcl" explains the language
in which a file says what is granted.`,
		Example: `  nono run --allow-cwd -- python my_agent.py
  nono run -c agent.hcl
  nono plan -c agent.hcl`,
		Version:           sdk.Version,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true}, // nono has its own
		RunE:              func(cmd *cobra.Command, _ []string) error { return a.welcome(cmd) },
	}
	root.SetVersionTemplate(versionLine())
	root.SetIn(a.Stdin)
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	root.PersistentFlags().BoolVarP(&a.silent, "silent", "s", false, "say nothing but errors")
	root.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false,
		"say more: what layers report, how long things took; in a plan, every rule and mount")
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(a.newHelp())
	names := completers{
		profiles: a.completeProfiles, networks: a.completeNetworks, services: a.completeServices,
	}
	root.AddCommand(
		newRun(do.run, names),
		newShell(do.shell, names),
		newPlan(do.plan, names),
		newWhy(do.why, names),
		newApprove(do.approve),
		newInit(do.init),
		newDoctor(do.doctor),
		newProfiles(do, a.completeProfiles),
		newPlugin(do),
		newGit(do),
		a.newSession(do),
		newPs(do.listRunning),
		newInspect(do.inspect, a.completeSessions),
		newLogs(do.logs, a.completeSessions),
		newStop(do.stop, a.completeSessions),
		a.newAudit(do),
		hidden(newSessionPrune(do.pruneSessions)),
		newX(),
		newVersion(do.version),
		a.newCompletion(),
	)
	return root
}

// printer writes nono's own lines as the flags of this call say.
func (a *App) printer() *diag.Printer {
	return diag.NewPrinter(a.held(), a.silent, a.verbose, a.colour(a.Stderr)).With(a.texts)
}

// progress is where long things show how far they have come: a terminal that can take a line away.
func (a *App) progress() *progress.Bar {
	kind, _ := a.Lookup("TERM")
	if a.silent || kind == "dumb" || !term.IsTerminal(int(a.Stderr.Fd())) {
		return nil
	}
	return progress.New(a.held().Status)
}

// held is standard error, which waits while the agent has the terminal.
func (a *App) held() *diag.Held {
	if a.lines == nil {
		a.lines = diag.NewHeld(a.Stderr)
	}
	return a.lines
}

func (a *App) colour(f *os.File) bool {
	if v, ok := a.Lookup("NO_COLOR"); ok && v != "" {
		return false
	}
	return term.IsTerminal(int(f.Fd()))
}
