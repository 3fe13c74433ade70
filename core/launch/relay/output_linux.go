package relay

import (
	"bytes"

	"golang.org/x/sys/unix"
)

// output passes on what the agent writes.
type output struct {
	inner  int // the reading end of the agent's pipe
	outer  int
	socket bool
}

// move works until nobody inside writes any more, or nobody outside reads. It may block in a write
// for as long as the reader likes, as the agent would; whoever cannot wait for that leaves it.
func (out *output) move() {
	buffer := make([]byte, 64<<10)
	for {
		fds := []unix.PollFd{
			{Fd: int32(out.inner), Events: unix.POLLIN},
			{Fd: int32(out.outer)},
		}
		if err := wait(fds); err != nil || fds[1].Revents&out.gone() != 0 {
			return
		}
		if fds[0].Revents == 0 {
			continue
		}
		n, err := unix.Read(out.inner, buffer)
		if err == unix.EINTR || err == unix.EAGAIN {
			continue
		}
		if err != nil || n == 0 || !out.write(buffer[:n]) {
			return
		}
	}
}

// gone is how a reader's end shows: a socket whose peer has only ended its own direction still
// takes what is sent.
func (out *output) gone() int16 {
	if out.socket {
		return gone | unix.POLLHUP
	}
	return gone
}

// write passes bytes on in pieces, and reports whether they were taken.
func (out *output) write(b []byte) bool {
	for len(b) > 0 {
		n, err := out.send(b[:piece(b)])
		if err == unix.EINTR {
			continue
		}
		if err == unix.EAGAIN { // somebody else who holds it has made it so
			fds := []unix.PollFd{{Fd: int32(out.outer), Events: unix.POLLOUT}}
			if err := wait(fds); err != nil {
				return false
			}
			continue
		}
		if err != nil || n <= 0 {
			return false
		}
		b = b[n:]
	}
	return true
}

func (out *output) send(b []byte) (int, error) {
	if out.socket {
		return unix.SendmsgN(out.outer, b, nil, nil, unix.MSG_NOSIGNAL)
	}
	return unix.Write(out.outer, b)
}

// atomic is how much the kernel writes into a pipe at once, with nothing of another writer's in the
// middle (PIPE_BUF).
const atomic = 4096

// piece is how much to write next. Where several programs write their lines into one pipe, as under
// make, a line of the agent's stays whole: no piece ends in the middle of one that fits.
func piece(b []byte) int {
	if len(b) <= atomic {
		return len(b)
	}
	if end := bytes.LastIndexByte(b[:atomic], '\n'); end >= 0 {
		return end + 1
	}
	return atomic
}
