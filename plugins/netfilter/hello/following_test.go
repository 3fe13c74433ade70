package hello_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nono-run/nono/plugins/netfilter/hello"
)

// The random of a ServerHello that asks for a second ClientHello.
const retry = "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91" +
	"\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c"

// serverHello is an answer with this random.
func serverHello(random string) []byte {
	return records(0, handshake(2, slicesOf([]byte{3, 3}, []byte(random), []byte{0, 0x13, 1, 0, 0, 0})))
}

// What follows a first hello, who answers it how, and which second hello is decided about.
func TestFollowing(t *testing.T) {
	first := records(0, message(name("a.example")))
	second := records(0, message(name("b.example")))
	b := hello.TLS{ServerName: "b.example"}
	data, changeCipher := []byte{23, 3, 3, 0, 2, 22, 1}, []byte{20, 3, 3, 0, 1, 1}
	other := func(what string) hello.Other { return hello.Other{What: what} }
	ordinary := serverHello(strings.Repeat("r", 32))
	for name, test := range map[string]struct {
		before, answer, after []byte
		want                  hello.First
	}{
		"another name":             {first, serverHello(retry), second, b},
		"behind other records":     {first, serverHello(retry), slicesOf(changeCipher, data, second), b},
		"behind early data":        {slicesOf(first, data), serverHello(retry), second, b},
		"a byte a record":          {first, serverHello(retry), records(1, message(extension(9, nil), list0("b.example"))), b},
		"of a first one in pieces": {records(7, message(list0("a.example"))), serverHello(retry), second, b},
		"encrypted":                {first, serverHello(retry), records(0, message(extension(0xfe0d, nil))), hello.TLS{ECH: true}},
		"an answer in pieces":      {first, records(20, serverHello(retry)[5:]), second, b},
		"before it was asked for":  {slicesOf(first, second), nil, nil, other("a second handshake message, for which the server has not asked")},
		"none":                     {first, serverHello(retry), slicesOf(changeCipher, records(0, handshake(16, []byte{1, 2}))), other("a handshake that begins with no ClientHello")},
		"broken into":              {first, serverHello(retry), slicesOf(records(20, message(list0("b.example")))[:25], data), other("a ClientHello with another record in it")},
		"long":                     {first, serverHello(retry), records(0, message(extension(21, make([]byte, 20<<10)), list0("b.example"))), other("a second ClientHello of more than 16 KiB")},
		"says that it is long":     {first, serverHello(retry), []byte{22, 3, 3, 0, 4, 1, 2, 0, 0}, other("a second ClientHello of more than 16 KiB")},

		"not asked for, and so no hello": {first, ordinary, second, nil},
		"TLS 1.2":                        {first, ordinary, slicesOf(records(0, handshake(16, []byte{1})), changeCipher, []byte{22, 3, 3, 0, 2, 1, 0}), nil},
		"no TLS at all":                  {first, []byte("220 welcome, whoever you may be, to this server of mine\r\n"), second, nil},
		"no TLS behind it":               {slicesOf(first, data, make([]byte, 5), second), nil, data, nil},
		"a record too long":              {slicesOf(first, []byte{23, 3, 3, 0x48, 1}, second), nil, data, nil},
		"something short":                {first, []byte("+OK\r\n"), data, nil},
	} {
		for _, size := range []int{1, 7, 1 << 20} {
			refused := errors.New("refused")
			var checked []hello.First
			f := &hello.Following{Check: func(first hello.First) error {
				checked = append(checked, first)
				return refused
			}}
			var err error
			passed := 0
			send := func(b []byte, look func([]byte) error) {
				for len(b) > 0 && err == nil {
					n := min(size, len(b))
					if err = look(b[:n]); err == nil {
						passed += n
					}
					b = b[n:]
				}
			}
			send(test.before, f.Client)
			send(test.answer, f.Server)
			passed = 0
			send(test.after, f.Client)
			switch {
			case test.want == nil && (err != nil || len(checked) > 0):
				t.Errorf("%s, %d at once: refused: %v, %v", name, size, checked, err)
			case test.want != nil && (!errors.Is(err, refused) || len(checked) != 1 || checked[0] != test.want):
				t.Errorf("%s, %d at once: decided about is %v, %v", name, size, checked, err)
			case test.want != nil && test.after != nil && passed >= len(test.after):
				t.Errorf("%s, %d at once: the second hello has passed", name, size)
			}
		}
	}
}

// list0 is the extension of one server name.
func list0(host string) []byte { return extension(0, list(0, host)) }

// Real clients and servers pass, and a second hello that they exchange is seen.
func TestFollowingReal(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), nil)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	server := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}}
	for how, test := range map[string]struct {
		version uint16
		curves  []tls.CurveID
		seconds int
	}{
		"TLS 1.3":                      {tls.VersionTLS13, nil, 0},
		"TLS 1.3, with a second hello": {tls.VersionTLS13, []tls.CurveID{tls.CurveP521}, 1},
		"TLS 1.2":                      {tls.VersionTLS12, nil, 0},
	} {
		config := server.Clone()
		config.CurvePreferences = test.curves
		client := &tls.Config{
			ServerName: "a.example", InsecureSkipVerify: true, MaxVersion: test.version,
			ClientSessionCache: tls.NewLRUClientSessionCache(1),
		}
		for _, resumed := range []bool{false, true} {
			var seconds []hello.First
			f := &hello.Following{Check: func(first hello.First) error {
				seconds = append(seconds, first)
				return nil
			}}
			state := converse(t, client, config, f)
			if state.DidResume != resumed || len(seconds) != test.seconds {
				t.Errorf("%s, resumed %t: %d second hellos", how, state.DidResume, len(seconds))
			}
			for _, second := range seconds {
				if second != (hello.TLS{ServerName: "a.example"}) {
					t.Errorf("%s: the second is %#v", how, second)
				}
			}
		}
	}
}

// converse has a client and a server of TLS say something to each other, past f.
func converse(t *testing.T, client, server *tls.Config, f *hello.Following) tls.ConnectionState {
	t.Helper()
	near, a := net.Pipe()
	b, far := net.Pipe()
	carry := func(to, from net.Conn, look func([]byte) error) {
		defer to.Close()
		for piece := make([]byte, 300); ; {
			n, err := from.Read(piece)
			if err == nil {
				err = look(piece[:n])
			}
			if err == nil {
				_, err = to.Write(piece[:n])
			}
			if err != nil {
				return
			}
		}
	}
	go carry(b, a, f.Client)
	go carry(a, b, f.Server)
	go func() {
		conn := tls.Server(far, server)
		_, _ = io.Copy(conn, conn)
	}()
	conn := tls.Client(near, client)
	defer near.Close()
	_ = near.SetDeadline(time.Now().Add(20 * time.Second))
	words := bytes.Repeat([]byte("words "), 100)
	if _, err := conn.Write(words); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, words); err != nil {
		t.Fatal(err)
	}
	return conn.ConnectionState()
}

// Hellos that break off have so much memory together, and no more.
func TestShared(t *testing.T) {
	long := records(0, message(extension(21, make([]byte, 62<<10)), list0("a.example")))
	before := hello.Left()
	begin := func(sent []byte) (client net.Conn, taken chan hello.First) {
		client, far := net.Pipe()
		taken = make(chan hello.First, 1)
		go func() {
			first, _, _ := hello.Sniff(far, 0)
			taken <- first
			_ = far.Close()
		}()
		_, _ = client.Write(sent) // as much as is read of it
		return client, taken
	}
	var clients []net.Conn
	var all []chan hello.First
	for hello.Left() >= hello.Longest {
		client, taken := begin(long[:len(long)-1])
		clients, all = append(clients, client), append(all, taken)
		if len(all) > 1000 {
			t.Fatal("there is no end to it")
		}
	}
	_, taken := begin(long)
	want := hello.Other{What: "a long ClientHello, beside more of them than there is memory for"}
	if first := <-taken; first != want {
		t.Errorf("a long one beside too many is taken for %#v", first)
	}
	_, taken = begin(fromLibrary(&tls.Config{ServerName: "a.example"}))
	if first := <-taken; first != (hello.TLS{ServerName: "a.example"}) {
		t.Errorf("a usual one beside them is taken for %#v", first)
	}
	for i, client := range clients {
		_ = client.Close()
		<-all[i]
	}
	if after := hello.Left(); after != before {
		t.Errorf("of %d bytes %d are given back", before, after)
	}
}

func BenchmarkFollowing(b *testing.B) {
	f := new(hello.Following)
	if f.Client(fromLibrary(&tls.Config{ServerName: "a.example"})) != nil || f.Server(serverHello(strings.Repeat("r", 32))) != nil {
		b.Fatal("refused")
	}
	piece := make([]byte, 64<<10)
	for b.Loop() {
		_, _ = f.Client(piece), f.Server(piece)
	}
}

func BenchmarkFollowingBegins(b *testing.B) {
	sent, answer := fromLibrary(&tls.Config{ServerName: "a.example"}), serverHello(strings.Repeat("r", 32))
	b.ReportAllocs()
	for b.Loop() {
		f := new(hello.Following)
		if f.Client(sent) != nil || f.Server(answer) != nil {
			b.Fatal("refused")
		}
	}
}
