package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/nono-run/nono/plugins/netfilter/replay"
)

// ErrSpoke says that a server has spoken before its client did.
var ErrSpoke = errors.New("the server speaks first")

// Opening is a tunnel whose client has to speak first, as in TLS and HTTP. Its server is listened
// to from the beginning, by the goroutine that is to carry what it answers: so a server that speaks
// first is found without a wait, and the usual one costs nothing.
//
//	o := relay.Open(server, func() { ... }) // what is to happen when the server does not wait
//	...                                     // the client is read
//	if err := o.Silent(); err != nil { ... }
//	err := o.Carry(ctx, client, nil, nil)
//
// It ends with one of Carry, Stop and Close.
type Opening struct {
	server  net.Conn
	early   func()
	next    chan *tunnel // what to carry it in; nil where it is not carried
	written chan int64   // in that tunnel, to the client
	unread  []byte       // what has come, where it was not carried

	mu      sync.Mutex
	decided bool  // what the server does from here on is right
	came    error // what it did before
}

// Open listens to the server. Where it says something, or ends, or is lost before [Opening.Silent]
// is called, early is called; nil is for a server that may do what it likes.
func Open(server net.Conn, early func()) *Opening {
	o := &Opening{
		server: server, early: early, next: make(chan *tunnel, 1), written: make(chan int64, 1),
		decided: early == nil,
	}
	go o.listen()
	return o
}

func (o *Opening) listen() {
	answers := sourceOf(o.server)
	first, err := answers.next()
	o.heard(first, err)
	if t := <-o.next; t != nil {
		o.written <- t.carry(o.server, &begun{source: answers, first: first, err: err}, t.a, t.down)
		return
	}
	if first != nil {
		o.unread = append(o.unread, first.filled...)
		first.free()
	}
	o.written <- 0
}

// heard notes what the server did first.
func (o *Opening) heard(first *buffer, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.decided:
		return
	case first != nil:
		o.came = ErrSpoke
	case err == nil:
		o.came = io.EOF
	default:
		o.came = err
	}
	o.early()
}

// Silent ends the time in which the server has to be silent. The error is what it did instead:
// [ErrSpoke], io.EOF, or how it was lost.
func (o *Opening) Silent() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.decided = true
	return o.came
}

// Carry carries bytes both ways, as [Between] does: what the client has said, and all that follows.
// Up looks at what the client says and down at what the server does, where they are not nil.
func (o *Opening) Carry(ctx context.Context, client net.Conn, up, down Look) error {
	head, client := replay.Open(client)
	t := &tunnel{a: client, b: o.server, down: down}
	o.next <- t
	_, _, err := t.both(ctx, head, o.written, up)
	return err
}

// Stop gives the server back, with what has come from it.
func (o *Opening) Stop() (net.Conn, error) {
	if err := o.server.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return nil, err
	}
	o.next <- nil
	<-o.written
	server := o.server
	if len(o.unread) > 0 {
		server = replay.New(server, o.unread)
	}
	return server, server.SetReadDeadline(time.Time{})
}

// Close closes the server.
func (o *Opening) Close() error {
	o.next <- nil
	return o.server.Close()
}
