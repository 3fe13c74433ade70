package recipe

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/coding"
)

// Lifeline is the descriptor on which nono-init finds its end of the socket that it shares with
// core. It is a SEQPACKET socket: one message a frame, and an end of file when the other side is
// gone, however it went.
const Lifeline = 3

// Room is a descriptor that nono-init is started with and closes at once. What is left of it is a
// large table of descriptors: one that a process with threads outgrows is replaced when no
// processor looks at it any more, and that takes ten milliseconds.
const Room = 255

const (
	// MaxFrame bounds a frame. The kernel refuses a SEQPACKET message somewhere between this and 256
	// KiB; what may be larger travels in a memfd.
	MaxFrame = 64<<10 - 1
	// MaxDescriptors is what the kernel lets one message carry (SCM_MAX_FD).
	MaxDescriptors = 253
	// MaxRecipe bounds the recipe: nono-init reads it into memory before there is any limit on it.
	MaxRecipe = 16 << 20

	recipeSeals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
)

// Send writes one message, and descriptors with it. The caller keeps the descriptors and closes
// them. Send may be called from several goroutines: a frame is written whole or not at all.
func Send(fd int, message coding.Coded, descriptors ...int) error {
	frame, err := coding.Append(nil, framed{message})
	if err != nil {
		return err
	}
	if len(frame) > MaxFrame {
		return fmt.Errorf("a message of %d bytes is longer than a frame", len(frame))
	}
	if len(descriptors) > MaxDescriptors {
		return fmt.Errorf("%d descriptors are more than a message carries", len(descriptors))
	}
	var rights []byte
	if len(descriptors) > 0 {
		rights = unix.UnixRights(descriptors...)
	}
	for {
		// NOSIGNAL: the other side may be gone, and that is an error like any other.
		err = unix.Sendmsg(fd, frame, rights, nil, unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return err
		}
	}
}

// frames are what messages are read into. Whoever waits in the poller asks more than once for each.
var frames = sync.Pool{New: func() any { return new([MaxFrame + 1]byte) }}

// Receive reads one message into a value, and returns the descriptors that came with it, which the
// caller owns. io.EOF means that the other side is gone. On a non-blocking socket the error may be
// EAGAIN.
func Receive(fd int, message coding.Coded) ([]int, error) {
	room := frames.Get().(*[MaxFrame + 1]byte)
	defer frames.Put(room) // nothing of it is in the message
	frame := room[:]
	rights := make([]byte, unix.CmsgSpace(4*MaxDescriptors))
	var n, nrights, flags int
	var err error
	reset := false
	for {
		// CMSG_CLOEXEC: a descriptor must not reach a process that is forked between here and the next
		// call.
		n, nrights, flags, _, err = unix.Recvmsg(fd, frame, rights, unix.MSG_CMSG_CLOEXEC)
		// The other side died with messages of ours unread. It is said once, and before what that side
		// had still to say.
		if err == unix.ECONNRESET && !reset {
			reset = true
			continue
		}
		if err != unix.EINTR {
			break
		}
	}
	if err == unix.ECONNRESET {
		return nil, io.EOF
	}
	if err != nil {
		return nil, err
	}
	descriptors, err := parseRights(rights[:nrights])
	switch {
	case err != nil:
	case flags&unix.MSG_CTRUNC != 0:
		err = errors.New("descriptors of a message did not arrive: are too many files open?")
	case flags&unix.MSG_TRUNC != 0:
		err = errors.New("a message was cut short")
	case n == 0:
		err = io.EOF
	default:
		err = coding.Read(frame[:n], framed{message})
	}
	if err != nil {
		CloseAll(descriptors)
		return nil, err
	}
	return descriptors, nil
}

func parseRights(data []byte) ([]int, error) {
	if len(data) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(data)
	if err != nil {
		return nil, err
	}
	var all []int
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			CloseAll(all)
			return nil, err
		}
		all = append(all, fds...)
	}
	return all, nil
}

// CloseAll closes descriptors that nobody wants.
func CloseAll(descriptors []int) {
	for _, fd := range descriptors {
		_ = unix.Close(fd)
	}
}

// Seal puts a recipe into a memfd that can never change again. The caller closes it.
func (r *Recipe) Seal() (int, error) {
	data, err := r.encode()
	if err != nil {
		return -1, err
	}
	if len(data) > MaxRecipe {
		return -1, fmt.Errorf("the recipe has %d bytes, more than %d", len(data), MaxRecipe)
	}
	fd, err := newMemfd()
	if err != nil {
		return -1, fmt.Errorf("making a memfd for the recipe: %w", err)
	}
	for rest := data; len(rest) > 0; {
		n, err := unix.Write(fd, rest)
		if err != nil {
			_ = unix.Close(fd)
			return -1, fmt.Errorf("writing the recipe: %w", err)
		}
		rest = rest[n:]
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, recipeSeals); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("sealing the recipe: %w", err)
	}
	return fd, nil
}

func newMemfd() (int, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	// Kernels from 6.3 on write a line to their log about a memfd that does not say whether it may be
	// executed; older ones refuse the flag.
	fd, err := unix.MemfdCreate("nono-recipe", flags|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate("nono-recipe", flags)
	}
	return fd, err
}

// Open reads a recipe from a memfd, and refuses one that could still change under its reader.
func Open(fd int) (*Recipe, error) {
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil {
		return nil, fmt.Errorf("looking at the recipe's seals: %w", err)
	}
	if seals&recipeSeals != recipeSeals {
		return nil, errors.New("the recipe is not sealed")
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("looking at the recipe: %w", err)
	}
	if st.Size > MaxRecipe {
		return nil, fmt.Errorf("the recipe has %d bytes, more than %d", st.Size, MaxRecipe)
	}
	data := make([]byte, st.Size)
	for off := 0; off < len(data); {
		n, err := unix.Pread(fd, data[off:], int64(off))
		if err != nil {
			return nil, fmt.Errorf("reading the recipe: %w", err)
		}
		if n == 0 {
			return nil, io.ErrUnexpectedEOF
		}
		off += n
	}
	return decode(data)
}
