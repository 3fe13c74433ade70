package relay_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/nono-run/nono/plugins/netfilter/relay"
	"github.com/nono-run/nono/plugins/netfilter/replay"
)

// opening is one with the server's peer, and what tells that it did not wait.
func opening(t *testing.T) (host *net.TCPConn, o *relay.Opening, early chan struct{}) {
	host, server := pair(t)
	early = make(chan struct{}, 2)
	return host, relay.Open(server, func() { early <- struct{}{} }), early
}

func awaitEarly(t *testing.T, early chan struct{}) {
	t.Helper()
	select {
	case <-early:
	case <-time.After(limit):
		t.Fatal("nobody is told that the server does not wait")
	}
}

// What a server does before its client is told at once, whatever it is.
func TestOpeningEarly(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(t *testing.T, host *net.TCPConn)
		want error
	}{
		"speaks": {func(t *testing.T, host *net.TCPConn) { send(t, host, "220 welcome") }, relay.ErrSpoke},
		"ends":   {closeHalf, io.EOF},
		"resets": {hangUp, syscall.ECONNRESET},
	} {
		t.Run(name, func(t *testing.T) {
			host, o, early := opening(t)
			test.do(t, host)
			awaitEarly(t, early)
			if err := o.Silent(); !errors.Is(err, test.want) {
				t.Errorf("%v, not %v", err, test.want)
			}
			if err := o.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// What a server says from the decision on is an answer.
func TestOpeningCarries(t *testing.T) {
	host, o, early := opening(t)
	if err := o.Silent(); err != nil {
		t.Fatal(err)
	}
	send(t, host, "an answer, ")
	agent, client := pair(t)
	ended := make(chan error, 1)
	go func() {
		ended <- o.Carry(t.Context(), replay.New(client, []byte("hello, ")), nil, nil)
	}()
	send(t, agent, "is this")
	closeHalf(t, agent)
	receive(t, host, "hello, is this")
	receiveEnd(t, host, io.EOF)
	send(t, host, "it is one")
	closeHalf(t, host)
	receive(t, agent, "an answer, it is one")
	receiveEnd(t, agent, io.EOF)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(early) > 0 {
		t.Error("the answer is taken for one before the question")
	}
}

// A server that is given back is as it was.
func TestOpeningStops(t *testing.T) {
	for _, spoken := range []string{"", "first"} {
		host, o, early := opening(t)
		if spoken != "" {
			send(t, host, spoken)
			awaitEarly(t, early)
		}
		server, err := o.Stop()
		if err != nil {
			t.Fatal(err)
		}
		receive(t, server, spoken)
		send(t, host, "answer")
		receive(t, server, "answer")
		send(t, server, "question")
		receive(t, host, "question")
	}
}

// What is carried is shown before it is there, and an error keeps it back.
func TestOpeningLooks(t *testing.T) {
	host, server := pair(t)
	agent, client := pair(t)
	var up, down []byte
	ended := make(chan error, 1)
	errBad := errors.New("bad")
	go func() {
		ended <- relay.Open(server, nil).Carry(t.Context(), replay.New(client, []byte("hello, ")),
			func(piece []byte) error {
				if up = append(up, piece...); bytes.Contains(up, []byte("evil")) {
					return errBad
				}
				return nil
			}, func(piece []byte) error { down = append(down, piece...); return nil })
	}()
	send(t, host, "an answer")
	receive(t, agent, "an answer")
	receive(t, host, "hello, ")
	send(t, agent, "evil")
	receiveEnd(t, agent, syscall.ECONNRESET)
	receiveEnd(t, host, syscall.ECONNRESET)
	if err := <-ended; !errors.Is(err, errBad) || string(up) != "hello, evil" || string(down) != "an answer" {
		t.Errorf("%v; up %q, down %q", err, up, down)
	}
}
