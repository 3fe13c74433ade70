package relay_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nono-run/nono/plugins/netfilter/relay"
	"github.com/nono-run/nono/plugins/netfilter/replay"
)

// limit is how long a test waits for what must come.
const limit = 20 * time.Second

// tunnel is a relay with both of its peers.
type tunnel struct {
	agent, host *net.TCPConn
	a, b        *net.TCPConn  // the relay's side of them
	done        chan struct{} // closed when Between has returned
	up, down    int64
	err         error
}

// open puts a relay between two connections; head is what was read of the agent's already.
func open(ctx context.Context, t testing.TB, head string) *tunnel {
	t.Helper()
	agent, a := pair(t)
	host, b := pair(t)
	tun := &tunnel{agent: agent, host: host, a: a, b: b, done: make(chan struct{})}
	go func() {
		defer close(tun.done)
		tun.up, tun.down, tun.err = relay.Between(ctx, replay.New(a, []byte(head)), b)
	}()
	return tun
}

// pair is a connection over the loopback, from both sides.
func pair(t testing.TB) (far, near *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialled.Close(); accepted.Close() })
	for _, conn := range []net.Conn{dialled, accepted} {
		if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
			t.Fatal(err)
		}
	}
	if err := accepted.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	return dialled.(*net.TCPConn), accepted.(*net.TCPConn)
}

// wait waits for the end of the relay.
func (tun *tunnel) wait(t *testing.T) {
	t.Helper()
	select {
	case <-tun.done:
	case <-time.After(limit):
		t.Fatal("the relay does not end")
	}
}

func send(t *testing.T, conn net.Conn, words string) {
	t.Helper()
	if _, err := io.WriteString(conn, words); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, conn net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(conn, got); err != nil || string(got) != want {
		t.Fatalf("received %q, %v; want %q", got[:n], err, want)
	}
}

func receiveEnd(t *testing.T, conn net.Conn, want error) {
	t.Helper()
	if n, err := conn.Read(make([]byte, 1)); n > 0 || !errors.Is(err, want) {
		t.Fatalf("received %d bytes, %v; want %v", n, err, want)
	}
}

func closeHalf(t *testing.T, conn *net.TCPConn) {
	t.Helper()
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
}

// hangUp resets a connection.
func hangUp(t *testing.T, conn *net.TCPConn) {
	t.Helper()
	if err := errors.Join(conn.SetLinger(0), conn.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestHalvesAreCarried(t *testing.T) {
	tun := open(t.Context(), t, "ques")
	send(t, tun.agent, "tion")
	closeHalf(t, tun.agent)
	receive(t, tun.host, "question")
	receiveEnd(t, tun.host, io.EOF)
	// The other half is open still, for as long as it likes.
	send(t, tun.host, "long ")
	receive(t, tun.agent, "long ")
	send(t, tun.host, "answer")
	receive(t, tun.agent, "answer")
	closeHalf(t, tun.host)
	receiveEnd(t, tun.agent, io.EOF)
	tun.wait(t)
	if tun.err != nil || tun.up != 8 || tun.down != 11 {
		t.Errorf("%d up, %d down, %v", tun.up, tun.down, tun.err)
	}
}

// Either side may end first, and both at once.
func TestHostEndsFirst(t *testing.T) {
	tun := open(t.Context(), t, "")
	closeHalf(t, tun.host)
	receiveEnd(t, tun.agent, io.EOF)
	send(t, tun.agent, "bye")
	receive(t, tun.host, "bye")
	closeHalf(t, tun.agent)
	receiveEnd(t, tun.host, io.EOF)
	tun.wait(t)
	if tun.err != nil {
		t.Error(tun.err)
	}
}

func TestResetIsCarried(t *testing.T) {
	for name, from := range map[string]func(*tunnel) (one, other *net.TCPConn){
		"from the agent": func(tun *tunnel) (one, other *net.TCPConn) { return tun.agent, tun.host },
		"from the host":  func(tun *tunnel) (one, other *net.TCPConn) { return tun.host, tun.agent },
	} {
		t.Run(name, func(t *testing.T) {
			tun := open(t.Context(), t, "")
			one, other := from(tun)
			send(t, one, "part")
			receive(t, other, "part")
			hangUp(t, one)
			receiveEnd(t, other, syscall.ECONNRESET)
			tun.wait(t)
			if !errors.Is(tun.err, syscall.ECONNRESET) {
				t.Error(tun.err)
			}
		})
	}
}

// An agent that has ended its half and is then gone must not keep a silent host's connection.
func TestResetAfterHalf(t *testing.T) {
	tun := open(t.Context(), t, "question")
	closeHalf(t, tun.agent)
	receive(t, tun.host, "question")
	receiveEnd(t, tun.host, io.EOF)
	hangUp(t, tun.agent)
	tun.wait(t)
	if tun.err == nil {
		t.Error("the end is taken for an orderly one")
	}
	if _, err := tun.host.Write([]byte("x")); err == nil {
		receiveEnd(t, tun.host, syscall.ECONNRESET)
	}
}

// A server that has read enough answers and resets, while the client is still sending. As without
// a relay, the client has the answer and is not left sending.
func TestAnswerBeforeReset(t *testing.T) {
	tun := open(t.Context(), t, "")
	sent := make(chan error, 1)
	go func() { // more than all buffers together have room for
		_, err := io.Copy(tun.agent, io.LimitReader(zeros{}, 1<<30))
		sent <- err
	}()
	receive(t, tun.host, string(make([]byte, 100)))
	send(t, tun.host, "413 too large")
	if err := tun.host.Close(); err != nil { // a reset, for there is more to read
		t.Fatal(err)
	}
	receive(t, tun.agent, "413 too large")
	tun.wait(t)
	if err := <-sent; err == nil {
		t.Error("the whole was sent, to nobody")
	}
	if tun.err == nil {
		t.Error("the end is taken for an orderly one")
	}
}

func TestContextEndsBoth(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	over := errors.New("the session is over")
	tun := open(ctx, t, "")
	send(t, tun.agent, "x")
	receive(t, tun.host, "x")
	cancel(over)
	tun.wait(t)
	if !errors.Is(tun.err, over) {
		t.Error(tun.err)
	}
	// Not in order: an answer that ends with its connection would look whole.
	receiveEnd(t, tun.agent, syscall.ECONNRESET)
	receiveEnd(t, tun.host, syscall.ECONNRESET)
}

func TestEveryByte(t *testing.T) {
	const length = 8 << 20
	tun := open(t.Context(), t, "")
	var all sync.WaitGroup
	carry := func(from, to *net.TCPConn, seed byte) {
		sent, received := sha256.New(), sha256.New()
		var both sync.WaitGroup
		both.Go(func() {
			noise := io.LimitReader(rand.NewChaCha8([32]byte{seed}), length)
			_, err := io.Copy(from, io.TeeReader(noise, sent))
			if err := errors.Join(err, from.CloseWrite()); err != nil {
				t.Error(err)
			}
		})
		n, err := io.Copy(received, to)
		both.Wait()
		if err != nil || n != length || !bytes.Equal(sent.Sum(nil), received.Sum(nil)) {
			t.Errorf("%d bytes came, not those that were sent; %v", n, err)
		}
	}
	all.Go(func() { carry(tun.agent, tun.host, 1) })
	all.Go(func() { carry(tun.host, tun.agent, 2) })
	all.Wait()
	tun.wait(t)
	if tun.up != length || tun.down != length || tun.err != nil {
		t.Errorf("%d up, %d down, %v", tun.up, tun.down, tun.err)
	}
}

// A sender is stopped by a slow reader, and what is between them is bounded.
func TestSlowReader(t *testing.T) {
	const most = 32 << 20 // of the kernel's buffers; the relay's own is one
	tun := open(t.Context(), t, "")
	sent := 0
	piece := make([]byte, 1<<20)
	for ; sent < most; sent += len(piece) {
		if err := tun.host.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := tun.host.Write(piece); errors.Is(err, os.ErrDeadlineExceeded) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if sent >= most {
		t.Errorf("%d bytes were taken, though nobody reads", sent)
	}
	if n := relay.BuffersInUse(); n != 1 {
		t.Errorf("%d buffers are in use, not the one that waits to be written", n)
	}
}

// With very many slow readers more have small buffers, and nobody waits for another.
func TestManySlowReaders(t *testing.T) {
	const tunnels = relay.Plenty + 32
	var all []*tunnel
	for range tunnels {
		tun := open(t.Context(), t, "")
		for _, conn := range []*net.TCPConn{tun.agent, tun.a, tun.b, tun.host} {
			// The kernel's own buffers fill up sooner.
			if err := errors.Join(conn.SetReadBuffer(1), conn.SetWriteBuffer(1)); err != nil {
				t.Fatal(err)
			}
		}
		go func() { _, _ = io.Copy(tun.host, zeros{}) }()
		all = append(all, tun)
	}
	eventually(t, "every direction has a buffer", func() bool { return relay.BuffersInUse() == tunnels })
	another := open(t.Context(), t, "")
	send(t, another.agent, "question")
	receive(t, another.host, "question")
	for _, tun := range append(all, another) {
		hangUp(t, tun.agent)
		tun.wait(t)
	}
	if n := relay.BuffersInUse(); n != 0 {
		t.Errorf("%d buffers are never given back", n)
	}
}

// What is idle holds no buffer, even when much has passed.
func TestIdle(t *testing.T) {
	tun := open(t.Context(), t, "")
	many := string(make([]byte, 3*relay.Large))
	go func() { _, _ = io.WriteString(tun.agent, many) }()
	receive(t, tun.host, many)
	eventually(t, "no buffer is in use", func() bool { return relay.BuffersInUse() == 0 })
	select {
	case <-tun.done:
		t.Error("the relay has ended: ", tun.err)
	default:
	}
}

// A TLS connection is relayed too, with its halves; what breaks off does not end in order.
func TestTLS(t *testing.T) {
	client, server := tlsPair(t)
	host, b := pair(t)
	done := make(chan error, 1)
	go func() {
		_, _, err := relay.Between(t.Context(), server, b)
		done <- err
	}()
	send(t, client, "question")
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	receive(t, host, "question")
	receiveEnd(t, host, io.EOF)
	send(t, host, "answer")
	receive(t, client, "answer")
	hangUp(t, host)
	// The client must not be told that this was the end: TLS would say so with a message.
	receiveEnd(t, client, syscall.ECONNRESET)
	if err := <-done; !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
}

func tlsPair(t *testing.T) (client, server *tls.Conn) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), nil)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	cert, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	far, near := pair(t)
	server = tls.Server(near, &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}},
	})
	client = tls.Client(far, &tls.Config{InsecureSkipVerify: true})
	var both sync.WaitGroup
	for _, conn := range []*tls.Conn{client, server} {
		both.Go(func() {
			if err := conn.Handshake(); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	return client, server
}

// eventually waits for what must come.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !holds(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("it never comes about that ", what)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
