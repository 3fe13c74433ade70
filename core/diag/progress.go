package diag

import (
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/nono-run/nono/sdk/policy"
)

// Progress shows how far something long has come: once it has taken half a second, as a passing
// line of a terminal. What is quick is not worth a line, and elsewhere there is none.
type Progress struct {
	held *Held // nil where nothing is shown
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

// NewProgress shows progress where held is a terminal. A nil one shows nothing.
func NewProgress(held *Held) *Progress { return &Progress{held: held, now: time.Now} }

// Show says how far it has come; a total of zero is not known.
func (p *Progress) Show(text string, done, total uint64) {
	if p == nil || p.held == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if p.began.IsZero() {
		p.began = now
	}
	if now.Sub(p.began) < patience || now.Sub(p.drawn) < redrawn {
		return
	}
	p.drawn = now
	p.held.Status(progressLine(text, done, total))
}

// Done takes the line away.
func (p *Progress) Done() {
	if p == nil || p.held == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.drawn.IsZero() {
		p.held.Status("")
	}
	p.began, p.drawn = time.Time{}, time.Time{}
}

// A line is no longer than a narrow terminal is wide: one that wraps could not be taken away.
const (
	lineWidth = 78
	barWidth  = 20
)

func progressLine(text string, done, total uint64) string {
	line := []rune("nono: " + policy.Printable(text))
	end := ""
	if total > 0 {
		full := int(min(done, total) * barWidth / total)
		end = fmt.Sprintf(" [%s%s] %d%%", strings.Repeat("#", full), strings.Repeat(" ", barWidth-full),
			min(done, total)*100/total)
	}
	if room := lineWidth - utf8.RuneCountInString(end); len(line) > room {
		line = append(line[:room-3], []rune("...")...)
	}
	return string(line) + end
}
