package launch

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/recipe"
)

// Go opens the gate: it returns once the agent runs, in the foreground of the session's terminal or
// not. One that cannot be executed is an [ExecError].
func (i *Init) Go(ctx context.Context, foreground bool) error {
	const doing = "starting the agent"
	if err := i.ask(recipe.Request{Go: &recipe.Go{Foreground: foreground}}); err != nil {
		return i.unheard(doing, err)
	}
	a, err := i.answer(ctx, doing)
	if err != nil {
		return err
	}
	if a.Started == nil {
		return i.confused(a)
	}
	if errno := syscall.Errno(a.Started.Errno); errno != 0 {
		interpreter := a.Started.Exists && errno == syscall.ENOENT
		return &ExecError{Path: a.Started.Path, Errno: errno, Interpreter: interpreter}
	}
	i.pipes.start()
	return nil
}

// Signal sends the agent a signal. One that a terminal would send goes to the agent's process
// group, any other to its main process.
//
// After one that asks for the end, output that nobody reads is not waited for without a limit.
func (i *Init) Signal(s syscall.Signal) error {
	switch s {
	case unix.SIGTERM, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT:
		i.pipes.hasten()
	}
	if err := i.ask(recipe.Request{Signal: int(s)}); err != nil {
		return fmt.Errorf("sending the agent %v: %w", s, err)
	}
	return nil
}

// Job takes a step of job control inside, and returns when it is done.
func (i *Init) Job(job recipe.Job) error {
	i.jobs.Lock()
	defer i.jobs.Unlock()
	doing := fmt.Sprintf("job control inside (%s)", job)
	if err := i.ask(recipe.Request{Job: job}); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	for {
		select {
		case done := <-i.done:
			if done == job { // else it answers one that was given up
				return nil
			}
		case <-i.silent:
			return fmt.Errorf("%s: the sandbox has ended", doing)
		case <-time.After(i.deadline):
			return fmt.Errorf("%s: nono-init did not answer within %v", doing, i.deadline)
		}
	}
}

// Stopped tells that a signal has stopped the agent. Of several it is the last that is told.
func (i *Init) Stopped() <-chan recipe.Stopped { return i.stopped }

// Dial connects to a port of the loopback inside, one that the recipe names. The file is the
// caller's.
func (i *Init) Dial(ctx context.Context, port uint16) (*os.File, error) {
	doing := fmt.Sprintf("connecting to port %d inside", port)
	if !i.ports[port] {
		return nil, fmt.Errorf("%s: no dialer of the plan names it", doing)
	}
	reply := make(chan answer, 1)
	i.mu.Lock()
	i.dialed++
	id := i.dialed
	i.dials[id] = reply
	i.mu.Unlock()
	forget := func() {
		i.mu.Lock()
		delete(i.dials, id)
		i.mu.Unlock()
		select {
		case a := <-reply: // it came all the same
			recipe.CloseAll(a.fds)
		default:
		}
	}
	if err := i.ask(recipe.Request{Dial: &recipe.Dial{ID: id, Port: port}}); err != nil {
		forget()
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	ctx, cancel := context.WithTimeout(ctx, i.deadline)
	defer cancel()
	select {
	case a := <-reply:
		if a.Dialed.Errno != 0 || len(a.fds) != 1 {
			recipe.CloseAll(a.fds)
			return nil, fmt.Errorf("%s: %w", doing, syscall.Errno(a.Dialed.Errno))
		}
		return os.NewFile(uintptr(a.fds[0]), fmt.Sprintf("port %d", port)), nil
	case <-i.silent:
		forget()
		return nil, fmt.Errorf("%s: the sandbox has ended", doing)
	case <-ctx.Done():
		forget()
		return nil, fmt.Errorf("%s: %w", doing, context.Cause(ctx))
	}
}
