package layerhost

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/host"
)

// Failure is the one reason why a layer is of no use (any more).
type Failure struct {
	Layer string
	// Call is what core had asked of it: start, Describe, Session, Plan, Start, Finish; empty
	// between two calls.
	Call string
	// What happened: it died, it hangs, it says no.
	What string
	// Stderr is the end of what it wrote there, where it died or hangs.
	Stderr []string
}

// Error implements error.
func (f *Failure) Error() string {
	if f.Call == "" {
		return fmt.Sprintf("layer %s: %s", f.Layer, f.What)
	}
	return fmt.Sprintf("layer %s, %s: %s", f.Layer, f.Call, f.What)
}

// Problem is the failure as it is shown to the user.
func (f *Failure) Problem() diag.Problem {
	p := diag.Errorf("%s", f.Error())
	if len(f.Stderr) > 0 {
		p = p.Try("its last words:\n%s", strings.Join(f.Stderr, "\n"))
	}
	return p
}

// lastMoments is how long the end of a process is waited for when its connection has ended: the
// connection goes first, and the process's end is the better reason.
const lastMoments = time.Second

var errTooLate = errors.New("deadline")

// call makes one call: within the limit, which progress extends and a question to the user
// suspends, and with one reason if it fails.
func call[T any](
	ctx context.Context, l *Layer, name string, limit time.Duration,
	f func(context.Context) (T, error),
) (T, error) {
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	clock := newClock(limit, func() { cancel(errTooLate) })
	defer clock.Stop()
	l.setClock(clock)
	defer l.setClock(nil)

	v, err := f(within)
	if err == nil {
		return v, nil
	}
	var none T
	if ctx.Err() != nil {
		return none, context.Cause(ctx) // the caller gave up; that is no failure of the layer's
	}
	if errors.Is(context.Cause(within), errTooLate) {
		err = fmt.Errorf("it hangs: there was no answer within %s", limit)
		l.kill()
		return none, &Failure{Layer: l.spec.Name, Call: name, What: err.Error(), Stderr: l.tail.Lines()}
	}
	return none, l.explain(name, err)
}

// setClock makes the clock that of the call in progress. Questions may be open from before.
func (l *Layer) setClock(c *clock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clock = c
	if c != nil && l.asking > 0 {
		c.Suspend()
	}
}

// asked counts the questions that are open; while there is one, the layer is not what is waited
// for.
func (l *Layer) asked(change int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asking += change
	switch {
	case l.clock == nil:
	case l.asking > 0:
		l.clock.Suspend()
	default:
		l.clock.Resume()
	}
}

// A clock is the time that a call has left.
type clock struct {
	limit time.Duration
	over  func()

	mu        sync.Mutex
	timer     *time.Timer
	suspended bool
	stopped   bool
}

func newClock(limit time.Duration, over func()) *clock {
	c := &clock{limit: limit, over: over}
	c.timer = time.AfterFunc(limit, c.fire)
	return c
}

func (c *clock) fire() {
	c.mu.Lock()
	due := !c.suspended && !c.stopped
	c.mu.Unlock()
	if due {
		c.over()
	}
}

// Extend begins the limit anew.
func (c *clock) Extend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.suspended && !c.stopped {
		c.timer.Reset(c.limit)
	}
}

// Suspend lets no time pass.
func (c *clock) Suspend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.suspended = true
	c.timer.Stop()
}

// Resume begins the limit anew.
func (c *clock) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.suspended && !c.stopped {
		c.timer.Reset(c.limit)
	}
	c.suspended = false
}

// Stop ends the clock.
func (c *clock) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	c.timer.Stop()
}

// explain finds the one reason behind an error of a call, or of the session.
func (l *Layer) explain(name string, err error) *Failure {
	if known := (*Failure)(nil); errors.As(err, &known) {
		return known
	}
	f := &Failure{Layer: l.spec.Name, Call: name, What: err.Error()}
	var bad *host.BadAnswer
	s, isStatus := status.FromError(err)
	switch {
	case errors.As(err, &bad):
	case errors.Is(err, host.ErrHangs):
		f.Stderr = l.tail.Lines()
	case isStatus && s.Code() == codes.ResourceExhausted:
		f.What = "its answer, or what it was to be told, is too large: " + s.Message()
	case isStatus && s.Code() != codes.Unavailable && s.Code() != codes.Canceled:
		f.What = s.Message() // the layer's own words
	case l.found() != nil:
		// It was found to be lost while the call went on, and ended for that: the call's own error
		// is only what followed.
		found := l.found()
		f.What, f.Stderr = found.What, found.Stderr
	case l.died():
		f.What = l.process.death()
		f.Stderr = l.tail.Lines()
	case isStatus:
		f.What = "its connection was lost: " + s.Message()
		f.Stderr = l.tail.Lines()
	}
	return f
}

// found is why the layer is lost, if it is.
func (l *Layer) found() *Failure {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failure
}

// died reports whether the process is gone, or goes within a moment, without having been ended by
// core.
func (l *Layer) died() bool {
	if l.process == nil {
		return false
	}
	select {
	case <-l.process.exited:
		return l.process.byItself
	case <-time.After(lastMoments):
		return false
	}
}
