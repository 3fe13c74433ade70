// Package load puts load on a network: a server that gives and takes as many bytes as it is asked
// to, and a client that comes to it by a proxy or straight. bench/network and test/soak use it, on
// networks of their own.
//
// A tunnel begins with a real ClientHello, for that is what a proxy may look at; the two do not
// speak TLS after it, whose cost would hide the proxy's. What is asked for stands in a record
// behind the hello.
package load

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
)

// Ask is what a client asks of the server, in a tunnel or in a request.
type Ask struct {
	// Down is how many bytes the server sends, then it ends its half.
	Down int64
	// Up is how many bytes the client sends first.
	Up int64
	// Seed is what the bytes of both are made from.
	Seed uint64
}

// record is how an ask is written behind a hello: as a TLS record of application data.
var record = []byte{23, 3, 3, 0, 24}

func (a Ask) encode() []byte {
	b := bytes.Clone(record)
	for _, n := range []uint64{uint64(a.Down), uint64(a.Up), a.Seed} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

func readAsk(r io.Reader) (Ask, error) {
	b := make([]byte, len(record)+24)
	if _, err := io.ReadFull(r, b); err != nil {
		return Ask{}, err
	}
	if !bytes.HasPrefix(b, record) {
		return Ask{}, fmt.Errorf("what comes behind the hello begins with %x", b[:len(record)])
	}
	n := func(at int) uint64 { return binary.BigEndian.Uint64(b[len(record)+8*at:]) }
	return Ask{Down: int64(n(0)), Up: int64(n(1)), Seed: n(2)}, nil
}

// Content is what an ask's bytes are: each one known, and none like its neighbour's.
func Content(seed uint64, length int64) *Bytes {
	block := make([]byte, max(8, min(length, piece)))
	source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), 1})
	_, _ = source.Read(block)
	return &Bytes{block: block, left: length}
}

// piece is how much is made, sent and compared at once.
const piece = 64 << 10

// Bytes repeat a block and number each repetition, so that none can be left out or come twice.
type Bytes struct {
	block []byte
	at    int
	round uint64
	left  int64
}

// Read gives the bytes.
func (c *Bytes) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	if c.at == len(c.block) {
		c.at = 0
	}
	if c.at == 0 {
		c.round++
		binary.BigEndian.PutUint64(c.block, c.round)
	}
	n := copy(p[:min(int64(len(p)), c.left)], c.block[c.at:])
	c.at += n
	c.left -= int64(n)
	return n, nil
}

// Same reads to the end and compares with what should come.
func Same(r io.Reader, want *Bytes) error {
	size := min(want.left+1, piece)
	got, expected := make([]byte, size), make([]byte, size)
	for at := int64(0); ; {
		n, err := r.Read(got)
		if _, short := io.ReadFull(want, expected[:n]); short != nil {
			return fmt.Errorf("more comes than the %d bytes that were asked for", at)
		}
		if !bytes.Equal(got[:n], expected[:n]) {
			return fmt.Errorf("in the %d bytes from %d on, some are not what was sent", n, at)
		}
		at += int64(n)
		if errors.Is(err, io.EOF) {
			if want.left > 0 {
				return fmt.Errorf("it ends after %d bytes, %d too early", at, want.left)
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("after %d bytes: %w", at, err)
		}
	}
}

// Serve serves tunnels: a hello, an ask, what was asked for. It returns when the listener fails.
func Serve(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			_ = answer(conn) // the client sees that it is not what it asked for
		}()
	}
}

func answer(conn net.Conn) error {
	header := make([]byte, 5)
	if _, err := io.ReadFull(conn, header); err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint16(header[3:]))); err != nil {
		return err
	}
	ask, err := readAsk(conn)
	if err != nil {
		return err
	}
	if err := Same(io.LimitReader(conn, ask.Up), Content(ask.Seed, ask.Up)); err != nil {
		return err
	}
	if _, err := io.Copy(conn, plain{Content(ask.Seed, ask.Down)}); err != nil {
		return err
	}
	return conn.(*net.TCPConn).CloseWrite()
}

// plain has nothing but Read.
type plain struct{ io.Reader }

// Handler serves requests: the ask is in the query.
func Handler(w http.ResponseWriter, r *http.Request) {
	number := func(name string) int64 {
		n, _ := strconv.ParseInt(r.URL.Query().Get(name), 10, 64)
		return n
	}
	ask := Ask{Down: number("down"), Up: number("up"), Seed: uint64(number("seed"))}
	if err := Same(r.Body, Content(ask.Seed, ask.Up)); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(ask.Down, 10))
	_, _ = io.Copy(w, plain{Content(ask.Seed, ask.Down)})
}

// Hello is what crypto/tls sends first to a server of that name.
func Hello(name string) []byte {
	var sent bytes.Buffer
	near, far := net.Pipe()
	go func() {
		_, _ = io.CopyN(&sent, far, 5)
		_, _ = io.CopyN(&sent, far, int64(binary.BigEndian.Uint16(sent.Bytes()[3:])))
		_ = far.Close() // nobody answers
	}()
	_ = tls.Client(near, &tls.Config{ServerName: name}).Handshake()
	return sent.Bytes()
}
