package ticket_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/nono-run/nono/sdk/ticket"
)

var (
	shown   = netip.MustParseAddrPort("127.0.0.1:61000")
	dialled = netip.MustParseAddrPort("198.18.0.7:443")
)

// served is a listener for the agent alone, and how to connect to the socket behind it.
func served(t *testing.T, secret ticket.Secret) (l net.Listener, dial func(say []byte) net.Conn) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = secret.Listen(inner, shown)
	t.Cleanup(func() { l.Close() })
	return l, func(say []byte) net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := c.Write(say); err != nil {
			t.Fatal(err)
		}
		return c
	}
}

// Whoever shows the ticket is accepted, with the address that he dialled, and the first byte after
// the ticket is the first that is read.
func TestAdmitted(t *testing.T) {
	secret := ticket.New()
	l, dial := served(t, secret)
	dial(append(secret.For(dialled), "hello"...))
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.LocalAddr().String() != dialled.String() || l.Addr().String() != shown.String() {
		t.Errorf("dialled was %s, at %s", c.LocalAddr(), l.Addr())
	}
	heard := make([]byte, 5)
	if _, err := io.ReadFull(c, heard); err != nil || string(heard) != "hello" {
		t.Errorf("heard %q, %v", heard, err)
	}
}

// Nobody else is: not without a ticket, not with one that differs in a bit, not with a part of one.
// He hears nothing, and is in nobody's way. The control is the agent's own connection, which comes
// last.
func TestStrangers(t *testing.T) {
	secret := ticket.New()
	l, dial := served(t, secret)
	silent := dial(nil) // and says nothing ever
	wrong := secret.For(dialled)
	wrong[0] ^= 1
	other := ticket.New()
	elsewhere := secret.For(dialled)
	elsewhere[ticket.Size-1] ^= 1
	for name, say := range map[string][]byte{
		"a request":        bytes.Repeat([]byte("GET / HTTP/1.1\r\n"), 8),
		"a bit":            wrong,
		"another address":  elsewhere,
		"another's ticket": other.For(dialled),
		"no secret":        make([]byte, ticket.Size),
	} {
		c := dial(say)
		if err := c.SetReadDeadline(time.Now().Add(4 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: heard %d bytes, %v", name, n, err)
		}
	}
	dial(secret.For(dialled))
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.RemoteAddr().String() == silent.LocalAddr().String() {
		t.Error("who said nothing was accepted")
	}
}

// A secret is not printed, whatever it is printed with.
func TestHidden(t *testing.T) {
	secret := ticket.New()
	plain := fmt.Sprintf("%x", secret[:])
	for _, verb := range []string{"%v", "%s", "%+v", "%#v"} {
		if got := fmt.Sprintf(verb, secret); got != "[redacted]" {
			t.Errorf("%s prints %s (%s)", verb, got, plain)
		}
	}
	if _, err := ticket.Parse(secret[:5]); err == nil {
		t.Error("a part of a secret is taken for one")
	}
	if again, err := ticket.Parse(secret[:]); err != nil || again != secret {
		t.Errorf("read back: %v", err)
	}
}

// Closing ends Accept, and what had not been accepted.
func TestClose(t *testing.T) {
	secret := ticket.New()
	l, dial := served(t, secret)
	c := dial(secret.For(dialled))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if conn, err := l.Accept(); err == nil {
			conn.Close() // it may have come before the end
		}
	}
	if _, err := l.Accept(); err == nil {
		t.Error("a closed listener accepts")
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("who was not accepted is not told")
	}
}

// A ticket says nothing of the secret: the agent can see those that are said for it, in what the
// kernel shows of packets whose times it is asked for.
func TestTicketIsNotTheSecret(t *testing.T) {
	secret := ticket.New()
	at := secret.For(dialled)
	if bytes.Contains(at, secret[:]) {
		t.Error("the secret is in the ticket")
	}
	if code := at[:ticket.SecretSize]; bytes.HasPrefix(secret.For(shown), code) {
		t.Error("with the ticket for one address that for another can be made")
	}
}
