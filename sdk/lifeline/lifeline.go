// Package lifeline is the socket pair between core and a layer that does what gRPC cannot: it ends
// with core, and it carries descriptors.
//
// The layer finds its end as a descriptor that it was started with. When that end reads EOF, core
// is gone, however it went, and the layer exits at once. A descriptor travels as a message of its
// own: a token of 16 random bytes, with the descriptor attached. It is sent before the call that
// names the token, so that whoever reads the call finds it, or soon will:
//
//	host, child, err := lifeline.Pair()        // core; child becomes the layer's descriptor 3
//	token, err := host.Send(listener)          // core, and then the call that names the token
//	file, err := end.Take(ctx, token)          // the layer
//
// A token says which descriptor is meant and is no secret: nobody else holds either end.
package lifeline

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Token names one descriptor.
type Token [16]byte

// ParseToken checks the bytes that a message names a descriptor by.
func ParseToken(b []byte) (Token, error) {
	var t Token
	if len(b) != len(t) {
		return t, fmt.Errorf("a descriptor's token has %d bytes, not %d", len(t), len(b))
	}
	copy(t[:], b)
	return t, nil
}

// maxWaiting bounds the descriptors that were sent and not yet taken.
const maxWaiting = 256

// sendTimeout bounds how long a layer that reads nothing can hold core up.
const sendTimeout = 5 * time.Second

// Host is core's end.
type Host struct {
	mu   sync.Mutex
	conn *net.UnixConn
}

// Pair makes both ends. The caller hands child to the process it starts, and closes it.
func Pair() (host *Host, child *os.File, err error) {
	// Only a stream: macOS has no sequenced packets here. A token is small enough to arrive whole, and
	// the kernel never joins two messages when one of them carries a descriptor.
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, nil, fmt.Errorf("making a lifeline: %w", err)
	}
	child = os.NewFile(uintptr(theirs), "lifeline")
	conn, err := unixConn(os.NewFile(uintptr(ours), "lifeline"))
	if err != nil {
		_ = child.Close()
		return nil, nil, err
	}
	return &Host{conn: conn}, child, nil
}

// Send passes a descriptor on and returns the token that names it. The file stays the caller's.
func (h *Host) Send(f *os.File) (Token, error) {
	var token Token
	if _, err := rand.Read(token[:]); err != nil {
		return token, err
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return token, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return token, err
	}
	var sendErr error
	// Inside Control, so that the descriptor cannot be closed and its number reused while it is being
	// sent.
	err = raw.Control(func(fd uintptr) {
		var n int
		n, _, sendErr = h.conn.WriteMsgUnix(token[:], unix.UnixRights(int(fd)), nil)
		if sendErr == nil && n != len(token) {
			sendErr = errors.New("the token was cut short")
		}
	})
	if err = errors.Join(err, sendErr); err != nil {
		return token, fmt.Errorf("sending a descriptor: %w", err)
	}
	return token, nil
}

// Close ends the layer.
func (h *Host) Close() error { return h.conn.Close() }

// Layer is the layer's end.
type Layer struct {
	conn *net.UnixConn

	mu      sync.Mutex
	waiting map[Token]*os.File
	arrived chan struct{} // closed and replaced with each descriptor
	ended   error
}

// Open takes over the descriptor that the layer was started with, and reads it from then on. When
// the other end is gone, lost is called, once.
func Open(f *os.File, lost func()) (*Layer, error) {
	conn, err := unixConn(f)
	if err != nil {
		return nil, err
	}
	l := &Layer{conn: conn, waiting: make(map[Token]*os.File), arrived: make(chan struct{})}
	go l.read(lost)
	return l, nil
}

// Take waits for the descriptor of that token. It is the caller's then, and is handed out once.
func (l *Layer) Take(ctx context.Context, token Token) (*os.File, error) {
	for {
		l.mu.Lock()
		f, ok := l.waiting[token]
		delete(l.waiting, token)
		arrived, ended := l.arrived, l.ended
		l.mu.Unlock()
		switch {
		case ok:
			return f, nil
		case ended != nil:
			return nil, fmt.Errorf("waiting for a descriptor: %w", ended)
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for a descriptor: %w", ctx.Err())
		}
	}
}

// Close lets go of the lifeline and of what was not taken.
func (l *Layer) Close() error { return l.conn.Close() }

func (l *Layer) read(lost func()) {
	var err error
	for err == nil {
		err = l.readOne()
	}
	l.mu.Lock()
	l.ended = err
	for token, f := range l.waiting {
		_ = f.Close()
		delete(l.waiting, token)
	}
	close(l.arrived)
	l.mu.Unlock()
	_ = l.conn.Close() // whoever sends more is told at once
	lost()
}

// readOne reads one token with its descriptor. Anything else ends the lifeline: there is nothing to
// go on with.
func (l *Layer) readOne() error {
	var token Token
	oob := make([]byte, unix.CmsgSpace(4))
	n, oobn, flags, _, err := l.conn.ReadMsgUnix(token[:], oob)
	if err != nil {
		return err
	}
	files, err := descriptors(oob[:oobn])
	if err != nil {
		return err
	}
	if n != len(token) || len(files) != 1 || flags&unix.MSG_CTRUNC != 0 {
		for _, f := range files {
			_ = f.Close()
		}
		if n == 0 {
			return errors.New("the host closed the lifeline")
		}
		return fmt.Errorf("a message of %d bytes with %d descriptors on the lifeline", n, len(files))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, double := l.waiting[token]; double || len(l.waiting) == maxWaiting {
		_ = files[0].Close()
		return errors.New("a token was sent twice, or too many descriptors were not taken")
	}
	l.waiting[token] = files[0]
	close(l.arrived)
	l.arrived = make(chan struct{})
	return nil
}

// descriptors are those attached to a message.
func descriptors(oob []byte) ([]*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return files, err
		}
		for _, fd := range fds {
			// net's ReadMsgUnix asks for close-on-exec where the kernel has a flag for it; macOS has none.
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "from the lifeline"))
		}
	}
	return files, nil
}

// unixConn takes over a socket. What it works on is a duplicate, which no child of this process
// inherits.
func unixConn(f *os.File) (*net.UnixConn, error) {
	if f == nil {
		return nil, errors.New("the lifeline's descriptor is not open")
	}
	defer func() { _ = f.Close() }()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d is no lifeline: %w", f.Fd(), err)
	}
	conn, ok := c.(*net.UnixConn)
	if !ok {
		_ = c.Close()
		return nil, errors.New("the lifeline is not a Unix socket")
	}
	return conn, nil
}
