//go:build linux

package store

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sparse makes a file of a size with some bytes written at places in it.
func sparse(t *testing.T, size int64, written map[int64][]byte) *os.File {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "sparse"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	for at, b := range written {
		if _, err := f.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// A file with holes is stored as one that has its zeros written.
func TestHoles(t *testing.T) {
	const size = 6*PieceSize + 5000
	written := map[int64][]byte{
		PieceSize - 10: []byte("over the end of a piece"), 4 * PieceSize: {1},
		5*PieceSize - 1: {2}, size - 1: {3},
	}
	want := make([]byte, size)
	for at, b := range written {
		copy(want[at:], b)
	}
	s := held(t, filepath.Join(t.TempDir(), "store"))
	p := begin(t, s)
	d, err := p.PutFile(sparse(t, size, written), size)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := p.Put(want)
	if err != nil || whole != d {
		t.Errorf("%v with holes, %v without, %v", d, whole, err)
	}
	mustSeal(t, p, false)
	if got, err := content(s, d); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// What takes nobody any room is not read: else a file of a size that anyone can give it would take
// hours.
func TestAFileOfOneHole(t *testing.T) {
	const size = 20 << 30
	f := sparse(t, size, map[int64][]byte{size / 2: []byte("text")})
	s := held(t, filepath.Join(t.TempDir(), "store"))
	p := begin(t, s)
	before := bytesRead(t)
	if _, err := p.PutFile(f, size); err != nil {
		t.Fatal(err)
	}
	if read := bytesRead(t) - before; read > 1<<30 {
		t.Errorf("%d bytes were read", read)
	}
	mustSeal(t, p, false)
}

// bytesRead is how much this process has read.
func bytesRead(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	if _, err := fmt.Fscanf(strings.NewReader(string(text)), "rchar: %d", &n); err != nil {
		t.Fatal(err)
	}
	return n
}
