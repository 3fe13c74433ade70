package session

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// Go's own resolver takes the answer for what it is, and the hint names what was asked for.
func TestNamesAreRefused(t *testing.T) {
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	file, err := socket.File()
	if err != nil {
		t.Fatal(err)
	}
	socket.Close()
	told := make(chan string, 100)
	n, err := answerNames(file, func(event string, fields map[string]string) {
		told <- event + " " + fields["name"]
	})
	if err != nil {
		t.Fatal(err)
	}
	defer n.close()
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", n.socket.LocalAddr().String())
	}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if n.hint(nil) != "" {
		t.Errorf("nothing was asked: %q", n.hint(nil))
	}
	for _, name := range []string{"One.example.", "one.example.", "two.example.", "three.example.", "four.example."} {
		_, err := resolver.LookupHost(ctx, name)
		var dns *net.DNSError
		if !errors.As(err, &dns) || !dns.IsNotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	const want = "it asked for one.example, two.example, three.example and others: the network is closed"
	if !strings.HasPrefix(n.hint(nil), want) {
		t.Errorf("got %q", n.hint(nil))
	}
	const through = "it asked for one.example, two.example, three.example and others: layer a/b does not"
	if !strings.HasPrefix(n.hint([]string{"a/b"}), through) {
		t.Errorf("got %q", n.hint([]string{"a/b"}))
	}
	// The resolver asks for two kinds of addresses, and each question is an event.
	for _, want := range []string{"one", "one", "one", "one", "two", "two", "three", "three", "four", "four"} {
		if got := <-told; got != "name.refused "+want+".example" {
			t.Errorf("%q was told, want %s", got, want)
		}
	}
}

func TestNoNamesWithoutASocket(t *testing.T) {
	if _, err := answerNames(nil, nil); err == nil {
		t.Error("nobody would answer, and nobody says so")
	}
	var none *names
	none.close()
	if none.hint(nil) != "" {
		t.Error("a network that is open has a hint")
	}
}

// FuzzQuestion: whatever the agent sends, a question is answered by itself with two bytes changed,
// and what is remembered of it is a name that can be one.
func FuzzQuestion(f *testing.F) {
	header := "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
	for _, question := range []string{
		"", header, header + "\x03one\x07example\x00\x00\x01\x00\x01", header + "\x3f", header + "\xc0\x0c",
		"\x12\x34\x81" + header[3:],
	} {
		f.Add([]byte(question))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		question := bytes.Clone(message)
		if !refuseName(message) {
			if len(question) >= dnsHeader && question[dnsFlags]&dnsIsAnswer == 0 || !bytes.Equal(message, question) {
				t.Fatalf("%q is no question, or was changed", question)
			}
			return
		}
		if message[dnsFlags]&dnsIsAnswer == 0 || message[dnsCode]&0xf != dnsNoName {
			t.Fatalf("%q is no answer", message)
		}
		message[dnsFlags], message[dnsCode] = question[dnsFlags], question[dnsCode]
		if !bytes.Equal(message, question) {
			t.Fatalf("%q was answered with %q", question, message)
		}
		if name := nameIn(message); len(name) > longestName {
			t.Fatalf("a name of %d bytes", len(name))
		}
	})
}
