// Package plain carries HTTP that is not encrypted, one request at a time.
//
// A connection with plain HTTP is never handed on as bytes: it may carry many requests, and each of
// them names a host of its own. So every request is read, its destination is asked for, and what is
// sent on is written anew from what was understood:
//
//	plain.Serve(ctx, client, guide) // until the client or the guide has had enough
//
// The [Guide] says where a request may go; this package says what a request is.
//
// # What is refused
//
// Two programs that disagree about where a request ends disagree about which requests there are.
// What net/http would accept and make clean is refused here (see check): a length and chunks at
// once, two lengths, a header over two lines, a line without its CR. What is accepted, net/http has
// understood as well.
//
// # What is passed on
//
// Bodies in both directions at once, each piece as soon as it is there; answers before the answer
// (103, 100); trailers; an Upgrade to WebSocket, and to nothing else; no TRACE. There is no limit
// on time but for the head of a request once it has begun, and on memory there is: heads are
// bounded, and a connection at rest holds no buffer.
package plain

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/nono-run/nono/plugins/netfilter/relay"
	"github.com/nono-run/nono/plugins/netfilter/replay"
	"github.com/nono-run/nono/sdk/egress"
)

const (
	// longestHead is how long the head of a request may be: as much as nginx takes.
	longestHead = 32 << 10
	// longestAnswer is how long the head of an answer may be.
	longestAnswer = 256 << 10
	// mostHeaders is how many headers either may have.
	mostHeaders = 500
	// farewell is how long a client has to read a last answer while it is still sending, and unheard
	// how much of that is taken.
	farewell = 5 * time.Second
	unheard  = 1 << 20
)

// headTime is within how long a head that has begun has to be there.
var headTime = 30 * time.Second

// Guide says where requests may go. An error that is a [*Refusal] is the client's answer; of any
// other one it is told that the destination could not be reached.
type Guide interface {
	// Way is where a request goes.
	Way(ctx context.Context, asked Asked) (Way, error)
	// Tunnel opens what a CONNECT asks for. What it returns is called when the client knows, and
	// carries the connection to its end.
	Tunnel(ctx context.Context, asked Asked) (func(client net.Conn), error)
}

// Asked is what a request names, as the client wrote it: nobody has parsed it yet.
type Asked struct {
	// Authority is the host of a request for a proxy, in its first line: "host" or "host:port". It is
	// empty for a request that a server gets.
	Authority string
	// Host is the header of that name; HasHost says whether there is one.
	Host    string
	HasHost bool
}

// Way is where a request may go.
type Way struct {
	// Host is what the request's Host header says from here on.
	Host string
	// To tells one destination from another: a connection is used again for the same one.
	To string
	// Dial connects. What it returns beside the connection is said with each request on it.
	Dial func(ctx context.Context) (net.Conn, egress.Via, error)
	// Tunnel connects such that nobody on the way reads requests. An Upgrade takes it: a proxy that
	// did not take part in one would read as requests what comes after.
	Tunnel func(ctx context.Context) (net.Conn, error)
}

// Refusal is an answer to the client in place of the one it wanted.
type Refusal struct {
	Status int
	// Reason stands beside the status, where some clients show it.
	Reason string
	// Text is the body, for a person or a model to read.
	Text string
}

// Error implements error.
func (r *Refusal) Error() string { return r.Reason + ": " + r.Text }

// Serve answers the requests of one connection until it is over. The caller closes it.
func Serve(ctx context.Context, client net.Conn, guide Guide) {
	c := &conversation{guide: guide, client: client}
	defer c.release()
	for c.next(ctx) {
		c.rest()
	}
}

// conversation is one client's connection and, from its first request on, one to a server.
type conversation struct {
	guide  Guide
	client net.Conn
	in     *bufio.Reader // nil while nothing is there to be read
	out    *bufio.Writer // as in
	server *server       // nil where there is none that could be used again
}

// next waits for a request and answers it. It reports whether there may be another one.
func (c *conversation) next(ctx context.Context) bool {
	if c.in == nil {
		if await(c.client) != nil {
			return false
		}
		c.in, c.out = readers.get(c.client), writers.get(c.client)
	}
	head, err := c.head()
	var bad *Refusal
	if errors.As(err, &bad) {
		return c.refuse(bad, nil)
	} else if err != nil {
		return false // the client is gone
	}
	form, err := check(head)
	if err != nil {
		return c.refuse(badRequest(err.Error()), nil)
	}
	req, err := http.ReadRequest(c.in)
	if err != nil {
		return c.refuse(badRequest(err.Error()), nil)
	}
	if req.Method == http.MethodConnect {
		return c.tunnel(ctx, form, req)
	}
	if echoes(req.Method) {
		return c.refuse(&Refusal{
			http.StatusMethodNotAllowed, "not a request that is passed on",
			"what is sent on here is not shown to the client: there is no " + req.Method,
		}, req)
	}
	way, err := c.guide.Way(ctx, form.asked)
	if err != nil {
		return c.refuse(err, req)
	}
	return c.exchange(ctx, form, req, way)
}

// echoes reports whether a method asks for the request as it arrived. A proxy on the way out
// answers that with the password that it is given.
func echoes(method string) bool {
	return strings.EqualFold(method, http.MethodTrace) || strings.EqualFold(method, "TRACK")
}

// head waits until a whole head is buffered, and returns it without taking it.
func (c *conversation) head() ([]byte, error) {
	if _, err := c.in.Peek(1); err != nil {
		return nil, err
	}
	limited := false
	for seen := 0; ; {
		there, _ := c.in.Peek(c.in.Buffered())
		end, ok := headEnd(there, seen)
		if ok {
			if limited {
				return there[:end], c.client.SetReadDeadline(time.Time{})
			}
			return there[:end], nil
		}
		if len(there) >= longestHead {
			return nil, &Refusal{
				http.StatusRequestHeaderFieldsTooLarge, "the request's head is too long",
				fmt.Sprintf("at most %d KiB are taken", longestHead>>10),
			}
		}
		if !limited {
			limited = true
			if err := c.client.SetReadDeadline(time.Now().Add(headTime)); err != nil {
				return nil, err
			}
		}
		seen = len(there)
		if _, err := c.in.Peek(seen + 1); errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, &Refusal{
				http.StatusRequestTimeout, "the request's head did not come to its end",
				fmt.Sprintf("it was waited for %s", headTime),
			}
		} else if err != nil {
			return nil, err
		}
	}
}

// rest gives the buffers back while nothing is there to be read.
func (c *conversation) rest() {
	if c.in.Buffered() == 0 {
		readers.put(c.in)
		writers.put(c.out)
		c.in, c.out = nil, nil
	}
	if c.server != nil {
		c.server.rest()
	}
}

func (c *conversation) release() {
	if c.in != nil {
		readers.put(c.in)
		writers.put(c.out)
		c.in, c.out = nil, nil
	}
	c.drop()
}

// drop closes the connection to the server.
func (c *conversation) drop() {
	if c.server != nil {
		c.server.close()
		c.server = nil
	}
}

// refuse answers in the server's place. After a request with a body, and after none that was
// understood, the connection is over: what comes next need not be a request.
func (c *conversation) refuse(err error, req *http.Request) bool {
	var r *Refusal
	if !errors.As(err, &r) {
		r = &Refusal{http.StatusBadGateway, "the host could not be reached", err.Error()}
	}
	again := req != nil && req.Body == http.NoBody && lasts(req)
	text := r.Text + "\n"
	fmt.Fprintf(c.out, "HTTP/1.1 %03d %s\r\n", r.Status, oneLine(r.Reason))
	fmt.Fprintf(c.out, "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n", len(text))
	if !again {
		fmt.Fprint(c.out, "Connection: close\r\n")
	}
	fmt.Fprint(c.out, "\r\n")
	if req == nil || req.Method != http.MethodHead {
		fmt.Fprint(c.out, text)
	}
	if c.out.Flush() != nil {
		return false
	}
	if !again {
		c.part()
	}
	return again
}

// part lets the client read what it was sent last. If it is still sending, closing at once would
// make its system throw that away.
func (c *conversation) part() {
	_, conn := replay.Open(c.client)
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.client.SetReadDeadline(time.Now().Add(farewell)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c.client, unheard)
}

// tunnel answers a CONNECT, and then is out of the way.
func (c *conversation) tunnel(ctx context.Context, form form, req *http.Request) bool {
	if req.Body != http.NoBody {
		return c.refuse(badRequest("a CONNECT has no body"), nil)
	}
	carry, err := c.guide.Tunnel(ctx, form.asked)
	if err != nil {
		// No client sends anything else on it, and some read until it ends.
		return c.refuse(err, nil)
	}
	fmt.Fprint(c.out, "HTTP/1.1 200 Connection established\r\n\r\n")
	// Where that fails, so does whatever carries.
	_ = c.out.Flush()
	client := replay.New(c.client, unread(c.in))
	c.release()
	carry(client)
	return false
}

// upgrade joins client and server after a 101.
func (c *conversation) upgrade(ctx context.Context) {
	client := replay.New(c.client, unread(c.in))
	server := replay.New(c.server.conn, unread(c.server.in))
	defer c.drop()
	c.server.rest()
	readers.put(c.in)
	writers.put(c.out)
	c.in, c.out = nil, nil
	_, _, _ = relay.Between(ctx, client, server) // each end is told of the other's by its own
}

// lasts reports whether a client may send another request after this one.
func lasts(req *http.Request) bool { return !req.Close && req.ProtoAtLeast(1, 1) }

// unread is what a reader has and nobody has read.
func unread(r *bufio.Reader) []byte {
	there, _ := r.Peek(r.Buffered())
	return append([]byte(nil), there...)
}

func badRequest(why string) *Refusal {
	return &Refusal{http.StatusBadRequest, "not a request that is passed on", why}
}

// oneLine keeps a text from ending the line that it stands in.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
