package terminal

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/core/terminal/keeper"
)

const (
	// lookEvery is how often a process in the background looks whether it still is there: a shell's fg
	// tells nobody that runs.
	lookEvery = 150 * time.Millisecond
	// settleLimit is how long the user's terminal may take for the output of before a suspension.
	settleLimit = time.Second
)

// Terminal is the user's terminal together with the session's.
type Terminal struct {
	outer  *outer
	master *os.File
	// claimed says that the agent has the terminal from the start.
	claimed bool
	// typing says that standard input is a terminal: whoever types, types for the agent.
	typing bool
	before unix.Termios // the settings at the start

	jobs    jobs
	pump    *pump
	keeper  *keeper.Keeper
	inside  Inside
	options Options
	notices chan what
	signals chan os.Signal
	gone    sync.Once
	// unstoppable says that stopping nono had no effect, when that was last tried.
	unstoppable bool

	stop   context.CancelFunc
	served chan struct{} // closed when the driver has ended
}

// Find looks for a terminal: the one that controls this process, or else one among the streams. It
// is nil where there is none. Nothing is changed.
func Find(streams Streams) *Terminal {
	o := findOuter(streams)
	if o == nil {
		return nil
	}
	t := &Terminal{outer: o}
	_, t.typing = terminal(streams[0])
	// In a pipeline, or a command substitution, somebody else may be using the terminal.
	t.claimed = t.typing && !isPipe(streams[1])
	return t
}

// isPipe reports whether a stream leads to another program.
func isPipe(f *os.File) bool {
	if f == nil {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&(os.ModeNamedPipe|os.ModeSocket) != 0
}

// Is reports whether a file is this terminal, the user's.
func (t *Terminal) Is(f *os.File) bool {
	fd, ok := terminal(f)
	if t == nil || !ok {
		return false
	}
	theirs, err := deviceOf(fd)
	ours, err2 := deviceOf(t.outer.fd)
	return err == nil && err2 == nil && theirs == ours
}

// deviceOf is a terminal's real number: /dev/tty has another one.
func deviceOf(fd int) (int, error) { return unix.IoctlGetInt(fd, unix.TIOCGDEV) }

// Adopt takes the master of the session's terminal, and gives that the size of the user's and,
// where they are a user's and not those of a shell's line editor, its settings.
func (t *Terminal) Adopt(master *os.File) error {
	t.master = master
	now, err := settings(t.outer.fd)
	if err != nil {
		return err
	}
	t.before = now
	if front, err := t.outer.foreground(); err == nil && front && ordinary(now) {
		err := control(master, func(fd int) error {
			return unix.IoctlSetTermios(fd, unix.TCSETS, &now)
		})
		if err != nil {
			return fmt.Errorf("setting up the session's terminal: %w", err)
		}
	}
	return t.resize()
}

// resize gives the session's terminal the size of the user's. The kernel tells whoever is in front
// inside.
func (t *Terminal) resize() error {
	size, err := t.outer.size()
	if err != nil {
		return err
	}
	err = control(t.master, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &size)
	})
	if err != nil {
		return fmt.Errorf("setting the size of the session's terminal: %w", err)
	}
	return nil
}

// control calls a function with a file's descriptor, and leaves its flags alone.
func control(f *os.File, do func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := conn.Control(func(fd uintptr) { failed = do(int(fd)) }); err != nil {
		return err
	}
	return failed
}

// Begin decides how the agent starts, and reports whether that is in the foreground. A Ctrl-Z from
// here on waits for the driver: it is to stop the agent too.
func (t *Terminal) Begin() bool {
	t.signals = make(chan os.Signal, 8)
	signal.Notify(t.signals, syscall.SIGTSTP, syscall.SIGCONT, syscall.SIGWINCH)
	front, err := t.outer.foreground()
	return t.jobs.begin(front && err == nil, t.claimed)
}

// Serve begins to carry bytes and to obey the user's shell. The agent runs by now.
func (t *Terminal) Serve(inside Inside, o Options) error {
	if o.DrainLimit == 0 {
		o.DrainLimit = DrainLimit
	}
	t.inside, t.options = inside, o
	t.notices = make(chan what, 16)
	t.served = make(chan struct{})
	var err error
	if t.pump, err = newPump(t.outer, t.master, t.notices, t.hangUp); err != nil {
		return fmt.Errorf("serving the terminal: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	t.stop = stop
	if t.jobs.at == front {
		t.do(action{do: take})
	}
	t.pump.start()
	go t.serve(ctx)
	return nil
}

// serve hears of events until the end.
func (t *Terminal) serve(ctx context.Context) {
	defer close(t.served)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		e := event{what: looked}
		select {
		case <-ctx.Done():
			return
		case s := <-t.signals:
			switch s {
			case syscall.SIGTSTP:
				e.what = asked
			case syscall.SIGCONT:
				e.what = continued
			default:
				t.warn("passing the terminal's size on", t.resize())
				continue
			}
		case s := <-t.inside.Stopped():
			e = event{what: agentStopped, signal: syscall.Signal(s.Signal), behind: s.Behind}
		case e.what = <-t.notices:
			if e.what == typed && !t.forUs() {
				continue
			}
		case <-t.later(tick):
			if t.jobs.at == waiting && t.typing {
				t.pump.set(peeking)
			}
		}
		t.take(e)
	}
}

// later is the tick, where nono has to look by itself.
func (t *Terminal) later(tick *time.Ticker) <-chan time.Time {
	if t.jobs.at == away || t.jobs.at == waiting {
		return tick.C
	}
	return nil
}

// forUs reports whether the settings are still those of the start: then nobody else reads what is
// typed with settings of his own.
func (t *Terminal) forUs() bool {
	now, err := settings(t.outer.fd)
	return err == nil && now == t.before
}

// take hands an event to the state machine and does what that says.
func (t *Terminal) take(e event) {
	writer := e.what == wrote
	for e.what != 0 {
		var err error
		if e.foreground, err = t.outer.foreground(); err != nil {
			t.hangUp()
		}
		actions := t.jobs.next(e)
		e = event{}
		for _, a := range actions {
			t.do(a)
			if a.do == stop {
				e.what = woken
			}
		}
	}
	if writer {
		t.pump.release(t.unstoppable)
	}
}

// do does one thing.
func (t *Terminal) do(a action) {
	switch a.do {
	case take:
		t.startKeeper()
		t.warn("taking the terminal", t.outer.makeRaw(t.keeper))
		t.warn("passing the terminal's size on", t.resize())
		t.pump.set(reading)
	case pause:
		t.pump.set(off)
	case giveBack:
		t.pump.set(off)
		t.pump.settle(settleLimit)
		t.outer.restore(t.keeper)
	case innerFront:
		t.job(recipe.JobFront)
	case innerBack:
		t.job(recipe.JobBack)
	case freeze:
		t.job(recipe.JobFreeze)
	case thaw:
		t.job(recipe.JobThaw)
	case stop:
		t.suspend(a)
	}
}

// job has nono-init do its half. If that is gone, so is the agent, and the run ends for it.
func (t *Terminal) job(j recipe.Job) { _ = t.inside.Job(j) }

// suspend stops this process, until somebody continues it. The kernel drops the signal where nobody
// could: then no SIGCONT comes. An agent that asks for the terminal again and again must not keep
// the machine busy with that.
func (t *Terminal) suspend(a action) {
	t.warn("stopping", suspend(a.signal, a.group))
	select {
	case <-t.signals:
		t.unstoppable = false
	case <-time.After(lookEvery):
		t.unstoppable = true
	}
}

// startKeeper starts it before the settings are changed for the first time.
func (t *Terminal) startKeeper() {
	if t.keeper != nil || t.options.Keeper == "" {
		return
	}
	var err error
	t.keeper, err = keeper.Start(t.options.Keeper, t.outer.fd)
	t.warn("guarding the terminal's settings", err)
}

func (t *Terminal) warn(doing string, err error) {
	if err != nil && t.options.Warn != nil {
		t.options.Warn(doing, err)
	}
}

// hangUp is for a user's terminal that is gone. Without a master the session's is gone too: whoever
// reads there is at the end.
func (t *Terminal) hangUp() {
	t.gone.Do(func() {
		_ = t.master.Close()
		if t.options.Hangup != nil {
			t.options.Hangup()
		}
	})
}

// Close ends it, when everything inside has ended: what was written last is printed, as far as the
// user's terminal takes it in time, and the settings are put back. It reports whether the terminal
// took everything. It may be called more than once, and at any time after Find.
func (t *Terminal) Close() (drained bool) {
	if t == nil {
		return true
	}
	drained = true
	if t.pump != nil {
		t.pump.set(ended)
		drained = t.drain()
		t.stop()
		<-t.served
		close(t.pump.over)
		t.outer.restore(t.keeper)
		t.keeper.Close()
		t.pump, t.keeper = nil, nil
	}
	if t.signals != nil {
		signal.Stop(t.signals)
		// Go leaves its handler behind, which would swallow them.
		_, _ = setDisposition(syscall.SIGTSTP, byDefault)
		t.signals = nil
	}
	if t.master != nil {
		_ = t.master.Close()
		t.master = nil
	}
	if drained { // else a thread may still write to it
		t.outer.close()
	}
	return drained
}

// drain waits until the user's terminal has taken the rest of the output, and reports whether it
// has. In the background of a terminal that wants it so, nono is stopped before that, and the time
// does not count; so the limit is counted in pieces, of which a stop takes one.
func (t *Terminal) drain() bool {
	const piece = 100 * time.Millisecond
	for waited := time.Duration(0); waited < t.options.DrainLimit; waited += piece {
		select {
		case <-t.pump.drained:
			return true
		case <-time.After(piece):
			if t.pump.held.Load() {
				waited = 0
			}
		}
	}
	return false
}
