package launch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/await"
	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/core/timers"
	"github.com/nono-run/nono/sdk/fragment"
)

// Init is a running nono-init.
type Init struct {
	deadline time.Duration
	pipes    *plumbing
	lifeline *os.File // does not block
	process  *os.Process

	// answers are the replies that the protocol has one of at a time: at most one is unread.
	answers chan answer
	// stopped has room for one, which is replaced.
	stopped chan recipe.Stopped
	// jobs is held while one is being done.
	jobs sync.Mutex
	done chan recipe.Job
	// silent is closed when nono-init can say nothing more.
	silent chan struct{}
	// over is closed when nono-init has said that nothing but itself is left inside. exited is what
	// it said; it is read after over, or after ended.
	over   chan struct{}
	exited *recipe.Exited
	// ended is closed when nono-init, and so everything inside, is gone. state is then how.
	ended chan struct{}
	state *os.ProcessState

	// begun are the mounts that Begin has handed over, and beginning is what went wrong with that.
	begun     fragment.List
	beginning error

	mu     sync.Mutex
	ports  map[uint16]bool
	dials  map[uint64]chan answer
	dialed uint64
	closed bool
}

type answer struct {
	recipe.Reply
	fds []int
}

// Start starts nono-init, in tier A in new namespaces, and returns as soon as it runs; what it
// finds out is told by [Init.Tier].
func Start(ctx context.Context, o Options) (*Init, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.Tier != recipe.TierA && o.Tier != recipe.TierB {
		return nil, fmt.Errorf("starting nono-init: there is no tier %q", o.Tier)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("starting nono-init: making the lifeline: %w", err)
	}
	if err := unix.SetNonblock(pair[0], true); err != nil {
		recipe.CloseAll(pair[:])
		return nil, fmt.Errorf("starting nono-init: %w", err)
	}
	ours := os.NewFile(uintptr(pair[0]), "lifeline")
	theirs := os.NewFile(uintptr(pair[1]), "lifeline")
	// With a copy of it here, the end of nono-init would not be the end of the file.
	defer theirs.Close()
	pipes, err := lay(o.Streams, o.Tier)
	if err != nil {
		_ = ours.Close()
		return nil, fmt.Errorf("starting nono-init: %w", err)
	}
	files, closeFiles, err := opened(pipes.files)
	if err != nil {
		pipes.close()
		_ = ours.Close()
		return nil, fmt.Errorf("starting nono-init: %w", err)
	}
	defer closeFiles()

	i := &Init{
		deadline: o.Deadline,
		pipes:    pipes,
		lifeline: ours,
		answers:  make(chan answer, 1),
		stopped:  make(chan recipe.Stopped, 1),
		done:     make(chan recipe.Job, 1),
		silent:   make(chan struct{}),
		over:     make(chan struct{}),
		ended:    make(chan struct{}),
		ports:    map[uint16]bool{},
		dials:    map[uint64]chan answer{},
	}
	if i.deadline == 0 {
		i.deadline = DefaultDeadline
	}
	started := make(chan error)
	go i.run(o, withRoom(append(files, theirs)), started)
	err = <-started
	pipes.handed()
	if err != nil {
		pipes.close()
		_ = ours.Close()
		return nil, startError(o.Path, err)
	}
	go i.listen()
	return i, nil
}

// withRoom is the files with [recipe.Room], where so many may be open.
func withRoom(files []*os.File) []*os.File {
	var most unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &most); err != nil || most.Cur <= recipe.Room {
		return files
	}
	all := make([]*os.File, recipe.Room+1)
	copy(all, files)
	all[recipe.Room] = files[0]
	return all
}

// opened are some files, with /dev/null for those that are nil.
func opened(some [3]*os.File) (files []*os.File, closeOwn func(), err error) {
	var null *os.File
	for _, f := range some {
		if f == nil {
			if null == nil {
				if null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
					return nil, nil, err
				}
			}
			f = null
		}
		files = append(files, f)
	}
	return files, func() {
		if null != nil {
			_ = null.Close()
		}
	}, nil
}

// run is the life of nono-init, on a thread of its own: the parent-death signal comes when the
// thread that cloned ends, not when the process does, so this one does nothing else until nono-init
// has gone.
func (i *Init) run(o Options, files []*os.File, started chan<- error) {
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
	if o.Tier == recipe.TierB {
		if unix.Gettid() == os.Getpid() {
			// A fence around the first thread would be one around core; and this one is kept from others.
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				i.run(o, files, started)
			}()
			<-ended
			return
		}
		stop := adopt()
		defer func() {
			stop() // before anybody hears of the end, who may start another one
			close(i.ended)
		}()
	} else {
		defer close(i.ended)
	}
	slack, _ := timers.Relax() // this thread starts nothing else
	args := []string{"nono-init", recipe.TimerSlack + strconv.Itoa(slack)}
	if o.HostNetwork {
		args = append(args, recipe.HostNetwork)
	}
	attributes := namespaced(o)
	if o.Tier == recipe.TierA {
		args = append(args, recipe.User+strconv.Itoa(os.Getuid()), recipe.Group+strconv.Itoa(os.Getgid()))
	} else {
		args, attributes = append(args, recipe.NoNamespaces), plain()
		if o.Terminal {
			args = append(args, recipe.WithTerminal)
		}
	}
	fenced := o.Tier == recipe.TierB && fence()
	var err error
	i.process, err = os.StartProcess(o.Path, args, &os.ProcAttr{
		Dir: "/", // not the user's directory: a mount held by it could not be left
		// Nothing of the user's environment, which may hold secrets. A launcher needs few threads, and
		// each costs something each time that all of them are restricted. Its stderr is the agent's: it
		// tells a failure over the lifeline, and not by a dump there.
		Env:   []string{"GOMAXPROCS=2", "GOTRACEBACK=none"},
		Files: files,
		Sys:   attributes,
	})
	started <- err
	if err != nil {
		return
	}
	if o.Tier == recipe.TierB && !fenced {
		keepRunning(i.process.Pid)
	}
	_ = await.End(i.process) // Wait waits as well, and holds a processor
	state, err := i.process.Wait()
	if err == nil {
		i.state = state
	}
	<-i.silent // what it said last was read
	if o.Tier == recipe.TierB && i.exited == nil {
		endRemains(fenced)
	}
}

// namespaced is how nono-init is made in tier A: in namespaces of its own, in which it may do what
// it takes to build the view.
func namespaced(o Options) *syscall.SysProcAttr {
	namespaces := uintptr(unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID |
		unix.CLONE_NEWIPC | unix.CLONE_NEWUTS)
	if !o.HostNetwork {
		namespaces |= unix.CLONE_NEWNET
	}
	// The exec drops all capabilities, in a new user namespace too, except the ambient ones: to drop
	// what is left (SETPCAP), to set up the network, to mount, to set the limits on namespaces.
	held := []uintptr{
		unix.CAP_SETPCAP, unix.CAP_NET_ADMIN, unix.CAP_SYS_ADMIN, unix.CAP_SYS_RESOURCE,
	}
	if os.Getuid() == 0 {
		held = append(held, unix.CAP_DAC_OVERRIDE) // modes of his own files keep nothing from root
	}
	return &syscall.SysProcAttr{
		// Core's memory is lent until the exec, as for any other child of Go's, and not copied: core
		// would wait for each page that it writes to first. So core cannot write the user's number
		// meanwhile, and nono-init does. Until the exec one of Go's processors waits with this thread.
		Cloneflags:  namespaces | unix.CLONE_VM | unix.CLONE_VFORK,
		Pdeathsig:   unix.SIGKILL,
		AmbientCaps: held,
		// The terminal's signals are core's to pass on.
		Setsid: true,
	}
}

// plain is how nono-init is made in tier B. No signal tells it of core's end: it must not go before
// those that it started, and learns of that end from the lifeline.
func plain() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// listen reads what nono-init says until it is gone.
func (i *Init) listen() {
	defer close(i.silent)
	for {
		var a answer
		err := await.Read(i.lifeline, func(fd int) (err error) {
			a.fds, err = recipe.Receive(fd, &a.Reply)
			return err
		})
		if err != nil {
			i.Kill() // it is gone already, or says something that cannot be read: then it must go
			return
		}
		switch {
		case a.Exited != nil && i.exited == nil:
			i.exited = a.Exited
			close(i.over)
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
		default:
			select {
			case i.answers <- a:
			default: // nobody asked for a second one
				recipe.CloseAll(a.fds)
				i.Kill()
				return
			}
		}
	}
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

// Tier waits for nono-init to have come as far as this host lets it. An [UnavailableError] means
// that the host does not let it; there is no weaker sandbox to fall back to.
func (i *Init) Tier(ctx context.Context) (recipe.Host, error) {
	a, err := i.answer(ctx, "finding out what this host can enforce")
	var failed *StepError
	if errors.As(err, &failed) {
		if u := explain(failed.Step, failed.Path, failed.Errno, host); u != nil {
			return recipe.Host{}, u
		}
	}
	if err != nil {
		return recipe.Host{}, err
	}
	if a.Host == nil {
		return recipe.Host{}, i.confused(a)
	}
	return *a.Host, nil
}

// Begin hands over the mounts of a recipe whose rest is not known yet, and does not wait: nono-init
// builds the view of them meanwhile. What goes wrong is the error of Prepare, whose recipe must
// have the same mounts. Only a sandbox of tier A has any.
func (i *Init) Begin(mounts fragment.List) {
	i.begun = mounts
	i.beginning = i.hand(&recipe.Recipe{Mounts: mounts}, recipe.Request{Begin: true})
}

// hand sends a recipe, or what begins one. Where nono-init has gone, the error is what it said
// last.
func (i *Init) hand(r *recipe.Recipe, as recipe.Request) error {
	memfd, err := r.Seal()
	if errors.Is(err, unix.ENOSYS) {
		return withoutCall("memfd_create", host)
	}
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(memfd) }()
	if i.ask(as, memfd) != nil {
		return i.lost("preparing the sandbox")
	}
	return nil
}

// Prepare hands over the recipe and waits until everything but the agent stands. A step that fails
// is a [StepError], with its rule. What the streams are is said by [Options], and not by the
// caller.
func (i *Init) Prepare(ctx context.Context, r *recipe.Recipe) (*Ready, error) {
	whole := *r
	whole.Streams = i.pipes.told
	if i.begun != nil {
		if i.beginning != nil {
			return nil, i.beginning
		}
		if !slices.EqualFunc(i.begun, r.Mounts, sameMount) {
			return nil, errors.New(
				"preparing the sandbox: its mounts have changed since it was begun, which is a flaw of nono",
			)
		}
		whole.Mounts = nil // nono-init has them
	}
	if err := i.hand(&whole, recipe.Request{Prepare: true}); err != nil {
		return nil, err
	}
	for _, port := range r.Dial {
		i.ports[port] = true
	}
	ready := &Ready{
		Listeners: map[string]*os.File{}, Reports: map[string]*os.File{}, Copies: map[string]*os.File{},
	}
	for more := true; more; {
		a, err := i.answer(ctx, "preparing the sandbox")
		if err != nil {
			ready.Close()
			return nil, err
		}
		if a.Ready == nil || len(a.fds) != len(a.Ready.Descriptors) {
			ready.Close()
			return nil, i.confused(a)
		}
		if err := i.add(ready, a); err != nil {
			ready.Close()
			return nil, err
		}
		more = a.Ready.More
	}
	for _, l := range r.Listeners {
		if ready.Listeners[l.Name] == nil {
			ready.Close()
			return nil, fmt.Errorf("preparing the sandbox: nono-init did not open the listener %q", l.Name)
		}
	}
	for _, s := range r.Mounts {
		if c, ok := s.(fragment.Copy); ok && ready.Copies[c.Path] == nil {
			ready.Close()
			return nil, fmt.Errorf("preparing the sandbox: nono-init did not hand over %s", c.Path)
		}
	}
	if len(r.Notify) > 0 && ready.Notify == nil {
		ready.Close()
		return nil, errors.New(
			"preparing the sandbox: nono-init did not hand over the listener of notifications",
		)
	}
	return ready, nil
}

// sameMount compares two mounts, of which a file has content.
func sameMount(a, b fragment.Step) bool {
	f, isFile := a.(fragment.File)
	if !isFile {
		return a == b
	}
	g, isFile := b.(fragment.File)
	return isFile && f.For == g.For && f.Path == g.Path && f.Mode == g.Mode &&
		bytes.Equal(f.Content, g.Content)
}

// add takes what came with an answer to Prepare.
func (i *Init) add(r *Ready, a answer) error {
	var failed error
	for n, d := range a.Ready.Descriptors {
		if d.Kind == recipe.TerminalDescriptor {
			_ = unix.SetNonblock(a.fds[n], true) // of a descriptor that is open this cannot fail
		}
		f := os.NewFile(uintptr(a.fds[n]), d.Name)
		files := r.Listeners
		switch d.Kind {
		case recipe.ListenerDescriptor:
		case recipe.ReportDescriptor:
			files = r.Reports
		case recipe.StreamDescriptor:
			failed = errors.Join(failed, i.pipes.view(d.Name, f))
			continue
		case recipe.TerminalDescriptor:
			r.Terminal = f
			continue
		case recipe.NotifyDescriptor:
			r.Notify = f
			continue
		case recipe.CopyDescriptor:
			files = r.Copies
		}
		if old := files[d.Name]; old != nil {
			_ = old.Close()
		}
		files[d.Name] = f
	}
	return failed
}

// Go opens the gate: it returns once the agent runs, in the foreground of the session's terminal or
// not. One that cannot be executed is an [ExecError].
func (i *Init) Go(ctx context.Context, foreground bool) error {
	const doing = "starting the agent"
	if err := i.ask(recipe.Request{Go: &recipe.Go{Foreground: foreground}}); err != nil {
		return i.lost(doing)
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

// Wait waits until everything inside has ended and what it wrote has arrived, and says how the
// agent's main process ended. nono-init may take a moment longer to go. An error means that it was
// lost first; then nobody knows how the agent did.
func (i *Init) Wait() (Exit, error) {
	i.awaitOver()
	i.pipes.drain()
	i.pipes.giveBack()
	if i.exited == nil {
		return Exit{}, fmt.Errorf(
			"the sandbox ended without a word about the agent: nono-init: %v", i.state)
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

// PID is nono-init's number, as this process knows it.
func (i *Init) PID() int { return i.process.Pid }

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

// answer waits for the next reply. A step that failed is its error.
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
	if f := a.Failed; f != nil {
		recipe.CloseAll(a.fds)
		return a, stepError(f)
	}
	return a, nil
}

func stepError(f *recipe.Failed) *StepError {
	return &StepError{
		Rule: f.Rule, Step: f.Step, Path: f.Path, Errno: syscall.Errno(f.Errno), Text: f.Text,
	}
}

// lost is the error of a nono-init that went away. If it said why first, that is the error.
func (i *Init) lost(doing string) error {
	<-i.ended
	select {
	case a := <-i.answers:
		recipe.CloseAll(a.fds)
		if f := a.Failed; f != nil {
			return stepError(f)
		}
	default:
	}
	return fmt.Errorf("%s: nono-init ended: %v", doing, i.state)
}

// confused ends a nono-init that answers something else than what was asked, which only one of
// another build would.
func (i *Init) confused(a answer) error {
	recipe.CloseAll(a.fds)
	i.Kill()
	return errors.New(
		"nono-init gave an answer that was not asked for: is it of the same build as nono?")
}
