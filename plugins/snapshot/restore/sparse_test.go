//go:build linux

package restore

import (
	"bytes"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/snapshot/store"
)

// room is how many bytes a file takes on its disk.
func (p *place) room(path string) int64 {
	p.t.Helper()
	var st unix.Stat_t
	p.must(unix.Stat(p.at(path), &st))
	return st.Blocks * 512
}

// A file with holes comes back with them, and one without has all of its bytes written.
func TestHoles(t *testing.T) {
	const size = 5*store.PieceSize + 5000
	p := newPlace(t)
	p.write("sparse", "")
	f, err := os.OpenFile(p.at("sparse"), os.O_RDWR, 0)
	p.must(err)
	p.must(f.Truncate(size))
	for _, at := range []int64{5000, store.PieceSize - 10, 3 * store.PieceSize} {
		_, err := f.WriteAt([]byte("over the end of a block, or of a piece"), at)
		p.must(err)
	}
	p.must(f.Close())
	full := bytes.Repeat([]byte{1}, 1<<20)
	p.write("full", string(full))
	const most = 1 << 17
	if got := p.room("sparse"); got > most {
		t.Fatalf("the file system has no holes: %d bytes of room", got)
	}
	want, before := p.describe(), p.record()
	p.write("sparse", "agent")
	p.write("full", "agent")
	j := p.rollback(before, p.record())
	p.want("with holes", want)
	if got := p.room("sparse"); got > most {
		t.Errorf("%d bytes of room for a file of holes", got)
	}
	if got := p.room("full"); got < int64(len(full)) {
		t.Errorf("%d bytes of room for %d bytes", got, len(full))
	}
	p.undo(j)
	if got := p.read("sparse"); got != "agent" {
		t.Errorf("%q after undoing", got)
	}
}

// A hole that is larger than any disk takes neither room nor the time of its size.
func TestAFileOfOneHole(t *testing.T) {
	const size = 20 << 30
	p := newPlace(t)
	p.write("sparse", "")
	p.must(os.Truncate(p.at("sparse"), size))
	before := p.record()
	p.write("sparse", "agent")
	p.rollback(before, p.record())
	var st unix.Stat_t
	p.must(unix.Stat(p.at("sparse"), &st))
	if st.Size != size || p.room("sparse") > 1<<20 {
		t.Errorf("%d bytes with %d of room", st.Size, p.room("sparse"))
	}
}

// Whatever is written in whatever parts, the file holds it.
func TestSparseHoldsWhatWasWritten(t *testing.T) {
	text := []byte("text")
	block := make([]byte, len(zeros))
	for name, parts := range map[string][][]byte{
		"nothing":              {},
		"text":                 {text},
		"a block":              {block},
		"less than a block":    {block[:10]},
		"text after a hole":    {block, block, text},
		"text before a hole":   {text, block, block},
		"holes between blocks": {append(bytes.Clone(block), text...), block, text, block[:1]},
		"a run and then text":  {bytes.Join([][]byte{block, block, text, block, block}, nil)},
	} {
		f, err := os.Create(t.TempDir() + "/file")
		if err != nil {
			t.Fatal(err)
		}
		w := &sparse{f: f}
		for _, part := range parts {
			if n, err := w.Write(part); n != len(part) || err != nil {
				t.Errorf("%s: %d, %v", name, n, err)
			}
		}
		if err := w.end(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got, err := os.ReadFile(f.Name())
		if want := bytes.Join(parts, nil); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v; want %d", name, len(got), err, len(want))
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
