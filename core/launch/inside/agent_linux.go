package inside

import (
	"errors"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/recipe"
)

// runAgent forks the agent and serves core until the end. It returns only if there is no agent.
func (l *launcher) runAgent(start recipe.Go) error {
	r := l.recipe
	unix.Umask(r.Umask)
	if err := limitFiles(r.OpenFiles); err != nil {
		return fail("limiting open files", err)
	}
	foreground := r.Terminal && start.Foreground
	agent, held, err := l.forkAgent(foreground)
	if err != nil {
		return send(recipe.Reply{Started: startFailure(r.Executable, err)})
	}
	if held {
		status, err := awaitExec(agent)
		if err != nil {
			return fail("waiting for the agent's exec", err)
		}
		if !status.Stopped() { // the kernel ended it there, as one whose program is damaged
			_ = send(recipe.Reply{Started: &recipe.Started{}})
			tellEnd(status, endOthers())
		}
	}
	if err := limitProcesses(agent, r.Processes); err != nil {
		return fail("limiting processes", err)
	}
	if err := l.terminal.adopt(agent, foreground); err != nil {
		return err
	}
	if held {
		if err := unix.PtraceDetach(agent); err != nil && err != unix.ESRCH { // it was just ended
			return fail("letting go of the agent", err)
		}
	}
	if err := send(recipe.Reply{Started: &recipe.Started{}}); err != nil {
		return err // core is gone; the end of this process ends the agent
	}
	ports := r.Dial
	l.recipe = nil // the agent has its secrets; nothing here needs them any more
	l.letGoOfStreams()
	// Waiting blocks a thread, and so does reading: one each. The threads have no scope around them,
	// so it does not matter to the kernel which of them signals the agent.
	go waitForAgent(agent, l.terminal.stopped)
	return l.serve(agent, ports)
}

// forkAgent forks the agent. Where something must be done before its first instruction, it is held
// at its exec: this thread traces it.
func (l *launcher) forkAgent(foreground bool) (agent int, held bool, err error) {
	held = l.recipe.Processes > 0 || foreground
	fork := func() (int, error) {
		return syscall.ForkExec(l.recipe.Executable, l.recipe.Args, &syscall.ProcAttr{
			Env:   l.recipe.Env,
			Files: l.agentFiles(),
			// A group of its own, in nono-init's session: see terminal.
			Sys: &syscall.SysProcAttr{Setpgid: true, Ptrace: held},
		})
	}
	agent, err = fork()
	if held && l.recipe.Processes == 0 && errors.Is(err, unix.EPERM) {
		// Yama may let nobody be traced. Then it is given its terminal while it begins already.
		held = false
		agent, err = fork()
	}
	return agent, held, err
}

func startFailure(executable string, err error) *recipe.Started {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		errno = unix.EIO
	}
	_, statErr := os.Stat(executable)
	return &recipe.Started{Path: executable, Errno: int(errno), Exists: statErr == nil}
}

// serve does what core asks until core is gone. Then it returns: the end of pid 1 is the end of
// everything inside, and so the agent cannot outlive core even where the parent-death signal is
// lost.
func (l *launcher) serve(agent int, ports []uint16) error {
	// A layer that dials without end takes no more than this many threads from us.
	dialing := make(chan struct{}, 64)
	for {
		var req recipe.Request
		fds, err := recipe.Receive(recipe.Lifeline, &req)
		recipe.CloseAll(fds)
		switch {
		case err != nil:
			return err
		case req.Signal != 0:
			signalAgent(agent, syscall.Signal(req.Signal))
		case req.Job != "":
			if err := l.terminal.do(req.Job); err != nil {
				return err
			}
		case req.Dial != nil:
			select {
			case dialing <- struct{}{}:
				go func() {
					answerDial(*req.Dial, ports)
					<-dialing
				}()
			default:
				_ = send(recipe.Reply{Dialed: &recipe.Dialed{ID: req.Dial.ID, Errno: int(unix.EAGAIN)}})
			}
		default:
			return errors.New("core asked for something unknown")
		}
	}
}

// signalAgent passes a signal on. What a terminal would send goes to the agent's process group, as
// a terminal's would: a shell that waits for its child acts on Ctrl-C only once the child has gone
// of it. Everything else goes to the main process alone.
func signalAgent(agent int, s syscall.Signal) {
	to := agent
	switch s {
	case unix.SIGINT, unix.SIGQUIT, unix.SIGHUP, unix.SIGTSTP, unix.SIGCONT, unix.SIGWINCH:
		to = -agent // it leads the group of its number
	}
	_ = unix.Kill(to, s) // it may have ended just now
}

func answerDial(d recipe.Dial, ports []uint16) {
	if !slices.Contains(ports, d.Port) {
		_ = send(recipe.Reply{Dialed: &recipe.Dialed{ID: d.ID, Errno: int(unix.EACCES)}})
		return
	}
	fd, err := dial(d.Port)
	if err != nil {
		errno := unix.EIO
		errors.As(err, &errno)
		if errno == unix.EINPROGRESS {
			errno = unix.ETIMEDOUT // what a connect under a send timeout says
		}
		_ = send(recipe.Reply{Dialed: &recipe.Dialed{ID: d.ID, Errno: int(errno)}})
		return
	}
	_ = send(recipe.Reply{Dialed: &recipe.Dialed{ID: d.ID}}, fd)
	closeFD(fd)
}
