package synthetic_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/nono-run/nono/plugins/netfilter/synthetic"
	"github.com/nono-run/nono/sdk/hostname"
)

// inside is a resolver on the loopback for which all below example.com and api.test are allowed.
type inside struct {
	udp, tcp net.Addr
	names    *synthetic.Names

	mu                 sync.Mutex
	told, denied, full []string
}

func (i *inside) resolver(prefix string) *synthetic.Resolver {
	i.names = synthetic.New(netip.MustParsePrefix(prefix))
	return &synthetic.Resolver{
		Names: i.names,
		Allowed: func(name string) bool {
			i.mu.Lock()
			defer i.mu.Unlock()
			i.told = append(i.told, name)
			if name == "api.test" || strings.HasSuffix(name, ".example.com") {
				return true
			}
			i.denied = append(i.denied, name)
			return false
		},
		Full: func(name string) {
			i.mu.Lock()
			defer i.mu.Unlock()
			i.full = append(i.full, name)
		},
	}
}

func (i *inside) forget() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.told, i.denied, i.full = nil, nil, nil
}

func newInside(t testing.TB, prefix string) *inside {
	t.Helper()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	i := &inside{udp: udp.LocalAddr(), tcp: tcp.Addr()}
	r := i.resolver(prefix)
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := r.ServePacket(udp); err != nil {
			t.Error(err)
		}
	})
	serving.Go(func() {
		if err := r.Serve(tcp); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		udp.Close()
		tcp.Close()
		serving.Wait()
	})
	return i
}

// dial is a connection over which questions are put.
func (i *inside) dial(t testing.TB, network string) net.Conn {
	t.Helper()
	address := i.udp
	if network == "tcp" {
		address = i.tcp
	}
	conn, err := net.Dial(network, address.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func send(t testing.TB, conn net.Conn, message []byte) {
	t.Helper()
	if conn.LocalAddr().Network() == "tcp" {
		message = append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
	}
	if _, err := conn.Write(message); err != nil {
		t.Fatal(err)
	}
}

func receive(t testing.TB, conn net.Conn) []byte {
	t.Helper()
	packet := make([]byte, 65535)
	if conn.LocalAddr().Network() != "tcp" {
		n, err := conn.Read(packet)
		if err != nil {
			t.Fatal(err)
		}
		return packet[:n]
	}
	if _, err := io.ReadFull(conn, packet[:2]); err != nil {
		t.Fatal(err)
	}
	packet = packet[:binary.BigEndian.Uint16(packet)]
	if _, err := io.ReadFull(conn, packet); err != nil {
		t.Fatal(err)
	}
	return packet
}

func question(name string, kind dnsmessage.Type) dnsmessage.Message {
	return dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 4711, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}},
	}
}

func (i *inside) ask(t testing.TB, network string, q dnsmessage.Message) dnsmessage.Message {
	t.Helper()
	packed, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	conn := i.dial(t, network)
	send(t, conn, packed)
	var reply dnsmessage.Message
	if err := reply.Unpack(receive(t, conn)); err != nil {
		t.Fatal(err)
	}
	return reply
}

// TestAnswers is what each question gets, over UDP and TCP.
func TestAnswers(t *testing.T) {
	const (
		a, aaaa, https, txt, all, ptr = dnsmessage.TypeA, dnsmessage.TypeAAAA, dnsmessage.TypeHTTPS, dnsmessage.TypeTXT, dnsmessage.TypeALL, dnsmessage.TypePTR
		fine, none                    = dnsmessage.RCodeSuccess, dnsmessage.RCodeNameError
	)
	long := strings.Repeat(strings.Repeat("a", 61)+".", 4)
	for _, network := range []string{"udp", "tcp"} {
		i := newInside(t, "198.18.0.0/15")
		for _, test := range []struct {
			name   string
			kind   dnsmessage.Type
			code   dnsmessage.RCode
			answer string
			denied string
		}{
			{name: "api.test.", kind: a, answer: "198.18.0.1"},
			{name: "x.example.com.", kind: a, answer: "198.18.0.2"},
			{name: "api.test.", kind: a, answer: "198.18.0.1"},
			{name: "aPi.TeSt.", kind: a, answer: "198.18.0.1"},
			{name: "api.test.", kind: aaaa},
			{name: "never.example.com.", kind: aaaa},
			{name: "api.test.", kind: https},
			{name: "api.test.", kind: txt},
			{name: "api.test.", kind: all},
			{name: "_443._tcp.example.com.", kind: dnsmessage.TypeSRV},
			{name: "y.example.com.", kind: a, answer: "198.18.0.3"},
			{name: "evil.test.", kind: a, code: none, denied: "evil.test"},
			{name: "EVIL.test.", kind: aaaa, code: none, denied: "evil.test"},
			{name: "secret.evil.test.", kind: txt, code: none, denied: "secret.evil.test"},
			{name: "api.test.corp.example.", kind: a, code: none, denied: "api.test.corp.example"}, // a search list
			{name: "test.", kind: a, code: none, denied: "test"},
			{name: ".", kind: dnsmessage.TypeNS, code: none, denied: "."},
			{name: long + "example.com.", kind: a, code: none, denied: long + "example.com"},
			{name: "1.0.18.198.in-addr.arpa.", kind: ptr, answer: "api.test."},
			{name: "1.0.18.198.in-addr.arpa.", kind: a},
			{name: "9.0.18.198.in-addr.arpa.", kind: ptr, code: none, denied: "9.0.18.198.in-addr.arpa"},
			{name: "1.18.198.in-addr.arpa.", kind: ptr, code: none, denied: "1.18.198.in-addr.arpa"},
			{name: "localhost.", kind: a, answer: "127.0.0.1"},
			{name: "app.localhost.", kind: aaaa},
		} {
			if len(test.name) > 255 {
				continue
			}
			i.forget()
			reply := i.ask(t, network, question(test.name, test.kind))
			if reply.RCode != test.code || reply.ID != 4711 || !reply.Response || !reply.RecursionDesired || !reply.RecursionAvailable || reply.Truncated {
				t.Errorf("%s %s: %+v", test.name, test.kind, reply.Header)
			}
			if len(reply.Questions) != 1 || reply.Questions[0].Name.String() != test.name || reply.Questions[0].Type != test.kind {
				t.Errorf("%s %s: an answer to %v", test.name, test.kind, reply.Questions)
			}
			var got []string
			for _, answer := range reply.Answers {
				if answer.Header.Name.String() != test.name || answer.Header.TTL > 60 || answer.Header.TTL == 0 {
					t.Errorf("%s %s: %+v", test.name, test.kind, answer.Header)
				}
				switch body := answer.Body.(type) {
				case *dnsmessage.AResource:
					got = append(got, netip.AddrFrom4(body.A).String())
				case *dnsmessage.PTRResource:
					got = append(got, body.PTR.String())
				default:
					t.Errorf("%s %s: %T", test.name, test.kind, body)
				}
			}
			if strings.Join(got, " ") != test.answer {
				t.Errorf("%s %s: got %v, not %q", test.name, test.kind, got, test.answer)
			}
			i.mu.Lock()
			if strings.Join(i.denied, " ") != test.denied {
				t.Errorf("%s %s: told of %q, not of %q", test.name, test.kind, i.denied, test.denied)
			}
			i.mu.Unlock()
		}
		if got, ok := i.names.Name(netip.MustParseAddr("198.18.0.4")); ok {
			t.Errorf("a name that was only asked about has an address: %s", got)
		}
	}
}

// raw is a question, byte by byte.
func raw(name string, tail string) string {
	return "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + name + tail
}

const typeA = "\x00\x01\x00\x01"

// TestE54OddNames puts names into a question that two programs would read differently, most of
// which end in an allowed one for whoever compares text. The control does, and allows them.
func TestE54OddNames(t *testing.T) {
	for name, wire := range map[string]string{
		`evil\000.example.com`:         "\x05evil\x00\x07example\x03com\x00",
		`evil.test\000.example.com`:    "\x04evil\x05test\x00\x07example\x03com\x00",
		`evil\010.example.com`:         "\x05evil\n\x07example\x03com\x00",
		`evil\032.example.com`:         "\x05evil \x07example\x03com\x00",
		`evil\092.example.com`:         "\x05evil\\\x07example\x03com\x00",
		`evil\027[2J.example.com`:      "\x08evil\x1b[2J\x07example\x03com\x00",
		`\255\254.example.com`:         "\x02\xff\xfe\x07example\x03com\x00",
		`user@x.example.com`:           "\x06user@x\x07example\x03com\x00",
		`a/b.example.com`:              "\x03a/b\x07example\x03com\x00",
		`a%b.example.com`:              "\x03a%b\x07example\x03com\x00",
		`a:443.example.com`:            "\x05a:443\x07example\x03com\x00",
		`-a.example.com`:               "\x02-a\x07example\x03com\x00",
		`127.0.0.1`:                    "\x03127\x010\x010\x011\x00",
		`2130706433`:                   "\x0a2130706433\x00",
		`evil\227\128\130.example.com`: "\x07evil\xe3\x80\x82\x07example\x03com\x00", // an ideographic full stop
		`a\227\128\130b.example.com`:   "\x05a\xe3\x80\x82b\x07example\x03com\x00",
		`\226\132\170.example.com`:     "\x03\xe2\x84\xaa\x07example\x03com\x00", // the sign for kelvin, in lower case a k
	} {
		i := newInside(t, "198.18.0.0/15")
		conn := i.dial(t, "udp")
		send(t, conn, []byte(raw(wire, typeA)))
		var reply dnsmessage.Message
		if err := reply.Unpack(receive(t, conn)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if reply.RCode != dnsmessage.RCodeNameError || len(reply.Answers) != 0 {
			t.Errorf("%s: %+v", name, reply)
		}
		i.mu.Lock()
		if !slices.Equal(i.told, []string{name}) {
			t.Errorf("%s: told of %q", name, i.told)
		}
		i.mu.Unlock()
		if _, ok := i.names.Name(netip.MustParseAddr("198.18.0.1")); ok {
			t.Errorf("%s has an address", name)
		}
		var q dnsmessage.Message
		if err := q.Unpack([]byte(raw(wire, typeA))); err != nil {
			t.Fatal(err)
		}
		text := strings.TrimSuffix(q.Questions[0].Name.String(), ".")
		if strings.HasSuffix(name, ".example.com") && !i.resolver("198.18.0.0/15").Allowed(text) {
			t.Errorf("the control does not allow %q", text)
		}
	}
	// A dot within a label is no dot between two. The library does not read such a name at all.
	i := newInside(t, "198.18.0.0/15")
	conn := i.dial(t, "udp")
	send(t, conn, []byte(raw("\x06x.evil\x07example\x03com\x00", typeA)))
	if got := receive(t, conn); got[3]&0xf != byte(dnsmessage.RCodeFormatError) {
		t.Errorf("a dot within a label: %x", got)
	}
}

// TestE57NothingIsAskedFor holds that a question carries nothing out: there is nobody it could be
// handed to. The control is a resolver as each computer has one, in front of the same server.
func TestE57NothingIsAskedFor(t *testing.T) {
	outside, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	seen := make(chan string, 16)
	go func() {
		packet := make([]byte, 512)
		for {
			n, from, err := outside.ReadFrom(packet)
			if err != nil {
				return
			}
			var q dnsmessage.Message
			if q.Unpack(packet[:n]) == nil {
				seen <- q.Questions[0].Name.String()
				q.Response, q.RCode = true, dnsmessage.RCodeNameError
				if reply, err := q.Pack(); err == nil {
					_, _ = outside.WriteTo(reply, from)
				}
			}
		}
	}()
	asHostDoes := func(address string) *net.Resolver {
		return &net.Resolver{PreferGo: true, Dial: dialer(address)}
	}
	const canary = "c2VjcmV0.sink.test."
	i := newInside(t, "198.18.0.0/15")
	_, err = asHostDoes(i.udp.String()).LookupNetIP(t.Context(), "ip4", canary)
	if dns, ok := errors.AsType[*net.DNSError](err); !ok || !dns.IsNotFound {
		t.Errorf("a denied name: %v", err)
	}
	if len(seen) != 0 {
		t.Errorf("the server outside was asked for %s", <-seen)
	}
	if _, err = asHostDoes(outside.LocalAddr().String()).LookupNetIP(t.Context(), "ip4", canary); err == nil {
		t.Error("the server outside has an answer")
	}
	select {
	case name := <-seen:
		if name != canary {
			t.Errorf("the control: it was asked for %s", name)
		}
	default:
		t.Error("the control: the server outside was not asked either")
	}
}

// TestMalformed holds what comes of messages that are no questions.
func TestMalformed(t *testing.T) {
	name := "\x03api\x04test\x00"
	opt := "\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x00"
	with := func(message string, at int, b byte) string {
		changed := []byte(message)
		changed[at] = b
		return string(changed)
	}
	const dropped = -1
	for what, test := range map[string]struct {
		message string
		code    int
	}{
		"a question":                      {raw(name, typeA), 0},
		"nothing":                         {"", dropped},
		"half a beginning":                {raw("", "")[:11], dropped},
		"an answer":                       {with(raw(name, typeA), 2, 0x81), dropped},
		"no question in it":               {with(raw("", ""), 5, 0), 1},
		"a question that is missing":      {raw("", ""), 1},
		"a name without an end":           {raw("\x03api\x04test", ""), 1},
		"no type":                         {raw(name, "\x00"), 1},
		"two questions":                   {with(raw(name+typeA+name, typeA), 5, 2), 1},
		"a thousand questions":            {with(raw(name, typeA), 4, 4), 1},
		"an answer in it":                 {with(raw(name, typeA), 7, 1), 1},
		"an authority in it":              {with(raw(name, typeA), 9, 1), 1},
		"a name that leads to itself":     {raw("\xc0\x0c", typeA), 1},
		"a label of a kind that is none":  {raw("\x83api\x00", typeA), 1},
		"an update":                       {with(raw(name, typeA), 2, 0x28), 4},
		"another class":                   {raw(name, "\x00\x01\x00\x03"), 5},
		"extensions":                      {with(raw(name, typeA+opt), 11, 1), 0},
		"extensions twice":                {with(raw(name, typeA+opt+opt), 11, 2), 1},
		"half of extensions":              {with(raw(name, typeA+opt[:6]), 11, 1), 1},
		"extensions of a name":            {with(raw(name, typeA+"\x01a"+opt), 11, 1), 1},
		"extensions of the next version":  {with(raw(name, typeA+with(opt, 6, 1)), 11, 1), 16},
		"a signature, which we pass over": {with(raw(name, typeA+"\x00\x00\xfa\x00\xff\x00\x00\x00\x00\x00\x00"), 11, 1), 0},
		"more than it says":               {raw(name, typeA+"garbage"), 0},
	} {
		i := newInside(t, "198.18.0.0/15")
		conn := i.dial(t, "udp")
		send(t, conn, []byte(test.message))
		send(t, conn, []byte("\xff\xff"+raw(name, typeA)[2:])) // what is answered in any case
		got := receive(t, conn)
		if test.code == dropped {
			if got[0] != 0xff {
				t.Errorf("%s is answered: %x", what, got)
			}
			continue
		}
		var reply dnsmessage.Message
		if err := reply.Unpack(got); err != nil || reply.ID != 0x1234 {
			t.Errorf("%s: %x, %v", what, got, err)
			continue
		}
		code := reply.RCode
		for _, extra := range reply.Additionals {
			code = extra.Header.ExtendedRCode(code)
		}
		if int(code) != test.code || (len(reply.Answers) != 0) != (test.code == 0) {
			t.Errorf("%s: %s, %v", what, code, reply.Answers)
		}
		if extended := strings.Contains(what, "extensions"); test.code != 1 && (len(reply.Additionals) == 1) != extended {
			t.Errorf("%s: %v comes with it", what, reply.Additionals)
		}
	}
}

// TestFull holds that a name for which there is no address left does not exist, that it is told,
// and that the others go on.
func TestFull(t *testing.T) {
	i := newInside(t, "198.18.0.0/30")
	for n := range 5 {
		reply := i.ask(t, "udp", question(fmt.Sprintf("h%d.example.com.", n), dnsmessage.TypeA))
		if full := n >= 3; full != (reply.RCode == dnsmessage.RCodeNameError) {
			t.Errorf("%d: %s", n, reply.RCode)
		}
	}
	if reply := i.ask(t, "udp", question("h0.example.com.", dnsmessage.TypeA)); len(reply.Answers) != 1 {
		t.Error("the first one is gone")
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if want := []string{"h3.example.com", "h4.example.com"}; !slices.Equal(i.full, want) || len(i.denied) != 0 {
		t.Errorf("told of %q and %q", i.full, i.denied)
	}
}

// TestTCP holds what is particular to connections: several questions on one, in pieces, and what
// ends it.
func TestTCP(t *testing.T) {
	i := newInside(t, "198.18.0.0/15")
	conn := i.dial(t, "tcp")
	one := raw("\x03api\x04test\x00", typeA)
	framed := string(binary.BigEndian.AppendUint16(nil, uint16(len(one)))) + one
	for _, piece := range strings.SplitAfter(framed+framed+framed, "\x00") {
		fmt.Fprint(conn, piece)
	}
	for range 3 {
		if got := receive(t, conn); got[3]&0xf != 0 {
			t.Errorf("%x", got)
		}
	}
	for what, bytes := range map[string]string{"no question": "\x00\x00", "too long": "\xff\xff" + one, "an answer": "\x00\x0c\x00\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00"} {
		conn := i.dial(t, "tcp")
		fmt.Fprint(conn, bytes)
		if n, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: %d bytes, %v", what, n, err)
		}
	}
	// So many at a time, and no more.
	var open []net.Conn
	for {
		conn := i.dial(t, "tcp")
		fmt.Fprint(conn, framed)
		if _, err := conn.Read(make([]byte, 512)); err != nil {
			break
		}
		if open = append(open, conn); len(open) > 1000 {
			t.Fatal("there is no end")
		}
	}
	open[0].Close()
	for range 1000 { // its place becomes free when its end was noticed
		conn := i.dial(t, "tcp")
		fmt.Fprint(conn, framed)
		if _, err := conn.Read(make([]byte, 512)); err == nil {
			return
		}
	}
	t.Error("a place that became free is not given to anybody")
}

// FuzzAnswer puts anything at all: an answer is to what was asked, fits into a packet, gives an
// address only to a name that is allowed, and the name is the one that was in the question.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(raw("\x03api\x04test\x00", typeA)))
	f.Add([]byte(raw("\x03aPi\x07example\x03com\x00", "\x00\x1c\x00\x01")))
	f.Add([]byte(raw("\x05evil\x00\x07example\x03com\x00", typeA)))
	f.Add([]byte(raw("\x011\x010\x0218\x03198\x07in-addr\x04arpa\x00", "\x00\x0c\x00\x01")))
	f.Add([]byte(raw("\xc0\x0c", typeA)))
	f.Fuzz(func(t *testing.T, message []byte) {
		i := &inside{}
		got := synthetic.Answer(i.resolver("198.18.0.0/15"), message)
		if got == nil {
			return
		}
		var reply dnsmessage.Message
		if err := reply.Unpack(got); err != nil || len(got) > 512 {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		if !reply.Response || reply.ID != binary.BigEndian.Uint16(message) || message[2]&0x80 != 0 {
			t.Fatalf("%+v", reply.Header)
		}
		if len(reply.Answers) == 0 {
			return
		}
		meant, ok := labels(message)
		if !ok || reply.RCode != 0 || len(reply.Questions) != 1 || reply.Questions[0].Name.String() != meant+"." {
			t.Fatalf("%q was asked for, and answered: %+v", meant, reply)
		}
		stands, ok := i.names.Name(netip.MustParseAddr("198.18.0.1"))
		lower := strings.ToLower(meant)
		switch {
		case lower == "localhost" || strings.HasSuffix(lower, ".localhost"):
		case !ok || stands != lower || !hostname.IsPlain(stands) || stands != "api.test" && !strings.HasSuffix(stands, ".example.com"):
			t.Fatalf("%q was asked for, and %q has an address", meant, stands)
		}
	})
}

// labels reads the name of a question in another way than the resolver does.
func labels(message []byte) (string, bool) {
	var name []string
	at, jumps := 12, 0
	for at < len(message) && message[at] != 0 {
		n := int(message[at])
		if n >= 0xc0 && at+1 < len(message) && jumps < 100 {
			at, jumps = (n&0x3f)<<8|int(message[at+1]), jumps+1
			continue
		}
		if n >= 0x40 || at+1+n > len(message) {
			return "", false
		}
		name = append(name, string(message[at+1:at+1+n]))
		at += 1 + n
	}
	return strings.Join(name, "."), true
}

// dialer asks one server, whatever the machine's settings say.
func dialer(address string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", address)
	}
}
