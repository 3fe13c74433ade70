package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/agentdir"
	"github.com/nono-run/nono/core/aside"
	"github.com/nono-run/nono/core/buildcache"
	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/copies"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/events"
	"github.com/nono-run/nono/core/kinds"
	"github.com/nono-run/nono/core/launch"
	"github.com/nono-run/nono/core/launch/streams"
	"github.com/nono-run/nono/core/layerhost"
	"github.com/nono-run/nono/core/namewatch"
	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/plan/proof"
	"github.com/nono-run/nono/core/remains"
	"github.com/nono-run/nono/core/remembered"
	"github.com/nono-run/nono/core/scratch"
	"github.com/nono-run/nono/core/self"
	"github.com/nono-run/nono/core/sockets"
	"github.com/nono-run/nono/core/store"
	"github.com/nono-run/nono/core/toolchain"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fact"
	"github.com/nono-run/nono/sdk/host"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
)

// A run is one session while it is under way.
type run struct {
	req  *Request
	time *stopwatch
	dry  bool // nothing is asked, made or run: `nono plan`
	// refuse calls the start off.
	refuse  context.CancelCauseFunc
	early   *Early
	bin     string // where nono's own programs are
	streams streams.Set
	dir     *runDir
	stored  *store.Session // what it writes of itself; nil in a dry run
	log     journal        // what happened in it
	// placed is closed when both are there, or cannot be.
	placed   chan struct{}
	hasPlace bool
	tool     *toolchain.Toolchain
	path     *toolchain.Path
	caches   buildcache.Store
	agents   []*agentdir.InUse // directories that agents have in the place of their own
	homes    []base.Home       // the same as the plan knows them
	inUse    *os.File          // the caches, while they are not to be pruned
	notKept  error             // why there are none
	policy   policy.Policy     // the configuration's, with what the command and PATH need
	// situation is what the run's answers are remembered under; see situated.
	situation remembered.Digest
	init      *launch.Init
	host      sdk.Host
	// fallback is why the host is one of tier B, where it is; scratch and directories are the
	// session's own there.
	fallback    *plan.Fallback
	scratch     *scratch.Directory
	directories scratch.Places
	// There too core makes some of the agent's calls, where it can: unsupervised says why it cannot.
	unsupervised   *base.Obstacle
	sockets        *sockets.Sockets
	endSupervision context.CancelFunc
	members        []*member
	idle           []*member // those that turned out to have nothing to do, and are let go
	places         places.View
	plan           *plan.Plan
	// planHash is that of the plan as it is stored.
	planHash events.Hash
	heldTo   string        // the same, once the agent may run
	opened   chan struct{} // closed when the gate is open: the agent runs
	// created is when the command was given, began when the gate was opened, and ended when the agent
	// was gone; over says how the run ended, once it is over.
	created, began, ended time.Time
	over                  *store.End
	ending                map[string]string // the same, for the log
	recorded              bool              // the session exists, and is to be finished
	signing               *signing          // of its log; nil where that is not signed
	asker                 *asker

	problems diag.Problems // warnings, to be shown with the plan's

	verified []plan.Verified  // what the agent is to see as it was verified
	leading  []namewatch.Name // the names that lead to it
	steady   *namewatch.Watch // notices when they lead elsewhere

	around config.Around   // what is protected beyond the roots of the grants
	before *remains.Before // what stood there when the run began; nil where nobody protects anything

	names  *names // what the command asked for where no layer answers for names; nil where one does
	denied denied // what a network layer did not let it reach
	totals totals // what a credential layer has counted

	private []*remains.Private // directories in memory
	left    remains.Report     // what remains of the run, when it is over
	// The files that were copied into the session, who brings them back if core cannot, and what
	// became of them.
	copies   *copies.Set
	keeper   *copies.Keeper
	returned []copies.Outcome
	aside    *aside.Kept // what cannot be protected here
	lines    []string    // of the layers' reports

	// losses and stops are what ends an agent that has not ended itself. Whoever comes first is the
	// reason; nobody waits.
	losses chan error
	stops  chan error
}

// open settles what can be settled without a process, beside the start of nono-init if that has not
// begun yet, and then starts the layers.
//
// Before the gate is opened, a layer may call the start off, with refuse.
func open(
	ctx context.Context, refuse context.CancelCauseFunc, req *Request, dry bool,
) (*run, error) {
	watch := startWatch(req.Began)
	watch.Lap("policy")
	r := &run{
		time: watch, req: req, dry: dry, refuse: refuse, opened: make(chan struct{}),
		placed: make(chan struct{}),
		losses: make(chan error, 1), stops: make(chan error, 1),
		asker: newAsker(req.Stdin, req.Stderr, dry), created: req.Began,
		ending: map[string]string{"reason": string(sdk.EndStartFailed)},
	}
	if r.created.IsZero() {
		r.created = time.Now()
	}
	if r.early = req.Early; r.early == nil {
		r.early = Begin(r.earlyOptions())
	}
	err := r.groundwork()
	if err == nil && !dry {
		err = r.finishDead(ctx)
	}
	r.time.Lap("command")
	if err == nil {
		err = r.startProcesses(ctx)
	}
	r.time.Lap("processes")
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// groundwork is what comes before any process but nono-init.
func (r *run) groundwork() (err error) {
	if err := r.early.prepared; err != nil {
		return err
	}
	r.bin, r.streams, r.problems = r.early.bin, r.early.streams, r.early.problems
	if err := r.checkTerminals(); err != nil {
		return err
	}
	if err := r.resolveCommand(); err != nil {
		return err
	}
	if err := r.boundRules(); err != nil {
		return err
	}
	if r.members, err = r.findLayers(); err != nil {
		return err
	}
	if err := r.checkStreams(); err != nil {
		return err
	}
	if r.dir, err = newRunDir(r.req.Dirs, r.req.UID); err != nil {
		return err
	}
	r.problems = append(r.problems, r.dir.Stuck...)
	return nil
}

// resolveCommand finds the program that the typed name stands for, and grants it what it needs to
// run.
func (r *run) resolveCommand() error {
	tool, err := toolchain.Resolve(toolchain.Request{
		Name:    r.req.Args[0],
		NamedBy: r.req.NamedBy,
		Dir:     r.req.Dir,
		Home:    r.req.Dirs.Home,
		Lookup:  r.req.Lookup,
		Policy:  &r.req.Config.Policy,
	})
	if err != nil {
		return r.commandProblem(err)
	}
	r.tool = tool
	r.policy = r.req.Config.Policy.With(tool.Rules(), nil)
	return r.commandProblem(tool.Check(&r.policy))
}

// layerPlaces are where this run looks for layers; with --fresh, not among kept copies.
func (r *run) layerPlaces() layerhost.Places {
	places := placesOf(r.bin, r.req.Dirs)
	if r.req.Fresh {
		places.Kept = nil
	}
	return places
}

// findLayers finds the program of each layer that has something to do. They are looked for at the
// same time: one that is not nono's own is copied at its first run, and that takes long.
func (r *run) findLayers() ([]*member, error) {
	places := r.layerPlaces()
	blocks := r.req.Config.Running()
	if err := checkPrograms(blocks); err != nil {
		return nil, err
	}
	members := make([]*member, len(blocks))
	finds := make([]func() error, len(blocks))
	for i, block := range blocks {
		finds[i] = func() error {
			m, err := findLayer(block, r.req.Config, places)
			if err != nil {
				return problemOf(err, block.PluginSource)
			}
			members[i] = m
			return nil
		}
	}
	if err := atOnce(finds); err != nil {
		closeBinaries(members)
		return nil, err
	}
	return members, nil
}

// startProcesses starts the layers that are to be asked, at the same time, and returns when each
// has connected and nono-init has said how far this host goes. What needs neither is done
// meanwhile.
// Layers that stay and need not be asked it begins to start at its end.
func (r *run) startProcesses(ctx context.Context) error {
	r.situation = r.situated()
	starts := make([]func() error, 0, len(r.members)+1)
	for i, m := range r.members {
		starts = append(starts, func() error { return m.start(ctx, r, i) })
	}
	starts = append(starts, func() error { return r.takeInit(ctx) })
	starts = append(starts, r.findTools, r.lookAround, r.openStored)
	if err := atOnce(starts); err != nil {
		return err
	}
	// Not before: those that are to be asked, and that everybody waits for, have the processors first.
	for _, m := range r.members {
		if m.memory.answer != nil && m.description.Lifetime != sdk.Ephemeral && !r.dry {
			m.startBeside(ctx, r)
		}
	}
	r.takeTools()
	r.policy = r.policy.With(r.around.Rules, nil)
	if err := r.matchPatterns(); err != nil {
		return err
	}
	if err := r.makeScratch(); err != nil {
		return err
	}
	// Before any layer's Plan, which brings secrets.
	return hideMemory()
}

// matchPatterns adds what the user's patterns match in what was granted since the policy was read.
func (r *run) matchPatterns() error {
	granted := r.policy.Filesystem[len(r.req.Config.Policy.Filesystem):]
	rules, problems := r.req.Config.Matching(granted)
	if err := problems.Err(); err != nil || len(rules) == 0 {
		return err
	}
	r.policy = r.policy.With(rules, nil)
	return r.commandProblem(r.tool.Check(&r.policy))
}

// makePlan asks the layers for their shares and merges them.
func (r *run) makePlan(ctx context.Context) error {
	if err := r.checkSettings(); err != nil {
		return err
	}
	// What the places are found by and what the plan is made from is one look at the host.
	look := hostfile.Once(hostfile.Host)
	var facts []fact.Fact
	for _, row := range kinds.PlanOrder() {
		if slices.Contains(row, policy.KindFilesystem) { // the layers before may have added rules
			if err := r.moveDirectories(look); err != nil {
				return err
			}
			if err := r.findPlaces(look); err != nil {
				return err
			}
		}
		var calls []func() error
		for _, m := range r.members {
			if slices.Contains(row, m.block.Kind) {
				calls = append(calls, func() error { return m.makeShare(ctx, r, facts) })
			}
		}
		if err := atOnce(calls); err != nil {
			return err
		}
		for _, m := range r.members {
			if slices.Contains(row, m.block.Kind) {
				facts = append(facts, m.share.Facts...)
			}
		}
		if slices.Contains(row, policy.KindTrust) {
			if err := r.takeTrust(facts, look); err != nil {
				return err
			}
		}
		if slices.Contains(row, policy.KindCredentials) {
			r.settleFallbacks(facts)
		}
	}
	r.time.Lap("layers")
	in := r.planInput(look)
	var err error
	from := self.From{Dir: r.req.Dir, Home: r.req.Dirs.Home}
	if in.Known, err = self.Describe(&r.policy, r.places.Rules, from); err != nil {
		return err
	}
	if in.Controls, err = controls(); err != nil {
		return err
	}
	if !r.dry {
		if err := r.watchVerified(); err != nil {
			return err
		}
		in.Settled = r.init.Begin // it builds them while the rest is decided
	}
	made, err := plan.Make(in)
	r.time.Lap("plan")
	if err != nil {
		return r.notAsked(err)
	}
	r.plan = made
	return nil
}

// checkSettings holds each layer's block against what the layer has said of itself. No layer is
// asked for a plan before all are in order.
func (r *run) checkSettings() error {
	var problems diag.Problems
	for _, m := range r.members {
		for _, at := range r.req.Config.Sensitive(m.block.Name, m.description.Settings) {
			r.req.Out.Hide(at)
		}
		settings, found := r.req.Config.Settings(m.block.Name, m.description.Settings)
		m.settings = settings
		problems = append(problems, found...)
	}
	return problems.Err()
}

func (r *run) planInput(look hostfile.Look) plan.Input {
	req := r.req
	in := plan.Input{
		Session:    r.dir.ID,
		Host:       r.host,
		Fallback:   r.fallback,
		Command:    r.command(),
		DirName:    req.DirName,
		Policy:     r.policy,
		BestEffort: req.Config.BestEffort,
		Own: proof.Own{
			Programs:    r.ownPrograms(),
			Directories: req.Dirs.All(),
			Documents:   req.Config.Files,
		},
		Environ:    req.Environ,
		PathPrefix: r.tool.PathPrepend,
		Instead:    r.path.Instead,
		Links:      r.around.Links,
		Verified:   r.verified,
		Look:       look,
		Reach:      hostfile.ReachOf,
	}
	for _, m := range r.members {
		in.Layers = append(in.Layers, m.planShare(req.Config))
	}
	for _, c := range r.caches.Caches {
		in.Lent = append(in.Lent, base.Lent{Dir: c.Dir, Inside: c.Inside, Variable: c.Variable})
		in.Own.Lent = append(in.Own.Lent, c.Dir)
	}
	in.Homes = r.homes
	for _, h := range r.homes {
		in.Own.Lent = append(in.Own.Lent, h.Dir)
	}
	for _, n := range r.tool.Notices {
		in.Notices = append(in.Notices, diag.Warningf("%s", n))
	}
	if r.walled() {
		in.Directories = r.planDirectories()
	}
	if in.Supervised = r.walled() && r.unsupervised == nil; r.unsupervised != nil {
		in.Unsupervised = *r.unsupervised
	}
	in.Limits = r.limitRules()
	if r.policy.Network.Reaches() {
		in.Hosts, _ = readConfiguration("/etc/hosts") // without it the session has names of its own alone
	}
	in.GitIdentity, _ = base.GitIdentity(req.Dirs.Home, req.Dirs.UserConfig, readConfiguration)
	in.Bundle = base.Bundle(hostfile.List, hostfile.Host)
	in.Notices = append(in.Notices, req.Config.Notices...)
	in.Notices = append(in.Notices, r.problems...)
	return in
}

// readConfiguration reads a file of the user's settings, which is small if a person wrote it.
func readConfiguration(path string) ([]byte, error) { return hostfile.Read(path, 1<<20) }

// controls finds where the host has mounted what the agent must never see.
func controls() ([]string, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("looking at what is mounted: %w", err)
	}
	return base.Controls(string(mounts)), nil
}

// ownPrograms are what the agent must not be able to replace: nono's own directory, and the layers
// of other vendors where they lie.
func (r *run) ownPrograms() []string {
	own := []string{r.bin}
	if exe, err := os.Executable(); err == nil {
		own = append(own, exe)
		// Its directory too where the other programs lie elsewhere: it is where the next start looks for
		// them first.
		if resolved, err := hostfile.Resolve(exe); err == nil {
			own = append(own, filepath.Dir(resolved))
		}
	}
	for _, m := range r.members {
		own = append(own, m.binary.Path)
	}
	return own
}

func (r *run) command() sdk.Command {
	return sdk.Command{Args: r.req.Args, Executable: r.tool.Executable, Dir: r.req.Dir}
}

// prepare makes the sandbox stand, all but the agent.
func (r *run) prepare(ctx context.Context) error {
	if err := errors.Join(r.plan.MakeOwn(), r.plan.WriteOwn()); err != nil {
		return err
	}
	secrets := plan.Secrets{plan.Core: r.req.Secrets}
	for _, m := range r.members {
		own := map[string][]byte{}
		for name, secret := range m.share.Secrets {
			own[name] = secret.Reveal()
		}
		secrets[m.description.Name] = own
	}
	if err := r.openSockets(); err != nil {
		return err
	}
	todo, err := r.plan.Recipe(secrets, r.req.Lookup, hostfile.Host)
	if err != nil {
		return err
	}
	todo.Umask, todo.OpenFiles = r.req.Umask, r.req.Config.Limits.OpenFiles
	if r.noProcessLimit() == "" {
		todo.Processes = r.req.Config.Limits.Processes
	}
	todo.Terminal = r.req.Terminal != nil
	ready, err := r.init.Prepare(ctx, todo)
	if err != nil {
		return r.stepProblem(err)
	}
	r.supervise(ready.Notify)
	if err := r.adoptTerminal(ready); err != nil {
		return err
	}
	for dir, f := range ready.Reports {
		p, err := remains.LookInside(dir, f)
		if err != nil {
			return fmt.Errorf("looking at the private directory %s: %w", dir, err)
		}
		r.private = append(r.private, p)
	}
	if err := r.keepCopies(ready.Copies); err != nil {
		return err
	}
	if r.sockets != nil {
		return r.hand(r.sockets.Listeners())
	}
	return r.hand(ofInit(ready.Listeners))
}

// hand gives each layer the sockets of its own listener steps, and core its one.
func (r *run) hand(listeners map[string]host.Listener) error {
	for _, l := range r.plan.Listeners {
		if l.Layer == plan.Core {
			names, err := answerNames(listeners[l.ID()].File, r.log.tellAtWill)
			if err != nil {
				return err
			}
			r.names = names
			continue
		}
		for _, m := range r.members {
			given, opened := listeners[l.ID()]
			if m.description.Name == l.Layer && opened {
				m.listeners[l.Name] = given
			}
		}
	}
	return nil
}

// startLayers arms the layers that have something to arm, while the agent is held at the gate. The
// others are gone by now.
func (r *run) startLayers(ctx context.Context) error {
	var starts []func() error
	for _, m := range r.members {
		if m.description.Lifetime != sdk.Ephemeral {
			starts = append(starts, func() error { return m.arm(ctx, r) })
		}
	}
	return atOnce(starts)
}

// lost reports the loss of a resident layer that nobody has dealt with yet.
func (r *run) lost() error {
	select {
	case err := <-r.losses:
		return err
	default:
		return nil
	}
}

// endInside ends everything inside. It may be called more than once.
func (r *run) endInside() {
	if r.init != nil {
		r.init.End()
	}
}

// endInit waits for the end of nono-init, and so of its namespaces, as well.
func (r *run) endInit() {
	if err := r.early.End(); err != nil {
		r.req.Log.Debug("ending nono-init", "error", err)
	}
}

// close ends what is left. It may be called at any point after open has begun.
func (r *run) close() {
	r.asker.Yield("the run is over")
	r.endInside()
	// The kernel takes a millisecond or two to take a process apart.
	var processes sync.WaitGroup
	processes.Go(r.endInit)
	for _, m := range slices.Concat(r.members, r.idle) {
		processes.Go(m.close)
	}
	if !r.recorded {
		processes.Wait() // they use what is removed with the session
	}
	r.letCopiesGo()
	for _, o := range r.letDirectoriesGo() { // of a run that did not come to its end
		if says, try := o.Text(r.req.Dirs.Home); says != "" {
			r.req.Out.Problem(diag.Warningf("%s", says).Try("%s", try))
		}
	}
	r.letSocketsGo()
	r.removeScratch()
	for _, p := range r.private {
		p.Close()
	}
	if r.inUse != nil {
		_ = r.inUse.Close()
	}
	r.names.close()
	r.steady.Close()
	if r.stored != nil {
		r.settle()
	}
	processes.Wait()
	if r.dir == nil {
		return
	}
	if err := r.dir.Remove(); err != nil {
		r.req.Out.Problem(stuckProblem(r.dir.Path, err))
	}
}

// lose is told of a resident layer that is gone while it was needed.
func (r *run) lose(err error) {
	select {
	case r.losses <- err:
	default:
	}
}

// atOnce calls all functions at the same time and returns the first error that is a reason of its
// own, when all have returned.
func atOnce(fs []func() error) error {
	errs := make([]error, len(fs))
	var wg sync.WaitGroup
	for i, f := range fs {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	var problems diag.Problems
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			problems = append(problems, asProblems(err)...)
		}
	}
	if len(problems) > 0 {
		return problems
	}
	return errors.Join(errs...)
}

func kernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}
