package relay

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/recipe"
)

// input shows the agent, piece by piece, what is in the user's stream.
type input struct {
	source source
	outer  int
	inner  int // the writing end of the agent's pipe
	// room is the size of that pipe, and whole how many pieces in a row have filled it.
	room, whole int
}

// The two sizes of the agent's pipe. A pipe of one page can be written to exactly when the agent
// has read all that was in it, and the kernel tells that moment at once: so it is for whoever sends
// a line and waits for the answer. Of a larger one the kernel tells only that there is some room,
// and whether all was read has to be looked for; it is for an agent that reads on and on.
var (
	onePage   = os.Getpagesize()
	manyPages = 16 * os.Getpagesize()
)

// steady is how many pieces an agent reads in a row before it is given larger ones.
const steady = 16

// move works until the stream has ended or nobody inside reads any more.
func (in *input) move() {
	in.room = onePage
	for in.ready() {
		shown, err := in.source.show(in.inner, in.room)
		if err == unix.EAGAIN {
			continue // somebody else who reads there was faster
		}
		if err != nil || shown == 0 || !in.taken(shown) {
			return
		}
		in.fit(shown)
	}
}

// fit makes the agent's pipe, which is empty, larger or smaller.
func (in *input) fit(shown int) {
	size := in.room
	switch {
	case shown < in.room:
		in.whole, size = 0, onePage
	case in.room == onePage:
		if in.whole++; in.whole == steady {
			size = manyPages
		}
	}
	if size == in.room {
		return
	}
	if _, err := unix.FcntlInt(uintptr(in.inner), unix.F_SETPIPE_SZ, size); err == nil {
		in.room = size // else it stays as it is: a user's pipes have a limit
	}
}

// ready waits for something to show and for room to show it. The agent can write into its own pipe,
// so that room is not certain.
func (in *input) ready() bool {
	fds := []unix.PollFd{
		{Fd: int32(in.outer), Events: unix.POLLIN},
		{Fd: int32(in.inner)},
	}
	if err := wait(fds); err != nil || fds[1].Revents&gone != 0 {
		return false
	}
	room := []unix.PollFd{{Fd: int32(in.inner), Events: unix.POLLOUT}}
	return wait(room) == nil && room[0].Revents&gone == 0
}

// taken waits until the agent has read what was shown, and takes that much from the user's stream.
// It reports whether anybody inside may read more.
func (in *input) taken(shown int) bool {
	fds := []unix.PollFd{{Fd: int32(in.inner), Events: unix.POLLOUT}}
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 20*time.Millisecond) {
		if err := wait(fds); err != nil {
			return false
		}
		left, err := unix.IoctlGetInt(in.inner, unix.TIOCINQ)
		if err != nil {
			return false
		}
		switch {
		case fds[0].Revents&gone != 0:
			// Nobody reads any more, and what is still in the pipe nobody has read.
			in.source.take(shown - min(left, shown))
			return false
		case left == 0:
			in.source.take(shown)
			return true
		}
		// There is room and not all was read: the pipe has more than one page, by our doing or by the
		// agent's. It is looked at again, at once if nobody reads any more.
		limit := unix.NsecToTimespec(pause.Nanoseconds())
		_, _ = unix.Ppoll([]unix.PollFd{{Fd: int32(in.inner)}}, &limit, nil)
	}
}

// source is a stream that can be looked at before something is taken from it.
type source interface {
	// show writes what comes next into an empty pipe with some room, and says how much that is; 0 is
	// the end.
	show(pipe, room int) (int, error)
	// take takes that much away.
	take(n int)
}

// sourceOf makes the source of a kind of stream, and says which descriptor it holds besides; -1 is
// none.
func sourceOf(fd int, kind recipe.StreamKind) (s source, held int, err error) {
	switch kind {
	case recipe.PipeStream:
		null, err := unix.Open(os.DevNull, unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, -1, fmt.Errorf("opening %s: %w", os.DevNull, err)
		}
		return pipeSource{fd, null}, null, nil
	case recipe.SocketStream:
		s, err := socketSource(fd)
		return s, -1, err
	case recipe.FileStream:
		if _, err := unix.Seek(fd, 0, unix.SEEK_CUR); err == nil {
			return &fileSource{fd: fd, buffer: make([]byte, manyPages)}, -1, nil
		}
		read := func(b []byte) (int, error) { return unix.Read(fd, b) }
		return &ahead{read: read, buffer: make([]byte, onePage)}, -1, nil
	case recipe.TerminalStream, recipe.DeviceStream, recipe.ClosedStream:
	}
	return nil, -1, fmt.Errorf("there is no relay from a %s", kind)
}

// pipeSource is a pipe: its pages are shown without being copied.
type pipeSource struct{ fd, null int }

func (s pipeSource) show(pipe, room int) (int, error) {
	n, err := unix.Tee(s.fd, pipe, room, unix.SPLICE_F_NONBLOCK)
	return int(n), err
}

// take does not wait for what is not there: somebody else may have read it meanwhile.
func (s pipeSource) take(n int) {
	for n > 0 {
		took, err := unix.Splice(s.fd, nil, s.null, nil, n, unix.SPLICE_F_NONBLOCK)
		if err == unix.EINTR {
			continue
		}
		if err != nil || took == 0 {
			return
		}
		n -= int(took)
	}
}

// streamSource is a socket whose bytes have no boundaries.
type streamSource struct {
	fd     int
	buffer []byte
}

// Descriptors that were sent along are dropped by the kernel: there is no room for them in these
// calls.
func (s *streamSource) show(pipe, room int) (int, error) {
	n, err := receive(s.fd, s.buffer[:room], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	if err != nil || n == 0 {
		return 0, err
	}
	return unix.Write(pipe, s.buffer[:n])
}

func (s *streamSource) take(n int) {
	for n > 0 {
		took, err := receive(s.fd, s.buffer[:n], unix.MSG_DONTWAIT)
		if err != nil || took == 0 {
			return
		}
		n -= took
	}
}

// receive reads from a socket. A connection that was reset has ended.
func receive(fd int, b []byte, flags int) (int, error) {
	for {
		n, _, err := unix.Recvfrom(fd, b, flags)
		switch err {
		case unix.EINTR:
		case unix.ECONNRESET:
			return 0, nil
		default:
			return max(n, 0), err
		}
	}
}

// fileSource is a file that nothing read-only could be made of; its offset is the user's.
type fileSource struct {
	fd     int
	buffer []byte
}

func (s *fileSource) show(pipe, room int) (int, error) {
	at, err := unix.Seek(s.fd, 0, unix.SEEK_CUR)
	if err != nil {
		return 0, err
	}
	n, err := unix.Pread(s.fd, s.buffer[:room], at)
	if err != nil || n == 0 {
		return 0, err
	}
	return unix.Write(pipe, s.buffer[:n])
}

func (s *fileSource) take(n int) { _, _ = unix.Seek(s.fd, int64(n), unix.SEEK_CUR) }

// ahead is a stream that cannot be looked at without taking from it: a socket of messages, or a
// file without an offset. What was read ahead when the agent ends is lost.
type ahead struct {
	read    func([]byte) (int, error)
	buffer  []byte
	waiting []byte
}

func (s *ahead) show(pipe, room int) (int, error) {
	if len(s.waiting) == 0 {
		n, err := s.read(s.buffer)
		if err != nil || n <= 0 {
			return 0, err
		}
		s.waiting = s.buffer[:n]
	}
	return unix.Write(pipe, s.waiting[:min(len(s.waiting), room)])
}

func (s *ahead) take(n int) { s.waiting = s.waiting[n:] }

// largestMessage is more than a datagram can hold; a longer one of a Unix socket is cut, as any
// reader's buffer would.
const largestMessage = 256 << 10

func socketSource(fd int) (source, error) {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return nil, fmt.Errorf("looking at a socket: %w", err)
	}
	if kind == unix.SOCK_STREAM {
		return &streamSource{fd: fd, buffer: make([]byte, manyPages)}, nil
	}
	read := func(b []byte) (int, error) { return receive(fd, b, unix.MSG_DONTWAIT) }
	return &ahead{read: read, buffer: make([]byte, largestMessage)}, nil
}
