package events

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"sync"
	"time"
)

// MaxSize is how much of a log may be of layers' events, and of what else an agent can bring about
// as often as it likes. It is some hundred thousand.
const MaxSize = 32 << 20

// A Log is a session's, while the session lives. Its methods may be called from any goroutine.
//
// What cannot be written is no reason to end an agent. So nothing but Close returns an error: a log
// that a write failed for takes nothing more, and Close says so. A nil Log, which is that of a run
// that only makes a plan, keeps nothing.
type Log struct {
	mu    sync.Mutex
	w     io.Writer
	also  io.Writer
	chain Chain
	fold  fold
	size  int64
	// kinds is how much of the size each kind of events has.
	kinds map[kind]int64
	// skipped counts the events that there was no room for.
	skipped uint64
	err     error
	timer   *time.Timer // runs while something is being counted
	closed  bool
}

// kind is what events of one name have in common, or all of those whose name came too late.
type kind struct{ layer, name string }

// mostKinds is how many kinds are told apart.
const mostKinds = 256

// Create begins the log of a session. Each line goes to w in one write; also gets the same lines,
// and may be nil. It must not wait for anybody; see [Beside].
func Create(w io.Writer, session string, also io.Writer) (*Log, error) {
	line, chain, err := begin(session)
	if err != nil {
		return nil, err
	}
	l := &Log{w: w, also: also, chain: chain, kinds: map[kind]int64{}}
	l.put(line)
	return l, l.err
}

// Resume goes on with the log of a session that nobody closed, in a file that was opened to be read
// and appended to. A line that was not written to its end is taken away, and an event says so. What
// else is wrong with the log stays as it is, and is found by whoever verifies it. A file without
// anything in it is begun.
func Resume(f *os.File, session string) (*Log, error) {
	if info, err := f.Stat(); err == nil && info.Size() == 0 {
		return Create(f, session, nil)
	}
	read, err := NewReader(io.NewSectionReader(f, 0, math.MaxInt64), session)
	if err != nil {
		return nil, fmt.Errorf("going on with the session's log: %w", err)
	}
	for !errors.Is(err, io.EOF) {
		var broken *Broken
		if _, err = read.Next(); err != nil && !errors.Is(err, io.EOF) && !errors.As(err, &broken) {
			return nil, fmt.Errorf("going on with the session's log: %w", err)
		}
	}
	l := &Log{w: f, chain: read.Chain(), size: read.Size(), kinds: map[kind]int64{}}
	if torn := read.Torn(); torn > 0 {
		if err := f.Truncate(read.Size()); err != nil {
			return nil, fmt.Errorf("going on with the session's log: %w", err)
		}
		l.Add(Event{
			Layer: Core, Name: "events.torn", Fields: map[string]string{"bytes": strconv.Itoa(torn)},
		})
	}
	return l, nil
}

// Add takes an event. An event without a time happened now; one without a count did once.
func (l *Log) Add(e Event) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e = e.tidy()
	if !l.fold.add(e) {
		return
	}
	l.write(e)
	if l.timer == nil {
		l.timer = time.AfterFunc(Window, l.tick)
	}
}

// Close writes what was still counted, and last the event that ends the log. The chain is that of
// all whole lines, and is to be kept.
func (l *Log) Close(last Event) (Chain, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return l.chain, l.err
	}
	l.closed = true
	if l.timer != nil {
		l.timer.Stop()
	}
	for _, e := range l.fold.rest() {
		l.write(e)
	}
	now := time.Now()
	if l.skipped > 0 {
		l.write(Event{Time: now, Layer: Core, Name: "events.skipped", Count: l.skipped}.tidy())
	}
	if last.Time.IsZero() {
		last.Time = now
	}
	l.write(last.tidy())
	return l.chain, l.err
}

// tick writes what was counted, and comes again while there is something to count.
func (l *Log) tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	now := time.Now()
	for _, e := range l.fold.due(now) {
		l.write(e)
	}
	l.timer = nil
	if at, ok := l.fold.next(); ok {
		l.timer = time.AfterFunc(at.Sub(now), l.tick)
	}
}

// write makes an event a line, if there is room for it. Core's own are few, but for those that come
// at the agent's will, and always have room.
func (l *Log) write(e Event) {
	of := l.kind(e)
	// As much as a kind has it leaves to the others: who floods the log with one hides no other.
	if (e.Layer != Core || e.AtWill) && l.kinds[of] >= MaxSize-l.size {
		l.skipped += e.Count
		return
	}
	if l.err != nil {
		return
	}
	chain := l.chain
	line, err := chain.link(e)
	if err != nil {
		l.err = err
		return
	}
	if l.put(line); l.err == nil {
		l.chain = chain
		l.kinds[of] += int64(len(line)) + 1
	}
}

// kind is that of an event.
func (l *Log) kind(e Event) kind {
	of := kind{e.Layer, e.Name}
	if _, known := l.kinds[of]; !known && len(l.kinds) >= mostKinds {
		return kind{}
	}
	return of
}

// put writes one line. Whoever reads it beside, and fails, is not written to any more.
func (l *Log) put(line []byte) {
	line = append(line, '\n')
	if _, err := l.w.Write(line); err != nil {
		l.err = fmt.Errorf("writing the session's log: %w", err)
		return
	}
	l.size += int64(len(line))
	if l.also != nil {
		if _, err := l.also.Write(line); err != nil {
			l.also = nil
		}
	}
}
