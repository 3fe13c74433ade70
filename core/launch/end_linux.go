package launch

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/recipe"
)

// Wait waits until everything inside has ended and what it wrote has arrived, and says how the
// agent's main process ended. nono-init may take a moment longer to go. An error means that it was
// lost first; then nobody knows how the agent did.
func (i *Init) Wait() (Exit, error) {
	i.awaitOver()
	i.pipes.drain()
	i.pipes.giveBack()
	if i.exited == nil {
		return Exit{}, i.lost("the sandbox ended without a word about the agent")
	}
	return Exit{Code: i.exited.Code, Signal: syscall.Signal(i.exited.Signal), Left: i.exited.Left}, nil
}

// awaitOver waits until nothing runs inside.
func (i *Init) awaitOver() {
	select {
	case <-i.over:
	case <-i.ended:
	}
}

// Process is a descriptor of nono-init, which can be polled: when it has ended, so has everything
// inside. The file is the caller's.
func (i *Init) Process() (*os.File, error) {
	const doing = "opening nono-init's process"
	fd, err := unix.PidfdOpen(i.process.Pid, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	select {
	case <-i.ended: // then its number may be another's
		return nil, errors.Join(fmt.Errorf("%s: it has ended", doing), unix.Close(fd))
	default:
		return os.NewFile(uintptr(fd), "nono-init"), nil
	}
}

// End ends everything inside, if anything still runs there, and waits for that.
func (i *Init) End() {
	i.Kill()
	i.awaitOver()
}

// Kill ends everything inside, at once.
func (i *Init) Kill() {
	i.pipes.hasten()
	_ = i.process.Kill()
}

// Close ends everything inside, waits until nono-init and its namespaces are gone as well, and lets
// go of the lifeline. It may be called twice.
func (i *Init) Close() error {
	i.Kill()
	<-i.ended
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return nil
	}
	i.closed = true
	i.pipes.close()
	select {
	case a := <-i.answers:
		recipe.CloseAll(a.fds)
	default:
	}
	return i.lifeline.Close()
}
