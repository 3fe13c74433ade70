package inside

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/descendants"
	"github.com/nono-run/nono/core/launch/recipe"
)

// terminal is the session's own terminal, and job control on it. nono-init leads the session: an
// agent that did could not be stopped, because nobody in its session could continue it, and the
// kernel drops Ctrl-Z for such a process group.
//
// The terminal's foreground is the agent's, or that of whatever group inside took it over, while
// nono is in the foreground of the user's terminal. At other times it is nono-init's own group, and
// the kernel stops whoever else reads.
type terminal struct {
	// slave is the terminal itself, and -1 in a session without one. The agent has it on its streams;
	// here it is kept for asking and setting the foreground.
	slave int
	agent int
	// wanted says that there is to be one, and master is its other end: in tier B, where the guard
	// makes it and hands it on.
	wanted bool
	master int
	// inside are the processes that job control is about.
	inside population

	// mu orders what core asks and what the kernel reports.
	mu sync.Mutex
	// front says that the foreground was given away, and group who had it last.
	front bool
	group int
	// frozen says that everything inside stands still, and asleep is what did so before.
	frozen bool
	asleep map[int]bool
}

// openTerminal makes the session's terminal, and puts it in the place of each stream that is one of
// the user's. It hands the master out: what is typed comes from core, and goes to it.
func openTerminal(l *launcher) error {
	if !l.recipe.Terminal {
		return nil
	}
	master, slave, err := newTerminal("/dev/pts/ptmx")
	if err != nil {
		return err
	}
	l.terminal.slave = slave
	if err := l.useTerminal(master); err != nil {
		return err
	}
	return control(slave)
}

// useTerminal takes the session's terminal in the place of the user's.
func (l *launcher) useTerminal(master int) error {
	l.hand = append(l.hand, handed{master, recipe.Descriptor{Kind: recipe.TerminalDescriptor}})
	for n, s := range l.recipe.Streams {
		if s.Kind != recipe.TerminalStream {
			continue
		}
		// A copy each, which go when the agent has them.
		var err error
		l.streams[n], err = unix.FcntlInt(uintptr(l.terminal.slave), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return fail("opening the session's terminal", err)
		}
	}
	return nil
}

// newTerminal makes a terminal by the device that makes them.
func newTerminal(by string) (master, slave int, err error) {
	const doing = "opening the session's terminal"
	master, err = unix.Open(by, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, -1, fail(doing, err)
	}
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return -1, -1, fail("unlocking the session's terminal", err)
	}
	// Not by its name: the other end of this master, whatever stands in /dev/pts.
	peer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER,
		unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return -1, -1, fail(doing, errno)
	}
	return master, int(peer), nil
}

// control makes a terminal the controlling one of the session that this process leads.
func control(slave int) error {
	return fail(
		"making it the controlling terminal of the session", unix.IoctlSetInt(slave, unix.TIOCSCTTY, 0),
	)
}

// adopt is told of the agent before its first instruction, where that can be held until then. This
// is the thread that will be asked for steps of job control. The kernel stops a background process
// that sets the foreground, unless it has the signal blocked; and what is blocked is inherited, so
// it is blocked here and not before the fork.
func (t *terminal) adopt(agent int, foreground bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.agent, t.group = agent, agent
	if t.slave < 0 {
		return nil
	}
	if err := blockSignal(unix.SIGTTOU); err != nil {
		return err
	}
	if foreground {
		t.toFront()
	}
	return nil
}

// do takes a step of job control.
func (t *terminal) do(job recipe.Job) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch job {
	case recipe.JobFront:
		t.toFront()
	case recipe.JobBack:
		t.toBack()
	case recipe.JobFreeze:
		t.freeze()
	case recipe.JobThaw:
		t.thaw()
	default:
		return fmt.Errorf("core asked for an unknown step of job control: %q", job)
	}
	return send(recipe.Reply{Done: job})
}

// toFront gives the foreground to the group that had it last. A shell inside may have taken it by
// itself meanwhile, which a shell can; then it stays there.
func (t *terminal) toFront() {
	if t.slave < 0 {
		return
	}
	t.front = true
	if now, err := t.foreground(); err == nil && now == unix.Getpgrp() {
		if t.setForeground(t.group) != nil { // it is gone
			_ = t.setForeground(t.agent)
		}
	}
	if t.frozen {
		return // thaw continues everything, in its own order
	}
	// They may have been stopped for reading too early.
	_ = unix.Kill(-t.group, unix.SIGCONT)
	_ = unix.Kill(-t.agent, unix.SIGCONT)
}

// toBack takes the foreground away, and remembers who had it.
func (t *terminal) toBack() {
	if t.slave < 0 {
		return
	}
	t.front = false
	own := unix.Getpgrp()
	if now, err := t.foreground(); err == nil && now > 0 && now != own {
		t.group = now
	}
	_ = t.setForeground(own)
}

// agentInFront is the agent's group, and whether that has the foreground.
func (t *terminal) agentInFront() (group int, front bool) {
	if t.slave < 0 {
		return 0, false
	}
	group, err := unix.Getpgid(t.agent)
	now, e := t.foreground()
	return group, err == nil && e == nil && now == group
}

func (t *terminal) foreground() (int, error) { return unix.IoctlGetInt(t.slave, unix.TIOCGPGRP) }

func (t *terminal) setForeground(group int) error {
	return unix.IoctlSetPointerInt(t.slave, unix.TIOCSPGRP, group)
}

// freezeLimit bounds the wait for what was told to stop. A process that does not by then is in the
// kernel's hands, and stops when it comes back from there.
const freezeLimit = 2 * time.Second

// freeze stops every process inside, and returns when they stand still.
func (t *terminal) freeze() {
	if !t.frozen {
		t.frozen = true
		t.asleep = map[int]bool{}
		for _, p := range t.inside.list() {
			if p.Stopped() && p.Group != t.agent {
				t.asleep[p.PID] = true
			}
		}
	}
	for end := time.Now().Add(freezeLimit); ; {
		t.inside.signal(unix.SIGSTOP) // again, for those that were being made
		if !slices.ContainsFunc(t.inside.list(), descendants.Process.Runs) || time.Now().After(end) {
			return
		}
		time.Sleep(200 * time.Microsecond) //nolint:forbidigo // nobody tells when all stand still
	}
}

// thaw continues what freeze stopped. Children come before their parents: a shell that runs again
// while its child still stands would take the child for stopped by the user.
func (t *terminal) thaw() {
	if !t.frozen {
		return
	}
	all := t.inside.list()
	slices.SortFunc(all, func(a, b descendants.Process) int { return b.PID - a.PID })
	for _, p := range all {
		if !t.asleep[p.PID] {
			_ = unix.Kill(p.PID, unix.SIGCONT)
		}
	}
	t.frozen, t.asleep = false, nil
}

// stopped is called when the kernel has said that a signal stopped the agent. Core is told, unless
// that was our doing, or is over.
func (t *terminal) stopped(by unix.Signal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.frozen {
		return
	}
	if p, err := descendants.Look(t.agent); err != nil || !p.Stopped() {
		return
	}
	// A shell may ask who has the terminal before it has it, and stop itself for the answer when it
	// has.
	if by == unix.SIGTTIN || by == unix.SIGTTOU {
		if group, front := t.agentInFront(); front {
			_ = unix.Kill(-group, unix.SIGCONT)
			return
		}
	}
	_ = send(recipe.Reply{Stopped: &recipe.Stopped{Signal: int(by), Behind: !t.front}})
}

// blockSignal keeps a signal from this thread.
func blockSignal(s unix.Signal) error {
	var set unix.Sigset_t
	set.Val[0] = 1 << (uint(s) - 1)
	return fail("blocking "+unix.SignalName(s), unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil))
}
