package events

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Window is how long an event that came again is counted before it is written.
const Window = 10 * time.Second

// maxFolded is how many different events are counted at a time. One that finds no room is written
// as it comes.
const maxFolded = 1024

// A fold counts what comes again. It is told the time and has no clock.
type fold struct {
	open map[string]*folded
}

// folded is an event that was written, and what came again since.
type folded struct {
	again Event // a count of zero: it did not
	ends  time.Time
}

// add takes an event, and returns whether it is to be written now.
func (f *fold) add(e Event) bool {
	if f.open == nil {
		f.open = map[string]*folded{}
	}
	key := e.key()
	if known, ok := f.open[key]; ok {
		known.count(e)
		return false
	}
	if len(f.open) < maxFolded {
		f.open[key] = &folded{ends: e.Time.Add(Window)}
	}
	return true
}

// due are the events whose window is over, the oldest first. An event that came again is counted
// in a window of its own from then on; one that did not is forgotten.
func (f *fold) due(now time.Time) []Event {
	return f.take(func(k *folded) bool { return !k.ends.After(now) }, now)
}

// rest are all that came again, at the end of the log.
func (f *fold) rest() []Event {
	return f.take(func(*folded) bool { return true }, time.Time{})
}

func (f *fold) take(which func(*folded) bool, now time.Time) []Event {
	var list []Event
	for key, known := range f.open {
		if !which(known) {
			continue
		}
		if known.again.Count == 0 {
			delete(f.open, key)
			continue
		}
		list = append(list, known.again)
		f.open[key] = &folded{ends: now.Add(Window)}
	}
	slices.SortFunc(list, func(a, b Event) int {
		if byTime := a.Time.Compare(b.Time); byTime != 0 {
			return byTime
		}
		return strings.Compare(a.key(), b.key())
	})
	return list
}

// next is when the first window is over; false where there is none.
func (f *fold) next() (time.Time, bool) {
	var first time.Time
	for _, known := range f.open {
		if first.IsZero() || known.ends.Before(first) {
			first = known.ends
		}
	}
	return first, len(f.open) > 0
}

func (k *folded) count(e Event) {
	last := e.Time
	if e.Until.After(last) {
		last = e.Until
	}
	if k.again.Count == 0 {
		k.again = e
	} else {
		k.again.Count += e.Count
	}
	if k.again.Count > 1 {
		k.again.Until = last
	}
}

// key is what two events have in common that are the same but for their time.
func (e Event) key() string {
	var b strings.Builder
	for _, part := range []string{e.Layer, e.Name, string(e.Rule)} {
		b.WriteString(strconv.Quote(part))
	}
	for _, name := range slices.Sorted(maps.Keys(e.Fields)) {
		fmt.Fprintf(&b, "%q%q", name, e.Fields[name])
	}
	return b.String()
}
