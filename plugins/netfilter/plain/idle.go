package plain

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/netfilter/replay"
)

// await returns when something is there to be read of a connection, or its end. No buffer is needed
// to wait.
func await(conn net.Conn) error {
	raw, waits := peekable(conn)
	if !waits {
		return nil // whoever reads waits
	}
	return raw.Read(func(fd uintptr) bool {
		_, err := peek(fd)
		return !errors.Is(err, unix.EAGAIN)
	})
}

// quiet reports whether a connection stands and nothing is there to be read of it: between two
// requests a server has nothing to say but that it closes.
func quiet(conn net.Conn) bool {
	raw, ok := peekable(conn)
	if !ok {
		return true // a connection that is dead will say so soon enough
	}
	silent := false
	err := raw.Read(func(fd uintptr) bool {
		_, err := peek(fd)
		silent = errors.Is(err, unix.EAGAIN)
		return true
	})
	return err == nil && silent
}

// peekable is the socket beneath a connection of which nothing has been read ahead.
func peekable(conn net.Conn) (syscall.RawConn, bool) {
	head, inner := replay.Open(conn)
	socket, ok := inner.(syscall.Conn)
	if len(head) > 0 || !ok {
		return nil, false
	}
	raw, err := socket.SyscallConn()
	return raw, err == nil
}

func peek(fd uintptr) (int, error) {
	var one [1]byte
	for {
		n, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// readers and writers are buffers that nobody needs at the moment. A reader of requests is as large
// as the longest head, which is looked at whole.
var (
	readers = readerPool{sync.Pool{New: func() any { return bufio.NewReaderSize(nil, longestHead) }}}
	answers = readerPool{sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}}
	writers = writerPool{sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 4<<10) }}}
)

type readerPool struct{ pool sync.Pool }

func (p *readerPool) get(from io.Reader) *bufio.Reader {
	r, _ := p.pool.Get().(*bufio.Reader)
	r.Reset(from)
	return r
}

func (p *readerPool) put(r *bufio.Reader) {
	r.Reset(nil) // and so holds nothing that is done with
	p.pool.Put(r)
}

type writerPool struct{ pool sync.Pool }

func (p *writerPool) get(to io.Writer) *bufio.Writer {
	w, _ := p.pool.Get().(*bufio.Writer)
	w.Reset(to)
	return w
}

func (p *writerPool) put(w *bufio.Writer) {
	w.Reset(nil)
	p.pool.Put(w)
}
