package show

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	udiff "github.com/aymanbagabas/go-udiff"

	"github.com/nono-run/nono/plugins/snapshot/compare"
	"github.com/nono-run/nono/plugins/snapshot/tree"
	"github.com/nono-run/nono/sdk/bytejson"
	"github.com/nono-run/nono/sdk/policy"
)

// Names prints the names alone, one a line.
func Names(to io.Writer, changes []Named) error {
	for _, n := range changes {
		if _, err := fmt.Fprintln(to, policy.Printable(n.Name)); err != nil {
			return err
		}
	}
	return nil
}

// Stat prints a line for each change: what happened, and how many lines came and went.
func (p *Printer) Stat(changes []Named) error {
	table := tabwriter.NewWriter(p.To, 0, 0, 2, ' ', 0)
	for _, n := range changes {
		lines, err := p.lines(n.Change)
		if err != nil {
			return err
		}
		name := policy.Printable(n.Name)
		if n.From != "" {
			name = policy.Printable(n.OldName) + " -> " + name
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", Kind(n.Change), lines, name)
	}
	return table.Flush()
}

// lines is how many lines came and went: "+3 -1"; the sizes of what has none.
func (p *Printer) lines(c *compare.Change) (string, error) {
	if c.Before != nil && c.After != nil && c.What&(compare.Content|compare.Target) == 0 {
		return "", nil
	}
	old, oldText, err := p.Text(content(c.Before))
	if err != nil {
		return "", err
	}
	now, nowText, err := p.Text(content(c.After))
	switch {
	case err != nil:
		return "", err
	case !oldText || !nowText:
		return fmt.Sprintf("%d -> %d bytes", sizeOf(c.Before), sizeOf(c.After)), nil
	case !hasContent(c.Before) && !hasContent(c.After):
		return "", nil
	}
	added, removed := 0, 0
	for _, e := range udiff.Lines(old, now) {
		added += countLines(e.New)
		removed += countLines(old[e.Start:e.End])
	}
	return fmt.Sprintf("+%d -%d", added, removed), nil
}

func sizeOf(e *tree.Entry) int64 {
	if e == nil {
		return 0
	}
	return e.Size
}

func countLines(s string) int {
	n := strings.Count(s, "\n")
	if s != "" && !strings.HasSuffix(s, "\n") {
		n++
	}
	return n
}

// Session is a session's changes, as --json has them.
type Session struct {
	ID    string    `json:"session"`
	Began time.Time `json:"began"`
	Ended time.Time `json:"ended"`
	// Late says that the second snapshot was taken some time after the session's end.
	Late    bool     `json:"late,omitempty"`
	Changes []Change `json:"changes"`
	Notes   []string `json:"notes,omitempty"`
}

// Change is one of them.
type Change struct {
	Root string `json:"root"`
	// Path is beneath the root, and From where it was before.
	Path string `json:"path"`
	From string `json:"from,omitempty"`
	Kind string `json:"kind"`
	// What are the things that differ.
	What   []string `json:"what,omitempty"`
	Before *Entry   `json:"before,omitempty"`
	After  *Entry   `json:"after,omitempty"`
	Git    string   `json:"git,omitempty"` // the git directory that it lies in
	Why    string   `json:"why,omitempty"`
	// Permanent is why it cannot be undone.
	Permanent string `json:"permanent,omitempty"`
}

// Entry is what stood at a path.
type Entry struct {
	Type   string `json:"type"`
	Mode   string `json:"mode"`
	UID    uint32 `json:"uid"`
	GID    uint32 `json:"gid"`
	Size   int64  `json:"size"`
	Digest string `json:"digest,omitempty"`
	Target string `json:"target,omitempty"`
	MTime  int64  `json:"mtime_ns"`
}

// For is a change for a program.
func For(root string, c *compare.Change) Change {
	out := Change{
		Root: root, Path: c.Path, From: c.From, Kind: c.Kind().String(), Before: entry(c.Before),
		After: entry(c.After), Git: c.Git, Why: c.Why, Permanent: c.Permanent(),
	}
	if what := c.What.String(); what != "" {
		out.What = strings.Split(what, ", ")
	}
	return out
}

func entry(e *tree.Entry) *Entry {
	if e == nil {
		return nil
	}
	out := &Entry{
		Type: e.Type.String(), Mode: fmt.Sprintf("%06o", e.Mode), UID: e.UID, GID: e.GID, Size: e.Size,
		Target: e.Target, MTime: e.MTime,
	}
	if e.Content != (tree.Digest{}) {
		out.Digest = hex.EncodeToString(e.Content[:])
	}
	return out
}

// JSON writes anything of this package's for a program.
func JSON(to io.Writer, v any) error {
	text, err := bytejson.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(to, string(text))
	return err
}
