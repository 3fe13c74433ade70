// Package progress shows how far something long has come, in a passing line of a terminal.
//
//	bar := progress.On(os.Stderr)
//	defer bar.Done()
//	for i, file := range files {
//		bar.Show("reading", uint64(i), uint64(len(files)))
//	}
//
// What takes less than half a second is not worth a line, and is not shown.
package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/nono-run/nono/sdk/policy"
)

// Bar is a line that shows how far something has come. A nil one shows nothing.
type Bar struct {
	draw func(line string)
	now  func() time.Time

	mu    sync.Mutex
	began time.Time
	drawn time.Time
}

// How long something takes before it is shown, and how often that is drawn anew.
const (
	patience = 500 * time.Millisecond
	redrawn  = 100 * time.Millisecond
)

// New has a function draw the line in the place of the last one; "" takes it away.
func New(draw func(line string)) *Bar { return &Bar{draw: draw, now: time.Now} }

// On draws on a terminal, on which nobody else writes before Done.
func On(terminal io.Writer) *Bar {
	return New(func(line string) { _, _ = io.WriteString(terminal, "\r\x1b[K"+line) })
}

// Show says how far it has come; a total of zero is not known.
func (b *Bar) Show(text string, done, total uint64) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if b.began.IsZero() {
		b.began = now
	}
	if now.Sub(b.began) < patience || now.Sub(b.drawn) < redrawn {
		return
	}
	b.drawn = now
	b.draw(line(text, done, total))
}

// Done takes the line away.
func (b *Bar) Done() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.drawn.IsZero() {
		b.draw("")
	}
	b.began, b.drawn = time.Time{}, time.Time{}
}

// A line is no longer than a narrow terminal is wide: one that wraps could not be taken away.
const (
	lineWidth = 78
	barWidth  = 20
)

func line(text string, done, total uint64) string {
	line := []rune("nono: " + policy.Printable(text))
	end := ""
	if total > 0 {
		part := float64(min(done, total)) / float64(total)
		full := int(part * barWidth)
		end = fmt.Sprintf(" [%s%s] %d%%", strings.Repeat("#", full), strings.Repeat(" ", barWidth-full),
			int(part*100))
	}
	if room := lineWidth - utf8.RuneCountInString(end); len(line) > room {
		line = append(line[:room-3], []rune("...")...)
	}
	return string(line) + end
}
