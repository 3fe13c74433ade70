package relay

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/recipe"
)

// Relay moves bytes in one direction.
type Relay struct {
	move func()
	fds  []int // what it holds, and closes at its end
	done chan struct{}
	once sync.Once
}

func newRelay(move func(), fds ...int) *Relay {
	return &Relay{move: move, fds: fds, done: make(chan struct{})}
}

// Start begins to move.
func (r *Relay) Start() {
	r.once.Do(func() {
		go func() {
			r.move()
			r.release()
		}()
	})
}

// Done is closed when there is nothing more to move, and the relay has let go of the user's stream.
func (r *Relay) Done() <-chan struct{} { return r.done }

// Close lets go of a relay that was not started; one that was is left to its end.
func (r *Relay) Close() { r.once.Do(r.release) }

func (r *Relay) release() {
	recipe.CloseAll(r.fds)
	close(r.done)
}

// Output makes a relay to a stream, and the pipe whose writing end is the agent's.
func Output(to *os.File, kind recipe.StreamKind) (inner *os.File, r *Relay, err error) {
	outer, err := duplicate(to)
	if err != nil {
		return nil, nil, err
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		recipe.CloseAll([]int{outer})
		return nil, nil, fmt.Errorf("making a pipe for the agent: %w", err)
	}
	out := &output{inner: pipe[0], outer: outer, socket: kind == recipe.SocketStream}
	return os.NewFile(uintptr(pipe[1]), "agent's output"), newRelay(out.move, pipe[0], outer), nil
}

// Input makes a relay from a stream, and the pipe whose reading end is the agent's.
func Input(from *os.File, kind recipe.StreamKind) (inner *os.File, r *Relay, err error) {
	outer, err := duplicate(from)
	if err != nil {
		return nil, nil, err
	}
	held := []int{outer}
	defer func() {
		if err != nil {
			recipe.CloseAll(held)
		}
	}()
	source, more, err := sourceOf(outer, kind)
	if err != nil {
		return nil, nil, err
	}
	if more >= 0 {
		held = append(held, more)
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("making a pipe for the agent: %w", err)
	}
	held = append(held, pipe[1])
	inner = os.NewFile(uintptr(pipe[0]), "agent's input")
	if _, err := unix.FcntlInt(uintptr(pipe[1]), unix.F_SETPIPE_SZ, onePage); err != nil {
		_ = inner.Close()
		return nil, nil, fmt.Errorf("setting the size of the agent's pipe: %w", err)
	}
	in := &input{source: source, outer: outer, inner: pipe[1]}
	return inner, newRelay(in.move, held...), nil
}

// duplicate is a descriptor of the relay's own. It leaves the flags alone that are shared.
func duplicate(f *os.File) (int, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("taking %s: %w", f.Name(), err)
	}
	duplicate := -1
	var failed error
	err = conn.Control(func(fd uintptr) {
		duplicate, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 3)
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return -1, fmt.Errorf("taking %s: %w", f.Name(), err)
	}
	return duplicate, nil
}

// wait waits until something of what is asked for has come to each of some descriptors, or to any.
func wait(fds []unix.PollFd) error {
	for {
		_, err := unix.Poll(fds, -1)
		if err != unix.EINTR {
			return err
		}
	}
}

// gone is what the kernel says, unasked, of a descriptor whose other end nobody holds any more.
const gone = unix.POLLERR | unix.POLLNVAL
