package terminal

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pump carries bytes between the user's terminal and the master of the session's. What it notices
// on the way it tells, and decides nothing.
type pump struct {
	outer  *outer
	master *os.File
	// notices tell the driver of what, with room for a few.
	notices chan<- what
	hungUp  func()

	// wake is written to when the mode has changed.
	wake, woken *os.File
	mu          sync.Mutex // held while the user's terminal is read, which does not wait
	mode        mode
	changed     *sync.Cond

	// writing is held from reading the master until the user's terminal has taken it, and held up says
	// that the writer waits for the driver.
	writing sync.Mutex
	held    atomic.Bool
	resume  chan bool
	over    chan struct{} // closed when there is no driver any more
	drained chan struct{} // closed when the master has given its last
}

// mode is what is done with the user's input.
type mode int

const (
	off     mode = iota // it is left alone
	reading             // it goes to the agent
	peeking             // it is only told of
	ended
)

const chunk = 4096 // what a terminal hands out at once

func newPump(o *outer, master *os.File, notices chan<- what, hungUp func()) (*pump, error) {
	p := &pump{
		outer: o, master: master, notices: notices, hungUp: hungUp,
		resume: make(chan bool), over: make(chan struct{}), drained: make(chan struct{}),
	}
	p.changed = sync.NewCond(&p.mu)
	var err error
	if p.woken, p.wake, err = os.Pipe(); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *pump) start() {
	go p.input()
	go p.output()
}

// set changes the mode. When it returns nothing is read in the former one any more.
func (p *pump) set(m mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mode == ended {
		return
	}
	p.mode = m
	p.changed.Broadcast()
	_, _ = p.wake.Write([]byte{0})
}

// tell tells the driver, unless it has enough to look at already.
func (p *pump) tell(w what) {
	select {
	case p.notices <- w:
	default:
	}
}

// input carries what is typed. On its thread the signals are blocked that would stop a process
// which reads in the background: then reading is an error there, and nothing is lost if the
// foreground changes in between.
func (p *pump) input() {
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
	blockStops()
	defer func() { _, _ = p.woken.Close(), p.wake.Close() }()
	buf := make([]byte, chunk)
	for {
		p.mu.Lock()
		for p.mode == off {
			p.changed.Wait()
		}
		now := p.mode
		p.mu.Unlock()
		if now == ended {
			return
		}
		ready := []unix.PollFd{
			{Fd: int32(p.outer.in), Events: unix.POLLIN},
			{Fd: int32(p.woken.Fd()), Events: unix.POLLIN},
		}
		if _, err := unix.Poll(ready, -1); err != nil {
			continue // interrupted
		}
		if ready[1].Revents != 0 {
			_, _ = unix.Read(int(ready[1].Fd), buf)
			continue
		}
		n, gone := p.read(now, ready[0].Revents, buf)
		if gone {
			p.set(off)
			p.hungUp()
			continue
		}
		if n > 0 {
			// It waits while the agent does not read, as the terminal itself would make the user wait.
			if _, err := p.master.Write(buf[:n]); err != nil {
				return
			}
		}
	}
}

// read reads what is there, if that is still wanted.
func (p *pump) read(m mode, events int16, buf []byte) (n int, gone bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.mode != m:
		return 0, false
	case events&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0:
		return 0, true
	case m == peeking:
		p.mode = off // the driver has seen it, and looks again when it likes
		p.tell(typed)
		return 0, false
	}
	n, err := unix.Read(p.outer.in, buf)
	if errors.Is(err, unix.EIO) {
		// The background, or the end.
		if _, err := p.outer.foreground(); err != nil {
			return 0, true
		}
		p.mode = off
		p.tell(looked)
	}
	return max(n, 0), false
}

// output carries what the agent writes, until nobody has the slave any more.
func (p *pump) output() {
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
	blockStops()
	defer close(p.drained)
	conn, err := p.master.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, chunk)
	for {
		n, failed := 0, error(nil)
		err := conn.Read(func(fd uintptr) bool {
			p.writing.Lock()
			n, failed = unix.Read(int(fd), buf)
			if errors.Is(failed, unix.EAGAIN) {
				p.writing.Unlock()
				return false
			}
			return true
		})
		if err != nil {
			return // it was closed
		}
		// Not within Read, or closing the master would wait for the user's terminal.
		if n > 0 {
			p.write(buf[:n])
		}
		p.writing.Unlock()
		if n <= 0 && !errors.Is(failed, unix.EINTR) {
			return
		}
	}
}

// write writes to the user's terminal, however long it takes that to take it. A terminal that is
// gone takes everything.
func (p *pump) write(b []byte) {
	p.mayWrite()
	for len(b) > 0 {
		n, err := unix.Write(p.outer.fd, b)
		switch {
		case err == nil:
			b = b[n:]
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN): // somebody made it so for all
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(p.outer.fd), Events: unix.POLLOUT}}, -1)
		default:
			return
		}
	}
}

// mayWrite looks where nono stands before each write, for nobody tells a process that it has come
// to the foreground. In the background of a terminal that is set so, it returns when the driver has
// let the shell stop nono for it.
func (p *pump) mayWrite() {
	front, err := p.outer.foreground()
	if err != nil || front && p.reads() {
		return
	}
	p.tell(looked)
	p.held.Store(true)
	defer p.held.Store(false)
	for !front && p.outer.stopsOutput() && !p.await() {
		if front, err = p.outer.foreground(); err != nil {
			return
		}
	}
}

// await tells the driver of output in the background, and waits until nono has been stopped for it
// and goes on. It reports whether that is not to be tried again.
func (p *pump) await() (anyway bool) {
	select {
	case p.notices <- wrote:
	case <-p.over:
		return true
	}
	select {
	case anyway = <-p.resume:
		return anyway
	case <-p.over:
		return true
	}
}

func (p *pump) reads() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode == reading
}

// release lets a writer go on that waits for the driver: to look again, or to write anyway.
func (p *pump) release(anyway bool) {
	select {
	case p.resume <- anyway:
	case <-p.drained:
	}
}

// settle waits until all that was written by now has arrived, while nobody inside writes any more.
// A terminal that does not take it is not waited for.
func (p *pump) settle(limit time.Duration) {
	for end := time.Now().Add(limit); time.Now().Before(end) && !p.held.Load(); {
		if p.writing.TryLock() {
			more := pending(p.master)
			p.writing.Unlock()
			if !more {
				return
			}
		}
		time.Sleep(200 * time.Microsecond) //nolint:forbidigo // nobody tells of a queue that is empty
	}
}

// pending asks whether there is something to read. The kernel moves what is under way first.
func pending(master *os.File) bool {
	conn, err := master.SyscallConn()
	if err != nil {
		return false
	}
	ready := []unix.PollFd{{Events: unix.POLLIN}}
	err = conn.Control(func(fd uintptr) {
		ready[0].Fd = int32(fd)
		_, _ = unix.Poll(ready, 0)
	})
	return err == nil && ready[0].Revents&unix.POLLIN != 0
}

// blockStops keeps this thread from being stopped for what it does in the background. It asks
// before it does it.
func blockStops() {
	var set unix.Sigset_t
	set.Val[0] = 1<<(uint(syscall.SIGTTIN)-1) | 1<<(uint(syscall.SIGTTOU)-1)
	_ = unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil) // it has no other error than for a wrong how
}
