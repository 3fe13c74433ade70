package inside

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"syscall"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/descendants"
	"github.com/nono-run/nono/core/launch/recipe"
)

// arrivalB is as much as can fail on a host that does not let an ordinary user have a sandbox of
// tier B. The guard has done what both need.
var arrivalB = []step{
	{"descriptors", closeInherited},
	{"init", requireLifeline},
	{"landlock-here", requireLandlock},
	// A plan must know it: without a listener nobody can connect for the agent.
	{"notify-here", tryListener},
	// The recipe that comes has the secrets of the agent's environment.
	{"dumpable", hideMemory},
}

// preparationB turns this process into one that only lacks the agent's program. Capabilities,
// no-new-privs and the limit on cores it has from the guard.
var preparationB = []step{
	// Before anything restricts what can be opened.
	{"directory", changeDirectory},
	{"terminal", askGuard},
	// All that a file can be reached by.
	{"landlock", applyLandlockB},
	// Whoever else is there: the guard, core, the user's other programs.
	{"scope", closeScopes},
	// Late, since it refuses much of what stands above.
	{"seccomp", applySeccompHere},
	// After the filter that refuses, or its own loading would have to be answered for.
	{"notify", listenForCalls},
	// The agent has the defaults, whatever nono was started with.
	{"signals", ignoreAll},
}

// become is the life of the process that will be the agent. It returns only if it will not.
func (l *launcher) become() error {
	start, err := l.reachGate(stages{arrival: arrivalB, preparation: preparationB})
	if err != nil {
		return err
	}
	return l.exec(start)
}

// exec makes this process the agent. The guard is told before, so that it knows what the end of
// their connection means.
func (l *launcher) exec(start recipe.Go) error {
	r := l.recipe
	unix.Umask(r.Umask)
	if err := limitFiles(r.OpenFiles); err != nil {
		return fail("limiting open files", err)
	}
	for n, fd := range l.streams {
		if fd == n {
			continue
		}
		if err := unix.Dup3(fd, n, 0); err != nil {
			return fail("placing stream "+strconv.Itoa(n), err)
		}
	}
	if err := tellGuard(said{Exec: &start}); err != nil {
		return err
	}
	err := syscall.Exec(r.Executable, r.Args, r.Env)
	failed := send(recipe.Reply{Started: startFailure(r.Executable, err)})
	return errors.Join(failed, recipe.Send(toGuard, &said{Failed: true}))
}

// tellGuard tells the guard something that it answers.
func tellGuard(s said) error {
	_, err := askOf(s)
	return err
}

func askOf(s said) ([]int, error) {
	if err := recipe.Send(toGuard, &s); err != nil {
		return nil, fail("talking to the guard", err)
	}
	var a answered
	fds, err := recipe.Receive(toGuard, &a)
	if err != nil {
		return nil, fail("listening to the guard", err)
	}
	if f := a.Failed; f != nil {
		recipe.CloseAll(fds)
		return nil, fail("asking the guard", errors.New(f.Text))
	}
	return fds, nil
}

// askGuard lets the guard make the session's terminal, if there is to be one, and tells it to do
// its part of the preparation meanwhile.
func askGuard(l *launcher) error {
	fds, err := askOf(said{Prepare: &prepare{Terminal: l.recipe.Terminal}})
	if err != nil || !l.recipe.Terminal {
		return err
	}
	if len(fds) != 2 {
		recipe.CloseAll(fds)
		return fail("opening the session's terminal", errors.New("the guard sent something else"))
	}
	l.terminal.slave = fds[1]
	return l.useTerminal(fds[0])
}

// requireLandlock refuses a host on which nothing would close a file to the agent.
func requireLandlock(*launcher) error {
	_, err := ll.LandlockGetABIVersion()
	return fail("looking for Landlock", err)
}

// tryListener finds out whether the agent can have a listener of notifications, which cannot be
// asked: so a thread that is of no other use takes one, with a filter that allows everything. Where
// nono runs under a filter with a listener, the kernel says EBUSY.
func tryListener(l *launcher) error {
	tried := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		all := binary.NativeEndian.AppendUint16(nil, unix.BPF_RET|unix.BPF_K)
		all = append(all, 0, 0)
		all = binary.NativeEndian.AppendUint32(all, unix.SECCOMP_RET_ALLOW)
		fd, err := loadFilter(all, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER)
		if err == nil {
			closeFD(fd)
		}
		tried <- err
	}()
	switch err := <-tried; {
	case err == nil:
		l.notify = true
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EPERM),
		errors.Is(err, unix.EACCES):
		// Taken, unknown to this kernel, or refused by the filter that nono runs under.
	default:
		return fail("trying a listener of notifications", err)
	}
	return nil
}

// applyLandlockB puts the recipe's rules on this thread: of files, and of what the kernel knows of
// the network, of which nothing is granted but the ports to listen on. To connect is core's. The
// other threads end with the exec.
func applyLandlockB(l *launcher) error {
	var network landlock.AccessNetSet
	if !l.hostNetwork {
		network = versions[min(l.recipe.LandlockABI, len(versions))-1].HandledAccessNet
	}
	rules, err := l.fileRules(ll.RulesetAttr{HandledAccessNet: uint64(network)})
	if err != nil {
		return err
	}
	defer closeFD(rules.fd)
	if err := l.allowTerminal(rules); err != nil {
		return err
	}
	if network != 0 {
		for _, port := range l.recipe.BindTCP {
			rule := ll.NetPortAttr{AllowedAccess: ll.AccessNetBindTCP, Port: uint64(port)}
			if err := ll.LandlockAddNetPortRule(rules.fd, &rule, 0); err != nil {
				return fail(fmt.Sprintf("granting port %d", port), err)
			}
		}
	}
	return fail("applying Landlock", ll.LandlockRestrictSelf(rules.fd, 0))
}

// allowTerminal lets the agent open its own terminal by its name, and no other of the host's.
func (l *launcher) allowTerminal(r ruleset) error {
	if l.terminal.slave < 0 {
		return nil
	}
	err := r.allow(l.terminal.slave, readFile|ll.AccessFSWriteFile|ll.AccessFSIoctlDev)
	return fail("granting the session's terminal", err)
}

// firstWithScopes is the version of Landlock that knows scopes.
const firstWithScopes = 6

// closeScopes keeps the agent from sending signals to anything outside, and from Unix sockets of
// the host's that have a name and no file. It is a layer of this thread alone, from which the
// program of the agent is executed: Go's other threads end with that, and until then this one must
// be able to reach them. Older versions of Landlock know neither.
func closeScopes(l *launcher) error {
	const doing = "closing signals and abstract Unix sockets"
	if l.recipe.LandlockABI < firstWithScopes {
		return nil
	}
	ruleset, err := descendants.Scopes(ll.ScopeSignal | ll.ScopeAbstractUnixSocket)
	if err != nil {
		return fail(doing, err)
	}
	defer closeFD(ruleset)
	return fail(doing, ll.LandlockRestrictSelf(ruleset, 0))
}

// applySeccompHere loads the filter that core assembled on this thread. The others end with the
// exec.
func applySeccompHere(l *launcher) error {
	_, err := loadFilter(l.recipe.Seccomp, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW)
	return fail("loading the system-call filter", err)
}

// listenForCalls loads the filter of notifications, and hands its listener to core. Whoever holds
// that answers for the agent; once it is closed, the calls fail with ENOSYS.
//
// A call that is being answered for is not interrupted by a signal, where the kernel can do that:
// it would be made again, and its answer be lost. Go programs send themselves many.
func listenForCalls(l *launcher) error {
	if len(l.recipe.Notify) == 0 {
		return nil
	}
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
	listener, err := loadFilter(l.recipe.Notify, flags|unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
	if errors.Is(err, unix.EINVAL) { // Linux before 5.19
		listener, err = loadFilter(l.recipe.Notify, flags)
	}
	if err != nil {
		return fail("loading the filter of notifications", err)
	}
	l.hand = append(l.hand, handed{listener, recipe.Descriptor{Kind: recipe.NotifyDescriptor}})
	return nil
}
