package launch

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/await"
	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/core/timers"
)

// Start starts nono-init, in tier A in new namespaces, and returns as soon as it runs; what it
// finds out is told by [Init.Tier].
func Start(ctx context.Context, o Options) (*Init, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.Tier != recipe.TierA && o.Tier != recipe.TierB {
		return nil, fmt.Errorf("starting nono-init: there is no tier %q", o.Tier)
	}
	ours, theirs, err := newLifeline()
	if err != nil {
		return nil, fmt.Errorf("starting nono-init: making the lifeline: %w", err)
	}
	// With a copy of it here, the end of nono-init would not be the end of the file.
	defer theirs.Close()
	pipes, err := lay(o.Streams, o.Tier)
	if err != nil {
		_ = ours.Close()
		return nil, fmt.Errorf("starting nono-init: %w", err)
	}
	files, closeNull, err := orNull(pipes.files)
	if err != nil {
		pipes.close()
		_ = ours.Close()
		return nil, fmt.Errorf("starting nono-init: %w", err)
	}
	defer closeNull()

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

// orNull are the files, with /dev/null for those that are nil.
func orNull(some [3]*os.File) (files []*os.File, closeNull func(), err error) {
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
	return files, func() { _ = null.Close() }, nil // also where there is none
}

// run is the life of nono-init, on a thread of its own: the parent-death signal comes when the
// thread that cloned ends, not when the process does, so this one does nothing else until nono-init
// has gone.
func (i *Init) run(o Options, files []*os.File, started chan<- error) {
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
	amongOthers := o.Tier == recipe.TierB
	if amongOthers && unix.Gettid() == os.Getpid() {
		// A fence around the first thread would be one around core; and this one is kept from others.
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			i.run(o, files, started)
		}()
		<-ended
		return
	}
	defer close(i.ended)
	if amongOthers {
		defer adopt()() // undone before anybody hears of the end, who may start another one
	}
	slack, _ := timers.Relax() // this thread starts nothing else
	fenced := amongOthers && fence()
	var err error
	i.process, err = os.StartProcess(o.Path, arguments(o, slack), &os.ProcAttr{
		Dir: "/", // not the user's directory: a mount held by it could not be left
		// Nothing of the user's environment, which may hold secrets. A launcher needs few threads, and
		// each costs something each time that all of them are restricted. Its stderr is the agent's: it
		// tells a failure over the lifeline, and not by a dump there.
		Env:   []string{"GOMAXPROCS=2", "GOTRACEBACK=none"},
		Files: files,
		Sys:   attributes(o),
	})
	started <- err
	if err != nil {
		return
	}
	if amongOthers && !fenced {
		keepRunning(i.process.Pid)
	}
	_ = await.End(i.process) // Wait waits as well, and holds a processor
	state, err := i.process.Wait()
	if err == nil {
		i.state = state
	}
	<-i.silent // what it said last was read
	if amongOthers && i.exited == nil {
		endRemains(fenced)
	}
}

// arguments tell nono-init what it must know before it hears anything over the lifeline.
func arguments(o Options, slack int) []string {
	args := []string{"nono-init", recipe.TimerSlack + strconv.Itoa(slack)}
	if o.HostNetwork {
		args = append(args, recipe.HostNetwork)
	}
	if o.Tier == recipe.TierA {
		return append(args,
			recipe.User+strconv.Itoa(os.Getuid()), recipe.Group+strconv.Itoa(os.Getgid()))
	}
	args = append(args, recipe.NoNamespaces)
	if o.Terminal {
		args = append(args, recipe.WithTerminal)
	}
	return args
}

// attributes are how nono-init is made. In tier B no signal tells it of core's end: it must not go
// before those that it started, and learns of that end from the lifeline.
func attributes(o Options) *syscall.SysProcAttr {
	if o.Tier == recipe.TierB {
		return &syscall.SysProcAttr{Setsid: true}
	}
	return namespaced(o)
}

// namespaced puts nono-init in namespaces of its own, in which it may do what it takes to build the
// view.
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
