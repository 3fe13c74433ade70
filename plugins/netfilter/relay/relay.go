// Package relay carries bytes between two connections.
//
//	toHost, toAgent, err := relay.Between(ctx, agent, host)
//
// What one side sends the other gets, in order and unchanged, and so is each way of ending: a half
// that is closed is closed on the other side, and a connection that is reset is reset there, so
// that nobody takes for whole what broke off. Silence has no limit.
//
// # Why not io.Copy
//
// Between two sockets io.Copy splices. Each direction of a tunnel then holds a pipe while it waits:
// six descriptors a tunnel, and memory that the kernel counts against the user in all of his
// processes. With some hundred idle tunnels every new pipe of the user's is small, those of his
// shells too. So the bytes are copied here, with a buffer that a direction has from the moment that
// there is something to read until it is written. An idle tunnel has none, and one whose reader is
// slow has one a direction.
package relay

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/nono-run/nono/plugins/netfilter/replay"
)

// Look is shown what is carried in one direction, piece by piece, before it is written. Its error
// ends the tunnel as if that side were lost, and nothing of the piece is written.
type Look func(piece []byte) error

// moment is how long a side that has ended its half is not looked after yet.
const moment = 2 * time.Second

// Between carries bytes both ways until both sides have ended, one of them fails, or the context is
// done. It closes both connections, and returns how many bytes were written to each. The error is
// nil where both ended in order; else both connections were reset.
//
// An idle TCP or Unix connection costs no buffer. Of any other kind, as TLS, each costs one.
func Between(ctx context.Context, a, b net.Conn) (aToB, bToA int64, err error) {
	headA, a := replay.Open(a)
	headB, b := replay.Open(b)
	t := &tunnel{a: a, b: b}
	written := make(chan int64, 1)
	go func() { written <- t.carry(b, after(headB, b), a, nil) }()
	return t.both(ctx, headA, written, nil)
}

// tunnel is two connections that share their fate.
type tunnel struct {
	a, b net.Conn

	mu    sync.Mutex
	ended int         // how many directions have ended in order
	err   error       // the first thing that went wrong
	down  Look        // at what b says
	watch *time.Timer // of a side that has ended its half
}

// both carries from a to b, and waits for the other direction, which is under way and tells how
// much it has written.
func (t *tunnel) both(
	ctx context.Context, headA []byte, written <-chan int64, look Look,
) (aToB, bToA int64, err error) {
	stop := context.AfterFunc(ctx, func() { t.fail(context.Cause(ctx)) })
	defer stop()
	aToB = t.carry(t.a, after(headA, t.a), t.b, look)
	return aToB, <-written, t.close()
}

// carry carries one direction to its end: what is read of its source.
func (t *tunnel) carry(from net.Conn, source source, to net.Conn, look Look) (written int64) {
	written, readErr, writeErr := pass(source, to, look)
	if readErr == nil && writeErr == nil {
		writeErr = closeWrite(to)
	}
	switch {
	case readErr != nil:
		t.fail(readErr)
	case writeErr != nil:
		// What the receiver said before it went is still on its way: a server that has read enough
		// answers, and resets. Meanwhile the sender must not wait for somebody to read.
		if t.lose(writeErr) {
			discard(source)
		}
	default:
		t.end(from)
	}
	return written
}

// end notes that a direction has ended in order: that there is nothing more from this side.
func (t *tunnel) end(from net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended++
	switch {
	case t.err != nil:
		t.reset()
	case t.ended == 1:
		// The other direction goes on, perhaps in silence. A side that has ended its half and is then
		// gone altogether is noticed by the kernel's probes alone. Most go on for a moment only.
		t.watch = time.AfterFunc(moment, func() {
			if err := gone(from); err != nil {
				t.fail(err)
			}
		})
	case !t.watch.Stop():
		// The watch is called off; closing the connections waits for it.
		past := time.Unix(1, 0)
		_ = t.a.SetReadDeadline(past)
		_ = t.b.SetReadDeadline(past)
	}
}

// lose notes that a direction has nobody who takes what it brings, and reports whether the other
// one goes on.
func (t *tunnel) lose(why error) (goesOn bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil && t.ended == 0 {
		t.err = why
		return true
	}
	t.failLocked(why)
	return false
}

// fail ends both directions at once.
func (t *tunnel) fail(why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failLocked(why)
}

func (t *tunnel) failLocked(why error) {
	if t.err == nil {
		t.err = why
	}
	t.reset()
}

func (t *tunnel) reset() {
	Reset(t.a)
	Reset(t.b)
}

// Reset ends a connection such that its peer knows that it is no orderly end.
func Reset(conn net.Conn) {
	_, conn = replay.Open(conn)
	for {
		over, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = over.NetConn() // TLS would say that it ends in order
	}
	if tcp, ok := conn.(interface{ SetLinger(sec int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// close closes both connections, once both directions are over.
func (t *tunnel) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		return errors.Join(t.a.Close(), t.b.Close())
	}
	return t.err
}
