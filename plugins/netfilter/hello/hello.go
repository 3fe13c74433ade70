// Package hello tells what a connection begins with, before a byte of it has gone anywhere.
//
// A TLS client says in the clear which server it wants, in the first message of the handshake, the
// ClientHello. [Sniff] reads that message whole, over however many records and segments it comes,
// and gives the connection back as if nobody had read of it:
//
//	first, conn, err := hello.Sniff(conn, time.Second)
//	switch first := first.(type) {
//	case hello.TLS: // first.ServerName is the name to compare
//	...
//	}
//
// # Where servers may differ
//
// The name that is compared must be the name that the server takes. So a ClientHello that a lenient
// server might read in another way is no TLS here: an extension that stands twice, more than one
// server name, anything before, within or behind the message where RFC 8446 has nothing. Such a
// connection is [Other].
//
// A server may ask for a second ClientHello (HelloRetryRequest), which has to have the same name.
// [Following] finds it in what a client sends next.
//
// # What is not seen
//
// What a client asks for inside TLS is a matter between it and a server that was allowed.
//
// # What clients send
//
// An encrypted ClientHello cannot be told from the imitation of one (GREASE) that browsers send so
// that servers get used to it. Of the programs that agents are and use, none sends either. Looked
// at in November 2026, on a loopback of their own: curl 7.88, git 2.39, node 20, Python 3.11, Go
// 1.26, cargo 1.95, Java 17, Claude Code 2.1.197, Codex 0.171 and Gemini CLI 0.61. Each sends one
// server name, and 0.25 to 1.6 KB in one record. So to refuse ECH refuses none of them.
package hello

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/nono-run/nono/plugins/netfilter/replay"
)

// Longest is how much is read of a connection to learn what it is. The usual ClientHello has half a
// kilobyte, one with post-quantum keys two; crypto/tls takes as much as this.
const Longest = 64 << 10

// longestMethod is more than any registered method of HTTP has.
const longestMethod = 32

// First is what a connection begins with. Its concrete types are exactly those of this package.
//
//sumtype:decl
type First interface{ first() }

// TLS is a whole and well-formed ClientHello.
type TLS struct {
	// ServerName is the name in the clear, byte for byte as the client sent it; empty where it sent
	// none. It may be no name at all.
	ServerName string
	// ECH says that another name may be in there, encrypted.
	ECH bool
}

// HTTP is a method and a space: a request of HTTP/1, or what has to be refused as a bad one.
type HTTP struct{}

// HTTP2 is the preface of HTTP/2 without TLS.
type HTTP2 struct{}

// Other is anything else.
type Other struct {
	// What it is, in a few words, as "a ClientHello with two server names".
	What string
}

// Silence is a client that has said nothing yet. It may wait for the server to begin.
type Silence struct{}

func (TLS) first()     {}
func (HTTP) first()    {}
func (HTTP2) first()   {}
func (Other) first()   {}
func (Silence) first() {}

// Sniff waits so long for the first byte, zero for ever, and then for as many as tell what the
// connection begins with. The connection that it returns gives these bytes once more. It may be
// sniffed at again, as after a [Silence].
//
// The error is io.EOF where the client ended its half without a byte. There is no limit on the time
// that the rest takes: whoever wants one closes the connection.
func Sniff(conn net.Conn, wait time.Duration) (First, net.Conn, error) {
	if wait > 0 {
		if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return nil, conn, err
		}
	}
	s := source{from: conn}
	defer s.done()
	err := s.fill(1)
	if wait > 0 {
		if err := conn.SetReadDeadline(time.Time{}); err != nil {
			return nil, conn, err
		}
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Silence{}, conn, nil
	case err != nil:
		return nil, conn, err
	}
	first, err := s.look()
	return first, replay.New(conn, s.head), err
}

// source reads from a connection and keeps all that it read.
type source struct {
	from io.Reader
	head []byte
	more int // of the memory that all of them share
}

const (
	// usual is as much as a source has for itself; nearly every ClientHello is shorter.
	usual = 2 << 10
	// shared is how much all sources together may have beyond that. A hello that breaks off holds its
	// part of it for as long as its connection stays.
	shared = 16 << 20
)

// taken is how much of the shared memory somebody has.
var taken atomic.Int64

var (
	// errLong says that what was asked for is more than is read of any connection.
	errLong = errors.New("too long")
	// errShared says that others hold the memory for it.
	errShared = errors.New("no memory left")
)

// fill reads until there are so many bytes. It is io.EOF where there never will be.
func (s *source) fill(n int) error {
	if n > Longest {
		return errLong
	}
	for len(s.head) < n {
		if err := s.room(); err != nil {
			return err
		}
		got, err := s.from.Read(s.head[len(s.head):cap(s.head)])
		s.head = s.head[:len(s.head)+got]
		if err != nil && len(s.head) < n {
			return err
		}
	}
	return nil
}

// room makes room for at least a byte.
func (s *source) room() error {
	switch {
	case s.head == nil:
		s.head = make([]byte, 0, usual)
	case len(s.head) == cap(s.head):
		more := min(cap(s.head), Longest-cap(s.head))
		if taken.Add(int64(more)) > shared {
			taken.Add(-int64(more))
			return errShared
		}
		s.more += more
		grown := make([]byte, len(s.head), cap(s.head)+more)
		copy(grown, s.head)
		s.head = grown
	}
	return nil
}

// done gives back the shared memory.
func (s *source) done() { taken.Add(-int64(s.more)) }

// look tells what it is. An error is one of the connection.
func (s *source) look() (First, error) {
	if s.head[0] != recordHandshake {
		return s.text()
	}
	message, err := s.clientHello()
	var odd oddity
	switch {
	case errors.As(err, &odd):
		return Other{What: string(odd)}, nil
	case errors.Is(err, errLong):
		return Other{What: fmt.Sprintf("a ClientHello of more than %d KiB", Longest>>10)}, nil
	case errors.Is(err, errShared):
		return Other{What: "a long ClientHello, beside more of them than there is memory for"}, nil
	case errors.Is(err, io.EOF):
		return Other{What: "a ClientHello that breaks off"}, nil
	case err != nil:
		return nil, err
	}
	hello, err := parse(message)
	if errors.As(err, &odd) {
		return Other{What: string(odd)}, nil
	}
	return hello, err
}

// text tells whether it is HTTP. Methods are letters and hyphens; the standard allows more, which
// nobody uses, and SSH's greeting would be one.
func (s *source) text() (First, error) {
	for n := 0; ; n++ {
		switch err := s.fill(n + 1); {
		case errors.Is(err, io.EOF):
			return Other{What: "something that breaks off"}, nil
		case err != nil:
			return nil, err
		}
		switch c := s.head[n]; {
		case c == ' ' && string(s.head[:n]) == "PRI":
			return HTTP2{}, nil
		case c == ' ' && n > 0:
			return HTTP{}, nil
		case n < longestMethod && ('A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || c == '-' || c == '_'):
		default:
			return Other{What: "neither TLS nor HTTP"}, nil
		}
	}
}
