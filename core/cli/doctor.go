package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/doctor"
	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/session"
	"github.com/nono-run/nono/core/toolchain"
	"github.com/nono-run/nono/packaging/apparmor"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/hostfile"
)

// doctorOptions are what doctor is told.
type doctorOptions struct {
	JSON bool
	// AppArmor prints a profile, and looks at nothing.
	AppArmor bool
	// Attack tries the ways out of a sandbox, in one and with none.
	Attack bool
}

func newDoctor(examine func(context.Context, doctorOptions) error) *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use: "doctor [flags]", Aliases: []string{"setup"},
		Short: "Say what this host lets nono hold, and what would let it hold more",
		Long: `Say which host this is and how far nono holds an agent on it: the kernel, its Landlock,
the tier that a run has and why, what each restriction is held by, whether keys can be in your
keyring, which of your tools work inside. Where something is in the way of more, say what to do
about it.

The tier is found by starting a sandbox as for a run, of a small policy in a temporary directory of
its own; no agent is run in it, nothing is asked of you, and nothing stays.

With --attack, try to get out: each attempt of the table in docs/threats.md that can be made without
harm is made with no sandbox, where it has to work, and in sessions of nono's. All that is attacked
is made for it, in temporary directories beneath your home, and removed; nothing is sent to another
machine. It takes some 15 seconds, and the exit code is 1 if something works that must not.

The exit code is 0 if all that a run can ask for is held here, 1 if runs start and something is held
in part or not, 2 if no run starts or your own configuration is refused, and 125 if there is no
answer.`,
		Example: `  nono doctor
  nono doctor --attack
  nono doctor --apparmor | sudo tee /etc/apparmor.d/nono
  nono doctor --json | jq -r '.sandbox.restrictions[] | select(.held != "enforced").says'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return examine(cmd.Context(), o) },
	}
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print as JSON")
	cmd.Flags().BoolVar(&o.AppArmor, "apparmor", false,
		"print a profile of AppArmor's that lets nono use user namespaces, and nothing else")
	cmd.Flags().BoolVar(&o.Attack, "attack", false,
		"try to get out of a sandbox, and say what holds each attempt")
	cmd.MarkFlagsMutuallyExclusive("json", "apparmor")
	cmd.MarkFlagsMutuallyExclusive("attack", "apparmor")
	// As the Rust tool has it, whose `setup` changes things without it.
	cmd.Flags().Bool("check-only", true, "change nothing, which is so anyway")
	if err := cmd.Flags().MarkHidden("check-only"); err != nil {
		panic(err) // the flag was added above
	}
	return cmd
}

func (a *App) examine(ctx context.Context, o doctorOptions) error {
	if o.AppArmor {
		return a.printAppArmor()
	}
	if o.Attack {
		return a.attack(ctx, o.JSON)
	}
	report, err := a.report(ctx)
	if err != nil {
		return err
	}
	home := ""
	if own, err := dirs.Find(a.Lookup, a.UID); err == nil {
		home = own.Home
	}
	if o.JSON {
		err = a.printJSON(report)
	} else {
		err = doctor.Print(a.Stdout, report, home, a.colour(a.Stdout))
	}
	if code := report.Code(); err == nil && code != doctor.Whole {
		return exitCode(code)
	}
	return err
}

// printAppArmor prints the profile for the nono that runs.
func (a *App) printAppArmor() error {
	exe, err := os.Executable()
	if err == nil {
		exe, err = hostfile.Resolve(exe)
	}
	if err != nil {
		return fmt.Errorf("finding nono's own program: %w", err)
	}
	profile, err := apparmor.At(exe)
	if err != nil {
		return diag.Errorf("writing a profile of AppArmor's: %v", err).
			Try("install nono in /usr/local/bin: make install BINDIR=/usr/local/bin")
	}
	_, err = a.Stdout.WriteString(profile)
	return err
}

// report finds out all that doctor says.
func (a *App) report(ctx context.Context) (*doctor.Report, error) {
	own, err := dirs.Find(a.Lookup, a.UID)
	if err != nil {
		return nil, err
	}
	// First: a plan closes this process's own part of /proc.
	r := &doctor.Report{Nono: sdk.Version, Host: doctor.Look(os.DirFS("/"), doctor.Env{
		UID: a.UID, Lookup: a.Lookup, MayWrite: mayWrite,
	})}
	if r.Keyring, err = a.keyring(ctx); err != nil {
		return nil, err
	}
	r.Landlock = doctor.AskLandlock()
	r.Directories = doctor.Directories(own, a.Lookup, mayWrite)
	a.findTools(r)
	if err := a.trySample(ctx, r); err != nil {
		return nil, err
	}
	dir, _, err := a.currentDir()
	r.Conclude(err == nil && fileExists(filepath.Join(dir, "agent.hcl")))
	return r, nil
}

// patience is how long a keyring has to answer.
const patience = 10 * time.Second

// keyring asks the layer that reads keys. It asks the user nothing, and starts nothing.
func (a *App) keyring(ctx context.Context) (doctor.Keyring, error) {
	layers, err := a.layerCommands()
	if err != nil {
		return doctor.Keyring{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	said, err := layers.Ask(ctx, "credproxy", sdk.Subcommand{Path: "credential list"},
		map[string][]string{"json": {""}})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return doctor.Keyring{Why: "it took too long"}, nil
	case err != nil:
		return doctor.Keyring{Why: err.Error()}, nil
	}
	return doctor.HeardOf(said.Code == 0, said.Out, said.Err), nil
}

func mayWrite(name string) bool { return unix.Access(name, unix.W_OK) == nil }

// findTools asks about tools under the user's own configuration, and says what is wrong with that.
func (a *App) findTools(r *doctor.Report) {
	cfg, err := a.ownPolicy(nil)
	if err != nil {
		r.Wrong = a.explained(err)
		return
	}
	dir, _, err := a.currentDir()
	if err != nil {
		r.Wrong = err.Error()
		return
	}
	own, err := dirs.Find(a.Lookup, a.UID)
	if err != nil {
		r.Wrong = err.Error()
		return
	}
	r.Tools = doctor.Tools(toolchain.Request{
		Dir: dir, Home: own.Home, Lookup: a.Lookup, Policy: &cfg.Policy,
	})
}

// explained is an error as the user is shown it.
func (a *App) explained(err error) string {
	var text strings.Builder
	diag.NewPrinter(&text, false, false, false).With(a.texts).Error(err)
	return text.String()
}

// trySample starts what a run starts, with a policy of doctor's own and nothing of the user's: what
// he has configured says nothing about the host.
func (a *App) trySample(ctx context.Context, r *doctor.Report) (err error) {
	dir, err := os.MkdirTemp(a.tempDir(), "nono-doctor-")
	if err != nil {
		return fmt.Errorf("making a sample: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if dir, err = hostfile.Resolve(dir); err != nil {
		return err
	}
	if err := doctor.MakeSample(dir); err != nil {
		return err
	}
	p, err := a.plannedSample(ctx, dir, doctor.SampleWhole)
	r.Sandbox = doctor.Judge(p, err, dir)
	if err == nil || r.Sandbox.Refused || ctx.Err() != nil {
		return ctx.Err()
	}
	// Nothing can be reached here, or a layer cannot work; what holds without that is said.
	if p, lessErr := a.plannedSample(ctx, dir, doctor.SampleFiles); lessErr == nil {
		r.Sandbox = doctor.Judge(p, nil, dir)
		r.Sandbox.Without(err)
	}
	return ctx.Err()
}

// plannedSample is the plan of one of the sample's policies, with nothing of the user's settings.
func (a *App) plannedSample(ctx context.Context, dir, file string) (*plan.Plan, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	other := *a
	other.Stdin, other.Stdout, other.Stderr = null, null, null
	other.Lookup = func(name string) (string, bool) {
		if name == "XDG_CONFIG_HOME" {
			return filepath.Join(dir, "settings"), true
		}
		return a.Lookup(name)
	}
	req, err := other.request("plan", policyOptions{
		File: filepath.Join(dir, file), Workdir: dir, Approve: true, Command: []string{"true"},
	})
	if err != nil {
		return nil, err
	}
	return session.Plan(ctx, req)
}
