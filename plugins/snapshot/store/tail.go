//go:build linux

package store

const (
	// bufferSize is how much is written at once.
	bufferSize = 1 << 20
	// buffers is how many there are: one that is filled, and as many as one object can fill.
	buffers = 3
	// blockSize is what a write begins and ends at a multiple of, and a clone.
	blockSize = 4096
)

// tail is the end of a pack's file that is not written yet. Who adds to it holds the pack's lock,
// and is told what is due to be written, which it writes when it has let the lock go: so the others
// go on meanwhile.
//
// Whole blocks are written, and none twice: the disk has been told to begin with each, and who
// writes into a block that is on its way waits until it has arrived.
type tail struct {
	at     int64 // where the buffer begins in the file
	buffer []byte
	spare  chan []byte
}

// extent is a part of the file that is due to be written.
type extent struct {
	at    int64
	bytes []byte
	// spare says that its bytes are a buffer, which is used again.
	spare bool
}

func newTail(begins []byte) tail {
	t := tail{buffer: begins} // it grows: most packs stay small
	t.spare = make(chan []byte, buffers)
	for range buffers - 1 {
		t.spare <- nil // it is made when it is needed
	}
	return t
}

// end is where what is added next begins.
func (t *tail) end() int64 { return t.at + int64(len(t.buffer)) }

// add adds bytes, and adds to what is due. Of many bytes the most are not copied, and must not
// change before they are written. Where all buffers are being written it waits for one.
func (t *tail) add(due []extent, b []byte) []extent {
	for len(b) > 0 {
		if len(t.buffer) == 0 && len(b) >= bufferSize {
			n := len(b) / blockSize * blockSize
			due = append(due, extent{at: t.at, bytes: b[:n]})
			t.at += int64(n)
			b = b[n:]
			continue
		}
		n := min(len(b), bufferSize-len(t.buffer))
		t.buffer = append(t.buffer, b[:n]...)
		b = b[n:]
		if len(t.buffer) == bufferSize {
			due = t.cut(due)
		}
	}
	return due
}

// cut adds the buffer to what is due, as it is.
func (t *tail) cut(due []extent) []extent {
	if len(t.buffer) == 0 {
		return due
	}
	due = append(due, extent{at: t.at, bytes: t.buffer, spare: true})
	t.at += int64(len(t.buffer))
	if t.buffer = <-t.spare; t.buffer == nil {
		t.buffer = make([]byte, 0, bufferSize)
	}
	return due
}

// skip goes to the block after a place, from where the buffer was cut.
func (t *tail) skip(to int64) { t.at = wholeBlocks(to) }

// write writes what is due, and has the disk begin to write it: that is most of what Sync would
// wait for.
func (t *tail) write(to file, due []extent) error {
	var failed error
	for _, e := range due {
		if failed == nil {
			_, failed = to.WriteAt(e.bytes, e.at)
		}
		if failed == nil {
			failed = to.start(e.at, int64(len(e.bytes)))
		}
		if e.spare {
			t.spare <- e.bytes[:0]
		}
	}
	return failed
}

// wholeBlocks is the first place that is no less, at which a block begins.
func wholeBlocks(at int64) int64 { return (at + blockSize - 1) / blockSize * blockSize }
