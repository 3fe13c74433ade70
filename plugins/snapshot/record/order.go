//go:build linux

package record

import (
	"sync"
	"sync/atomic"

	"github.com/nono-run/nono/plugins/snapshot/beneath"
	"github.com/nono-run/nono/plugins/snapshot/tree"
)

// order is the list of the tree's directories in the order of the manifest, as far as they are
// known. A directory's own are put behind it when it has been looked at:
//
//	""                       a walker takes the root,
//	"" a b c                 finds three, and is whole: it is written and leaves the list
//	   a b c                 a and b are taken
//	   a a/x a/y b c         a was looked at; a/x is the next that is taken
//
// Its head is always taken, or free to be taken: so it always comes to be written, however much
// waits behind it.
type order struct {
	mu      sync.Mutex
	head    *part
	stopped bool
	// free is signalled when a walker may find something to take, and written when the head may be
	// whole.
	free, written sync.Cond
	entries       int // of the parts that were taken, and are in the list
	parts         int
}

// The most that waits to be written before the walkers wait as well.
const (
	mostEntries = 32 << 10
	mostParts   = 1 << 10
)

// part is a directory, or so many of its names.
type part struct {
	next  *part
	state state

	dir *directory
	// first says that the directory is yet to be opened and listed; info is about it then.
	first bool
	info  tree.Directory
	// names are those of this part, entries what stands there, in the same order.
	names   []string
	entries []tree.Entry
	// behind is the part behind which the directories among these entries belong: behind all parts of
	// their own directory.
	behind *part

	// open is how much is to be done before it is whole: the look at it, and its jobs.
	open atomic.Int32
}

type state uint8

const (
	waiting state = iota + 1
	taken
	whole
)

// directory is what the parts of one have in common.
type directory struct {
	path string
	at   Identity
	// git and excluded hold for all that is in it.
	git, excluded bool
	dir           *beneath.Dir
	names         []string     // all of them, in order
	parts         atomic.Int32 // how many use dir
}

// release lets the directory go with its last part.
func (d *directory) release() {
	if d.dir != nil && d.parts.Add(-1) == 0 {
		_ = d.dir.Close()
	}
}

func newOrder(root *part) *order {
	o := &order{head: root}
	o.free.L, o.written.L = &o.mu, &o.mu
	root.state, root.first = waiting, true
	return o
}

// take takes the first part that nobody has taken. It is nil when there will be no more.
func (o *order) take() *part {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.head != nil && !o.stopped {
		p := o.head
		for p != nil && p.state != waiting {
			p = p.next
		}
		if p != nil && (p == o.head || o.entries < mostEntries && o.parts < mostParts) {
			p.state = taken
			o.parts++
			o.entries += len(p.names)
			p.open.Store(1)
			return p
		}
		o.free.Wait()
	}
	return nil
}

// looked puts the parts that were found behind another, and says how many entries one has that was
// taken without its names.
func (o *order) looked(behind *part, found []*part, entries int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.entries += entries
	for _, p := range found {
		p.next, behind.next = behind.next, p
		behind = p
		switch p.state {
		case waiting:
			o.free.Signal()
		case whole:
			o.parts++
		case taken:
		}
	}
}

// done says that one thing of a part is done. After the last it is whole.
func (o *order) done(p *part) {
	if p.open.Add(-1) > 0 {
		return
	}
	p.dir.release()
	o.mu.Lock()
	defer o.mu.Unlock()
	p.state = whole
	if p == o.head {
		o.written.Signal()
	}
}

// whole takes the head away when it is whole. It is nil after the last, and after a failure.
func (o *order) whole() *part {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.head != nil && !o.stopped {
		if p := o.head; p.state == whole {
			o.head = p.next
			o.parts--
			o.entries -= len(p.entries)
			o.free.Broadcast()
			return p
		}
		o.written.Wait()
	}
	return nil
}

// stop ends it: nothing more is taken or written.
func (o *order) stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stopped = true
	o.free.Broadcast()
	o.written.Broadcast()
}

// close lets go of the directories of parts that will never be taken.
func (o *order) close() {
	for p := o.head; p != nil; p = p.next {
		if p.state == waiting {
			p.dir.release()
		}
	}
}
