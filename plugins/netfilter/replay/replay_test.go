package replay_test

import (
	"bytes"
	"io"
	"net"
	"testing"

	"github.com/nono-run/nono/plugins/netfilter/replay"
)

// other sends the words on a connection, ends its half, and returns the other side.
func other(t *testing.T, words string) net.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sender, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sender.Close() })
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(sender, words); err != nil {
		t.Fatal(err)
	}
	if err := sender.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestHeadComesFirst(t *testing.T) {
	conn := other(t, "three")
	got, err := io.ReadAll(replay.New(replay.New(conn, []byte("two ")), []byte("one ")))
	if err != nil || string(got) != "one two three" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestHeadInPieces(t *testing.T) {
	conn := replay.New(other(t, "tail"), []byte("head"))
	piece := make([]byte, 3)
	if n, err := conn.Read(piece); err != nil || string(piece[:n]) != "hea" {
		t.Fatalf("read %q, %v", piece[:n], err)
	}
	head, inner := replay.Open(conn)
	if rest, err := io.ReadAll(inner); err != nil || string(head)+string(rest) != "dtail" {
		t.Errorf("left are %q and %q, %v", head, rest, err)
	}
}

func TestHalfClose(t *testing.T) {
	if err := replay.New(other(t, ""), nil).CloseWrite(); err != nil {
		t.Error(err)
	}
	pipe, far := net.Pipe()
	defer pipe.Close()
	defer far.Close()
	if err := replay.New(pipe, nil).CloseWrite(); err == nil {
		t.Error("a connection without halves has ended one")
	}
}

func TestOpenOfAnother(t *testing.T) {
	conn := other(t, "all")
	head, inner := replay.Open(conn)
	got, err := io.ReadAll(inner)
	if len(head) != 0 || err != nil || !bytes.Equal(got, []byte("all")) {
		t.Errorf("head %q, rest %q, %v", head, got, err)
	}
}
