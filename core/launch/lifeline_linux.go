package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/await"
	"github.com/nono-run/nono/core/launch/recipe"
)

// newLifeline makes the socket pair over which core and nono-init talk. By its end each of them
// learns that the other one is gone. Core's does not block.
func newLifeline() (ours, theirs *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	if err := unix.SetNonblock(pair[0], true); err != nil {
		recipe.CloseAll(pair[:])
		return nil, nil, err
	}
	return os.NewFile(uintptr(pair[0]), "lifeline"), os.NewFile(uintptr(pair[1]), "lifeline"), nil
}

// answer is something that nono-init said, and the descriptors that came with it.
type answer struct {
	recipe.Reply
	fds []int
}

// ask sends a request, unless the lifeline has been closed: its number may be someone else's by
// then.
func (i *Init) ask(r recipe.Request, fds ...int) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return os.ErrClosed
	}
	return await.Write(i.lifeline, func(fd int) error { return recipe.Send(fd, &r, fds...) })
}

// answer waits for the next reply. A step that failed before it is the error.
func (i *Init) answer(ctx context.Context, doing string) (answer, error) {
	limit, cancel := context.WithTimeout(ctx, i.deadline)
	defer cancel()
	var a answer
	select {
	case a = <-i.answers:
	case <-i.silent:
		select {
		case a = <-i.answers: // said before it went
		default:
			return a, i.lost(doing)
		}
	case <-limit.Done():
		if ctx.Err() != nil {
			return a, ctx.Err()
		}
		return a, fmt.Errorf("%s: nono-init did not answer within %v", doing, i.deadline)
	}
	return a, nil
}

// listen reads what nono-init says until it is gone.
func (i *Init) listen() {
	defer close(i.silent)
	if err := i.hear(); !errors.Is(err, io.EOF) {
		i.flaw = err
	}
	i.Kill() // it is gone already, or says what it should not: then it must go
}

// hear passes on what nono-init says. Its error is the end of that, or what cannot be passed on.
func (i *Init) hear() error {
	var ready answer // as much of it as has come
	defer func() { recipe.CloseAll(ready.fds) }()
	for {
		var a answer
		err := await.Read(i.lifeline, func(fd int) (err error) {
			a.fds, err = recipe.Receive(fd, &a.Reply)
			return err
		})
		if err != nil {
			return fmt.Errorf("listening to nono-init: %w", err)
		}
		switch {
		case len(a.fds) > 0 && a.Ready == nil && a.Dialed == nil:
			recipe.CloseAll(a.fds)
			return errNotAsked
		case a.Exited != nil && i.exited == nil:
			i.exited = a.Exited
			close(i.over)
		case a.Failed != nil && i.failed == nil:
			i.failed = a.Failed
		case a.Dialed != nil:
			i.deliver(a)
		case a.Stopped != nil:
			select {
			case <-i.stopped: // nobody has dealt with the one before
			default:
			}
			i.stopped <- *a.Stopped // nobody else writes to it, so there is room
		case a.Done != "":
			select {
			case i.done <- a.Done:
			default: // nobody waits for so many
			}
		case a.Ready != nil && len(a.fds) != len(a.Ready.Descriptors):
			recipe.CloseAll(a.fds)
			return errNotAsked
		case a.Ready != nil && a.Ready.More:
			ready = ready.joined(a)
		default:
			if a.Ready != nil {
				a, ready = ready.joined(a), answer{}
			}
			select {
			case i.answers <- a:
			default: // nobody asked for a second one
				recipe.CloseAll(a.fds)
				return errNotAsked
			}
		}
	}
}

// joined is a Ready as it has come so far, and what the next message says of it.
func (a answer) joined(next answer) answer {
	if a.Ready != nil {
		descriptors := slices.Concat(a.Ready.Descriptors, next.Ready.Descriptors)
		next.Ready = &recipe.Ready{Descriptors: descriptors}
		next.fds = slices.Concat(a.fds, next.fds)
	}
	return next
}

func (i *Init) deliver(a answer) {
	i.mu.Lock()
	waiting := i.dials[a.Dialed.ID]
	delete(i.dials, a.Dialed.ID)
	i.mu.Unlock()
	if waiting == nil { // whoever asked has given up
		recipe.CloseAll(a.fds)
		return
	}
	waiting <- a
}

func stepError(f *recipe.Failed) *StepError {
	return &StepError{
		Rule: f.Rule, Step: f.Step, Path: f.Path, Errno: syscall.Errno(f.Errno), Text: f.Text,
	}
}

// lost is the error of a nono-init that went away. If it said why first, that is the error, or what
// it was ended for.
func (i *Init) lost(doing string) error {
	<-i.ended
	switch {
	case i.failed != nil:
		return stepError(i.failed)
	case i.flaw != nil:
		return fmt.Errorf("%s: %w", doing, i.flaw)
	}
	return fmt.Errorf("%s: nono-init ended: %v", doing, i.state)
}

// unheard is the error of a request that could not be sent: why nono-init is gone, or else what the
// kernel answered, which does not end nono-init.
func (i *Init) unheard(doing string, err error) error {
	for _, gone := range []error{os.ErrClosed, unix.EPIPE, unix.ECONNRESET} {
		if errors.Is(err, gone) {
			return i.lost(doing)
		}
	}
	return fmt.Errorf("%s: asking nono-init: %w", doing, err)
}

// confused ends a nono-init that answers something else than what was asked, which only one of
// another build would.
func (i *Init) confused(a answer) error {
	recipe.CloseAll(a.fds)
	i.Kill()
	return errNotAsked
}

var errNotAsked = errors.New(
	"nono-init gave an answer that was not asked for: is it of the same build as nono?")
