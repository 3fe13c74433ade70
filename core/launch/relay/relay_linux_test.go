package relay

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/recipe"
)

// stream is the user's end of something that the agent's standard input is read from.
type stream struct {
	kind  recipe.StreamKind
	given *os.File // what nono was started with
	feed  *os.File // where the user writes
	left  func(t *testing.T) string
}

func file(t *testing.T, fd int) *os.File {
	t.Helper()
	f := os.NewFile(uintptr(fd), "")
	t.Cleanup(func() { f.Close() })
	return f
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	return file(t, fds[0]), file(t, fds[1])
}

func sockets(t *testing.T, kind int) (a, b *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return file(t, fds[0]), file(t, fds[1])
}

// rest is what is still to be read of a stream that nobody writes to any more.
func rest(f, feed *os.File) func(t *testing.T) string {
	return func(t *testing.T) string {
		feed.Close()
		b, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}

var kinds = map[string]func(t *testing.T) stream{
	"pipe": func(t *testing.T) stream {
		r, w := pipe(t)
		return stream{recipe.PipeStream, r, w, rest(r, w)}
	},
	"socket": func(t *testing.T) stream {
		a, b := sockets(t, unix.SOCK_STREAM)
		return stream{recipe.SocketStream, a, b, rest(a, b)}
	},
	"file": func(t *testing.T) stream {
		name := filepath.Join(t.TempDir(), "f")
		w, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		r, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close(); w.Close() })
		return stream{recipe.FileStream, r, w, rest(r, w)}
	},
}

func (s stream) input(t *testing.T) (*os.File, *Relay) {
	t.Helper()
	inner, r, err := Input(s.given, s.kind)
	if err != nil {
		t.Fatal(err)
	}
	r.Start()
	return inner, r
}

// ends waits for a relay's end.
func ends(t *testing.T, r *Relay) {
	t.Helper()
	select {
	case <-r.Done():
	case <-time.After(time.Minute):
		t.Fatal("the relay does not end")
	}
}

// TestNothingIsTakenThatWasNotRead: what the agent leaves in its input is there for the next one.
func TestNothingIsTakenThatWasNotRead(t *testing.T) {
	long := strings.Repeat("x", 40*os.Getpagesize())
	for name, arrange := range kinds {
		for _, test := range []struct{ written, read string }{
			{"one\ntwo\n", "one\n"},
			{"one\ntwo\n", ""},
			{"one\ntwo\n", "one\ntwo\n"},
			{long, long[:10]},
			{long, long[:os.Getpagesize()]},
			{long, long[:os.Getpagesize()+1]},
			{long, long[:36*os.Getpagesize()+7]}, // in larger pieces by then
			{long, long},
		} {
			s := arrange(t)
			if s.kind == recipe.PipeStream {
				if _, err := unix.FcntlInt(s.given.Fd(), unix.F_SETPIPE_SZ, len(long)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := s.feed.WriteString(test.written); err != nil {
				t.Fatal(err)
			}
			inner, r := s.input(t)
			b := bytes.Repeat([]byte{0}, len(test.read))
			if _, err := io.ReadFull(inner, b); err != nil || string(b) != test.read {
				t.Errorf("%s: read %d bytes: %v", name, len(b), err)
			}
			inner.Close()
			ends(t, r)
			if got, want := s.left(t), test.written[len(test.read):]; got != want {
				t.Errorf("%s: of %d bytes %d were read, and %d are left", name, len(test.written), len(b), len(got))
			}
		}
	}
}

// TestInputEnds: the end of the user's stream is the end of the agent's, after all that was in it.
func TestInputEnds(t *testing.T) {
	text := strings.Repeat("all of it\n", 100_000)
	for name, arrange := range kinds {
		s := arrange(t)
		written := bytes.NewBufferString(text)
		if name == "file" { // a file has an end wherever it is
			_, err := s.feed.Write(written.Bytes())
			if err != nil {
				t.Fatal(err)
			}
		} else {
			go func() {
				_, _ = io.Copy(s.feed, written)
				s.feed.Close()
			}()
		}
		inner, r := s.input(t)
		got, err := io.ReadAll(inner)
		if err != nil || string(got) != text {
			t.Errorf("%s: got %d bytes of %d, %v", name, len(got), len(text), err)
		}
		ends(t, r)
		inner.Close()
	}
}

// TestWriterIsTold: when nobody inside reads any more, and core has let go as well, whoever writes
// there is told.
func TestWriterIsTold(t *testing.T) {
	for _, name := range []string{"pipe", "socket"} {
		s := kinds[name](t)
		inner, r := s.input(t)
		s.given.Close()
		inner.Close()
		ends(t, r)
		if _, err := s.feed.WriteString("x"); !errors.Is(err, unix.EPIPE) {
			t.Errorf("%s: a writer that nobody reads: %v", name, err)
		}
	}
}

// TestLargerPipe: an agent that makes its pipe larger gets all of its input, too.
func TestLargerPipe(t *testing.T) {
	text := strings.Repeat("x", 10*os.Getpagesize())
	for name, arrange := range kinds {
		s := arrange(t)
		if _, err := s.feed.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if name != "file" {
			s.feed.Close()
		}
		inner, r := s.input(t)
		if _, err := unix.FcntlInt(inner.Fd(), unix.F_SETPIPE_SZ, 1<<16); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(inner); err != nil || string(got) != text {
			t.Errorf("%s: got %d bytes, %v", name, len(got), err)
		}
		ends(t, r)
		inner.Close()
	}
}

// TestMessages: what comes in messages is one stream inside, longer ones in several pieces.
func TestMessages(t *testing.T) {
	a, b := sockets(t, unix.SOCK_SEQPACKET)
	long := strings.Repeat("y", 3*os.Getpagesize())
	for _, m := range []string{"one ", long} {
		if _, err := b.WriteString(m); err != nil {
			t.Fatal(err)
		}
	}
	b.Close()
	inner, r, err := Input(a, recipe.SocketStream)
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	r.Start()
	if got, err := io.ReadAll(inner); err != nil || string(got) != "one "+long {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	ends(t, r)
}

// TestDescriptorsAreDropped: what is sent along with bytes over a Unix socket arrives nowhere.
func TestDescriptorsAreDropped(t *testing.T) {
	a, b := sockets(t, unix.SOCK_STREAM)
	inner, r, err := Input(a, recipe.SocketStream)
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	r.Start()
	before := open(t)
	secret, w := pipe(t)
	if err := unix.Sendmsg(int(b.Fd()), []byte("take this\n"), unix.UnixRights(int(secret.Fd())), nil, 0); err != nil {
		t.Fatal(err)
	}
	secret.Close()
	if line, err := bufio.NewReader(inner).ReadString('\n'); err != nil || line != "take this\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	b.Close()
	ends(t, r)
	// The only copy of the reading end was the one that was sent.
	if _, err := w.WriteString("x"); !errors.Is(err, unix.EPIPE) {
		t.Errorf("somebody holds the descriptor that was sent: %v", err)
	}
	if after := open(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func open(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// outputs are what an agent's output goes to: where it is given, and where it is read.
var outputs = map[string]func(t *testing.T) (kind recipe.StreamKind, given, read *os.File){
	"pipe": func(t *testing.T) (recipe.StreamKind, *os.File, *os.File) {
		r, w := pipe(t)
		return recipe.PipeStream, w, r
	},
	"socket": func(t *testing.T) (recipe.StreamKind, *os.File, *os.File) {
		a, b := sockets(t, unix.SOCK_STREAM)
		return recipe.SocketStream, a, b
	},
}

func TestOutput(t *testing.T) {
	text := strings.Repeat("a line of it\n", 50_000)
	for name, arrange := range outputs {
		kind, given, read := arrange(t)
		inner, r, err := Output(given, kind)
		if err != nil {
			t.Fatal(err)
		}
		r.Start()
		given.Close()
		go func() {
			_, _ = io.WriteString(inner, text)
			inner.Close()
		}()
		got, err := io.ReadAll(read) // ends with the agent's end, for nobody else holds it
		if err != nil || string(got) != text {
			t.Errorf("%s: got %d bytes of %d, %v", name, len(got), len(text), err)
		}
		ends(t, r)
	}
}

// TestReaderGone: an agent whose reader has gone is told, as it would be without a relay.
func TestReaderGone(t *testing.T) {
	for name, arrange := range outputs {
		kind, given, read := arrange(t)
		inner, r, err := Output(given, kind)
		if err != nil {
			t.Fatal(err)
		}
		r.Start()
		read.Close()
		ends(t, r)
		if _, err := inner.WriteString("x"); !errors.Is(err, unix.EPIPE) {
			t.Errorf("%s: writing where nobody reads: %v", name, err)
		}
		inner.Close()
	}
}

// TestSocketStaysUp: the end of the agent's output is not the end of a socket that others hold.
func TestSocketStaysUp(t *testing.T) {
	kind, given, read := outputs["socket"](t)
	inner, r, err := Output(given, kind)
	if err != nil {
		t.Fatal(err)
	}
	r.Start()
	inner.Close()
	ends(t, r)
	if _, err := given.WriteString("the caller's next command\n"); err != nil {
		t.Errorf("writing after the relay: %v", err)
	}
	if line, err := bufio.NewReader(read).ReadString('\n'); err != nil || line != "the caller's next command\n" {
		t.Errorf("got %q, %v", line, err)
	}
}

// TestSmallWrites: output that fits into the user's pipe is there when the agent has ended, whoever
// reads it then, and in however many pieces it was written.
func TestSmallWrites(t *testing.T) {
	_, given, read := outputs["pipe"](t)
	inner, r, err := Output(given, recipe.PipeStream)
	if err != nil {
		t.Fatal(err)
	}
	r.Start()
	given.Close()
	const lines = 4000
	for range lines {
		if _, err := inner.WriteString("a line\n"); err != nil {
			t.Fatal(err)
		}
	}
	inner.Close()
	ends(t, r) // and nobody has read anything
	if got, err := io.ReadAll(read); err != nil || len(got) != lines*len("a line\n") {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

func TestPiece(t *testing.T) {
	for name, test := range map[string]struct {
		b    string
		want int
	}{
		"what fits":                  {"a\nb", 3},
		"the lines that fit":         {strings.Repeat("x", atomic-2) + "\nyy", atomic - 1},
		"a line that ends just then": {strings.Repeat("x", atomic-1) + "\nyy", atomic},
		"a line that never fits":     {strings.Repeat("x", atomic+9), atomic},
		"a line and one that is cut": {"a\n" + strings.Repeat("x", atomic), 2},
	} {
		if got := piece([]byte(test.b)); got != test.want {
			t.Errorf("%s: got %d, want %d", name, got, test.want)
		}
	}
}

// TestNotStarted: a relay that is not needed has taken nothing, and holds nothing.
func TestNotStarted(t *testing.T) {
	before := open(t)
	s := kinds["pipe"](t)
	if _, err := s.feed.WriteString("all"); err != nil {
		t.Fatal(err)
	}
	inner, r, err := Input(s.given, s.kind)
	if err != nil {
		t.Fatal(err)
	}
	inner.Close()
	r.Close()
	r.Close()
	ends(t, r)
	if got := s.left(t); got != "all" {
		t.Errorf("left: %q", got)
	}
	s.given.Close()
	if after := open(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// BenchmarkInput is how fast an input goes through.
func BenchmarkInput(b *testing.B) {
	const size = 64 << 20
	block := bytes.Repeat([]byte("x"), 64<<10)
	for range b.N {
		r, w, err := os.Pipe()
		if err != nil {
			b.Fatal(err)
		}
		go func() {
			for range size / len(block) {
				_, _ = w.Write(block)
			}
			w.Close()
		}()
		inner, relay, err := Input(r, recipe.PipeStream)
		if err != nil {
			b.Fatal(err)
		}
		relay.Start()
		n, err := io.Copy(io.Discard, inner)
		if err != nil || n != size {
			b.Fatal(n, err)
		}
		inner.Close()
		<-relay.Done()
		r.Close()
		b.SetBytes(size)
	}
}
