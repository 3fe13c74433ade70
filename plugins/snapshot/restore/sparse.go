//go:build linux

package restore

import (
	"bytes"
	"os"
)

// sparse writes an empty file from its beginning, and leaves out the blocks that hold nothing but
// zeros: they become holes. A file of one hole may be larger than the disk.
type sparse struct {
	f       *os.File
	size    int64 // of what was given to Write
	written int64 // up to where the file reaches
}

// zeros is a block that may be left out, of the size that file systems give room in.
var zeros [4096]byte

// Write implements io.Writer.
func (w *sparse) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		n, hole := run(b[done:])
		if !hole {
			if _, err := w.f.WriteAt(b[done:done+n], w.size); err != nil {
				return done, err
			}
			w.written = w.size + int64(n)
		}
		w.size += int64(n)
		done += n
	}
	return done, nil
}

// end gives the file its size where it ends in a hole.
func (w *sparse) end() error {
	if w.written == w.size {
		return nil
	}
	return w.f.Truncate(w.size)
}

// run is the length of the blocks at the beginning that are all zeros, or are all none.
func run(b []byte) (n int, hole bool) {
	for n < len(b) {
		block := b[n:min(n+len(zeros), len(b))]
		empty := bytes.Equal(block, zeros[:len(block)])
		if n > 0 && empty != hole {
			break
		}
		n, hole = n+len(block), empty
	}
	return n, hole
}
