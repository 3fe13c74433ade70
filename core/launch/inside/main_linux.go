package inside

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// launcher is what the steps work on.
type launcher struct {
	tier        recipe.Tier
	hostNetwork bool
	user, group string // their numbers outside, which they keep inside; in tier A
	recipe      *recipe.Recipe

	// proc is a fresh /proc that is mounted nowhere yet; sys is its sys directory, reached past what
	// later covers it.
	proc, sys int
	view      view
	// streams are what the agent gets as its descriptors 0, 1 and 2. They begin as nono-init's own of
	// the same numbers, and steps put others in their place.
	streams  [3]int
	terminal *terminal
	// hand are the descriptors for core.
	hand []handed
	// notify says that a listener of notifications can be had here.
	notify bool
	// fenced says that a signal of this thread's to everybody reaches what is inside and nobody else,
	// in tier B.
	fenced bool
}

// handed is a descriptor for core.
type handed struct {
	fd   int
	name recipe.Descriptor
}

// step is one thing that is done. Tests of attacks leave one out by its name.
type step struct {
	name string
	do   func(*launcher) error
}

// arrival is done before anything is known of the plan. It is as much as can fail on a host that
// does not let an ordinary user have this kind of sandbox, so that the answer to core is found by
// doing and not by reading settings.
var arrival = []step{
	// First of all: what core had open by mistake must not be reachable by a mistake made below.
	{"descriptors", closeInherited},
	{"init", requireInit},
	// Before anything is made, which would belong to nobody.
	{"user", keepNumbers},
	{"calls", requireCalls},
	// Before the first mount, which would otherwise show up on the host.
	{"propagation", leavePeers},
	// A fresh /proc can only be mounted while the host's is still in the view: the kernel wants to see
	// that nothing in it was hidden.
	{"proc", mountProc},
}

// meanwhile is what needs no recipe. It is done while core waits for the layers' answers, when
// nobody waits for nono-init.
var meanwhile = []step{
	{"loopback", raiseLoopback},
	{"yard", raiseYard},
	// As soon as it is mounted anywhere.
	{"proc-guard", guardProc},
	{"namespaces", forbidNamespaces},
	{"watches", limitWatches},
	// Nothing here executes anything before the agent is.
	{"no-new-privs", forbidPrivileges},
	{"cores", forbidCores},
}

// building makes what the recipe's mounts say. They come before the rest, if core knows them early.
var building = []step{
	{"view", buildView},
}

// preparation turns the recipe and the view into a sandbox that only lacks the agent.
var preparation = []step{
	// While a path of the host's leads where the user meant it, /proc and all.
	{"files", viewFiles},
	// Before listeners and rules: from here on, paths mean what they will mean to the agent.
	{"pivot", enterView},
	{"directory", changeDirectory},
	// By the names that the agent has for them, and before anything restricts what can be opened.
	{"devices", openDevices},
	{"terminal", openTerminal},
	{"listeners", openListeners},
	// After the last mount was made: one that is mounted nowhere yet counts as a mount namespace.
	{"namespaces", forbidMountNamespaces},
	// After the last use of what leads past the view.
	{"references", closeReferences},
	// Before the capabilities are given up: who has none needs no-new-privs for this, which only the
	// agent's thread has.
	{"landlock", applyLandlock},
	{"scope", closeAbstractSockets},
	// After all that needs capabilities, in namespaces of ours.
	{"capabilities", dropPrivileges},
	// The agent has the same user as we: while our memory can be opened through /proc, all else is
	// decoration.
	{"dumpable", hideMemory},
	// Late, since it refuses much of what stands above.
	{"seccomp", applySeccomp},
	// Last: threads are told of system calls by signals, and from here on none has a handler.
	{"signals", ignoreAll},
}

// Main is nono-init, and returns its exit code. It returns early only if there is no agent.
func Main() int {
	// What the agent inherits is this thread's; see the package.
	runtime.LockOSThread()
	l := &launcher{
		tier: recipe.TierA,
		proc: -1, sys: -1, streams: [3]int{0, 1, 2}, terminal: &terminal{slave: -1, inside: namespace{}},
	}
	life := l.run
	for _, arg := range os.Args[1:] {
		user, isUser := strings.CutPrefix(arg, recipe.User)
		group, isGroup := strings.CutPrefix(arg, recipe.Group)
		slack, isSlack := strings.CutPrefix(arg, recipe.TimerSlack)
		switch {
		case isSlack:
			if keepTimers(slack) != nil {
				return 2
			}
		case isUser:
			l.user = user
		case isGroup:
			l.group = group
		case arg == recipe.HostNetwork:
			l.hostNetwork = true
		case arg == recipe.WithTerminal:
			l.terminal.wanted = true
		case arg == recipe.NoNamespaces:
			l.tier, life = recipe.TierB, l.guard
		case arg == nascent:
			l.tier, life = recipe.TierB, l.become
		default:
			return 2
		}
	}
	if err := life(); err != nil {
		var f *failure
		if !errors.As(err, &f) {
			f = &failure{doing: "running nono-init", err: err}
		}
		err := send(recipe.Reply{Failed: f.message()})
		if errors.Is(err, unix.EBADF) || errors.Is(err, unix.ENOTSOCK) {
			fmt.Fprintln(os.Stderr, f) // there never was a lifeline: someone is trying it by hand
		}
		return 1 // if core is gone, nobody is left to tell
	}
	return 0
}

// keepTimers gives this thread, and so the agent, the slack that the user's timers have. The other
// threads keep nono's.
func keepTimers(slack string) error {
	n, err := strconv.ParseUint(slack, 10, 64)
	if err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(n), 0, 0, 0)
}

// run is the life of nono-init in tier A up to the agent's start; from there serve has it.
func (l *launcher) run() error {
	start, err := l.reachGate(stages{arrival, meanwhile, building, preparation})
	if err != nil {
		return err
	}
	return l.runAgent(start)
}

// stages are a tier's lists of steps.
type stages struct{ arrival, meanwhile, building, preparation []step }

// reachGate does a tier's lists of steps and returns when core opens the gate.
func (l *launcher) reachGate(todo stages) (recipe.Go, error) {
	if err := l.apply(todo.arrival); err != nil {
		return recipe.Go{}, err
	}
	if err := send(recipe.Reply{Host: l.host()}); err != nil {
		return recipe.Go{}, err
	}
	if err := l.apply(todo.meanwhile); err != nil {
		return recipe.Go{}, err
	}
	if err := l.takeRecipe(todo.building); err != nil {
		return recipe.Go{}, err
	}
	if err := l.apply(todo.preparation); err != nil {
		return recipe.Go{}, err
	}
	if err := l.handOver(); err != nil {
		return recipe.Go{}, err
	}
	// The gate: layers are armed while nothing here moves. What comes next is one message, or the end.
	return awaitGo()
}

func (l *launcher) apply(steps []step) error {
	for _, s := range steps {
		if omitted(s.name) {
			continue
		}
		if err := s.do(l); err != nil {
			var f *failure
			if !errors.As(err, &f) {
				f = &failure{doing: "preparing", err: err}
			}
			if f.step == "" {
				f.step = s.name
			}
			return f
		}
	}
	return nil
}

// host is what having come this far says of the host.
func (l *launcher) host() *recipe.Host {
	abi, err := ll.LandlockGetABIVersion()
	if err != nil {
		abi = 0 // not built in or not switched on
	}
	return &recipe.Host{Tier: l.tier, LandlockABI: abi, Notify: l.notify}
}

// takeRecipe takes the recipe and builds its view. What begins a recipe is enough for that, and the
// rest comes when the view stands.
func (l *launcher) takeRecipe(building []step) error {
	var whole bool
	var err error
	if l.recipe, whole, err = receiveRecipe(); err != nil {
		return err
	}
	if whole {
		if err := recipeFailure(l.recipe.Check(l.tier)); err != nil {
			return err
		}
		return l.apply(building)
	}
	if err := recipeFailure(l.recipe.CheckMounts()); err != nil {
		return err
	}
	if err := l.apply(building); err != nil {
		return err
	}
	rest, whole, err := receiveRecipe()
	if err != nil {
		return err
	}
	if !whole || len(rest.Mounts) > 0 {
		return fail("waiting for the rest of the recipe", errors.New("core sent something else"))
	}
	rest.Mounts = l.recipe.Mounts
	l.recipe = rest
	return recipeFailure(l.recipe.Check(l.tier))
}

// receiveRecipe receives a recipe, and says whether it is a whole one or only begins one.
func receiveRecipe() (r *recipe.Recipe, whole bool, err error) {
	var req recipe.Request
	fds, err := recipe.Receive(recipe.Lifeline, &req)
	if err != nil {
		return nil, false, fail("waiting for the recipe", err)
	}
	defer recipe.CloseAll(fds)
	if req.Prepare == req.Begin || len(fds) != 1 {
		return nil, false, fail("waiting for the recipe", errors.New("core sent something else"))
	}
	r, err = recipe.Open(fds[0])
	return r, req.Prepare, fail("taking the recipe", err)
}

func recipeFailure(err error) error {
	var bad *recipe.StepError
	if !errors.As(err, &bad) {
		return fail("taking the recipe", err)
	}
	f := &failure{
		rule: bad.Step.Rule(), step: fragment.Kind(bad.Step), doing: "taking the recipe", err: err,
	}
	if m, ok := bad.Step.(fragment.Mount); ok {
		f.path = m.At()
	}
	return f
}

// handOver tells core that the sandbox stands, and gives it what was opened inside.
func (l *launcher) handOver() error {
	for {
		batch := l.hand[:min(len(l.hand), recipe.MaxDescriptors)]
		l.hand = l.hand[len(batch):]
		ready := &recipe.Ready{More: len(l.hand) > 0}
		var fds []int
		for _, h := range batch {
			fds = append(fds, h.fd)
			ready.Descriptors = append(ready.Descriptors, h.name)
		}
		err := send(recipe.Reply{Ready: ready}, fds...)
		recipe.CloseAll(fds)
		if err != nil || !ready.More {
			return err
		}
	}
}

func awaitGo() (recipe.Go, error) {
	var req recipe.Request
	fds, err := recipe.Receive(recipe.Lifeline, &req)
	recipe.CloseAll(fds)
	if err != nil {
		return recipe.Go{}, fail("waiting at the gate", err)
	}
	if req.Go == nil {
		return recipe.Go{}, fail("waiting at the gate", errors.New("core sent something else"))
	}
	return *req.Go, nil
}

func send(r recipe.Reply, fds ...int) error { return recipe.Send(recipe.Lifeline, &r, fds...) }

// closeInherited keeps every descriptor but the three standard ones from the agent, whoever opened
// them and forgot to say so. Closing them outright would pull Go's own from under it.
func closeInherited(*launcher) error {
	closeFD(recipe.Room)
	return fail(
		"marking descriptors close-on-exec",
		unix.CloseRange(recipe.Lifeline, ^uint(0), unix.CLOSE_RANGE_CLOEXEC),
	)
}

// requireInit refuses to run anywhere but where core puts it, as the first process of a pid
// namespace with a lifeline: what follows changes the process's surroundings.
func requireInit(*launcher) error {
	if os.Getpid() != 1 {
		return fail("starting", errByHand)
	}
	return requireLifeline(nil)
}

// requireLifeline refuses to run for anyone but core.
func requireLifeline(*launcher) error {
	kind, err := unix.GetsockoptInt(recipe.Lifeline, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil || kind != unix.SOCK_SEQPACKET {
		return fail("starting", errByHand)
	}
	return nil
}

var errByHand = errors.New("nono-init is started by nono, and does nothing by itself")

// leavePeers stops mounts made here from appearing on the host.
func leavePeers(*launcher) error {
	return fail(
		"separating the mounts from the host's", unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""),
	)
}

// closeReferences closes the mounts that were built with. The process is undumpable when the agent
// exists; this is for the day when it is not.
func closeReferences(l *launcher) error {
	for _, fd := range []int{l.view.root, l.view.stage, l.view.yard, l.proc, l.sys} {
		closeFD(fd)
	}
	return nil
}

// failure is an error with what it takes to find the line of HCL behind it.
type failure struct {
	rule  policy.RuleID
	step  string
	path  string
	doing string
	err   error
}

// fail wraps an error, and passes nil through.
func fail(doing string, err error) error {
	if err == nil {
		return nil
	}
	return &failure{doing: doing, err: err}
}

func (f *failure) Error() string { return fmt.Sprintf("%s: %v", f.doing, f.err) }
func (f *failure) Unwrap() error { return f.err }

func (f *failure) message() *recipe.Failed {
	m := &recipe.Failed{Rule: f.rule, Step: f.step, Path: f.path, Text: f.Error()}
	var errno syscall.Errno
	if errors.As(f.err, &errno) {
		m.Errno = int(errno)
	}
	return m
}
