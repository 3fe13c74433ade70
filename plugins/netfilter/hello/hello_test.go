package hello_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/nono-run/nono/plugins/netfilter/hello"
)

// What connections begin with, and what they are taken for.
var firsts = []struct {
	name string
	sent []byte
	want hello.First
}{
	{"a name", records(0, message(name("api.example.com"))), hello.TLS{ServerName: "api.example.com"}},
	{"crypto/tls", fromLibrary(&tls.Config{ServerName: "api.example.com"}), hello.TLS{ServerName: "api.example.com"}},
	{"crypto/tls without a name", fromLibrary(&tls.Config{InsecureSkipVerify: true}), hello.TLS{}},
	{"one byte a record", records(1, message(name("api.example.com"))), hello.TLS{ServerName: "api.example.com"}},
	{"the name split between records", records(60, message(name("api.example.com"))), hello.TLS{ServerName: "api.example.com"}},
	{"GREASE", records(0, message(extension(0x0a0a, nil), name("a.example"), extension(0xfafa, []byte{0}))), hello.TLS{ServerName: "a.example"}},
	{"ECH", records(0, message(name("a.example"), extension(0xfe0d, bytes.Repeat([]byte{7}, 200)))), hello.TLS{ServerName: "a.example", ECH: true}},
	{"ECH, in pieces", records(9, message(extension(0xfe0d, nil), name("a.example"))), hello.TLS{ServerName: "a.example", ECH: true}},
	{"ECH of a draft", records(0, message(name("a.example"), extension(0xfe0c, nil))), hello.TLS{ServerName: "a.example", ECH: true}},
	{"ECH of an older draft", records(0, message(name("a.example"), extension(0xfe08, nil))), hello.TLS{ServerName: "a.example", ECH: true}},
	{"ECH of the oldest drafts", records(0, message(name("a.example"), extension(0xff02, nil))), hello.TLS{ServerName: "a.example", ECH: true}},
	{"the numbers beside those of ECH", records(0, message(name("a.example"), extension(0xfe07, nil), extension(0xfe0e, nil), extension(0xff01, nil))), hello.TLS{ServerName: "a.example"}},
	{"ESNI", records(0, message(extension(0xffce, []byte{1, 2}))), hello.TLS{ECH: true}},
	{"no name", records(0, message(extension(10, []byte{0, 2, 0, 29}))), hello.TLS{}},
	{"no extensions", records(0, handshake(1, bare())), hello.TLS{}},
	{"an address for a name", records(0, message(name("192.0.2.1"))), hello.TLS{ServerName: "192.0.2.1"}},
	{"a name that is none", records(0, message(name("a.example\x00.b.example"))), hello.TLS{ServerName: "a.example\x00.b.example"}},
	{"early data", append(records(0, message(name("a.example"))), 23, 3, 3, 0, 2, 9, 9), hello.TLS{ServerName: "a.example"}},
	{"junk in a record of its own", append(records(0, message(name("a.example"))), "junk"...), hello.TLS{ServerName: "a.example"}},
	{"long, and short enough", records(0, message(extension(21, make([]byte, 60<<10)), name("a.example"))), hello.TLS{ServerName: "a.example"}},

	{"two names in one list", records(0, message(names(0, "a.example", 0, "b.example"))), hello.Other{What: "a ClientHello with two server names"}},
	{"the extension twice", records(0, message(name("a.example"), name("b.example"))), hello.Other{What: "a ClientHello with extension 0 twice"}},
	{"a name of another type", records(0, message(names(1, "a.example"))), hello.Other{What: "a ClientHello whose server name is of an unknown type"}},
	{"an empty name", records(0, message(name(""))), hello.Other{What: "a ClientHello whose server name is malformed"}},
	{"an empty list", records(0, message(extension(0, []byte{0, 0}))), hello.Other{What: "a ClientHello whose server name is malformed"}},
	{"an answer's empty extension", records(0, message(extension(0, nil))), hello.Other{What: "a ClientHello whose server name is malformed"}},
	{"more than the list", records(0, message(extension(0, append(list(0, "a.example"), 1)))), hello.Other{What: "a ClientHello whose server name is malformed"}},
	{"junk in its record", records(0, append(message(name("a.example")), 1)), hello.Other{What: "a ClientHello with something behind it in its record"}},
	{"a second one in its record", records(0, append(message(name("a.example")), message(name("b.example"))...)), hello.Other{What: "a ClientHello with something behind it in its record"}},
	{"junk behind the extensions", records(0, handshake(1, append(withExtensions(name("a.example")), 0))), hello.Other{What: "a ClientHello with something at its end"}},
	{"an extension that is too long", records(0, message([]byte{0, 0, 9, 9, 1})), hello.Other{What: "a ClientHello that is malformed"}},
	{"cut", records(0, handshake(1, bare()[:40])), hello.Other{What: "a ClientHello that is malformed"}},
	{"empty", records(0, handshake(1, nil)), hello.Other{What: "a ClientHello that is malformed"}},
	{"a ServerHello", records(0, handshake(2, bare())), hello.Other{What: "a handshake that begins with no ClientHello"}},
	{"an alert within", slicesOf(records(20, message(name("a.example")))[:25], []byte{21, 3, 1, 0, 2, 1, 0}), hello.Other{What: "a ClientHello with another record in it"}},
	{"an empty record", []byte{22, 3, 1, 0, 0}, hello.Other{What: "a ClientHello with an empty record in it"}},
	{"a record that is too long", []byte{22, 3, 1, 0x40, 1}, hello.Other{What: "a ClientHello in a record that is too long"}},
	{"no version of TLS", []byte{22, 2, 0, 0, 9}, hello.Other{What: "something that looks like TLS and is not"}},
	{"too long, it says", []byte{22, 3, 1, 0, 4, 1, 2, 0, 0}, hello.Other{What: "a ClientHello of more than 64 KiB"}},
	{"too long in pieces", records(1, message(extension(21, make([]byte, 30<<10)))), hello.Other{What: "a ClientHello of more than 64 KiB"}},
	{"breaks off", records(0, message(name("a.example")))[:50], hello.Other{What: "a ClientHello that breaks off"}},
	{"SSL 2", []byte{0x80, 0x2e, 1, 0, 2}, hello.Other{What: "neither TLS nor HTTP"}},

	{"GET", []byte("GET / HTTP/1.1\r\n\r\n"), hello.HTTP{}},
	{"a long method", []byte("VERSION-CONTROL /a HTTP/1.1\r\n\r\n"), hello.HTTP{}},
	{"a method of one's own", []byte("do_it /a HTTP/1.1\r\n\r\n"), hello.HTTP{}},
	{"HTTP/2", []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), hello.HTTP2{}},
	{"a method that is too long", []byte(strings.Repeat("A", 33) + " / HTTP/1.1"), hello.Other{What: "neither TLS nor HTTP"}},
	{"no method", []byte(" / HTTP/1.1"), hello.Other{What: "neither TLS nor HTTP"}},
	{"an empty line", []byte("\r\nGET / HTTP/1.1"), hello.Other{What: "neither TLS nor HTTP"}},
	{"SSH", []byte("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), hello.Other{What: "neither TLS nor HTTP"}},
	{"a null", []byte{0}, hello.Other{What: "neither TLS nor HTTP"}},
	{"GET that breaks off", []byte("GET"), hello.Other{What: "something that breaks off"}},
}

// However the bytes arrive, they are taken for the same and all are read again.
func TestFirst(t *testing.T) {
	for _, test := range firsts {
		for how, arriving := range map[string]func(io.Reader) io.Reader{
			"whole":           func(r io.Reader) io.Reader { return r },
			"byte by byte":    iotest.OneByteReader,
			"in halves":       iotest.HalfReader,
			"end with a byte": iotest.DataErrReader,
		} {
			t.Run(test.name+", "+how, func(t *testing.T) {
				conn := &fakeConn{Reader: arriving(bytes.NewReader(test.sent))}
				first, again, err := hello.Sniff(conn, 0)
				if err != nil || first != test.want {
					t.Errorf("taken for %#v, %v; want %#v", first, err, test.want)
				}
				if got, err := io.ReadAll(again); err != nil || !bytes.Equal(got, test.sent) {
					t.Errorf("read again are %d bytes, %v; sent were %d", len(got), err, len(test.sent))
				}
			})
		}
	}
}

// What has no end is not read to its end.
func TestBounded(t *testing.T) {
	header := []byte{22, 3, 1, 0, 1, 1} // a record with one byte of a message, for ever
	endless := &counting{pattern: append(header[:5:5], 0)}
	endless.first = []byte{22, 3, 1, 0, 4, 1, 0, 0xff, 0xff}
	first, _, err := hello.Sniff(&fakeConn{Reader: endless}, 0)
	if err != nil || first != (hello.Other{What: "a ClientHello of more than 64 KiB"}) {
		t.Errorf("taken for %#v, %v", first, err)
	}
	if endless.read > 2*hello.Longest {
		t.Errorf("%d bytes were read", endless.read)
	}
}

func TestSilence(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	first, again, err := hello.Sniff(server, time.Millisecond)
	if err != nil || first != (hello.Silence{}) {
		t.Fatalf("taken for %#v, %v", first, err)
	}
	// It may speak later.
	go func() { _, _ = io.WriteString(client, "GET / HTTP/1.1\r\n") }()
	first, again, err = hello.Sniff(again, time.Minute)
	if err != nil || first != (hello.HTTP{}) {
		t.Fatalf("taken for %#v, %v", first, err)
	}
	words := make([]byte, 16)
	if _, err := io.ReadFull(again, words); err != nil || string(words) != "GET / HTTP/1.1\r\n" {
		t.Errorf("read again is %q, %v", words, err)
	}
}

// The wait is for the first byte alone, and what is read later has no limit in time.
func TestWaitIsOver(t *testing.T) {
	conn := &fakeConn{Reader: strings.NewReader("GET / HTTP/1.1\r\n")}
	if _, _, err := hello.Sniff(conn, time.Minute); err != nil {
		t.Fatal(err)
	}
	if len(conn.deadlines) != 2 || conn.deadlines[0].IsZero() || !conn.deadlines[1].IsZero() {
		t.Errorf("the deadlines were %v", conn.deadlines)
	}
}

func TestNothing(t *testing.T) {
	if first, _, err := hello.Sniff(&fakeConn{Reader: strings.NewReader("")}, time.Minute); !errors.Is(err, io.EOF) {
		t.Errorf("taken for %#v, %v", first, err)
	}
	broken := errors.New("connection reset")
	for _, sent := range []string{"", "GE", "\x16\x03\x01"} {
		conn := &fakeConn{Reader: io.MultiReader(strings.NewReader(sent), iotest.ErrReader(broken))}
		if first, _, err := hello.Sniff(conn, 0); !errors.Is(err, broken) {
			t.Errorf("%q: taken for %#v, %v", sent, first, err)
		}
	}
}

// What is taken for a name is what crypto/tls takes for it.
func FuzzServerName(f *testing.F) {
	for _, test := range firsts {
		if len(test.sent) < 300 { // a longer one is made shorter for a minute, if it is of interest
			f.Add(test.sent)
		}
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		first, again, err := hello.Sniff(&fakeConn{Reader: bytes.NewReader(sent)}, 0)
		if err != nil {
			if len(sent) > 0 {
				t.Fatal(err)
			}
			return
		}
		if got, err := io.ReadAll(again); err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("read again is %x, %v", got, err)
		}
		ours, ok := first.(hello.TLS)
		if !ok {
			return
		}
		theirs, heard := libraryHears(sent)
		if heard && theirs != ours.ServerName {
			t.Fatalf("crypto/tls says %q, we say %q", theirs, ours.ServerName)
		}
	})
}

// libraryHears is the name that crypto/tls reads, and whether it reads a ClientHello at all.
func libraryHears(sent []byte) (name string, heard bool) {
	server := tls.Server(&fakeConn{Reader: bytes.NewReader(sent)}, &tls.Config{
		GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
			name, heard = info.ServerName, true
			return nil, errors.New("enough")
		},
	})
	_ = server.Handshake() // it fails, for there is no certificate
	return name, heard
}

// The comparison above looks at something.
func TestLibraryHears(t *testing.T) {
	for _, test := range firsts {
		if tls, ok := test.want.(hello.TLS); ok && strings.HasPrefix(test.name, "crypto/tls") {
			if name, heard := libraryHears(test.sent); !heard || name != tls.ServerName {
				t.Errorf("%s: heard %q, %t", test.name, name, heard)
			}
		}
	}
}

func BenchmarkSniff(b *testing.B) {
	sent := fromLibrary(&tls.Config{ServerName: "api.example.com"})
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := hello.Sniff(&fakeConn{Reader: bytes.NewReader(sent)}, 0); err != nil {
			b.Fatal(err)
		}
	}
}

// fakeConn has what is read, and forgets what is written.
type fakeConn struct {
	net.Conn
	io.Reader
	deadlines []time.Time
}

func (c *fakeConn) SetReadDeadline(t time.Time) error {
	c.deadlines = append(c.deadlines, t)
	return nil
}

func (c *fakeConn) Read(p []byte) (int, error)     { return c.Reader.Read(p) }
func (*fakeConn) Write(p []byte) (int, error)      { return len(p), nil }
func (*fakeConn) SetWriteDeadline(time.Time) error { return nil }
func (*fakeConn) SetDeadline(time.Time) error      { return nil }
func (*fakeConn) Close() error                     { return nil }
func (*fakeConn) RemoteAddr() (none net.Addr)      { return nil }
func (*fakeConn) LocalAddr() (none net.Addr)       { return nil }
func slicesOf(parts ...[]byte) []byte              { return bytes.Join(parts, nil) }
func u16(n int) []byte                             { return binary.BigEndian.AppendUint16(nil, uint16(n)) }

func extension(kind int, data []byte) []byte { return slicesOf(u16(kind), u16(len(data)), data) }
func name(host string) []byte                { return names(0, host) }
func names(typesAndHosts ...any) []byte      { return extension(0, list(typesAndHosts...)) }
func message(extensions ...[]byte) []byte    { return handshake(1, withExtensions(extensions...)) }

func handshake(kind byte, content []byte) []byte {
	return slicesOf([]byte{kind, byte(len(content) >> 16)}, u16(len(content)&0xffff), content)
}

// list is the content of a server name extension.
func list(typesAndHosts ...any) []byte {
	var all []byte
	for i := 0; i < len(typesAndHosts); i += 2 {
		host := typesAndHosts[i+1].(string)
		all = slicesOf(all, []byte{byte(typesAndHosts[i].(int))}, u16(len(host)), []byte(host))
	}
	return slicesOf(u16(len(all)), all)
}

// bare is a ClientHello's content up to its extensions.
func bare() []byte {
	return slicesOf([]byte{3, 3}, make([]byte, 32), []byte{1, 9}, u16(4), []byte{0x1a, 0x1a, 0x13, 1}, []byte{1, 0})
}

func withExtensions(extensions ...[]byte) []byte {
	all := slicesOf(extensions...)
	return slicesOf(bare(), u16(len(all)), all)
}

// records puts a message into records of so many bytes each; of as many as can be for 0.
func records(size int, message []byte) []byte {
	if size == 0 {
		size = 1 << 14
	}
	var all []byte
	for len(message) > 0 {
		n := min(size, len(message))
		all = slicesOf(all, []byte{22, 3, 1}, u16(n), message[:n])
		message = message[n:]
	}
	return all
}

// fromLibrary is what crypto/tls sends first.
func fromLibrary(config *tls.Config) []byte {
	var sent bytes.Buffer
	conn := tls.Client(&recording{fakeConn{Reader: strings.NewReader("")}, &sent}, config)
	_ = conn.Handshake() // it fails, for there is no server
	return sent.Bytes()
}

type recording struct {
	fakeConn
	sent *bytes.Buffer
}

func (r *recording) Write(p []byte) (int, error) { return r.sent.Write(p) }

// counting reads as a beginning and then a pattern, without end.
type counting struct {
	first, pattern []byte
	read           int
}

func (c *counting) Read(p []byte) (int, error) {
	for i := range p {
		if at := c.read + i; at < len(c.first) {
			p[i] = c.first[at]
		} else {
			p[i] = c.pattern[(at-len(c.first))%len(c.pattern)]
		}
	}
	c.read += len(p)
	return len(p), nil
}
