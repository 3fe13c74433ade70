package inside

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
	"unsafe"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/coding"
	"github.com/nono-run/nono/core/launch/descendants"
	"github.com/nono-run/nono/core/launch/recipe"
)

// In tier B nono-init is no first process of anything, and nothing that it holds is out of reach
// because it is in another namespace. So it is two processes.
//
// The guard leads the session and stays until the end, as nono-init does in tier A: it adopts
// orphans, reaps, passes signals on, and ends what is left. The nascent process is its child. That
// restricts itself, waits at the gate, and becomes the agent by an exec (see become). One that
// forked the agent instead would share the agent's Landlock domain, and whatever is in one domain
// may send signals to each other: the agent could end the process that watches over it.

// nascent is the argument that makes nono-init the process that will be the agent.
const nascent = "nascent"

// toGuard is the descriptor on which the nascent process talks to the guard. It goes with the exec,
// and so tells of it.
const toGuard = recipe.Lifeline + 1

// said is what the nascent process tells the guard. Exactly one field is set.
type said struct {
	// Prepare is the first thing said: from here on the guard need do nothing but guard.
	Prepare *prepare
	// Exec is said before the exec that makes it the agent. It is answered.
	Exec *recipe.Go
	// Failed is said after an exec that failed, of which core has been told.
	Failed bool
}

type prepare struct {
	// Terminal asks for the session's terminal: both ends come with the answer.
	Terminal bool
}

// answered is what the guard answers.
type answered struct {
	Failed *recipe.Failed
}

// Walk implements [coding.Coded].
func (s *said) Walk(c *coding.Coder) {
	coding.Optional(c, &s.Prepare)
	coding.Optional(c, &s.Exec)
	c.Flag(&s.Failed)
}

// Walk implements [coding.Coded].
func (p *prepare) Walk(c *coding.Coder) { c.Flag(&p.Terminal) }

// Walk implements [coding.Coded].
func (a *answered) Walk(c *coding.Coder) { coding.Optional(c, &a.Failed) }

// guarding is done by the guard before it starts the nascent process, which has most of it from
// here.
var guarding = []step{
	// First of all: what core had open by mistake must not be reachable by a mistake made below.
	{"descriptors", closeInherited},
	{"init", requireLifeline},
	{"calls", requireShared},
	// Before there is any child: the orphans of all that will run inside come to this process, which
	// is how they are found and ended.
	{"subreaper", adoptOrphans},
	// As early: should this process be killed, core tells by it what it has to end.
	{"brand", func(*launcher) error { return fail("marking what runs inside", descendants.Brand()) }},
	// Before the capabilities are given up, or an exec by root would give them back.
	{"no-new-privs", forbidPrivileges},
	{"cores", forbidCores},
	// Nothing here needs any: nothing is mounted, no network is set up.
	{"capabilities", dropHeld},
	// The agent has the same user as we: while our memory can be opened through /proc, it can make us
	// do what it likes.
	{"dumpable", hideMemory},
	// Before there is any child: one gets its controlling terminal from its parent, and no other way.
	{"terminal", makeTerminal},
	// While core is there: it is the process that a signal would reach without a fence.
	{"fence", findFence},
}

// guarded is done by the guard when the nascent process needs nothing more of it that would be
// refused afterwards.
var guarded = []step{
	// Not before the nascent process exists, which would be held by it as well.
	{"guard-landlock", confineGuard},
	// Last: threads are told of system calls by signals.
	{"guard-signals", ignoreSignals},
}

// guard is the life of the guard.
func (l *launcher) guard() error {
	if err := l.apply(guarding); err != nil {
		return err
	}
	child, talk, err := startNascent(l.hostNetwork)
	if err != nil {
		return &failure{step: "nascent", doing: "starting the process that will be the agent", err: err}
	}
	started, err := l.attend(child, talk)
	closeFD(talk)
	if !started {
		return err // core has been told by whoever failed; the child dies with us
	}
	if err := send(recipe.Reply{Started: &recipe.Started{}}); err != nil {
		endDescendants()
		return err
	}
	l.letGoOfStreams()
	go func() {
		// What ends the serving ends the run. Unlike the first process of a namespace, this one must not
		// go before the others.
		_ = l.serve(child, nil)
		killOn()
	}()
	l.watchOver(child)
	return nil
}

// startNascent starts this program once more, as the process that will be the agent, in a group of
// its own. If this thread ends, so does that.
func startNascent(hostNetwork bool) (child, talk int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, -1, err
	}
	// With a copy of it here, the end of the child would not be the end of the file.
	defer closeFD(pair[1])
	args := []string{"nono-init", nascent}
	if hostNetwork {
		args = append(args, recipe.HostNetwork)
	}
	child, err = syscall.ForkExec("/proc/self/exe", args, &syscall.ProcAttr{
		// As core starts the guard: it needs few threads, and no dump on what is the agent's stderr.
		Env:   []string{"GOMAXPROCS=2", "GOTRACEBACK=none"},
		Files: []uintptr{0, 1, 2, recipe.Lifeline, uintptr(pair[1])},
		Sys:   &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL},
	})
	if err != nil {
		closeFD(pair[0])
		return 0, -1, err
	}
	return child, pair[0], nil
}

// attend answers the nascent process until that has become the agent, and reports whether it has.
func (l *launcher) attend(child, talk int) (started bool, err error) {
	for {
		var s said
		fds, err := recipe.Receive(talk, &s)
		recipe.CloseAll(fds)
		switch {
		case errors.Is(err, io.EOF):
			return started, nil
		case err != nil:
			return false, err
		case s.Failed:
			return false, nil
		case s.Prepare != nil:
			if err := l.prepareFor(talk, *s.Prepare); err != nil {
				return false, err
			}
			if err := l.apply(guarded); err != nil {
				return false, err
			}
		case s.Exec != nil:
			started = true
			// Before the exec, or the agent might ask for its terminal too early.
			l.terminal.inside = offspring{}
			if err := l.terminal.adopt(child, s.Exec.Foreground); err != nil {
				return false, err
			}
			if err := recipe.Send(talk, &answered{}); err != nil {
				return false, err
			}
		}
	}
}

// makeTerminal makes the session's terminal, if there is to be one. The guard leads the session,
// and so the terminal is the guard's to take; see terminal.
func makeTerminal(l *launcher) error {
	if !l.terminal.wanted {
		return nil
	}
	var err error
	if l.terminal.master, l.terminal.slave, err = newTerminal("/dev/ptmx"); err != nil {
		return err
	}
	return control(l.terminal.slave)
}

// prepareFor gives the nascent process the session's terminal, if there is one.
func (l *launcher) prepareFor(talk int, p prepare) error {
	if p.Terminal != l.terminal.wanted {
		err := fail("opening the session's terminal", errors.New("core did not say that there is one"))
		var f *failure
		errors.As(err, &f)
		return recipe.Send(talk, &answered{Failed: f.message()})
	}
	if !p.Terminal {
		return recipe.Send(talk, &answered{})
	}
	err := recipe.Send(talk, &answered{}, l.terminal.master, l.terminal.slave)
	closeFD(l.terminal.master)
	return err
}

// findFence asks whether core started this process behind a fence, as it does where Landlock knows
// scopes. Then all that is inside can be reached with one signal, and nobody else.
func findFence(l *launcher) error {
	core, err := unix.GetsockoptUcred(recipe.Lifeline, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return fail("looking who started nono-init", err)
	}
	l.fenced = descendants.Fenced(int(core.Pid), int(core.Uid))
	return nil
}

// adoptOrphans makes this process the parent of every descendant whose own has ended.
func adoptOrphans(*launcher) error {
	return fail("adopting orphans", unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
}

// dropHeld gives up whatever capabilities there are: those of root in a container, as a rule. To
// keep them from coming back at an exec takes one of them; without it no-new-privs does that alone.
func dropHeld(*launcher) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var held [2]unix.CapUserData
	if err := unix.Capget(&header, &held[0]); err != nil {
		return fail("looking at the capabilities", err)
	}
	if held[0].Effective&(1<<unix.CAP_SETPCAP) != 0 {
		if err := dropForExec(); err != nil {
			return err
		}
	}
	return dropCapabilities()
}

// confineGuard leaves the guard nothing of the file system but a look at the processes. It needs no
// more, and should the agent find a way into it, that has gained nothing.
func confineGuard(l *launcher) error {
	handled := handledRights(recipe.TierB, l.host().LandlockABI)
	config, err := landlock.NewConfig(handled)
	if err != nil {
		return fail("making the guard's Landlock ruleset", err)
	}
	processes := landlock.PathAccess(ll.AccessFSReadFile|ll.AccessFSReadDir, "/proc")
	return fail("confining the guard", config.RestrictPaths(processes))
}

// ignoreSignals ignores every signal but that of a child's end. The guard is no first process of a
// namespace, which the kernel protects; a `pkill nono` of the user's would end it before core,
// which passes on what it gets, could have the agent ended in good order. The agent does not have
// this from the guard: it is there already, and had the defaults.
func ignoreSignals(*launcher) error {
	const bytesOfSet = 8
	action := [4]uint64{1} // struct kernel_sigaction with SIG_IGN
	for s := uintptr(1); s <= 64; s++ {
		switch syscall.Signal(s) {
		case unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD:
			continue
		}
		_, _, errno := unix.RawSyscall6(
			unix.SYS_RT_SIGACTION, s, uintptr(unsafe.Pointer(&action)), 0, bytesOfSet, 0, 0,
		)
		if errno != 0 {
			return fail(fmt.Sprintf("ignoring signal %d", s), errno)
		}
	}
	return nil
}

// watchOver is waitForAgent for a guard. It is this thread's, which alone is behind the fence.
func (l *launcher) watchOver(agent int) {
	go func() {
		if endedBehindUs(agent) {
			killOn()
		}
	}()
	end := endDescendants
	if l.fenced {
		end = endOthers // a signal to everybody; the fence makes it that
	}
	status, err := reapUntil(agent, l.terminal.stopped)
	if err != nil {
		end()
		os.Exit(1) // core sees a nono-init that ended without a word, and says so
	}
	tellEnd(status, end())
}

// endingLimit bounds the ending of what is left inside. Only processes of real root's that go on
// forking in groups of their own come near it.
const endingLimit = 10 * time.Second

// killOn kills all descendants, again and again: watchOver takes note of their ends, and then ends
// this process.
func killOn() {
	for {
		descendants.Kill()
		time.Sleep(time.Millisecond) //nolint:forbidigo // nobody tells when more have been made
	}
}

func endDescendants() int {
	killed, _ := descendants.End(endingLimit, nil)
	return killed
}
