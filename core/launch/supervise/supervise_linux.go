package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/filter"
)

const (
	// linger is how long the thread that has answered a call waits in the kernel for the next one, in
	// milliseconds. Programs that make many make them in a row.
	linger = 1
	// patience is how long a call may take before another thread takes over the listener.
	patience = 5 * time.Millisecond
	// mostSlow is how many calls may take longer than that at once.
	mostSlow = 64
)

// Serve answers the calls of a listener until ctx is done, or nobody is left who could call: then
// the error is nil. It takes the listener over, and has closed it when it returns. A handler that
// blocks is not waited for.
func Serve(ctx context.Context, listener *os.File, handlers Handlers) error {
	s, err := newServer(listener, handlers)
	if err != nil {
		return err
	}
	defer s.file.Close()
	defer context.AfterFunc(ctx, func() { s.end(nil) })()
	go s.receive()
	<-s.done
	return s.err
}

// server serves one listener.
type server struct {
	file     *os.File
	listener syscall.RawConn
	audit    uint32
	handlers map[int32]Handler
	// received is where the kernel writes a call to. One thread receives at a time.
	received notice

	mu sync.Mutex
	// turn is the number of the call that the receiving thread is at, and at whether it is at one.
	// Whoever finds that it is not his turn any more has been relieved.
	turn uint64
	at   bool
	// watched says that a look is coming, and slow counts the calls that threads were relieved of.
	watched bool
	slow    int

	once sync.Once
	done chan struct{}
	err  error
}

func newServer(listener *os.File, handlers Handlers) (*server, error) {
	defer listener.Close()
	byNumber, err := numbered(handlers)
	if err != nil {
		return nil, fmt.Errorf("answering system calls: %w", err)
	}
	if err := checkSizes(); err != nil {
		return nil, fmt.Errorf("answering system calls: %w", err)
	}
	file, err := pollable(listener)
	if err != nil {
		return nil, fmt.Errorf("answering system calls: preparing the listener: %w", err)
	}
	s := &server{
		file: file, audit: audits[filter.Native], handlers: byNumber, done: make(chan struct{}),
	}
	if s.listener, err = file.SyscallConn(); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("answering system calls: preparing the listener: %w", err)
	}
	s.wakeInStep()
	return s, nil
}

// pollable is the same listener as a file that Go's poller waits for. It takes those for such that
// are set not to block, which means nothing to a listener otherwise.
func pollable(listener *os.File) (*os.File, error) {
	connection, err := listener.SyscallConn()
	if err != nil {
		return nil, err
	}
	duplicate := -1
	var failed error
	err = connection.Control(func(fd uintptr) {
		if failed = unix.SetNonblock(int(fd), true); failed == nil {
			duplicate, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 3)
		}
	})
	if err := errors.Join(err, failed); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(duplicate), "seccomp listener"), nil
}

// end ends the serving, once.
func (s *server) end(err error) {
	s.once.Do(func() {
		s.err = err
		close(s.done)
	})
}

// receive answers one call after another, until there are no more or a call takes long. Its thread
// ends with it: it has given up its capabilities, and is of no use to the rest of core.
func (s *server) receive() {
	runtime.LockOSThread()
	if err := dropCapabilities(); err != nil {
		s.end(err)
		return
	}
	for {
		call, err := s.next()
		if err != nil || call == nil {
			s.end(err)
			return
		}
		turn := s.begin()
		s.answer(call, s.handle(call))
		call.close()
		if relieved := s.finish(turn); relieved {
			return
		}
	}
}

// next waits for a call. It is nil when nobody is left to call.
func (s *server) next() (*Call, error) {
	for {
		left, err := s.wait()
		if err != nil || !left {
			return nil, err
		}
		s.received = notice{} // the kernel takes nothing else
		err = s.ioctl(unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&s.received))
		switch {
		case err == nil:
			return &Call{server: s, notice: s.received, process: -1}, nil
		case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EINTR):
			// Whoever called is gone, or was interrupted.
		default:
			return nil, fmt.Errorf("receiving a system call: %w", err)
		}
	}
}

// wait waits until a call can be received, which then takes no waiting. It is false when nobody is
// left to call.
func (s *server) wait() (left bool, err error) {
	look := func(fd uintptr, milliseconds int) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for {
			_, err = unix.Poll(fds, milliseconds)
			if err != unix.EINTR {
				break
			}
		}
		left = fds[0].Revents&unix.POLLIN != 0
		return err != nil || fds[0].Revents != 0 && fds[0].Revents != unix.POLLOUT
	}
	var found bool
	closed := s.listener.Control(func(fd uintptr) { found = look(fd, linger) })
	if closed == nil && !found {
		closed = s.listener.Read(func(fd uintptr) bool { return look(fd, 0) })
	}
	select {
	case <-s.done:
		return false, nil // which has its reason already
	default:
	}
	if err = errors.Join(err, closed); err != nil {
		return false, fmt.Errorf("waiting for system calls: %w", err)
	}
	return left, nil
}

// handle lets the handler of a call make it. One that nobody handles is refused, and so is one made
// for another machine or by someone whom this process cannot see.
func (s *server) handle(c *Call) Answer {
	handler := s.handlers[c.notice.number]
	if handler == nil || c.notice.architecture != s.audit {
		return Refuse(unix.ENOSYS)
	}
	if c.notice.pid == 0 {
		return Refuse(unix.EPERM)
	}
	return handler(c)
}

// answer tells the caller how it went. A caller that is gone is told nothing.
func (s *server) answer(c *Call, a Answer) {
	r := reply{id: c.notice.id, value: a.value, errno: -int32(a.errno)}
	if !a.given {
		r.errno = -int32(unix.EPERM)
	}
	err := s.ioctl(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r))
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EBADF) {
		s.end(fmt.Errorf("answering a system call: %w", err))
	}
}

// begin says that the receiving thread is at a call, and sees to it that somebody looks whether it
// stays at it.
func (s *server) begin() (turn uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn++
	s.at = true
	s.watch()
	return s.turn
}

// finish says that a call is done, and asks whether this thread still receives.
func (s *server) finish(turn uint64) (relieved bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.turn != turn {
		s.slow--
		return true
	}
	s.at = false
	return false
}

// watch looks again in a moment, unless somebody will anyway.
func (s *server) watch() {
	if s.watched {
		return
	}
	s.watched = true
	turn := s.turn
	time.AfterFunc(patience, func() { s.look(turn) })
}

// look relieves the receiving thread if it is still at the call that it was at before.
func (s *server) look(before uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watched = false
	switch {
	case !s.at:
	case s.turn != before || s.slow == mostSlow:
		s.watch()
	default:
		s.turn++
		s.at = false
		s.slow++
		go s.receive()
	}
}
