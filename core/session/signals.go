package session

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/launch"
)

// signals receives what the user sends to nono and gives it to whoever handles it at the moment:
// the start, which it ends, or the agent, to which it is forwarded.
type signals struct {
	ch chan os.Signal
	// beside gets those that do nothing to a Go program that does not ask for them. It is never
	// closed.
	beside chan os.Signal
	// asked is closed when Go's runtime has been told of all of these, and over when nobody is to hear
	// of any more.
	asked, over chan struct{}
	// pipe is never read. A reader that is gone, of nono's own lines or of the layers', is no
	// reason to die in mid-run and leave everything as it stands: the write fails, and that is all.
	// To ignore the signal instead would hand that on to the agent.
	pipe chan os.Signal
	// mu is held while a handler runs, so that after Handle returns the former handler runs no
	// more.
	mu      sync.Mutex
	handler func(syscall.Signal)
	held    []syscall.Signal
	// hungUp is set when a SIGHUP came, and told when HangUp has stood in for one. A terminal that
	// goes away is noticed in both ways, and is one event.
	hungUp, told bool
}

// asking are the signals that ask for an end. SIGQUIT is among them, or Go would print every
// goroutine on the user's terminal.
var asking = []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}

// passing are, with SIGABRT, the signals that mean nothing to nono: they are the agent's, as if
// nono were not there. What is missing cannot be had: Go keeps SIGURG, SIGPROF and 32 to 34 for
// itself and takes SIGSEGV and its like for faults of its own, SIGCHLD and SIGPIPE tell of nono's
// own children and readers, SIGXCPU and SIGXFSZ of its own limits, and job control is about nono
// too.
var passing = func() []syscall.Signal {
	list := []syscall.Signal{
		syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM, syscall.SIGCONT,
		syscall.SIGVTALRM, syscall.SIGWINCH, syscall.SIGIO,
	}
	return append(list, systemSignals()...)
}()

// interruptible returns a context that the first signal of the user's which asks for an end ends,
// with an [Error] as its cause. Any other is kept for the agent, but for those that the caller
// deals with otherwise.
func interruptible(
	ctx context.Context, without ...syscall.Signal,
) (context.Context, *signals) {
	ctx, stop := context.WithCancelCause(ctx)
	s := newSignals()
	s.handler = func(sig syscall.Signal) {
		if slices.Contains(asking, sig) {
			stop(interrupted(sig))
		} else {
			s.held = append(s.held, sig)
		}
	}
	// SIGABRT with them: to a Go program that does not ask for it, it does something.
	s.listen(append(slices.Clip(asking), syscall.SIGABRT), passing, without)
	return ctx, s
}

// commandSignals is for a layer's command, which has the terminal: what is typed there is for it. A
// context that ends is how it is told of any other signal.
func commandSignals(ctx context.Context) (context.Context, *signals) {
	ctx, stop := context.WithCancelCause(ctx)
	s := newSignals()
	s.handler = func(sig syscall.Signal) {
		if sig != syscall.SIGINT && sig != syscall.SIGQUIT {
			stop(&Error{Code: 128 + int(sig), Err: diag.Errorf("ended by %s", unix.SignalName(sig))})
		}
	}
	s.listen(asking, nil, nil)
	return ctx, s
}

// interrupted is the cause with which a signal ends a start.
func interrupted(s syscall.Signal) error {
	err := diag.Errorf("interrupted by %s before the command was started", unix.SignalName(s))
	return &Error{Code: 128 + int(s), Err: err}
}

func newSignals() *signals {
	// Go drops what does not fit. Signals of one kind that come at the same time are one anyway.
	return &signals{
		ch: make(chan os.Signal, 64), beside: make(chan os.Signal, 64),
		pipe: make(chan os.Signal, 1), asked: make(chan struct{}), over: make(chan struct{}),
	}
}

// listen starts receiving. What nono was started with ignored stays so, as nohup and a shell's
// background jobs want it.
//
// Those that matter less are asked for beside what comes next. Go's runtime changes threads twice
// for each signal, and there are forty of them.
func (s *signals) listen(first, beside, without []syscall.Signal) {
	ask := func(ch chan os.Signal, list []syscall.Signal) {
		for _, sig := range list {
			if !slices.Contains(without, sig) && !signal.Ignored(sig) {
				signal.Notify(ch, sig)
			}
		}
	}
	ask(s.ch, first)
	signal.Notify(s.pipe, syscall.SIGPIPE)
	go func() {
		defer close(s.asked)
		ask(s.beside, beside)
	}()
	go s.receiveAll()
}

func (s *signals) receiveAll() {
	for {
		select {
		case sig := <-s.ch:
			s.receive(sig.(syscall.Signal))
		case sig := <-s.beside:
			s.receive(sig.(syscall.Signal))
		case <-s.over:
			return
		}
	}
}

// receive gives a signal to the handler, unless it is a SIGHUP that HangUp has told of.
func (s *signals) receive(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sig == syscall.SIGHUP {
		s.hungUp = true
		if s.told {
			s.told = false
			return
		}
	}
	s.handler(sig)
}

// Handle replaces the handler. The new one gets what was held first.
func (s *signals) Handle(h func(syscall.Signal)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handler = h
	for _, sig := range s.held {
		h(sig)
	}
	s.held = nil
}

// Hold keeps signals for the next handler. From here on all of them come.
func (s *signals) Hold() {
	<-s.asked
	s.Handle(func(sig syscall.Signal) { s.held = append(s.held, sig) })
}

// HangUp does what SIGHUP does, for a terminal that is gone. Where that is ignored, as nohup wants
// it, so is this.
func (s *signals) HangUp() {
	if signal.Ignored(syscall.SIGHUP) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hungUp {
		return
	}
	s.told = true
	s.handler(syscall.SIGHUP)
}

// Stop ends receiving; signals do what they do by default again. For those that were asked for
// beside that is nothing, and so it is where nobody reads the channel: nono is about to end, and
// does not change threads once more for each.
func (s *signals) Stop() {
	signal.Stop(s.ch)
	signal.Stop(s.pipe)
	close(s.over)
}

// Forward sends each signal on to the agent. One that asks for an end starts the grace period; when
// that is over, or at a second Ctrl-C within it, the agent is overdue, and the channel, which has
// room for one, is told why. The returned function ends the forwarding.
func (s *signals) Forward(
	init *launch.Init, grace time.Duration, overdue chan<- string,
) (stop func()) {
	kill := func(why string) {
		select {
		case overdue <- why:
		default:
		}
	}
	var deadline *time.Timer
	var interrupted time.Time
	s.Handle(func(sig syscall.Signal) {
		if sig == syscall.SIGINT {
			if time.Since(interrupted) < grace {
				kill("it was interrupted a second time")
				return
			}
			interrupted = time.Now()
		}
		if err := init.Signal(sig); err != nil {
			return // there is nobody to hand it to any more, and the run ends for that
		}
		// An interrupt or a quit is for the agent to deal with as it likes: an interactive one only
		// stops what it is doing.
		asksForEnd := sig == syscall.SIGTERM || sig == syscall.SIGHUP
		if asksForEnd && deadline == nil {
			deadline = time.AfterFunc(grace, func() {
				kill(fmt.Sprintf("it did not end within %s of %s", grace, unix.SignalName(sig)))
			})
		}
	})
	return func() {
		s.Handle(func(syscall.Signal) {})
		if deadline != nil {
			deadline.Stop()
		}
	}
}
